"""The settings of a session: `session.toml`, small, commented, edited by its owner.

A flag of a command that changes how a session is computed is remembered here, so that a later run does the same and
the file says how every result was made.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clapcap.errors import CleanupError, SessionError
from session.atomic import written_whole

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SOLVERS = ("clapcap", "anipose")
BOARDS = ("charuco", "checkerboard", "aprilgrid")
FLOORS = ("board", "none")
FEET = "feet:"
MOST_PEOPLE = 8
PERSONS = ("all", "main")
SMALLEST_M, TALLEST_M = 0.5, 2.5
HEIGHTS = f"{SMALLEST_M:g} to {TALLEST_M:g} m"
SYNC_METHODS = ("auto", "clap", "motion", "flash", "timestamps", "frames")

TEMPLATE = """\
# A clapcap session. Edit freely: every command reads this file anew, and recomputes only what a change touches.

[board]                             # the printed board; measure it with a ruler: it sets the scale of everything
columns = {columns}                         # squares across
rows = {rows}                            # squares down
square_mm = {square_mm}
marker_mm = {marker_mm}
dictionary = "{dictionary}"
kind = "{kind}"                    # "charuco"; "checkerboard": no markers; "aprilgrid": Kalibr's, columns and rows of
                                    # tags, marker_mm: side of a tag, square_mm: from tag to tag

[calibration]
solver = "clapcap"                  # "clapcap", or "anipose": aniposelib's own, to compare
frames = ""                         # START:STOP:STEP of the frames to use; empty: all
import = ""                         # a calibration made elsewhere (cameras.toml, Qualisys .qca.txt), instead of videos
board_measured = false              # true: the board above was measured, so the wizard need not ask
floor = "board"                     # "board": laid on the floor; "feet:TAKE": under the feet of a take; "none"
floor_time_s = nan                  # when the board lies on the floor, in session time; nan: found by itself
presets = {{}}                        # lenses kept from other sessions: {{ cam1 = "presets/cam1.toml" }}
known_m = {{}}                        # lengths by tape, to check the scale: {{ cam1-cam2 = 2.35, cam1-floor = 1.42 }}

[process]
solver = "clapcap"                  # "clapcap", or "anipose"
refine = true                       # all points of a take at once: constant bones, smooth motion; false: frame by frame
refine_cameras = false              # true: correct the cameras' poses and clocks by the person who moves
rate_hz = nan                       # frames a second of the result; nan: those of the fastest camera
model = ""                          # a MediaPipe .task file; empty: the one that comes with clapcap
lag_s = {{}}                          # picture later than sound, as `process` told it before: {{ cam3 = 0.0081 }}
people = 2                          # people looked for in a picture, at most (1 to 8)
person = "all"                      # who is kept when there are several: "all", "main", or a number: "2"
overlay = false                     # also write a video per camera with the keypoints drawn over it
weights = ""                        # of takes with one view: a lifter of your own (.safetensors); empty: clapcap's

[subject]                           # of takes with one view, which cannot tell how large somebody is
height_m = nan                      # nan: taken to be 1.75 m

[cleanup]                           # of the points in space; keypoints3d_raw.npz keeps them as they were solved
spikes = true                       # take out frames in which a point leaps away and back, faster than people move
max_gap_s = 0.2                     # gaps up to this long are filled (and marked as filled)
filter = "none"                     # "butterworth", "savitzky-golay", "gaussian", "median", "one-euro" or "kalman"
parameters = {{}}                     # of the filter: {{ cutoff_hz = 6 }}; what is not named is as `clean --help` says

# One table a recording (`calibration`, or the name of a take), when the cameras are not synced by a clap:
# [recordings.dance]
# sync = "auto"                     # "clap"; "motion": how the person moves; "flash": a light; "timestamps":
                                    # timestamps.csv in its folder; "frames": synced shutters
