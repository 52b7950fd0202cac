"""Calibrations that were replaced: kept beside the one in force, so that moved cameras can be told from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import ClapcapError
from session.atomic import written_whole
from session.folder import Session
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import CameraGroup

FOLDER = "previous"


def keep_previous(session: Session, now: CameraGroup) -> Path | None:
    """Keep the calibration in force, which `now` is about to replace; return where, None if there is nothing to keep.

    `cameras.toml` is copied to `previous/cameras-N.toml`; the page and the numbers behind it, which speak of those
    cameras, move to `previous/report-N.html` and `previous/diagnostics-N.npz`. A calibration that came out the same is
    not kept twice.
    """
    from calib.interchange import load_cameras
    from calib.quality.comparison import same_cameras

    file = session.cameras_file
    try:
        if not file.exists() or same_cameras(load_cameras(file), now):
            return None
    except ClapcapError:
        pass  # what cannot be read is kept all the same: somebody may mend it
    number = max((_number(kept) for kept in _kept(session)), default=0) + 1
    target = file.parent / FOLDER / f"{file.stem}-{number}{file.suffix}"
    with written_whole(target) as partial:
        shutil.copy2(file, partial)  # with its time, which says when it was made
    for speaking_of_it in (report_file(session), diagnostics_file(session)):
        if speaking_of_it.exists():
            stem, suffix = speaking_of_it.stem, speaking_of_it.suffix
            speaking_of_it.rename(target.with_name(f"{stem}-{number}{suffix}"))
    return target


def say_kept(kept: Path | None, terminal: Terminal) -> None:
    """Say where the calibration until now is kept."""
    if kept is not None:
        terminal.say(f"The calibration until now is kept as {kept}.")


def previous_cameras(session: Session) -> Path | None:
    """Return the calibration that the one in force replaced; None for the first."""
    return max(_kept(session), key=_number, default=None)


def report_file(session: Session) -> Path:
    """Return where the page of the calibration is."""
    return session.calibration.results / "report.html"


def diagnostics_file(session: Session) -> Path:
    """Return where the numbers behind the page are."""
    return session.calibration.results / "diagnostics.npz"


def _kept(session: Session) -> list[Path]:
    folder = session.cameras_file.parent / FOLDER
    return [path for path in folder.glob("cameras-*.toml") if path.stem.rpartition("-")[2].isdigit()]


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
