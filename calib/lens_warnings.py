"""Where a camera's lens is not to be trusted, why, and what to film, in words."""

from __future__ import annotations

from collections.abc import Sequence

from calib.intrinsics import LensEstimate
from clapcap.errors import CalibrationError

TILTED = 15.0
"""Degrees between board and picture. With all views below it, focal length and distance can hardly be told apart."""

SMALL = 0.1
"""Of the picture's larger side: a board that covers less shows hardly any perspective."""

WEAK_FOCAL = 0.02
"""Share of the focal length. A standard deviation above it is worth a warning: 2 % are 6 cm at 3 m."""

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


def warnings(name: str, estimate: LensEstimate, focal_std: float | None = None) -> list[str]:
    """Say in words where the lens of a camera is not to be trusted, and what to film.

    Parameters
    ----------
    name
        The camera's.
    estimate
        What its own views say.
    focal_std
        Standard deviation of the focal length as a share of it, from all that was used; None: from its own views.
    """
    said = []
    focal_std = estimate.focal_std if focal_std is None else focal_std
    if focal_std > WEAK_FOCAL:
        said.append(
            f"{name}: the focal length is known to {focal_std:.1%} only (one standard deviation), since "
            f"{focal_weakness(estimate)}."
        )
    unseen = estimate.coverage.unseen
    if estimate.views_used and estimate.coverage.only_middle:
        said.append(
            f"{name}: all corners lie in the middle of the picture; the lens's distortion outside of it is "
            "extrapolated. Carry the board to the edges and corners of the picture."
        )
    elif estimate.views_used and unseen:
        places = unseen[0] if len(unseen) == 1 else f"{', '.join(unseen[:-1])} or {unseen[-1]}"
        said.append(
            f"{name}: no corner was seen in {places} of the picture; the lens's distortion there is extrapolated. "
            "Carry the board there."
        )
    return said
