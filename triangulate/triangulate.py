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
from triangulate.confidence import relative_deviation
from triangulate.findings import find_troubles
from triangulate.left_right import ERROR_CAP, exchange, find_swaps, mirror_order
from triangulate.paths import GUESS_FACTOR, Paths
from triangulate.pixel_noise import INITIAL_NOISE, measure_noise, person_size_px
from triangulate.pose_offsets import PoseOffsets, find_pose_offsets
from triangulate.refine import RefinedPoints
from triangulate.report import Finding, TriangulationReport, count_survivors, make_report
from triangulate.robust import triangulate_robust
from triangulate.views import Views, gather_views
from triangulate.whole_person import wrong_at_moments, wrong_stretches
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
        What is believed of the views: left and right mended, wrong views switched off. Also holds single views of
        points that no second view determines, where they lie on the point's path.
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
    frames = len(given.time_s)
    steps = frames * (2 if options.refine else 1)
    given, swapped, wrong, offsets = _whole_persons(given, options.mend_left_right)
    relative = relative_deviation(given.confidence, given.names)
    right = np.where(wrong[..., None], np.inf, relative) if wrong.any() else relative
    noise = measure_noise(given.cameras, given.xy_px, right, given.names, offsets.px)
    sigma, stated = noise.sigma_px(right), noise.sigma_px(relative)
    solved, used = _solve_frames(given, sigma, lambda done, _: progress(done, steps))
    kept = _check_paths(given, sigma, solved, used)
    findings = find_troubles(given, solved.residual_px.reshape(*sigma.shape, 2), noise.camera_px, wrong, offsets)
    result = finish(
        given, solved, used, stated, noise.camera_px, swapped, options.max_sigma_m, "clapcap", kept, findings
    )
    if not options.refine:
        return result
    refinement = RefinementOptions(max_sigma_m=options.max_sigma_m)
    return refined_result(result, given.cameras, sigma, refinement, lambda done, _: progress(frames + done, steps))


def _whole_persons(given: Views, mend_left_right: bool) -> tuple[Views, Bools, Bools, PoseOffsets]:
    """Judge every view's person as a whole.

    Return the views with left and right mended, where they were swapped and wrong, (cameras, frames) each, and which
    cameras' poses are off.
    """
    xy, confidence = given.xy_px, given.confidence
    mirror = mirror_order(given.names)
    sizes = person_size_px(xy)
    coarse = wrong_at_moments(given.cameras, xy, confidence, sizes, mirror, given.time_s)
    offsets = find_pose_offsets(given, coarse)
    # A pose that is off spoils the others' evidence: it counts for as little as it will count for the points.
    share = offsets.px / (INITIAL_NOISE * sizes)
    weight = np.where(coarse[..., None], 0.0, confidence / (1 + np.nan_to_num(share) ** 2)[:, None, None])
    judged = find_swaps(given.cameras, xy, weight, sizes, mirror)
    allowed = np.nan_to_num(offsets.px / (ERROR_CAP * sizes))
    wrong = wrong_stretches(judged.disagreement, (confidence > 0).any(axis=2), allowed)
    swapped = judged.swapped & ~wrong
    if not mend_left_right:
        return given, np.zeros_like(swapped), wrong, offsets
    if swapped.any():
        xy, confidence = exchange(xy, swapped, mirror), exchange(confidence, swapped, mirror)
    return Views(given.cameras, given.names, xy, confidence, given.time_s), swapped, wrong, offsets


def _solve_frames(given: Views, sigma_px: Array, progress: Progress) -> tuple[RefinedPoints, Bools]:
    """Triangulate frame by frame: points and used views, flattened (frames x points)."""
    count, frames, points = sigma_px.shape
    total = frames * points
    solved = RefinedPoints(
        xyz_m=np.empty((total, 3)),
        covariance_m2=np.empty((total, 3, 3)),
        residual_px=np.empty((count, total, 2)),
        leverage=np.empty((count, 0, 2)),  # nobody asks for it here, and it would be large
    )
    used = np.empty((count, total), dtype=bool)
    at_once = max(1, POINTS_AT_ONCE // points)
    for start in range(0, frames, at_once):
        stop = min(start + at_once, frames)
        part = triangulate_robust(
            given.cameras,
            given.xy_px[:, start:stop].reshape(count, -1, 2),
            sigma_px[:, start:stop].reshape(count, -1),
        )
        here = slice(start * points, stop * points)
        solved.xyz_m[here], solved.covariance_m2[here] = part.points.xyz_m, part.points.covariance_m2
        solved.residual_px[:, here], used[:, here] = part.points.residual_px, part.used
        progress(stop, frames)
    return solved, used


def _check_paths(given: Views, sigma_px: Array, solved: RefinedPoints, used: Bools) -> Bools:
    """Solve points again that leave their path, in place; return the believed observations (cameras, frames, points).

    `solved` and `used` are of `_solve_frames`.
    """
    count, frames, points = sigma_px.shape
    xyz = solved.xyz_m.reshape(frames, points, 3)
    observed = np.isfinite(given.xy_px).all(axis=-1) & np.isfinite(sigma_px)
    paths = Paths.of(xyz, given.time_s)
    again = paths.suspicious(xyz, observed)
    if again.any():
        guess_sigma = GUESS_FACTOR * np.broadcast_to(paths.sigma_m, again.shape)[again]
        part = triangulate_robust(
            given.cameras, given.xy_px[:, again], sigma_px[:, again], (paths.xyz_m[again], guess_sigma)
        )
        # Two views that agree away from the path: one of them is wrong, or both.
        given_up = paths.far(part.points.xyz_m, part.points.covariance_m2, again) & (part.used.sum(axis=0) < 3)
        here = again.reshape(-1)
        solved.xyz_m[here] = np.where(given_up[:, None], np.nan, part.points.xyz_m)
        solved.covariance_m2[here] = np.where(given_up[:, None, None], np.nan, part.points.covariance_m2)
        solved.residual_px[:, here] = np.where(given_up[:, None], np.nan, part.points.residual_px)
        used[:, here] = part.used & ~given_up
    believed: Bools = used.reshape(count, frames, points).copy()
    alone = ~believed.any(axis=0) & observed.any(axis=0) & np.isfinite(paths.xyz_m[..., 0])
    believed[:, alone] = paths.believable(given.cameras, given.xy_px, sigma_px, alone)
    return believed


def finish(
    views: Views,
    solved: RefinedPoints,
    used: Bools,
    sigma_px: Array,
    noise_px: Array,
    swapped: Bools,
    max_sigma_m: float,
    solver: str,
    kept: Bools | None = None,
    findings: tuple[Finding, ...] = (),
) -> TriangulationResult:
    """Make the result of solved points (flattened: frames x points), whichever solver they come from.

    `kept` (cameras, frames, points) are the observations to go on with; None: those that are used.

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
        findings,
    )
    return TriangulationResult(
        keypoints=keypoints,
        used=used,
        covariance_m2=np.where(certain[..., None, None], covariance, np.nan),
        observations=Observations2D(
            views.cameras.names,
            views.names,
            views.xy_px,
            np.where(used if kept is None else kept, sigma_px, np.inf),
            views.time_s,
        ),
        report=report,
    )
