"""The cameras of a calibration: shown, and written for other tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.folder import Session
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import Camera
    from calib.formats.contract import Codec
    from calib.interchange import Calibration


def find_calibration(path: Path) -> Path:
    """Return the calibration of a session folder; any other path is the calibration itself.

    Raises
    ------
    SessionError
        If the session has none yet.
    """
    if not (path / "session.toml").is_file():
        return path
    session = Session.open(path)
    if not session.cameras_file.is_file():
        raise SessionError(f"{path} is not calibrated yet. Run: clapcap calibrate {path}")
    return session.cameras_file


def rename_cameras(calibration: Calibration, renames: Sequence[str]) -> Calibration:
    """Return the calibration with cameras called anew.

    Parameters
    ----------
    calibration
        The cameras.
    renames
        OLD=NEW each; they take place at once, so that two cameras can swap their names.

    Raises
    ------
    SessionError
        If one cannot be read, names no camera, or would make two cameras the same.
    """
    from calib.cameras import CameraGroup

    new_names = {name: name for name in calibration.cameras.names}
    for rename in renames:
        old, mark, new = rename.partition("=")
        if not (old and mark and new):
            raise SessionError(f'--rename "{rename}" cannot be read. Write it like this: --rename int_cam01_img=cam01')
        if old not in new_names:
            raise SessionError(f'--rename: there is no camera "{old}". Needed one of {", ".join(new_names)}.')
        new_names[old] = new
    twice = [name for name, count in Counter(new_names.values()).items() if count > 1]
    if twice:
        raise SessionError(f"--rename would call several cameras {', '.join(twice)}. Give each its own name.")
    renamed = tuple(replace(camera, name=new_names[camera.name]) for camera in calibration.cameras)
    return replace(calibration, cameras=CameraGroup(renamed))


def show_cameras(calibration: Calibration, terminal: Terminal) -> None:
    """Print the cameras."""
    rows = [
        (
            camera.name,
            "{} x {}".format(*camera.size_px),
            camera.lens.name,
            f"{camera.matrix[0, 0]:.0f}",
            _view_degrees(camera),
            " ".join(f"{coordinate:7.3f}" for coordinate in camera.center_m),
        )
        for camera in calibration.cameras
    ]
    header = ("camera", "picture px", "lens", "focal px", "view", "stands at x y z, m")
    terminal.table(f"{_count(calibration)} from {calibration.codec.what}", header, rows)


def _count(calibration: Calibration) -> str:
    count = len(calibration.cameras)
    return f"{count} camera{'s' if count > 1 else ''}"


def _view_degrees(camera: Camera) -> str:
    """Return the angle of view across the picture; nothing where the lens model ends before the edges."""
    width, _ = camera.size_px
    across = np.array([[-0.5, camera.matrix[1, 2]], [width - 0.5, camera.matrix[1, 2]]])
    left, right = np.arctan(camera.undistort(across)[:, 0])
    return "-" if np.isnan(right - left) else f"{np.degrees(right - left):.0f}°"


def hand_on(calibration: Calibration, codec: Codec, output: Path | None, force: bool, terminal: Terminal) -> None:
    """Write the cameras for another tool.

    Parameters
    ----------
    calibration
        The cameras.
    codec
        The tool's format.
    output
        The file or folder to write; by default what it is usually called, in the current folder.
    force
        Write over files that are there.
    terminal
        Where to say what was done.

    Raises
    ------
    SessionError
        If a file is there already.
    FileFormatError
        If the format cannot hold the cameras.
    """
    from calib.interchange import write_calibration

    writing = write_calibration(calibration.cameras, codec, calibration.metadata)
    target = Path(codec.output) if output is None else output
    if codec.is_folder:
        if target.is_file():
            raise SessionError(f"{target} is a file, but {codec.what} are several. Name a folder with -o.")
        files = {target / name: content for name, content in writing.files.items()}
    else:
        (content,) = writing.files.values()
        target = target / codec.output if target.is_dir() else target
        files = {target: content}
    _refuse_to_overwrite([path for path, content in files.items() if _differs(path, content)], force)
    for path, content in files.items():
        with written_whole(path) as partial:
            partial.write_bytes(content)
    terminal.done("written", f"{target}: {_count(calibration)} as {codec.what}")
    for note in writing.notes:
        terminal.warn(note)


def _differs(path: Path, content: bytes) -> bool:
    return path.exists() and not (path.is_file() and path.read_bytes() == content)


def _refuse_to_overwrite(there: list[Path], force: bool) -> None:
    folder = next((path for path in there if path.is_dir()), None)
    if folder is not None:
        raise SessionError(f"{folder} is a folder, but a file of that name is to be written. Choose another with -o.")
    if there and not force:
        names = ", ".join(str(path) for path in there)
        raise SessionError(f"{names} is there already. Choose another place with -o, or write over it with --force.")
