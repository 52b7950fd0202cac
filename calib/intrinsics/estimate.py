"""Each camera's lens from its own views of the board: where the bundle adjustment starts from, and what is known of it.

With the board small in the picture, free calibrations reach 0.2 px with focal lengths 30 % off: residuals do not tell.
Here all parameters are estimated with what is usual among lenses as a prior, and each gets a standard deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.intrinsics.coverage import Coverage, coverage_of
from calib.intrinsics.lens_fit import LensFit, fit_lens, held_out_costs
from calib.intrinsics.lens_prior import USUAL, LensPrior, usual_prior
from calib.intrinsics.single_camera import Seen
from calib.intrinsics.view_choice import choose_views
from calib.lenses import brown, fisheye
from calib.lenses.lens import Lens
from calib.solve.shared_views import SharedViews
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]

FEWEST_VIEWS = 3
"""Fewer views leave focal length and tilt of the board hard to tell apart (Zhang 2000, section 3.1 needs two)."""

FOCAL_RANGE = (0.2, 6.0)
"""In larger sides of the picture: from fisheye to long telephoto. Outside of it the estimate is a failure."""

WIDE = np.tan(np.radians(30))
"""A lens that showed corners this far from its axis is tried as a fisheye too. Nearer to the axis a fisheye and a Brown
lens draw the same picture: over 30 degrees they differ by less than 0.05 % of the focal length."""

CLEARLY = 2.0
"""Standard errors by which a fisheye must explain views held out better than Brown does. Of made-up lenses seen 15 to
40 times, 44 of 45 fisheyes are then recognised and 1 of 45 Brown lenses is taken for one. That costs little: where the
board was, a fisheye draws a Brown lens's picture as well."""


@dataclass(frozen=True, eq=False)
class LensEstimate:
    """One camera's lens, and how it was found.

    Attributes
    ----------
    lens
        The model.
    matrix
        (3, 3), pixels.
    distortion
        (parameters of the lens,).
    std
        (4 + distortion,): standard deviations of fx in pixels, fy / fx, cx, cy in pixels, and the distortion; given the
        views and the prior.
    prior
        What was known before, which a bundle adjustment of the same views must take rather than `std`: the views would
        count twice.
    views, views_used
        Views of the board that there were, and that were chosen.
    rmse_px
        Root mean square distance of the chosen views' corners, without outliers.
    noise_px
        Standard deviation of a corner's coordinate in the median view.
    coverage
        Where corners were seen.
    tilt_deg
        Angle between board and picture that a tenth of the views exceed; NaN without views.
    board_share
        How large the board is in the median view: the mean of its sides, in larger sides of the picture.
    fisheye_gain
        How much better the views held out are explained by a fisheye than by Brown, in standard errors; NaN if no
        fisheye was tried.
    """

    lens: Lens
    matrix: Array
    distortion: Array
    std: Array
    prior: LensPrior
    views: int
    views_used: int
    rmse_px: float
    noise_px: float
    coverage: Coverage
    tilt_deg: float
    board_share: float
    fisheye_gain: float

    @property
    def focal_std(self) -> float:
        """Standard deviation of the focal length, as a share of it."""
        return float(self.std[0] / self.matrix[0, 0])

    @property
    def preset_contradiction(self) -> float:
        """How far the lens is from what was known of it, in standard deviations over all parameters; 0 if nothing was.

        Views that say little leave it near 0; those that are stronger than the preset move it to what they say.
        """
        if self.prior.source == USUAL:
            return 0.0
        K = self.matrix
        lens = np.array([np.log(K[0, 0]), K[1, 1] / K[0, 0], K[0, 2], K[1, 2], *self.distortion])
        return float(np.sqrt(self.prior.cost(lens)))


def estimate_lenses(shared: SharedViews, known: Mapping[str, LensPrior] | None = None) -> list[LensEstimate]:
    """Estimate the lens of each camera from the views of that camera alone.

    Parameters
    ----------
    shared
        The views.
    known
        What is known of some cameras' lenses, by camera, such as from presets; of the others, what is usual.

    Raises
    ------
    CalibrationError
        If a camera of which nothing is known has too few views, or its views determine no lens.
    """
    known = known or {}
    return [
        estimate_lens(
            name,
            shared.board.corners_m,
            shared.xy_px[camera, shared.usable[camera]],
            (int(shared.image_size_px[camera, 0]), int(shared.image_size_px[camera, 1])),
            known.get(name),
        )
        for camera, name in enumerate(shared.camera_names)
    ]