# offset_s = {{ cam2 = 0.73 }}        # session time = offset + camera time
"""


@dataclass(frozen=True)
class BoardSettings:
    """The board as a user measures it: squares across and down, millimetres, OpenCV's name of the dictionary.

    Of an AprilGrid: tags across and down, from tag to tag, and the side of a tag.
    """

    columns: int = 4
    rows: int = 5
    square_mm: float = 54.0
    marker_mm: float = 40.5
    dictionary: str = "DICT_4X4_1000"
    kind: str = "charuco"


@dataclass(frozen=True)
class CalibrationSettings:
    """How the cameras are calibrated; see the comments in `TEMPLATE`."""

    solver: str = "clapcap"
    frames: str = ""
    import_: str = ""
    board_measured: bool = False
    floor: str = "board"
    floor_time_s: float = float("nan")
    presets: Mapping[str, str] = field(default_factory=dict)
    known_m: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessSettings:
    """How takes are processed; see the comments in `TEMPLATE`."""

    solver: str = "clapcap"
    refine: bool = True
    refine_cameras: bool = False
    rate_hz: float = float("nan")
    model: str = ""
    lag_s: Mapping[str, float] = field(default_factory=dict)
    people: int = 2
    person: str = "all"
    overlay: bool = False
    weights: str = ""


@dataclass(frozen=True)
class SubjectSettings:
    """Who is filmed; see the comments in `TEMPLATE`."""

    height_m: float = float("nan")


@dataclass(frozen=True)
class CleanupSettings:
    """How points in space are cleaned up; see the comments in `TEMPLATE`."""

    spikes: bool = True
    max_gap_s: float = 0.2
    filter: str = "none"
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordingSettings:
    """How one recording is synced: the method, and offsets given by hand (seconds, by camera)."""

    sync: str = "auto"
    offset_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """All of `session.toml`."""

    board: BoardSettings = field(default_factory=BoardSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    subject: SubjectSettings = field(default_factory=SubjectSettings)
    cleanup: CleanupSettings = field(default_factory=CleanupSettings)
    recordings: Mapping[str, RecordingSettings] = field(default_factory=dict)

    def recording(self, name: str) -> RecordingSettings:
        """Return the settings of the recording called `name`: those given, else the defaults."""
        return self.recordings.get(name, RecordingSettings())


def is_person(text: str) -> bool:
    """Tell whether a text says who is kept of several people: one of `PERSONS`, or the number of a person."""
    return text in PERSONS or (text.isdecimal() and int(text) >= 1)


def is_height(height_m: float) -> bool:
    """Tell whether somebody can be so tall, metres: centimetres and feet are not."""
    return SMALLEST_M <= height_m <= TALLEST_M


def new_settings_text(board: BoardSettings) -> str:
    """Return the text of a fresh `session.toml`."""
    return TEMPLATE.format(
        columns=board.columns,
        rows=board.rows,
        square_mm=board.square_mm,
        marker_mm=board.marker_mm,
        dictionary=board.dictionary,
        kind=board.kind,
    )


def load_settings(path: Path) -> Settings:
    """Read `session.toml`.

    Raises
    ------
    SessionError
        If it cannot be read, or a key is unknown or of the wrong kind: with the key, and what was needed.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SessionError(f"{path} is not valid TOML: {error}. Mend that line and run again.") from error
    _known(path, "", document, ("board", "calibration", "process", "subject", "cleanup", "recordings"))
    recordings = _table(path, document, "recordings")
    process, cleanup = dict(_table(path, document, "process")), dict(_table(path, document, "cleanup"))
    if "max_gap_s" in process:  # where it stood before there was a table for clean-up
        cleanup.setdefault("max_gap_s", process.pop("max_gap_s"))
    return Settings(
        board=_read(path, "board", BoardSettings, _table(path, document, "board")),
        calibration=_read(path, "calibration", CalibrationSettings, _table(path, document, "calibration")),
        process=_read(path, "process", ProcessSettings, process),
        subject=_read(path, "subject", SubjectSettings, _table(path, document, "subject")),
        cleanup=_read(path, "cleanup", CleanupSettings, cleanup),
        recordings={
            name: _read(path, f"recordings.{name}", RecordingSettings, _table(path, recordings, name))
            for name in recordings
        },
    )


