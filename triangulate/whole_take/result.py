"""The refined take as the result of a triangulation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.progress import Progress, silent
from skeleton.keypoints import Observations2D
from triangulate.whole_take.take import FEWEST_FRAMES, RefinementOptions, refine_take

if TYPE_CHECKING:
    from triangulate.triangulate import TriangulationResult

Array = npt.NDArray[np.float64]


def refined_result(
    result: TriangulationResult,
    cameras: CameraGroup,
    sigma_px: Array,
    options: RefinementOptions | None = None,
    progress: Progress = silent,
) -> TriangulationResult:
    """Return a triangulation with its points refined over the whole take.

    The report keeps its counts of how points were found, and its findings; its errors and shares are those of the
    refined points. A take too short to be refined stays as it is.

    Parameters
    ----------
    result
        Of points solved frame by frame.
    cameras
        The views, in the order of the result's observations.
    sigma_px
        (cameras, frames, points): of every observation that may be believed, those among them that were not used so
        far: the whole take can tell better which are wrong. Infinity: none.
    options, progress
        As for `refine_take`.
    """
    from triangulate.report import make_report

    seen = result.observations
    keypoints, report = result.keypoints, result.report
    if len(seen.time_s) < FEWEST_FRAMES:
        return result
    given = Observations2D(seen.camera_names, seen.names, seen.xy_px, sigma_px, seen.time_s)
    take = refine_take(cameras, given, keypoints.xyz_m, options, progress)
    swapped = np.zeros(sigma_px.shape[:2], dtype=bool)
    for place, name in enumerate(seen.camera_names):
        swapped[place, list(report.cameras[name].swapped_frames)] = True
    noise = np.array([report.cameras[name].noise_px for name in seen.camera_names])
    known = np.isfinite(take.xyz_m).all(axis=-1)
    anew = make_report(
        seen.names,
        seen.camera_names,
        take.residual_px,
        sigma_px,
        take.used,
        noise,
        swapped,
        report.survivors,
        report.solver,
    )
    return replace(
        result,
        keypoints=replace(
            keypoints,
            xyz_m=take.xyz_m,
            sigma_m=take.sigma_m,
            reprojection_px=np.where(take.used, np.linalg.norm(take.residual_px, axis=-1), np.nan),
            filled=take.filled,
        ),
        used=take.used,
        covariance_m2=take.covariance_m2,
        observations=replace(seen, sigma_px=np.where(take.used & known, sigma_px, np.inf)),
        report=replace(report, cameras=anew.cameras, median_px=anew.median_px, rmse_px=anew.rmse_px),
    )
