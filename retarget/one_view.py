"""The fit to one view: a body that was lifted and stands, and the pixels that it was lifted from."""

from __future__ import annotations

from clapcap.progress import Progress, silent
from lift.points import STATURE_M
from lift.upright.standing import Standing
from retarget.ik import FitResult, fit_motion
from skeleton.hierarchy import SkeletonDefinition
from skeleton.keypoints import Keypoints2D

JOINT_SET = "body18"


def fit_one_view(
    standing: Standing,
    skeleton: SkeletonDefinition,
    keypoints: Keypoints2D | None = None,
    height_m: float = STATURE_M,
    progress: Progress = silent,
) -> FitResult:
    """Fit a skeleton of constant bones to a lifted body: on the pixels across the rays, on the lifted points along.

    Parameters
    ----------
    standing
        The lifted body in its world.
    skeleton
        The skeleton to solve for; it needs landmarks for body18.
    keypoints
        The 2D keypoints that it was lifted from; None: the fit is on the lifted points alone.
    height_m
        The subject's height: one view does not tell size, so the skeleton's is this.
    progress
        As in `fit_motion`.

    Raises
    ------
    FitError
        As `fit_motion`.
    """
    return fit_motion(
        standing.keypoints,
        skeleton,
        JOINT_SET,
        progress,
        floor_m=None if standing.floor_from == "lowest" else standing.floor_m,
    )
