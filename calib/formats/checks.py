"""From the numbers of a file to a camera, through the checks that hold for every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

LARGEST_PICTURE_PX = 100_000
"""Width and height beyond are a broken file: the largest sensors sold have 20,000 pixels across."""

ALMOST_A_ROTATION = 1e-3
"""How far R R^T may be from 1: files with four decimals stay below 2e-4, a matrix that is no rotation is far above."""

SKEW = 1e-6
"""Skew in parts of the focal length up to which it is the rounding of a zero."""


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
