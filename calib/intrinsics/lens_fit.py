"""A lens fitted to its views, robustly, with its covariance, and judged on views that it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.intrinsics.lens_prior import LensPrior
from calib.intrinsics.lens_start import choose_poses, start
from calib.intrinsics.single_camera import Fit, Seen, eliminated, minimise, minimise_poses, normal_equations

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OUTLIER_SIGMA = 5.0
"""A corner further from its prediction, in its view's standard deviations, does not count: normal noise in the plane
goes that far 4 times in a million."""

LOST_VIEW = 6.0
"""A view this many times as noisy as the median view does not count at all."""

NOISE_FLOOR_PX = 0.02
"""No corner detector is better. Keeps the weights finite on exact corners."""

COMMON_COORDINATES = 8
"""As many coordinates of the common noise are mixed into a view's own: a view of few corners is not believed when it
claims to be much better than the others."""

MOST_ROUNDS = 12
"""Of learning the noise. Two or three are usual; where whole views are wrong, such as a checkerboard found upside down,
it falls by a third a round."""

ROUGHLY, FINALLY = 1e-3, 1e-6
"""Share of the cost that the last step gains: while the weights are still to change, and in the end. With 500 corners,
the second is a thirtieth of a standard deviation."""

INDEPENDENT_VIEWS = 10
"""As many views of independent corners are mixed into the spread of the views' scores: a handful of views does not tell
the spread in nine directions. For lenses drawn from the prior, errors in standard deviations are then 1.0 to 1.1 (root
mean square; 20 and 50 views), 0.7 to 0.8 with 10 views."""

NEAR = 1e-7
"""Damping of the first step once the lens is known roughly: Newton's steps then lead to the minimum the fastest."""

FOLDS = 4
"""Parts that the views are split into; each is judged by the lens that the others give."""


@dataclass(frozen=True, eq=False)
class LensFit:
    """A fitted lens.

    Attributes
    ----------
    fit
        The lens and the poses of the views.
    seen
        The views, with the standard deviations that they were weighted by; infinite for outliers.
    noise_px
        Standard deviation of a coordinate in the median view.
    covariance
        (4 + n, 4 + n) of the parameters: log(fx), fy / fx, cx, cy in pixels, and the distortion.
    """

    fit: Fit
    seen: Seen
    noise_px: float
    covariance: Array

    @property
    def rmse_px(self) -> float:
        """Root mean square distance of the corners that count."""
        counts = np.isfinite(self.seen.sigma_px) & np.isfinite(self.seen.xy_px[..., 0])
        return float(np.sqrt(np.mean(self.seen.distances(self.fit)[counts] ** 2)))


def fit_lens(
    corners_m: Array, xy_px: Array, size_px: tuple[int, int], prior: LensPrior, begin: Fit | None = None
) -> LensFit:
    """Fit a lens to views of the board.

    First by Cauchy's loss, which learns the noise; then every view gets a noise of its own, since a board that moves
    blurs all of its corners at once; what stands out of that is left out, and the rest is weighted least squares.

    Parameters
    ----------
    corners_m
        (corners, 3), board frame.
    xy_px
        (views, corners, 2), NaN where not seen; each view of four corners or more that form no line.
    size_px
        Width and height.
    prior
        Of the lens.
    begin
        Where to begin; None: with all focal lengths that there are.
    """
    noise_px = 0.01 * max(size_px)
    seen = Seen(corners_m, xy_px, np.full(xy_px.shape[:2], noise_px))
    fit = begin or start(seen, prior, size_px)
    for _ in range(2 if begin is None else 0):
        fit = minimise(seen, choose_poses(seen, fit), prior, robust=True, most=10, enough=ROUGHLY)
    for _ in range(MOST_ROUNDS):
        previous, noise_px = noise_px, _noise_px(seen, fit)
        seen = Seen(corners_m, xy_px, np.full(xy_px.shape[:2], noise_px))
        fit = minimise(seen, fit, prior, robust=True, enough=ROUGHLY, damping=NEAR)
        if noise_px > 0.9 * previous:
            break
    for enough in (ROUGHLY, FINALLY):
        seen, noise_px = weighted(seen, fit, noise_px)
        fit = minimise(seen, fit, prior, robust=False, enough=enough, damping=NEAR)
    return LensFit(fit, seen, noise_px, _covariance(seen, fit, prior))


