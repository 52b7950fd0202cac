"""A lens kept for later: what one calibration found, for cameras of the same kind in other recordings.

    format = "clapcap-preset"
    version = 1
    name = "gopro-wide"
    lens = "brown"
    size_px = [1920, 1080]
    rotation_deg = 0                # by which the stored pictures were turned clockwise for display; absent: not known
    matrix = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
    distortion = [k1, k2, p1, p2, k3]
    std = [fx, fy / fx, cx, cy, k1, k2, p1, p2, k3]
    made = 2026-05-01
    source = "my-session, cam1"

A preset holds for pictures of one size and orientation. Of the same shape, pictures of another size are scaled; a
camera that was turned has its lens turned with it; another shape is refused.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.intrinsics.lens_prior import LensPrior
from calib.lenses.catalogue import lens_named
from calib.lenses.lens import Lens
from clapcap.errors import CalibrationError, ClapcapError, FileFormatError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float64]

FORMAT, VERSION = "clapcap-preset", 1

SAME_SHAPE = 0.02
"""Widths to heights that differ by less come from codecs that want multiples of 8 or 16 (1088 lines for 1080)."""

FOCUS_SPREAD = 0.005
"""Of the focal length: focusing from 1 m to far away changes that of a telephone's 4 to 6 mm lens by 0.4 to 0.6 %."""

SHIFT_SPREAD = 0.003
"""Of the picture's larger side: stabilised lenses and sensors come to rest elsewhere every time, some 4 px of 1280."""


