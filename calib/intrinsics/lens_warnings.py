"""Where a camera's lens is not to be trusted, why, and what to film, in words."""

from __future__ import annotations

from collections.abc import Sequence

from calib.intrinsics.estimate import LensEstimate
from calib.intrinsics.lens_prior import USUAL
from clapcap.errors import CalibrationError

TILTED = 15.0
"""Degrees between board and picture. With all views below it, focal length and distance can hardly be told apart."""

SMALL = 0.1
"""Of the picture's larger side: a board that covers less shows hardly any perspective."""

CONTRADICTION = 5.0
"""How many standard deviations of a preset its camera's views may move the lens, over all parameters (root of the
squared distance). 9 parameters drawn from a preset that holds are beyond it 1 time in 300."""

MAX_FOCAL_STD = 0.05
"""Share of the focal length. A calibration with a standard deviation above it is refused: 5 % are 15 cm at 3 m."""


def focal_weakness(estimate: LensEstimate) -> str:
    """Say in words what the views lack that would tell the focal length, and what to film."""
    if estimate.views_used == 0:
        return f"the board was seen in {estimate.views} moments only: carry it through this camera's view"
    if estimate.tilt_deg < TILTED:
        return (
            f"the board was never tilted towards it: nine of ten views are within {estimate.tilt_deg:.0f} degrees of "
            f"straight on, needed are views beyond {TILTED:.0f}: tilt the board by 30 to 45 degrees in all directions"
        )
    if estimate.board_share < SMALL:
        return (
            f"the board was far away: it fills {estimate.board_share:.0%} of the picture's length in the middle view, "
            f"needed {SMALL:.0%} and more: carry it nearer to this camera, or use a larger board"
        )
    if estimate.coverage.only_middle:
        return "all corners lie in the middle of its picture: carry the board to the edges of the picture too"
    return f"{estimate.views} views are too few or too much alike: carry the board near, far and tilted, more slowly"


def refuse_uncertain_focal(names: Sequence[str], estimates: Sequence[LensEstimate], focal_std: Sequence[float]) -> None:
    """Stop where the focal length of a camera is not known well enough.

    Parameters
    ----------
    names, estimates
        The cameras, and what their own views say.
    focal_std
        (cameras,): standard deviation of the focal length as a share of it, from all that was used.

    Raises
    ------
    CalibrationError
        With the cameras, the reason in words and what to film.
    """
    weak = [
        f"{name}: the focal length is known to {std:.0%} only (one standard deviation, at most {MAX_FOCAL_STD:.0%} "
        f"allowed), since {focal_weakness(estimate)}."
        for name, estimate, std in zip(names, estimates, focal_std, strict=True)
        if not std <= MAX_FOCAL_STD
    ]
    if weak:
        raise CalibrationError("\n".join(weak))


def lens_notes(names: Sequence[str], estimates: Sequence[LensEstimate]) -> tuple[str, ...]:
    """Say in sentences where lenses are not to be trusted: against a preset, and where no corner was ever seen."""
    notes = []
    for name, estimate in zip(names, estimates, strict=True):
        focal_px, known = estimate.matrix[0, 0], estimate.prior
        if estimate.preset_contradiction > CONTRADICTION:
            notes.append(
                f"{name}: its views contradict {known.source}: a focal length of {focal_px:.0f} px rather than "
                f"{known.mean[0]:.0f} +- {known.std[0]:.0f} px. Was it zoomed, or was its stabilisation or field of "
                "view set otherwise? If so, leave the preset out."
            )
    blind = [
        f"{name} ({'all around the middle' if estimate.coverage.only_middle else ', '.join(estimate.coverage.unseen)})"
        for name, estimate in zip(names, estimates, strict=True)
        if estimate.coverage.unseen and estimate.prior.source == USUAL
    ]
    if blind:
        notes.append(
            f"Lens distortion is extrapolated where no corner of the board was seen in the picture: {'; '.join(blind)}."
        )
    return tuple(notes)
