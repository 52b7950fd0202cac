"""Single stages, on data and on files: what `process` chains, and what `triangulate` and `fit` offer alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap.errors import FileFormatError, SessionError
from clapcap.progress import Progress, silent
from session.atomic import written_whole
from session.settings import SOLVERS, ProcessSettings
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints2D, Keypoints3D
    from skeleton.motion import Motion


def cameras_for(path: Path, views: Mapping[str, Keypoints2D]) -> CameraGroup:
    """Load the calibrated cameras of the views, in the order of the views, fitted to the size of their pictures.

    Raises
    ------
    SessionError
        If a view's camera is not in the calibration.
    CalibrationError
        If a view's picture cannot be what was calibrated.
    """
    from calib.cameras import CameraGroup
    from calib.interchange import adapt_to_size, load_cameras

    cameras = load_cameras(path)
    unknown = [name for name in views if name not in cameras.names]
    if unknown:
        raise SessionError(
            f"{path} does not hold {', '.join(unknown)} (it holds {', '.join(cameras.names)}). A file's stem names its "
            "camera: rename the files, or the cameras."
        )
    fitted = []
    for name, view in views.items():
        width, height = (int(size) for size in view.image_size_px)
        fitted.append(adapt_to_size(cameras[name], (width, height)))
    return CameraGroup(tuple(fitted))


def triangulate_views(
    views: Mapping[str, Keypoints2D],
    cameras: CameraGroup,
    solver: str,
    max_gap_s: float,
    progress: Progress = silent,
) -> tuple[Keypoints3D, dict[str, Any]]:
    """Triangulate views that share one timeline and fill short gaps; also return the numbers for the report."""
    from triangulate.gaps import fill_gaps
    from triangulate.report import BODY_JOINTS
    from triangulate.triangulate import triangulate

    if solver == "anipose":
        from triangulate.anipose_solver import triangulate_anipose

        result = triangulate_anipose(views, cameras)
    else:
        result = triangulate(views, cameras, progress=progress)
    keypoints = fill_gaps(result.keypoints, max_gap_s)
    report = result.report
    body = [place for place, name in enumerate(keypoints.names) if name in BODY_JOINTS]
    return keypoints, {
        "frames": len(keypoints.time_s),
        "median_px": report.median_px,
        "rmse_px": report.rmse_px,
        "share": report.share,
        "filled_share": float(keypoints.filled[:, body].mean()) if body else 0.0,
        "cameras": {name: dataclasses.asdict(camera) for name, camera in report.cameras.items()},
        "survivors": dataclasses.asdict(report.survivors),
    }


def fit_keypoints(keypoints: Keypoints3D, skeleton: str, progress: Progress = silent) -> tuple[Motion, dict[str, Any]]:
    """Fit bones to 3D keypoints; also return the numbers for the report."""
    from retarget.ik import fit_motion
    from skeleton.hierarchy import load_skeleton

    fit = fit_motion(keypoints, load_skeleton(skeleton), progress=progress)
    after = fit.motion.world_positions()
    lengths_m = np.linalg.norm(after[:, 1:] - after[:, fit.motion.parents[1:]], axis=-1)
    long = lengths_m.mean(axis=0) > 0
    spread_after = float((lengths_m.std(axis=0)[long] / lengths_m.mean(axis=0)[long]).mean())
    return fit.motion, {
        "frames": len(fit.motion.time_s),
        "residual_mm": 1000 * fit.report.residual_m,
        "spread_before": fit.report.spread_before,
        "spread_after": spread_after,
        "limits_kept_share": fit.report.limits_kept_share,
        "bone_length_m": dict(fit.report.bone_length_m),
    }


def triangulate_files(
    cameras_file: Path, files: Sequence[Path], output: Path, time_map: Path | None, solver: str, terminal: Terminal
) -> None:
    """Triangulate keypoint files into one file, whose suffix says the format.

    Raises
    ------
    SessionError, FileFormatError
        If the files do not fit each other.
    """
    from skeleton.formats import save_keypoints3d
    from skeleton.formats.npz import load_keypoints2d
    from sync.resample import common_timeline, resample_keypoints
    from sync.time_map import TimeMap

    if solver not in SOLVERS:
        raise SessionError(f'--solver "{solver}" is unknown: needed one of {", ".join(SOLVERS)}.')
    views = {path.stem: load_keypoints2d(path) for path in files}
    if len(views) < 2:
        raise SessionError(
            f"{len(views)} camera given, 2 or more needed: one file a camera, its stem the camera's name."
        )
    if time_map is not None:
        clocks = TimeMap.load(time_map).cameras
        missing = [name for name in views if name not in clocks or not clocks[name].ok]
        if missing:
            raise SessionError(f"{time_map} has no usable clock for {', '.join(missing)}. Sync them: clapcap sync")
        views = {
            name: dataclasses.replace(view, time_s=clocks[name].to_session(view.time_s)) for name, view in views.items()
        }
    cameras = cameras_for(cameras_file, views)
    timeline_s = common_timeline({name: view.time_s for name, view in views.items()})
    aligned = {name: resample_keypoints(view, timeline_s) for name, view in views.items()}
    with terminal.progress("triangulating") as progress:
        keypoints, report = triangulate_views(aligned, cameras, solver, ProcessSettings().max_gap_s, progress)
    with written_whole(output) as partial:
        save_keypoints3d(partial, keypoints)
    terminal.done(
        "triangulate",
        f"{report['frames']} frames, {report['median_px']:.1f} px median, {100 * report['share']:.0f} %: {output}",
    )


def fit_file(source: Path, output: Path, skeleton: str, terminal: Terminal) -> None:
    """Fit bones to a file of 3D keypoints; write BVH or npz.

    Raises
    ------
    FileFormatError
        If the output's suffix is neither.
    """
    from retarget.bvh import write_bvh
    from skeleton.formats import load_keypoints3d
    from skeleton.formats.npz import save_motion

    writers = {".bvh": write_bvh, ".npz": save_motion}
    if output.suffix not in writers:
        raise FileFormatError(
            f"{output}: a motion is written as {' or '.join(writers)}, not {output.suffix or 'that'}."
        )
    keypoints = load_keypoints3d(source)
    with terminal.progress("fitting bones") as progress:
        motion, report = fit_keypoints(keypoints, skeleton, progress)
    with written_whole(output) as partial:
        writers[output.suffix](partial, motion)
    terminal.done("fit", f"{report['frames']} frames, {report['residual_mm']:.0f} mm from the points: {output}")
