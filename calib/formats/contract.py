"""What every codec of this folder keeps to: what it reads from, what it gives back, how it fails.

A codec is one file with one `CODEC`, listed in `calib.interchange`. It parses numbers and names only: nothing in a
calibration file is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.lenses import brown
from calib.lenses.lens import Lens
from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]

LARGEST_FILE_BYTES = 256 * 2**20
"""Above any calibration: COLMAP's images.txt of 2,000 pictures with all their points has 120 MB."""

LARGEST_PICTURE_PX = 100_000
"""Width and height beyond are a broken file: the largest sensors sold have 20,000 pixels across."""

PICKLE = re.compile(rb"\x80[\x01-\x05]|c\w+\n\w+\n|\([dl]p\d|[}\])]q[\x00-\xff]")
"""How pickles of all protocols begin that hold a dictionary, a list or an object."""

ALMOST_A_ROTATION = 1e-3
"""How far R R^T may be from 1: files with four decimals stay below 2e-4, a matrix that is no rotation is far above."""

SKEW = 1e-6
"""Skew in parts of the focal length up to which it is the rounding of a zero."""


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


class Source:
    """A calibration on disk, one file or a folder: reads text only, within bounds, each file once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        self._texts: dict[Path, str] = {}

    @property
    def used(self) -> tuple[Path, ...]:
        """The files that were read so far."""
        return tuple(self._texts)

    @property
    def folder(self) -> Path:
        """The folder, or the one that the file lies in."""
        return self.path if self.is_folder else self.path.parent

    def holds(self, *names: str) -> bool:
        """Tell whether the path is a folder that holds these files, or is one of them with the others beside it."""
        return (self.is_folder or self.path.name in names) and all((self.folder / name).is_file() for name in names)

    @cached_property
    def start(self) -> str:
        """The first characters of the file without blanks; of a folder nothing."""
        return "" if self.is_folder else self.text(self.path)[:4096].lstrip()

    def text(self, path: Path) -> str:
        """Return the text of a file.

        Raises
        ------
        FileFormatError
            If it cannot be read, is too large or no UTF-8 text.
        """
        if path not in self._texts:
            self._texts[path] = _read_text(path)
        return self._texts[path]


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    if PICKLE.match(content):
        raise FileFormatError(
            f"{path} is a pickle. Pickles are not read, since they can run any code that their author put in. Export "
            "the calibration from its tool in a text format, such as Pose2Sim's Calib.toml for OpenCap's."
        )
    if len(content) > LARGEST_FILE_BYTES:
        raise FileFormatError(
            f"{path} has more than {LARGEST_FILE_BYTES >> 20} MB, so it is no calibration. Check the path."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is no text: byte {error.start} is not UTF-8. Calibrations are text files: check the path, or save "
            "it as UTF-8."
        ) from error
    if "\x00" in text:
        raise FileFormatError(f"{path} is no text file: it holds zero bytes. Calibrations are text files.")
    return text


@dataclass(frozen=True)
class Place:
    """Where in which file something was read, for messages."""

    path: Path
    where: str

    def broken(self, found: str, needed: str, remedy: str = "Export the calibration again.") -> FileFormatError:
        """Return the error that says where, what was found, what is needed, and what to do."""
        return FileFormatError(f"{self.path}: {self.where} {found}, needed {needed}. {remedy}")

    def numbers(self, what: str, value: Any, *shapes: tuple[int, ...]) -> Array:
        """Return nested lists of numbers as an array of one of the shapes; -1 stands for any length.

        Raises
        ------
        FileFormatError
            If it holds anything but finite numbers, or has another shape.
        """
        needed = " or ".join(_shape_words(shape) for shape in shapes)
        try:
            if not _only_numbers(value):
                raise ValueError
            array = np.asarray(value, dtype=np.float64)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise self.broken(f"has {what} = {shortened(value)}", needed) from None
        if not any(_fits(array.shape, shape) for shape in shapes):
            raise self.broken(f"has {what} of {_shape_words(array.shape)}", needed)
        if not np.isfinite(array).all():
            raise self.broken(f"has {what} = {shortened(value)}", f"{needed} that must be finite")
        return array


def _only_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_only_numbers(part) for part in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(found: tuple[int, ...], needed: tuple[int, ...]) -> bool:
    return len(found) == len(needed) and all(n in (-1, f) for f, n in zip(found, needed, strict=True))


def _shape_words(shape: tuple[int, ...]) -> str:
    if not shape:
        return "one number"
    size = " x ".join("some" if length == -1 else str(length) for length in shape)
    return f"{size} number{'' if shape == (1,) else 's'}"


def shortened(value: object) -> str:
    """Return what was found in a file, cut to a length that fits into a message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python refuses to print integers of more than 4,300 digits
        text = "something enormous"
    return text if len(text) <= 60 else text[:57] + "..."


