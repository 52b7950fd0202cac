"""The fit to one view: a body that was lifted and stands, and the pixels that it was lifted from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.progress import Progress, silent
from lift.points import STATURE_M
from lift.upright.standing import Standing
from retarget.ik import FitResult, Inferred, fit_motion
from retarget.pixels import PixelViews
from skeleton.hierarchy import SkeletonDefinition
from skeleton.joint_sets import load_joint_set, map_keypoints2d
from skeleton.keypoints import Keypoints2D, Observations2D
from triangulate.confidence import relative_deviation
from triangulate.pixel_noise import INITIAL_NOISE, MIN_NOISE_PX, person_size_px

Array = npt.NDArray[np.float64]

JOINT_SET = "body18"

_NOISE = 2 * INITIAL_NOISE
"""Deviation of a detection, as a share of the person's size in the picture: twice what it is, since the lifter has seen
the same detections. On lifted validation subjects joints are best so: 43.2 mm (PA-MPJPE) against 43.9 with once, 44.0
with four times, and 45.2 as lifted."""


def fit_one_view(
    standing: Standing,
    skeleton: SkeletonDefinition,
    pixels: PixelViews | None = None,
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
    pixels
        What the camera shows of it, as `one_view_pixels` gives it; None: the fit is on the lifted points alone.
    height_m
        The subject's height: one view does not tell size, so the skeleton's is this.
    progress
        As in `fit_motion`.

    Raises
    ------
    FitError
        As `fit_motion`.
    """
    fit = fit_motion(
        standing.keypoints,
        skeleton,
        JOINT_SET,
        progress,
        pixels=pixels,
        floor_m=None if standing.floor_from == "lowest" else standing.floor_m,
        inferred=Inferred(height_m, standing.contact),
    )
    if standing.floor_from != "feet":
        return fit
    return replace(fit, report=replace(fit.report, floor_from="feet"))


def one_view_pixels(standing: Standing, keypoints: Keypoints2D) -> PixelViews:
    """Return what the camera shows of body18, as noisy as detections of that confidence and size usually are."""
    seen = map_keypoints2d(keypoints, load_joint_set(JOINT_SET))
    size = person_size_px(seen.xy_px[None])[0]
    noise = max(_NOISE * float(size), MIN_NOISE_PX) if np.isfinite(size) else MIN_NOISE_PX
    known = relative_deviation(keypoints.confidence, keypoints.names)
    relative = relative_deviation(seen.confidence)
    for place, name in enumerate(seen.names):
        if name in keypoints.names:
            relative[:, place] = known[:, keypoints.names.index(name)]
    sigma = np.where(np.isfinite(seen.xy_px).all(axis=-1), noise * relative, np.inf)
    observations = Observations2D((standing.camera.name,), seen.names, seen.xy_px[None], sigma[None], seen.time_s)
    return PixelViews(observations, CameraGroup((standing.camera,)))
