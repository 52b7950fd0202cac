"""Looking at a take: videos with keypoints, the moving skeleton among the cameras, and errors, on one time line.

In rerun's viewer where it is installed and there is a display; otherwise as files: an overlay video a camera, and a
picture. Both are made of the same `TakeView`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import SessionError
from session.export import TakeFiles, find_take
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints2D, Keypoints3D
    from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

COLOURS = {"left": (255, 140, 0), "right": (0, 170, 255), "": (235, 235, 235)}
POINT = (120, 220, 120)
SEEN = 0.1
"""Keypoints below this confidence are not drawn."""

MOMENTS = 6
"""Of the take, in the picture."""


@dataclass(frozen=True, eq=False)
class TakeView:
    """All that there is to see of a take.

    Attributes
    ----------
    name, folder
        The take's or person's, and its results.
    motion, points
        The fitted motion and the points in space.
    cameras, views
        The calibrated cameras, and by camera the keypoints as detected, on the camera's own clock.
    videos, session_s
        By camera: the video, and (frames,) the session time of each of the keypoints' frames.
    """

    name: str
    folder: Path
    motion: Motion
    points: Keypoints3D
    cameras: CameraGroup
    views: Mapping[str, Keypoints2D]
    videos: Mapping[str, Path]
    session_s: Mapping[str, Array]


def load_view(path: Path) -> TakeView:
    """Gather what a take's results hold.

    Raises
    ------
    SessionError
        If it is no processed take of a session.
    """
    from calib.cameras import CameraGroup
    from calib.interchange import adapt_to_size, load_cameras
    from session.clocks import session_time_s
    from session.frame_clocks import refined_clocks
    from session.processing.cameras import take_cameras_file
    from skeleton.formats.npz import load_keypoints2d, load_keypoints3d, load_motion
    from sync.time_map import TimeMap

    found = find_take(path)
    session, take = found.session, found.take
    if session is None or take is None:
        made = sorted(path.glob("overlay*")) if (path / "report.html").is_file() else []
        if made:  # by `clapcap single`
            raise SessionError(
                f"{path} holds what `clapcap single` made of one video, needed a take of a session. Look at "
                f"{made[0]} and {path / 'report.html'}; in space: clapcap export {path} --to blend"
            )
        raise SessionError(f"{path} is no take of a session. To look at a file alone: clapcap export {path} --to blend")
    clocks = refined_clocks(take) or take.results / "time_map.json"
    time_map = TimeMap.load(clocks)
    calibrated = load_cameras(take_cameras_file(session, take))
    views, cameras, times = {}, [], {}
    for name, _video in take.videos.items():
        file = take.results / "keypoints2d" / f"{name}.npz"
        if name not in calibrated.names or not file.exists() or not time_map.cameras[name].ok:
            continue
        view = load_keypoints2d(file)
        width, height = (int(side) for side in view.image_size_px)
        views[name] = view
        cameras.append(adapt_to_size(calibrated[name], (width, height)))
        times[name] = session_time_s(take, time_map, name, np.arange(len(view.time_s)), view.time_s)
    return TakeView(
        found.name,
        found.folder,
        load_motion(found.motion),
        load_keypoints3d(found.folder / "keypoints3d.npz"),
        CameraGroup(tuple(cameras)),
        views,
        take.videos,
        times,
    )


def bone_lines(motion: Motion) -> list[tuple[int, int, str]]:
    """Return the bones as pairs of joints, each with its side."""
    return [
        (int(parent), joint, next((s for s in ("left", "right") if motion.joint_names[joint].startswith(s)), ""))
        for joint, parent in enumerate(motion.parents)
        if parent >= 0
    ]


def view_take(path: Path, save: Path | None, terminal: Terminal) -> None:
    """Show a take, or write what there is to see.

    Raises
    ------
    SessionError
        If there is no such take, or `save` exists or is no .rrd file.
    """
    if save is not None and save.suffix != ".rrd":
        raise SessionError(f"{save}: a recording for rerun's viewer ends with .rrd.")
    if save is not None and save.exists():
        raise SessionError(f"{save} is there already and is not written over. Give another name to --save.")
    view = load_view(path)
    missing = _why_not_rerun(save)
    if missing is None:
        from session.view_rerun import log_view

        with terminal.progress("gathering") as progress:
            log_view(view, save, progress)
        terminal.done(f"{view.name}: view", f"{save}: open it with `rerun {save}`" if save else "the viewer is open")
        return
    terminal.say(f"{missing} Pictures instead:")
    _write_pictures(view, find_take(path), terminal)


def _why_not_rerun(save: Path | None) -> str | None:
    import importlib.util

    if importlib.util.find_spec("rerun") is None:
        return "rerun, the viewer, is not installed (pip install clapcap[view])."
    if save is None and sys.platform.startswith("linux"):
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            return "There is no display to open the viewer on; --save take.rrd keeps it for another machine."
    return None


def _write_pictures(view: TakeView, found: TakeFiles, terminal: Terminal) -> None:
    from session.atomic import written_whole
    from session.picture import write_overlays
    from session.processing.lifting import lifted_camera
    from session.processing.pictures import draw_lifted
    from session.stages import Stages

    assert found.session is not None
    assert found.take is not None
    lifted = lifted_camera(found.session, found.take)
    if lifted is None:
        with terminal.progress("drawing overlays") as progress:
            write_overlays([found.take], progress)
    else:
        take = replace(found.take, videos={lifted: found.take.videos[lifted]})
        draw_lifted(found.session, take, Stages(found.session, take, terminal), film=True)
    picture = view.folder / "view.png"
    with written_whole(picture) as partial:
        draw_view(view, partial)
    overlays = ", ".join(f"overlay-{name}.mp4" for name in ((lifted,) if lifted else view.views))
    terminal.done(f"{view.name}: view", f"{picture}, and {overlays} in {found.take.results}")


def draw_view(view: TakeView, target: Path) -> None:
    """Draw the skeleton at some moments, and each camera's reprojection error over time; write a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, MOMENTS, height_ratios=[1, 1])
    position = view.motion.world_positions()
    center = np.nanmean(position[:, 0], axis=0)
    reach = float(np.nanmax(np.abs(position - center)))
    for place, frame in enumerate(np.linspace(0, len(position) - 1, MOMENTS).round().astype(int)):
        axes: Any = figure.add_subplot(grid[0, place], projection="3d")
        for parent, joint, side in bone_lines(view.motion):
            ends = position[frame, [parent, joint]]
            colour = tuple(value / 300 for value in COLOURS[side]) if side else (0.3, 0.3, 0.3)
            axes.plot(ends[:, 0], ends[:, 1], ends[:, 2], color=colour, linewidth=2)
        for set_limits, middle in zip((axes.set_xlim, axes.set_ylim, axes.set_zlim), center, strict=True):
            set_limits(middle - reach, middle + reach)
        axes.set_box_aspect((1, 1, 1), zoom=1.3)
        axes.set_title(f"{view.motion.time_s[frame]:.2f} s", fontsize=9)
        axes.tick_params(labelbottom=False, labelleft=False, labelright=False)
    errors: Any = figure.add_subplot(grid[1, :])
    for name, error in camera_errors(view.points).items():
        errors.plot(view.points.time_s, error, label=name, linewidth=1)
    errors.set_xlabel("session time, s")
    errors.set_ylabel("reprojection, px")
    errors.set_title(f"{view.name}: median over the points that each camera sees", fontsize=9)
    errors.legend(loc="upper right", fontsize=8)
    figure.savefig(target, dpi=100)


def camera_errors(points: Keypoints3D) -> dict[str, Array]:
    """Return by camera the median reprojection error of each frame (frames,), pixels; NaN where it sees nothing."""
    found = {}
    for name, error in zip(points.camera_names, points.reprojection_px, strict=True):
        seen = np.isfinite(error).any(axis=1)
        median = np.full(len(error), np.nan)
        median[seen] = np.nanmedian(error[seen], axis=1)
        found[name] = median
    return found
