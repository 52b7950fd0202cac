"""The board in a session's calibration videos: which frames are looked at, and what is found in each camera."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clapcap.errors import CalibrationError, SessionError
from session.atomic import written_whole
from session.board import to_board
from session.folder import Recording, Session
from session.manifest import Stage
from session.stages import Stages

if TYPE_CHECKING:
    from calib.corners.corner_views import CornerViews


def parse_frames(text: str) -> slice:
    """Read START:STOP:STEP; any part may be left out.

    Raises
    ------
    SessionError
        If it cannot be read.
    """
    try:
        parts = [int(part) if part else None for part in text.split(":")] if text else []
        chosen = slice(*parts) if len(parts) > 1 else slice(None)
        if len(parts) == 1 or any(part is not None and part < 0 for part in parts) or chosen.step == 0:
            raise ValueError
    except (ValueError, TypeError):
        raise SessionError(
            f'Frames "{text}" cannot be read: needed START:STOP:STEP, such as 0:600:2 or ::2 for every second frame.'
        ) from None
    return chosen


def corner_stages(session: Session, recording: Recording, stages: Stages, frames: str | None = None) -> dict[str, Path]:
    """Find the board in every camera's video; each camera is a stage of its own.

    `frames` are START:STOP:STEP; None: as the calibration's settings say.
    """
    from calib.corners.all_cameras import detect_all_corners, refuse_mirrored
    from calib.corners.corner_views import VERSION, CornerViews

    board = to_board(session.settings.board)
    wanted_frames = session.settings.calibration.frames if frames is None else frames
    chosen = parse_frames(wanted_frames)
    files = {camera: recording.results / "corners" / f"{camera}.npz" for camera in recording.videos}
    board_settings = dataclasses.asdict(session.settings.board)
    settings = {"board": board_settings, "frames": wanted_frames, "corners_version": VERSION}
    waiting = {}
    for camera, video in recording.videos.items():
        stage = Stage(f"corners {camera}", [video], [files[camera]], settings)
        if stages.manifest.is_current(stage):
            stages.terminal.skipped(f"{recording.name}: {stage.name}")
        else:
            waiting[camera] = stage

    def save(camera: str, views: CornerViews) -> None:
        stages.keep_edited(waiting[camera])
        with written_whole(files[camera]) as partial:
            views.save(partial)
        said = _found(views)
        stages.finish(waiting[camera], said, lambda r: f"the board in {r['seen']} of {r['frames']} frames{r['kind']}")

    if waiting:
        videos = {camera: recording.videos[camera] for camera in waiting}
        with stages.terminal.progress("looking for the board") as progress:
            detect_all_corners(videos, board, frames=chosen, progress=progress, on_done=save)
    views = {camera: CornerViews.load(path) for camera, path in files.items()}
    _same_board(views)
    refuse_mirrored(list(views.values()))
    return files


def _found(views: CornerViews) -> dict[str, Any]:
    from calib.boards.board import CharucoBoard

    legacy = isinstance(views.board, CharucoBoard) and views.board.legacy
    back = bool((views.seen & views.mirrored).any())
    kinds = [("inverted print", views.board.inverted), ("legacy layout", legacy), ("its back, too", back)]
    named = ", ".join(name for name, there in kinds if there)
    return {"frames": len(views.time_s), "seen": int(views.seen.sum()), "kind": f" ({named})" if named else ""}


def _same_board(views: Mapping[str, CornerViews]) -> None:
    """Refuse a calibration whose cameras found different kinds of print."""
    boards = {camera: str(view.board) for camera, view in views.items()}
    if len(set(boards.values())) > 1:
        found = "; ".join(f"{camera}: {board}" for camera, board in boards.items())
        raise CalibrationError(f"The cameras saw different boards ({found}). Use one board for all of them.")
