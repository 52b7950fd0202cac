"""Checking, from a later recording of the board, whether the cameras still stand where they were calibrated."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.board_views import corner_stages
from session.calibration import share_views
from session.clocks import sync_recording
from session.folder import Recording, Session, find_videos, is_video
from session.previous import diagnostics_file
from session.stages import Stages
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.checks.moved_cameras import CheckResult
    from calib.corners.corner_views import CornerViews
    from calib.quality.uncertainty import CameraCovariance
    from calib.solve.shared_views import SharedViews
    from sync.time_map import TimeMap

FOLDER = "check"
MARKS = {"in place": ("✓", "green"), "moved": ("✗", "red"), "zoomed": ("✗", "red"), "picture changed": ("✗", "red")}


def later_recording(session: Session, videos: Sequence[Path]) -> Recording:
    """Return the later recording: the videos given, those of the folder given, or those of `check/` in the session.

    Raises
    ------
    SessionError
        If there are none, or two of one camera.
    """
    if len(videos) > 1 or (len(videos) == 1 and is_video(videos[0])):
        missing = [str(video) for video in videos if not video.exists()]
        if missing:
            raise SessionError(
                f"{', '.join(missing)} does not exist. Give the later videos of the board, one a camera."
            )
        found = {video.name if video.is_dir() else video.stem: video for video in videos}
        if len(found) < len(videos):
            raise SessionError("Two of the videos are of the same camera: a camera is named by its video's stem.")
        folder = videos[0].parent
    else:
        folder = videos[0] if videos else session.root / FOLDER
        if not folder.is_dir():
            raise SessionError(
                f"{folder} does not exist. Give the later videos of the board, or their folder: clapcap check "
                f"{session.root} cam1.mp4 cam2.mp4; or put them into {session.root / FOLDER}."
            )
        found = find_videos(folder)
    inside = not videos or folder.resolve() == (session.root / FOLDER).resolve()
    name = FOLDER if inside else f"{FOLDER}-{folder.resolve().name}"
    return Recording(name, folder, found, session.root / "results" / name)


def check_session(session: Session, videos: Sequence[Path], terminal: Terminal) -> CheckResult:
    """Compare a later recording of the board with the calibration; say what became of each camera.

    Writes `check.json` (and what it was computed from) into a folder of its own under `results/`, and nothing else.

    Raises
    ------
    ClapcapError
        If there is no calibration, or nothing can be told from the videos.
    """
    from calib.checks.moved_cameras import check_cameras
    from calib.corners.corner_views import CornerViews
    from calib.interchange import load_cameras

    if not session.cameras_file.exists():
        raise SessionError(
            f"{session.root} is not calibrated yet, so that there is nothing to check: clapcap calibrate {session.root}"
        )
    cameras = load_cameras(session.cameras_file)
    recording = later_recording(session, videos)
    recording.need_videos(2, "checking cameras against each other")
    unknown = [name for name in recording.videos if name not in cameras.names]
    if unknown:
        raise SessionError(
            f"{recording.folder} holds {', '.join(unknown)}, but the calibration knows {', '.join(cameras.names)}. A "
            "camera is named by its video's stem: rename the videos as they were called in the calibration."
        )
    stages = Stages(session, recording, terminal)
    time_map = sync_recording(session, recording, stages)
    files = corner_stages(session, recording, stages, frames="")
    views = [CornerViews.load(path) for path in files.values()]
    shared, lag_s_std = _shared(recording, time_map, views, terminal)
    result = check_cameras(cameras, shared, _errors(session, cameras.names), lag_s_std)
    with written_whole(recording.results / "check.json") as partial:
        partial.write_text(json.dumps(_document(result), indent=2) + "\n", encoding="utf-8")
    _say(result, terminal)
    return result


def _shared(
    recording: Recording, time_map: TimeMap, views: list[CornerViews], terminal: Terminal
) -> tuple[SharedViews, float]:
    """Return the moments of the board, and how far clocks may be off; without sync, the moments in which it rests."""
    from calib.checks.rests import by_rests

    if not time_map.refused:
        return share_views(recording, time_map, views), 0.1
    shared = by_rests(views)
    terminal.say(
        f"{', '.join(time_map.refused)} could not be synced: only the {len(shared.time_s)} moments count in which the "
        "board stands still."
    )
    return shared, 0.0


def _errors(session: Session, names: tuple[str, ...]) -> CameraCovariance | None:
    """Return the calibration's own covariance; None where it is not known."""
    from calib.solve.diagnostics import Diagnostics

    file = diagnostics_file(session)
    if session.settings.calibration.import_ or not file.exists():
        return None
    known = Diagnostics.load(file)
    return known.errors if known.camera_names == names else None


def _say(result: CheckResult, terminal: Terminal) -> None:
    for camera in result.cameras:
        mark, colour = MARKS.get(camera.verdict, ("!", "yellow"))
        terminal.marked(mark, colour, f"{camera.name} {camera.words}")
    terminal.say(result.advice)


def _document(result: CheckResult) -> dict[str, Any]:
    cameras = {}
    for camera in result.cameras:
        entry: dict[str, Any] = {"verdict": camera.verdict, "words": camera.words}
        if camera.change is not None:
            change = camera.change
            entry |= {
                "moved_m": change.moved_m,
                "moved_std_m": change.moved_std_m,
                "turned_deg": change.turned_deg,
                "turned_std_deg": change.turned_std_deg,
                "step_m": change.step_m.tolist(),
                "turn_rad": change.turn_rad.tolist(),
            }
        for name in ("focal_change", "focal_change_std"):
            value = getattr(camera, name)
            entry[name] = value if value == value else None  # NaN is not JSON
        cameras[camera.name] = entry
    document = dataclasses.asdict(dataclasses.replace(result, cameras=()))
    return {**document, "cameras": cameras, "unchanged": result.unchanged}