def build_camera(
    place: Place,
    *,
    name: str,
    size: Array,
    matrix: Array,
    distortion: Array,
    rotation: Array,
    translation_m: Array,
    lens: Lens = brown.LENS,
) -> Camera:
    """Return a camera, after checks that hold for every format.

    Parameters
    ----------
    place
        For messages.
    name
        Of the camera.
    size
        (2,): width and height in pixels.
    matrix
        (3, 3): the intrinsics, for pixels whose centres are whole numbers.
    distortion
        (n,): in OpenCV's order; a lens of fewer parameters than given is accepted if the rest is zero.
    rotation
        World to camera: (3,) a rotation vector, or (3, 3).
    translation_m
        (3,): world to camera, metres.
    lens
        The lens model.

    Raises
    ------
    FileFormatError
        If the numbers are no camera.
    """
    if not all(1 <= length <= LARGEST_PICTURE_PX and length == round(length) for length in size):
        raise place.broken(
            f"has a picture of {size[0]:g} x {size[1]:g} px", f"whole numbers from 1 to {LARGEST_PICTURE_PX}"
        )
    focal = matrix[[0, 1], [0, 1]]
    if np.any(matrix[2] != [0, 0, 1]) or matrix[1, 0] != 0 or not (focal > 0).all():
        raise place.broken(f"has the matrix {shortened(matrix.tolist())}", "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    if abs(matrix[0, 1]) > SKEW * focal[0]:
        raise place.broken(
            f"has a skew of {matrix[0, 1]:g} px", "none", "Calibrate with square pixel axes, as all video cameras have."
        )
    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = _rotation(place, rotation)
    T_cam_world[:3, 3] = translation_m
    plain = matrix.copy()
    plain[0, 1] = 0.0
    width, height = (int(length) for length in size)
    return Camera(name, (width, height), plain, _distortion(place, distortion, lens), T_cam_world, lens)


def _rotation(place: Place, rotation: Array) -> Array:
    if rotation.shape == (3,):
        from_vector: Array = Rotation.from_rotvec(rotation).as_matrix()
        return from_vector
    off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if off > ALMOST_A_ROTATION or np.linalg.det(rotation) < 0:
        raise place.broken(
            f"has a rotation matrix that is off by {off:.2g}" if np.linalg.det(rotation) > 0 else "mirrors the world",
            f"one that turns, to within {ALMOST_A_ROTATION:g}",
        )
    if off < 1e-12:
        return rotation
    u, _, vt = np.linalg.svd(rotation)  # rounded in the file: the nearest rotation
    nearest: Array = u @ vt
    return nearest


def _distortion(place: Place, given: Array, lens: Lens) -> Array:
    names = lens.parameters
    if np.any(given[len(names) :]):
        raise place.broken(
            f"has {len(given)} distortions", f"at most {', '.join(names)}, as the {lens.name} lens here has",
            "Calibrate with that lens model.",
        )  # fmt: skip
    if lens.name == brown.LENS.name and len(given) == 3:
        raise place.broken("has 3 distortions", "4 or 5: k1, k2, p1, p2 and k3 if there is one")
    distortion = np.zeros(len(names))
    distortion[: min(len(given), len(names))] = given[: len(names)]
    return distortion


def group(path: Path, cameras: Sequence[Camera]) -> CameraGroup:
    """Return the cameras of one file together.

    Raises
    ------
    FileFormatError
        If there is none, or two share a name.
    """
    if not cameras:
        raise FileFormatError(f"{path} holds no camera with a place in the world. Export the calibration again.")
    names = [camera.name for camera in cameras]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(
            f"{path}: camera names repeat: {', '.join(twice)}. Rename them: a camera is named by its video's stem."
        )
    return CameraGroup(tuple(cameras))


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
                f"{format_} cannot hold the camera name {camera.name!r}: needed {words}. Rename the camera: its name "
                "in cameras.toml, and its videos."
            )


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Return cam2 before cam10, which sorting by letters puts the other way."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]

    return sorted(names, key=key)