@dataclass(frozen=True, eq=False)
class Preset:
    """The lens of a camera.

    Attributes
    ----------
    name
        What its owner calls it.
    lens
        The model.
    size_px
        Width and height of the displayed pictures.
    rotation_deg
        By how many degrees clockwise (0, 90, 180, 270) the stored pictures were turned for display, as
        `media.probe.VideoInfo` has it; None: not known.
    matrix
        (3, 3), pixels.
    distortion
        (parameters of the lens,).
    std
        (4 + distortion,): standard deviations of fx in pixels, fy / fx, cx, cy in pixels, and the distortion.
    made
        The day of the calibration.
    source
        Which session and camera it is from.
    """

    name: str
    lens: Lens
    size_px: tuple[int, int]
    rotation_deg: int | None
    matrix: Array
    distortion: Array
    std: Array
    made: date
    source: str

    def __post_init__(self) -> None:
        count = len(self.lens.parameters)
        for what, shape in {"matrix": (3, 3), "distortion": (count,), "std": (4 + count,)}.items():
            array = np.array(getattr(self, what), dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{what} must be finite and of shape {shape}, is {array.tolist()}")
            array.setflags(write=False)
            object.__setattr__(self, what, array)
        if min(self.size_px) <= 0 or min(self.matrix[0, 0], self.matrix[1, 1]) <= 0 or (self.std < 0).any():
            raise ValueError("sizes and focal lengths must be positive, standard deviations not negative")
        if self.rotation_deg not in (None, 0, 90, 180, 270):
            raise ValueError(f"rotation_deg must be 0, 90, 180 or 270, is {self.rotation_deg}")

    def save(self, path: Path) -> None:
        """Write TOML."""
        import tomlkit

        document = tomlkit.document()
        document.add(tomlkit.comment("A camera preset of clapcap: `clapcap calibrate SESSION --preset cam1=THIS_FILE`"))
        document["format"], document["version"] = FORMAT, VERSION
        document["name"], document["lens"] = self.name, self.lens.name
        document["size_px"] = list(self.size_px)
        if self.rotation_deg is not None:
            document["rotation_deg"] = self.rotation_deg
        document["matrix"] = self.matrix.tolist()
        document["distortion"] = self.distortion.tolist()
        document["std"] = self.std.tolist()
        document["made"], document["source"] = self.made, self.source
        path.write_text(tomlkit.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Preset:
        """Read TOML.

        Raises
        ------
        FileFormatError
            If the file cannot be read or is no preset: with what is wrong.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FileFormatError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path} is no TOML file: {error}. Needed a camera preset.") from error
        if document.get("format") != FORMAT:
            raise FileFormatError(
                f'{path} is no camera preset: it lacks format = "{FORMAT}". Make one with '
                "`clapcap calibrate SESSION --save-preset CAMERA=NAME`."
            )
        if document.get("version") != VERSION:
            raise FileFormatError(
                f"{path} is a preset of version {document.get('version')}, needed {VERSION}. Update clapcap."
            )
        try:
            return cls._from_document(document)
        except KeyError as error:
            raise FileFormatError(f"{path} lacks {error.args[0]}. Make the preset again.") from error
        except (ValueError, TypeError, ClapcapError) as error:
            raise FileFormatError(f"{path}: {error}. Make the preset again.") from error

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Preset:
        width, height = document["size_px"]
        made = document["made"]
        if not isinstance(made, date):
            raise ValueError(f"made must be a date, is {made!r}")
        return cls(
            name=str(document["name"]),
            lens=lens_named(str(document["lens"])),
            size_px=(int(width), int(height)),
            rotation_deg=document.get("rotation_deg"),
            matrix=np.array(document["matrix"], dtype=np.float64),
            distortion=np.array(document["distortion"], dtype=np.float64),
            std=np.array(document["std"], dtype=np.float64),
            made=made,
            source=str(document["source"]),
        )

    def turned(self) -> Preset:
        """Return the preset for the same pictures, displayed turned by 90 degrees clockwise.

        The pixel (u, v) is displayed at (height - 1 - v, u), and x is -y now, y is x.
        """
        K, std, count = self.matrix, self.std, len(self.distortion)
        matrix = np.array([[K[1, 1], 0, self.size_px[1] - 1 - K[1, 2]], [0, K[0, 0], K[0, 2]], [0, 0, 1]])
        aspect = K[1, 1] / K[0, 0]
        return replace(
            self,
            size_px=(self.size_px[1], self.size_px[0]),
            rotation_deg=None if self.rotation_deg is None else (self.rotation_deg + 90) % 360,
            matrix=matrix,
            distortion=self.lens.turned(self.distortion),
            std=np.array(
                [std[0] * aspect, std[1] / aspect**2, std[3], std[2], *np.abs(self.lens.turned(std[4 : 4 + count]))]
            ),
        )

    def scaled(self, size_px: tuple[int, int]) -> Preset:
        """Return the preset for the same pictures scaled to another size of the same shape.

        What one side has too much is taken to be cut off, or filled up, on both ends alike.
        """
        old, new = np.array(self.size_px, dtype=np.float64), np.array(size_px, dtype=np.float64)
        scale = float((new / old).min())
        matrix, std = self.matrix.copy(), self.std.copy()
        matrix[:2, :2] *= scale
        matrix[:2, 2] = (new - 1) / 2 + scale * (matrix[:2, 2] - (old - 1) / 2)
        std[[0, 2, 3]] *= scale
        return replace(self, size_px=size_px, matrix=matrix, std=std)

    def for_pictures(self, size_px: tuple[int, int], rotation_deg: int | None) -> LensPrior:
        """Return what the preset says of a camera's lens in a recording.

        Parameters
        ----------
        size_px, rotation_deg
            Of the recording's displayed pictures; the rotation None if it is not known.

        Returns
        -------
        LensPrior
            With room for what changes between recordings: focus and stabilisation. Where the pictures are turned
            against the preset's and it is not known which way, it has room for both.

        Raises
        ------
        CalibrationError
            If the pictures have another shape.
        """
        once, over, thrice = self.turned(), self.turned().turned(), self.turned().turned().turned()
        turns = 0 if rotation_deg is None or self.rotation_deg is None else (rotation_deg - self.rotation_deg) // 90 % 4
        noted = (self, once, over, thrice)[turns]
        if _same_shape(noted.size_px, size_px):
            ways = [noted]
        elif _same_shape(self.size_px, size_px):
            ways = [self]
        elif _same_shape(once.size_px, size_px):  # by a program that left no note of it: clockwise or not
            ways = [once, thrice]
        else:
            raise CalibrationError(
                f"The preset {self.name} is for pictures of {self.size_px[0]} x {self.size_px[1]} px, but these have "
                f"{size_px[0]} x {size_px[1]} px, which is another shape: another part of the sensor. Record with the "
                "settings of the preset, or make a preset of these."
            )
        priors = [way.scaled(size_px)._prior() for way in ways]
        means = np.stack([prior.mean for prior in priors])
        mean, std = means.mean(axis=0), np.hypot(priors[0].std, np.abs(means - means.mean(axis=0))[0])
        return LensPrior(self.lens, mean, std, f"the preset {self.name}")

    def _prior(self) -> LensPrior:
        K = self.matrix
        room = np.zeros_like(self.std)
        room[0], room[2:4] = FOCUS_SPREAD * K[0, 0], SHIFT_SPREAD * max(self.size_px)
        mean = np.array([K[0, 0], K[1, 1] / K[0, 0], K[0, 2], K[1, 2], *self.distortion])
        return LensPrior(self.lens, mean, np.hypot(self.std, room), self.name)


def _same_shape(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return abs(a[0] / a[1] * b[1] / b[0] - 1) <= SAME_SHAPE
