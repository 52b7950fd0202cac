"""A calibration made elsewhere, taken into the session: its files kept, its cameras in `cameras.toml`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.floor import solved_cameras_file
from session.folder import Session
from session.manifest import Stage
from session.previous import keep_previous, say_kept
from session.stages import Stages
from session.terminal import Terminal


def bring_in(session: Session, path: Path) -> str:
    """Copy the files of a calibration into the session, after checking that it can be read; return its place.

    Raises
    ------
    FileFormatError
        If it cannot be read.
    SessionError
        If a file of that name is in the session already and differs.
    """
    from calib.interchange import load_calibration

    files = load_calibration(path).files
    folder = session.calibration.folder
    place = folder / (path.resolve().name if path.is_dir() else path.name)
    targets = {file: (place if path.is_dir() else folder) / file.name for file in files}
    for file, target in targets.items():
        if target.exists() and not target.samefile(file) and target.read_bytes() != file.read_bytes():
            raise SessionError(f"{target} is there already and differs from {file}. Rename one of them.")
    for file, target in targets.items():
        if not target.exists():
            with written_whole(target) as partial:
                shutil.copyfile(file, partial)
    return place.relative_to(session.root).as_posix()


def import_stage(session: Session, terminal: Terminal) -> None:
    """Make `cameras.toml` from the calibration that the session imports.

    Raises
    ------
    SessionError
        If it is not there any more.
    FileFormatError
        If it cannot be read.
    """
    from calib.interchange import load_calibration

    source = session.root / session.settings.calibration.import_
    if not source.exists():
        raise SessionError(
            f"{source} does not exist, but {session.settings_file} imports it. Give it again: "
            f"clapcap calibrate {session.root} --import FILE"
        )
    calibration = load_calibration(source)
    stage = Stage("import", list(calibration.files), [solved_cameras_file(session)])

    def make() -> Mapping[str, Any]:
        from calib.formats.anipose_toml import save_anipose_toml

        for note in calibration.notes:
            terminal.warn(note)
        say_kept(keep_previous(session, calibration.cameras), terminal)
        with written_whole(solved_cameras_file(session)) as partial:
            save_anipose_toml(partial, calibration.cameras, {**calibration.metadata, "source": source.name})
        return {"cameras": list(calibration.cameras.names), "what": calibration.codec.what}

    def said(report: Mapping[str, Any]) -> str:
        return f"{len(report['cameras'])} cameras from {source.name}, {report['what']}: {', '.join(report['cameras'])}"

    Stages(session, session.calibration, terminal).run(stage, make, said)
