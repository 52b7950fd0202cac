"""Camera presets: a lens found in one session, kept in the user's folder or any file, and used in another.

A session keeps a copy of each preset that it uses, in its folder `presets`, so that it can be moved to another computer
and so that a preset made anew changes no result behind its owner's back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.floor import solved_cameras_file
from session.folder import Session
from session.previous import diagnostics_file
from session.settings import update_settings
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.intrinsics.lens_prior import LensPrior
    from calib.intrinsics.presets import Preset

FOLDER = "presets"
VARIABLE = "CLAPCAP_PRESETS"
NONE = "none"


def presets_folder() -> Path:
    """Return the user's folder of presets: of the variable CLAPCAP_PRESETS, else where the system keeps settings."""
    import typer

    given = os.environ.get(VARIABLE)
    return Path(given) if given else Path(typer.get_app_dir("clapcap")) / FOLDER


def find_preset(text: str) -> Path:
    """Return the file of a preset that is given by its name in the user's folder, or as a file.

    Raises
    ------
    SessionError
        If there is none: with the names that there are.
    """
    file = Path(text)
    kept = presets_folder() / f"{text}.toml"
    if file.suffix == ".toml":
        if file.is_file():
            return file
        raise SessionError(f"{file} does not exist. Give a preset's file, or its name without .toml.")
    if kept.is_file():
        return kept
    names = ", ".join(sorted(path.stem for path in presets_folder().glob("*.toml"))) or "none yet"
    raise SessionError(
        f'There is no preset "{text}" in {presets_folder()} (there: {names}). Give another name or a file, or '
        f"keep one: clapcap calibrate SESSION --save-preset CAMERA={text}"
    )


def remember_presets(session: Session, texts: Sequence[str]) -> Session:
    """Take presets into the session by texts such as "cam1=gopro-wide", and return the session anew.

    "cam1=none" takes cam1's preset out again; the file stays.

    Raises
    ------
    SessionError
        If a text cannot be read, or names a camera or a preset that does not exist.
    FileFormatError
        If a file is no preset.
    """
    if not texts:
        return session
    from calib.intrinsics.presets import Preset

    used = dict(session.settings.calibration.presets)
    for camera, text in _pairs("--preset", texts):
        _need_camera(session, "--preset", camera)
        if text == NONE:
            used.pop(camera, None)
            continue
        file = find_preset(text)
        Preset.load(file)
        target = session.root / FOLDER / file.name
        if target.exists() and target.read_bytes() != file.read_bytes():
            raise SessionError(
                f"{target} is there already and differs from {file}. Move it away, or rename one of them."
            )
        if not target.exists():
            with written_whole(target) as partial:
                shutil.copyfile(file, partial)
        used[camera] = target.relative_to(session.root).as_posix()
    update_settings(session.settings_file, {("calibration", "presets"): used})
    return Session.open(session.root)


def preset_files(session: Session) -> dict[str, Path]:
    """Return the files of the presets that the session uses, by camera.

    Raises
    ------
    SessionError
        If one is not there, or the session's solver takes none.
    """
    settings = session.settings.calibration
    if settings.presets and settings.solver != "clapcap":
        raise SessionError(
            f'The solver "{settings.solver}" takes no presets. Choose `--solver clapcap`, or leave them out: '
            + " ".join(f"--preset {camera}={NONE}" for camera in settings.presets)
        )
    files = {camera: session.root / place for camera, place in settings.presets.items()}
    for camera, file in files.items():
        if not file.is_file():
            raise SessionError(
                f"{file} does not exist, but {session.settings_file} names it as the preset of {camera}. Give it "
                f"again: clapcap calibrate {session.root} --preset {camera}=NAME (or {camera}={NONE})"
            )
    return files