def estimate_lens(
    name: str, corners_m: Array, xy_px: Array, size_px: tuple[int, int], known: LensPrior | None = None
) -> LensEstimate:
    """Estimate the lens of one camera.

    Parameters
    ----------
    name
        The camera's.
    corners_m
        (corners, 3), board frame.
    xy_px
        (views, corners, 2), NaN where not seen; each view of four corners or more that form no line.
    size_px
        Width and height.
    known
        What is known of the lens; None: what is usual, of Brown lenses and of fisheyes.

    Raises
    ------
    CalibrationError
        As `estimate_lenses`.
    """
    if len(xy_px) < FEWEST_VIEWS:
        if known is not None:
            return _as_known(known, xy_px, size_px)
        raise CalibrationError(
            f"{name}: the board was seen well (four corners or more that form no line) in {len(xy_px)} moments, "
            f"needed {FEWEST_VIEWS}. Carry the board through this camera's view too, tilted, near and far."
        )
    prior = known or usual_prior(brown.LENS, size_px)
    corners_m = corners_m - corners_m.mean(axis=0)  # turning a board about its middle does not move it
    places, begin = choose_views(corners_m, xy_px, size_px, prior)
    chosen = xy_px[places]
    fitted, gain = fit_lens(corners_m, chosen, size_px, prior, begin), np.nan
    if known is None and _angle(fitted) > WIDE:
        wide_prior = usual_prior(fisheye.LENS, size_px)
        wide = fit_lens(corners_m, chosen, size_px, wide_prior)
        gain = fisheye_gain(fitted, prior, wide, wide_prior)
        if gain > CLEARLY:
            fitted, prior = wide, wide_prior
    _refuse_no_lens(name, fitted, size_px)
    T = fitted.fit.T_cam_board
    extent = np.ptp(corners_m[:, :2], axis=0).mean()
    return LensEstimate(
        lens=prior.lens,
        matrix=_matrix(fitted.fit.parameters, fitted.fit.focal_px),
        distortion=fitted.fit.parameters[4:],
        std=_std(fitted),
        prior=prior,
        views=len(xy_px),
        views_used=len(chosen),
        rmse_px=fitted.rmse_px,
        noise_px=fitted.noise_px,
        coverage=coverage_of(xy_px, size_px),
        tilt_deg=float(np.degrees(np.quantile(np.arccos(np.minimum(np.abs(T[:, 2, 2]), 1)), 0.9))),
        board_share=float(np.median(extent / T[:, 2, 3]) * fitted.fit.focal_px[0] / max(size_px)),
        fisheye_gain=gain,
    )


def fisheye_gain(narrow: LensFit, narrow_prior: LensPrior, wide: LensFit, wide_prior: LensPrior) -> float:
    """Return how much better views held out are explained by the second lens than by the first, in standard errors.

    Where the second explains even the views that it was fitted to no better, that is what is returned: 0 or less.
    """
    noise_px = min(narrow.noise_px, wide.noise_px)
    sigma_px = np.full(narrow.seen.sigma_px.shape, noise_px)
    judged = Seen(narrow.seen.corners_m, narrow.seen.xy_px, sigma_px)
    gains = judged.costs(narrow.fit, robust=True) - judged.costs(wide.fit, robust=True)
    if gains.sum() > 0:
        gains = held_out_costs(narrow, narrow_prior, sigma_px) - held_out_costs(wide, wide_prior, sigma_px)
    # The standard error of a sum; costs scatter by 1 or so even where all views agree to the last digit.
    return float(gains.sum() / np.sqrt(len(gains) * max(np.var(gains), 1e-6)))


def _angle(fitted: LensFit) -> float:
    """Return the tangent of the angle from the axis beyond which one in a hundred of the corners was seen."""
    xy, _, _ = fitted.fit.normalised(fitted.seen.corners_m)
    radius = np.linalg.norm(xy, axis=-1)[np.isfinite(fitted.seen.xy_px[..., 0])]
    return float(np.quantile(radius[np.isfinite(radius)], 0.99))


def _matrix(parameters: Array, focal_px: Array) -> Array:
    return np.array([[focal_px[0], 0, parameters[2]], [0, focal_px[1], parameters[3]], [0, 0, 1]])


def _std(fitted: LensFit) -> Array:
    std: Array = np.sqrt(np.diag(fitted.covariance))
    std[0] *= fitted.fit.focal_px[0]  # of the logarithm, so far
    return std


def _as_known(known: LensPrior, xy_px: Array, size_px: tuple[int, int]) -> LensEstimate:
    """Return a lens that is known, of a camera with too few views to say more."""
    focal_px = known.mean[0] * np.array([1.0, known.mean[1]])
    return LensEstimate(
        lens=known.lens,
        matrix=_matrix(known.mean, focal_px),
        distortion=known.mean[4:],
        std=known.std,
        prior=known,
        views=len(xy_px),
        views_used=0,
        rmse_px=np.nan,
        noise_px=np.nan,
        coverage=coverage_of(xy_px, size_px),
        tilt_deg=np.nan,
        board_share=np.nan,
        fisheye_gain=np.nan,
    )


def _refuse_no_lens(name: str, fitted: LensFit, size_px: tuple[int, int]) -> None:
    side = max(size_px)
    focal_px = float(fitted.fit.focal_px[0])
    low, high = FOCAL_RANGE
    if not low * side <= focal_px <= high * side:
        raise CalibrationError(
            f"{name}: its {len(fitted.seen.xy_px)} views of the board give a focal length of {focal_px:.0f} px, needed "
            f"{low * side:.0f} to {high * side:.0f} px for pictures of {size_px[0]} x {size_px[1]} px. The board was "
            "probably never tilted, or the board's spec is wrong. Carry it again, tilted by 30 degrees and more in all "
            "directions."
        )