def update_settings(path: Path, changes: Mapping[tuple[str, ...], Any]) -> None:
    """Change keys of `session.toml` in place, keeping its comments; `changes` maps key paths to values."""
    import tomlkit

    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for keys, value in changes.items():
        table: Any = document
        for key in keys[:-1]:
            if key not in table:
                is_super = key == "recordings"
                table[key] = tomlkit.table(is_super_table=is_super)
            table = table[key]
        if isinstance(value, Mapping):
            inline = tomlkit.inline_table()
            inline.update(value)
            value = inline
        table[keys[-1]] = value
    text = tomlkit.dumps(document)
    if text != path.read_text(encoding="utf-8"):
        with written_whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
        load_settings(path)


def _table(path: Path, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise SessionError(f"{path}: `{name}` must be a table, written [{name}].")
    return table


def _known(path: Path, where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
            raise SessionError(f"{path}: unknown key `{where}{key}`. {hint}")


def _read(path: Path, where: str, kind: type[Any], table: Mapping[str, Any]) -> Any:
    fields = {name.rstrip("_"): (name, default) for name, default in vars(kind()).items()}
    _known(path, where + ".", table, tuple(fields))
    values: dict[str, Any] = {}
    for key, value in table.items():
        name, default = fields[key]
        wanted = "a table" if isinstance(default, dict) else type(default).__name__
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            raise SessionError(f"{path}: `{where}.{key}` is {value!r}, needed {wanted}.")
        values[name] = value
    settings = kind(**values)
    _check(path, where, settings)
    return settings


def _check(path: Path, where: str, settings: Any) -> None:
    """Refuse values outside their range, by the names that occur in the tables."""
    choices = {"kind": BOARDS, "solver": SOLVERS, "sync": SYNC_METHODS}
    if isinstance(settings, CleanupSettings):
        _check_cleanup(path, where, settings)
    for name, value in vars(settings).items():
        if name in choices and value not in choices[name]:
            raise SessionError(f'{path}: `{where}.{name}` is "{value}", needed one of {", ".join(choices[name])}.')
        if name in ("columns", "rows", "square_mm", "marker_mm", "rate_hz") and value <= 0:
            raise SessionError(f"{path}: `{where}.{name}` is {value}, needed more than 0.")
        if name == "height_m" and not (math.isnan(value) or is_height(value)):
            raise SessionError(f"{path}: `{where}.{name}` is {value:g}, needed {HEIGHTS}.")
        if name == "people" and not 1 <= value <= MOST_PEOPLE:
            raise SessionError(f"{path}: `{where}.people` is {value}, needed 1 to {MOST_PEOPLE}.")
        if name == "person" and not is_person(value):
            raise SessionError(f'{path}: `{where}.person` is "{value}", needed "all", "main" or a number such as "2".')
        if name == "floor" and value not in FLOORS and not (value.startswith(FEET) and value != FEET):
            raise SessionError(f'{path}: `{where}.floor` is "{value}", needed "board", "none" or "{FEET}TAKE".')
        if name == "known_m" and not all(type(v) in (int, float) and v > 0 for v in value.values()):
            raise SessionError(f"{path}: `{where}.known_m` must give metres: {{ cam1-cam2 = 2.35 }}.")
        if name == "presets" and not all(type(v) is str for v in value.values()):
            raise SessionError(f'{path}: `{where}.presets` must name files: {{ cam1 = "presets/cam1.toml" }}.')
        if name in ("offset_s", "lag_s") and not all(type(v) in (int, float) for v in value.values()):
            raise SessionError(f"{path}: `{where}.{name}` must give seconds for each camera: {{ cam2 = 0.73 }}.")


def _check_cleanup(path: Path, where: str, settings: CleanupSettings) -> None:
    if not settings.max_gap_s >= 0:
        raise SessionError(f"{path}: `{where}.max_gap_s` is {settings.max_gap_s}, needed 0 or more.")
    if not all(type(value) in (int, float) for value in settings.parameters.values()):
        raise SessionError(f"{path}: `{where}.parameters` must give numbers: {{ cutoff_hz = 6 }}.")
    if settings.filter != "none" or settings.parameters:
        from retarget.cleanup.filters import check_parameters

        try:
            check_parameters(settings.filter, settings.parameters)
        except CleanupError as error:
            raise SessionError(f"{path}, [{where}]: {error}") from error
