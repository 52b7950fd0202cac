"""From the keypoints of several views to points in space: the use case, start to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from clapcap.progress import Progress, silent
from skeleton.keypoints import Keypoints2D, Keypoints3D, Observations2D
from triangulate.left_right import exchange, find_swaps, mirror_order
from triangulate.pixel_noise import estimate_noise_px, observation_sigma_px, person_size_px
from triangulate.refine import RefinedPoints
from triangulate.report import TriangulationReport, count_survivors, make_report
from triangulate.robust import triangulate_robust
from triangulate.views import Views, gather_views
from triangulate.whole_take.result import refined_result
from triangulate.whole_take.take import RefinementOptions

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Points solved at once: bounds the memory of a long take, and is how often progress is told.
POINTS_AT_ONCE = 20_000


@dataclass(frozen=True)
class TriangulationOptions:
    """What can be chosen.

    Attributes
    ----------
    mend_left_right
        Look for views that have left and right exchanged, and exchange them back.
    refine
        Refine all points of the take at once, with constant bones and smooth motion: `triangulate.whole_take`.
    max_sigma_m
        Points less certain than this are left out: a quarter of a metre is no position of a joint.
    """

    mend_left_right: bool = True
    refine: bool = True
    max_sigma_m: float = 0.25


@dataclass(frozen=True, eq=False)
class TriangulationResult:
    """Points in space and what they rest on.

    Attributes
    ----------
    keypoints
        The points; `reprojection_px` of the views that were used.
    used
        (cameras, frames, points): the views that determine each point.
    covariance_m2
        (frames, points, 3, 3): covariance of each position in the world, square metres; NaN without a position.
    observations
        What the points rest on: left and right mended, the views that are not used switched off.
    report
        The numbers of the take.
    """

    keypoints: Keypoints3D
    used: Bools
    covariance_m2: Array
    observations: Observations2D
    report: TriangulationReport


def triangulate(
    views: Mapping[str, Keypoints2D],
    cameras: CameraGroup,
    options: TriangulationOptions | None = None,
    progress: Progress = silent,
) -> TriangulationResult:
    """Triangulate one person's keypoints.

    Views that exchange left and right are mended, each camera's pixel noise is estimated from the take, wrong views are
    dropped point by point, and each point is refined on its reprojection error. Then all points of the
    take are refined at once, with constant bones and smooth motion (`options.refine`): positions that rest on no view
    of their frame are marked in `filled`, and what is too uncertain is NaN. Without that, points are solved each for
    itself, and gaps stay NaN: see `retarget.cleanup.gaps.fill_gaps`.

    Parameters
    ----------
    views
        Each camera's keypoints, all on one timeline (the same `time_s`).
    cameras
        The calibration; cameras without a view are ignored.
    options
        None: the defaults.
    progress
        Told frames.

    Raises
    ------
    TriangulationError
        If the views do not fit each other or the calibration, or determine no point at all.
    """
    options = options or TriangulationOptions()
    given = gather_views(views, cameras)
    xy, confidence = given.xy_px, given.confidence
    swapped = np.zeros(xy.shape[:2], dtype=bool)
    if options.mend_left_right:
        mirror = mirror_order(given.names)
        swapped = find_swaps(given.cameras, xy, confidence, person_size_px(xy), mirror).swapped
        xy, confidence = exchange(xy, swapped, mirror), exchange(confidence, swapped, mirror)
    noise = estimate_noise_px(given.cameras, xy, confidence)
    sigma = observation_sigma_px(confidence, noise)

    frames, points = xy.shape[1:3]
    steps = frames * (2 if options.refine else 1)
    parts = []
    at_once = max(1, POINTS_AT_ONCE // points)
    for start in range(0, frames, at_once):
        part = slice(start, start + at_once)
        flat_xy = xy[:, part].reshape(len(given.cameras), -1, 2)
        parts.append(triangulate_robust(given.cameras, flat_xy, sigma[:, part].reshape(len(given.cameras), -1)))
        progress(min(start + at_once, frames), steps)
    solved = RefinedPoints(
        xyz_m=np.concatenate([part.points.xyz_m for part in parts]),
        covariance_m2=np.concatenate([part.points.covariance_m2 for part in parts]),
        residual_px=np.concatenate([part.points.residual_px for part in parts], axis=1),
        leverage=np.concatenate([part.points.leverage for part in parts], axis=1),
    )
    used = np.concatenate([part.used for part in parts], axis=1)
    given = Views(given.cameras, given.names, xy, confidence, given.time_s)
    result = finish(given, solved, used, sigma, noise, swapped, options.max_sigma_m, "clapcap")
    if not options.refine:
        return result
    refinement = RefinementOptions(max_sigma_m=options.max_sigma_m)
    return refined_result(result, given.cameras, sigma, refinement, lambda done, _: progress(frames + done, steps))


def finish(
    views: Views,
    solved: RefinedPoints,
    used: Bools,
    sigma_px: Array,
    noise_px: Array,
    swapped: Bools,
    max_sigma_m: float,
    solver: str,
) -> TriangulationResult:
    """Make the result of solved points (flattened: frames x points), whichever solver they come from.

    Raises
    ------
    TriangulationError
        If no point is left.
    """
    cameras, frames, points = views.xy_px.shape[:3]
    used = used.reshape(cameras, frames, points)
    covariance = solved.covariance_m2.reshape(frames, points, 3, 3)
    sigma_m = np.sqrt(np.trace(covariance, axis1=2, axis2=3) / 3)
    agreed = used.any(axis=0)
    certain = agreed & (sigma_m <= max_sigma_m)
    used = used & certain
    survivors = count_survivors(views.xy_px, sigma_px, agreed, certain, used)
    if not certain.any():
        causes = survivors.causes() or ["the cameras are not where the calibration says: calibrate again"]
        ranked = "; ".join(f"{rank}. {cause}" for rank, cause in enumerate(causes, 1))
        raise TriangulationError(
            f"no point can be triangulated from {', '.join(views.cameras.names)}: {survivors.text()}. "
            f"Likely causes, likeliest first: {ranked}."
        )
    residual = solved.residual_px.reshape(cameras, frames, points, 2)
    keypoints = Keypoints3D(
        names=views.names,
        xyz_m=np.where(certain[..., None], solved.xyz_m.reshape(frames, points, 3), np.nan),
        sigma_m=np.where(certain, sigma_m, np.nan),
        time_s=views.time_s,
        reprojection_px=np.where(used, np.linalg.norm(residual, axis=-1), np.nan),
        camera_names=views.cameras.names,
        filled=np.zeros((frames, points), dtype=bool),
    )
    report = make_report(
        views.names,
        views.cameras.names,
        np.where(certain[..., None], residual, np.nan),
        sigma_px,
        used,
        noise_px,
        swapped,
        survivors,
        solver,
    )
    return TriangulationResult(
        keypoints=keypoints,
        used=used,
        covariance_m2=np.where(certain[..., None, None], covariance, np.nan),
        observations=Observations2D(
            views.cameras.names, views.names, views.xy_px, np.where(used, sigma_px, np.inf), views.time_s
        ),
        report=report,
    )
