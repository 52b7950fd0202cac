"""Single stages, on data and on files: what `process` chains, and what `triangulate`, `lift` and `fit` offer alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import FileFormatError, SessionError
from session.atomic import written_whole
from session.settings import SOLVERS
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints2D


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


def triangulate_files(
    cameras_file: Path, files: Sequence[Path], output: Path, time_map: Path | None, solver: str, terminal: Terminal
) -> None:
    """Triangulate keypoint files into one file, whose suffix says the format.

    Raises
    ------
    SessionError, FileFormatError
        If the files do not fit each other.
    """
    from session.processing.points import triangulate_views
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
        keypoints, _, report = triangulate_views(aligned, cameras, solver, progress)
    with written_whole(output) as partial:
        save_keypoints3d(partial, keypoints)
    terminal.done(
        "triangulate",
        f"{report['frames']} frames, {report['median_px']:.1f} px median, {100 * report['share']:.0f} %: {output}",
    )


def lift_file(
    source: Path,
    output: Path,
    cameras: Path | None,
    camera_name: str | None,
    focal_mm: float | None,
    height_m: float | None,
    weights: Path | None,
    terminal: Terminal,
) -> None:
    """Lift the keypoints of one camera into one file, whose suffix says the format; say what it rests on.

    Raises
    ------
    SessionError, FileFormatError, DetectionError
        If an option is wrong, a file cannot be read, or nobody is seen.
    """
    from session.lens import find_lens
    from session.one_view import tell_what_it_rests_on
    from session.processing.lifting import (
        Height,
        lift_report,
        lift_view,
        lifted_words,
        lifter_weights,
        load_lifter,
        one_timeline,
    )
    from skeleton.formats import check_suffix, save_keypoints3d
    from skeleton.formats.npz import load_keypoints2d

    check_suffix(output)
    height = Height.of(height_m)
    network = lifter_weights(weights)
    view = one_timeline(load_keypoints2d(source))
    size_px = (int(view.image_size_px[0]), int(view.image_size_px[1]))
    lens = find_lens(source.stem, None, size_px, cameras, focal_mm, camera_name)
    with terminal.progress("lifting"):
        standing = lift_view(load_lifter(network), view, lens, height)
    with written_whole(output) as partial:
        save_keypoints3d(partial, standing.keypoints)
    report = lift_report(standing, lens, height, view)
    terminal.done("lift", f"{lifted_words(report)}: {output}")
    hints = {"scale": "Give the true one: --height 1.72", "lens": "Give it: --focal-mm 26, or --cameras cameras.toml"}
    tell_what_it_rests_on(report, hints, terminal)


def fit_file(
    source: Path,
    output: Path,
    skeleton: str,
    terminal: Terminal,
    observations: Path | None = None,
    cameras: Path | None = None,
) -> None:
    """Fit bones to a file of 3D keypoints, on the pixels if their observations are given; write BVH or npz.

    Raises
    ------
    FileFormatError
        If the output's suffix is neither.
    SessionError
        If observations are given without cameras, cameras without observations, or the observations of one camera.
    """
    from calib.interchange import load_cameras
    from retarget.bvh import write_bvh
    from retarget.pixels import PixelViews
    from session.processing.bones import fit_keypoints, fitted
    from skeleton.formats import load_keypoints3d
    from skeleton.formats.npz import load_observations2d, save_motion

    writers = {".bvh": write_bvh, ".npz": save_motion}
    if output.suffix not in writers:
        raise FileFormatError(
            f"{output}: a motion is written as {' or '.join(writers)}, not {output.suffix or 'that'}."
        )
    pixels = None
    if observations is not None and cameras is not None:
        pixels = PixelViews(load_observations2d(observations), load_cameras(cameras))
    elif observations is not None or cameras is not None:
        given, missing = ("--observations", "--cameras") if cameras is None else ("--cameras", "--observations")
        raise SessionError(f"{given} is given, {missing} is not. A fit on the pixels needs both.")
    if pixels is not None and len(pixels.observations.camera_names) == 1:
        raise SessionError(
            f"{observations} holds what one camera saw ({pixels.observations.camera_names[0]}), needed two or more: "
            "pixels of one view do not tell depth. Leave both out, and the fit is on the points, which have it: "
            f"clapcap fit {source} -o {output}"
        )
    keypoints = load_keypoints3d(source)
    with terminal.progress("fitting bones") as progress:
        motion, report = fit_keypoints(keypoints, skeleton, pixels, progress=progress)
    with written_whole(output) as partial:
        writers[output.suffix](partial, motion)
    terminal.done("fit", f"{fitted(report)}: {output}")