def preset_priors(session: Session, size_px: Mapping[str, tuple[int, int]]) -> dict[str, LensPrior]:
    """Return what the session's presets say of the lenses, by camera.

    Parameters
    ----------
    session
        With its calibration's videos.
    size_px
        Width and height of the displayed pictures, by camera.

    Raises
    ------
    SessionError
        As `preset_files`.
    CalibrationError
        If a preset is for pictures of another shape.
    FileFormatError
        If a file is no preset.
    """
    from calib.intrinsics.presets import Preset

    return {
        camera: Preset.load(file).for_pictures(size_px[camera], _rotation_deg(session.calibration.videos[camera]))
        for camera, file in preset_files(session).items()
        if camera in size_px
    }


def refuse_unkeepable(session: Session, texts: Sequence[str]) -> None:
    """Stop before a long calibration if what `save_presets` would do is not possible.

    Raises
    ------
    SessionError
        With what is in the way.
    """
    settings = session.settings.calibration
    if texts and (settings.import_ or settings.solver != "clapcap"):
        raise SessionError(
            "--save-preset keeps a lens with its standard deviations, which only clapcap's own solver tells. Calibrate "
            "from videos of the board with `--solver clapcap`."
        )
    for camera, name in _pairs("--save-preset", texts):
        _need_camera(session, "--save-preset", camera)
        file = _new_file(name)
        if file.exists():
            raise SessionError(f"{file} is there already. Choose another name, or move it away first.")


def save_presets(session: Session, texts: Sequence[str], terminal: Terminal) -> None:
    """Keep lenses of the session's calibration as presets, by texts such as "cam1=gopro-wide" or "cam1=gopro.toml".

    Raises
    ------
    SessionError
        As `refuse_unkeepable`.
    """
    refuse_unkeepable(session, texts)
    for camera, name in _pairs("--save-preset", texts):
        file = _new_file(name)
        preset = _preset(session, camera, file.stem)
        with written_whole(file) as partial:
            preset.save(partial)
        terminal.say(
            f"The lens of {camera} is kept as {file}. Use it: clapcap calibrate SESSION --preset CAMERA={name}"
        )


def _preset(session: Session, camera: str, name: str) -> Preset:
    from calib.interchange import load_cameras
    from calib.intrinsics.presets import Preset
    from calib.solve.diagnostics import Diagnostics

    found = load_cameras(solved_cameras_file(session))[camera]
    diagnostics = Diagnostics.load(diagnostics_file(session))
    place = diagnostics.camera_names.index(camera)
    if diagnostics.errors is None:
        raise SessionError(f"{diagnostics_file(session)} holds no standard deviations. Calibrate again.")
    count = 4 + len(found.lens.parameters)
    variance: Any = np.diagonal(diagnostics.errors.covariance[place, :, place])[:count]
    return Preset(
        name=name,
        lens=found.lens,
        size_px=found.size_px,
        rotation_deg=_rotation_deg(session.calibration.videos[camera]),
        matrix=found.matrix,
        distortion=found.distortion,
        std=np.sqrt(np.maximum(variance, 0.0)),
        made=date.fromtimestamp(solved_cameras_file(session).stat().st_mtime),
        source=f"{session.root.resolve().name}, {camera}",
    )


def _rotation_deg(video: Path) -> int | None:
    """Return the turn that the container notes; pictures in a folder say nothing of how the camera was held."""
    from media.probe import probe

    return None if video.is_dir() else probe(video).rotation_deg


def _new_file(name: str) -> Path:
    file = Path(name)
    if file.suffix == ".toml":
        return file
    if name in ("", NONE) or file.name != name or name.startswith("."):
        raise SessionError(f'"{name}" is no name for a preset: needed a word such as gopro-wide, or a file, x.toml.')
    return presets_folder() / f"{name}.toml"


def _pairs(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        camera, equals, value = text.partition("=")
        if not (camera and equals and value):
            raise SessionError(f'{option} "{text}" cannot be read: needed CAMERA=PRESET, such as cam1=gopro-wide.')
        pairs.append((camera, value))
    return pairs


def _need_camera(session: Session, option: str, camera: str) -> None:
    videos = session.calibration.videos
    if camera not in videos:
        raise SessionError(
            f'{option} names "{camera}", but {session.calibration.folder} holds {", ".join(videos) or "no video"}.'
        )