def held_out_costs(fitted: LensFit, prior: LensPrior, sigma_px: Array) -> Array:
    """Return (views,) how badly each view is explained by the lens that views of other folds give.

    The held-out view's own pose is fitted to it: six numbers that every lens model gets alike. Cauchy's loss of the
    distances in the standard deviations `sigma_px` (views, corners) that are common to all models compared.
    """
    seen, fit = fitted.seen, fitted.fit
    judged = Seen(seen.corners_m, seen.xy_px, sigma_px)
    fold = np.arange(len(seen.xy_px)) % FOLDS
    costs = np.zeros(len(fold))
    for part in range(FOLDS):
        others, own = fold != part, fold == part
        lens = minimise(
            seen.views(others), _views(fit, others), prior, robust=False, most=15, enough=ROUGHLY, damping=NEAR
        )
        there = Fit(fit.lens, lens.parameters, fit.T_cam_board[own])
        there = minimise_poses(judged.views(own), there, most=10)
        costs[own] = judged.views(own).costs(there, robust=True)
    return costs


def _views(fit: Fit, which: Mask) -> Fit:
    return Fit(fit.lens, fit.parameters, fit.T_cam_board[which])


def _noise_px(seen: Seen, fit: Fit) -> float:
    """Estimate the standard deviation of a coordinate; the median distance in the plane is 1.1774 of it (Rayleigh)."""
    distance = seen.distances(fit)
    own = distance[np.isfinite(seen.xy_px[..., 0])]
    left = 1 - 3 * len(distance) / len(own)  # share of the coordinates that the poses leave free; 1 / 4 at the least
    return max(NOISE_FLOOR_PX, float(np.median(own) / 1.1774 / np.sqrt(left)))


def weighted(seen: Seen, fit: Fit, noise_px: float) -> tuple[Seen, float]:
    """Give every view its own noise and leave out what stands out; return also the median view's noise."""
    distance = seen.distances(fit)
    corners = np.isfinite(distance).sum(axis=1)
    left = np.maximum(2 * corners - 6, 0)
    own = np.minimum(np.nanmedian(distance, axis=1) / 1.1774, 1e3) ** 2 * 2 * corners / np.maximum(left, 1)
    noise = np.sqrt((COMMON_COORDINATES * noise_px**2 + left * own) / (COMMON_COORDINATES + left))
    noise = np.maximum(NOISE_FLOOR_PX, noise)
    common = float(np.median(noise))
    sigma = np.broadcast_to(noise[:, None], distance.shape)
    counts = (np.nan_to_num(distance, nan=np.inf) < OUTLIER_SIGMA * sigma) & (sigma < LOST_VIEW * common)
    counts &= (counts.sum(axis=1) >= 4)[:, None]
    return Seen(seen.corners_m, seen.xy_px, np.where(counts, sigma, np.inf)), common


def _covariance(seen: Seen, fit: Fit, prior: LensPrior) -> Array:
    """Return the covariance of the parameters, (p, p), with the views as independent witnesses.

    The corners of one view err together: by blur, by a board that is not flat, by a rolling shutter. What the views
    say against each other is in their scores g at the solution, so that with the information A = sum A_v + P, where P
    is the prior's, the covariance is A^-1 (sum g g^T + P) A^-1 (H. White, "Maximum likelihood estimation of
    misspecified models", 1982). The sum of g g^T is enlarged for few views, and mixed with that of independent corners
    of the same noise or, if the views contradict each other more, of as much more noise.
    """
    free = prior.std > 0
    if not free.any():
        return np.zeros((len(free), len(free)))
    normal = normal_equations(seen, fit, prior, robust=False)
    information, scores, _ = eliminated(normal)
    information, scores = information[np.ix_(free, free)], scores[:, free]
    inverse = np.linalg.pinv(information, hermitian=True)
    views = int(np.isfinite(seen.sigma_px).any(axis=1).sum())
    known = np.diag(prior.precision[free])
    seen_information = information - known
    taken = float(np.trace(inverse @ seen_information))  # how many parameters the views tell, rather than the prior
    spread = scores.T @ scores * views / max(1.0, views - taken)
    ratio = max(1.0, float(np.trace(inverse @ spread)) / taken)
    spread = (views * spread + INDEPENDENT_VIEWS * ratio * seen_information) / (views + INDEPENDENT_VIEWS)
    covariance = np.zeros((len(free), len(free)))
    covariance[np.ix_(free, free)] = inverse @ (spread + known) @ inverse
    return covariance
