"""What every codec of this folder keeps to: what it reads from, what it gives back, what it refuses to write.

A codec is one file with one `CODEC`, listed in `calib.interchange`. It parses numbers and names only: nothing in a
calibration file is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from calib.cameras import Camera, CameraGroup
from calib.formats.source import Source
from clapcap.errors import FileFormatError


@dataclass(frozen=True)
class Unit:
    """The unit of length of a file.

    Attributes
    ----------
    metres
        How many metres one unit is, or is taken to be.
    declared
        Whether the file says so itself.
    doubt
        Why it may be another, for people; empty where the tool always writes this unit.
    """

    metres: float
    declared: bool = False
    doubt: str = ""


METRES = Unit(1.0)
MILLIMETRES = Unit(1e-3)


@dataclass(frozen=True)
class Reading:
    """What a file held.

    Attributes
    ----------
    cameras
        In metres, pixels as in `docs/conventions.md`, the world as in the file.
    unit
        The unit that the file was taken to be in.
    notes
        What the user should know: what was left out, what was assumed.
    metadata
        What the file says about itself, to be passed on.
    """

    cameras: CameraGroup
    unit: Unit
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Writing:
    """What is to be written: the content by file name, and what the user should know about it."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Codec:
    """A file format of calibrations.

    Attributes
    ----------
    name
        One word, as in `--to NAME`.
    what
        The same for people.
    output
        What its file, or its folder, is usually called.
    is_folder
        Whether it is written as a folder of files. Otherwise `write` gives one file, which may have any name.
    recognises
        Tells from names and content whether it is this format; None where it is only written.
    read
        Reads it. Raises FileFormatError.
    write
        Takes cameras and metadata; None where it is only read. Raises FileFormatError if the format cannot hold them.
    """

    name: str
    what: str
    output: str
    is_folder: bool
    recognises: Callable[[Source], bool] | None
    read: Callable[[Source], Reading] | None
    write: Callable[[CameraGroup, Mapping[str, str | float]], Writing] | None


def refuse_lenses(format_: str, cameras: Iterable[Camera], *known: str, remedy: str) -> None:
    """Refuse cameras whose lens model a format does not have.

    Raises
    ------
    FileFormatError
        Naming the camera and what to do.
    """
    for camera in cameras:
        if camera.lens.name not in known:
            raise FileFormatError(
                f"{camera.name}: {format_} has no {camera.lens.name} lens, only {' and '.join(known)}. {remedy}"
            )


def refuse_names(format_: str, cameras: Iterable[Camera], allowed: str, words: str) -> None:
    """Refuse camera names that a format cannot hold.

    Raises
    ------
    FileFormatError
        If a name does not match the pattern `allowed`, which `words` says for people.
    """
    for camera in cameras:
        if not re.fullmatch(allowed, camera.name):
            raise FileFormatError(
                f"{format_} cannot hold the camera name {camera.name!r}: needed {words}. Give it another one here: "
                "--rename OLD=NEW"
            )


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Return cam2 before cam10, which sorting by letters puts the other way."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]

    return sorted(names, key=key)
