"""Calibrations from and for other tools, and cameras for videos of another size than was calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Literal

import numpy as np

from calib.cameras import Camera, CameraGroup
from calib.formats import (
    anipose_toml,
    blender_script,
    caliscope_toml,
    colmap_text,
    easymocap,
    freemocap_toml,
    opencap,
    opencv_yaml,
    pose2sim_toml,
    qualisys,
)
from calib.formats.contract import Codec, Unit, Writing
from calib.formats.source import Source
from calib.world.axes import Z_UP_FROM, axis_up, distances_m, scale, turn_up
from clapcap.errors import CalibrationError, FileFormatError

CODECS: tuple[Codec, ...] = (
    qualisys.CODEC,
    colmap_text.CODEC,
    easymocap.CODEC,
    opencv_yaml.CODEC,
    caliscope_toml.CODEC,
    freemocap_toml.CODEC,
    pose2sim_toml.CODEC,
    anipose_toml.CODEC,  # takes what no other TOML claims
    opencap.CODEC,
    blender_script.CODEC,
)
"""All file formats: the first that recognises a file reads it."""

METRES_PER_UNIT = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "inch": 0.0254}
"""What a user may call the unit of a file that has none; a number of metres does as well."""

FARTHEST_M = 300.0
"""Cameras farther apart than this, by a unit that was assumed, were not in that unit.

Around a stadium they stand 250 m apart; millimetres that are taken for metres put 0.3 m at 300 m.
"""

ALMOST_SAME_SHAPE = 0.02
"""Widths to heights that differ by less come from codecs that want multiples of 8 or 16 (1088 lines for 1080)."""


@dataclass(frozen=True)
class Calibration:
    """A calibration that was read.

    Attributes
    ----------
    cameras
        In metres; the world's axes as in the file, unless it was asked to turn them.
    codec
        The format that it was in.
    files
        The files that it was read from.
    notes
        What the user should know: what was assumed, what was left out.
    metadata
        What the file says about itself.
    """

    cameras: CameraGroup
    codec: Codec
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    metadata: Mapping[str, str | float]


def load_cameras(path: Path) -> CameraGroup:
    """Read the cameras of a calibration in any of the formats; the content decides which.

    Raises
    ------
    FileFormatError
        If the file cannot be read or is of no known format.
    """
    return load_calibration(path).cameras


def load_calibration(path: Path, unit: str | None = None, up: str | None = None) -> Calibration:
    """Read a calibration, a file or a folder, in any of the formats; the content decides which.

    Parameters
    ----------
    path
        The file, or the folder that holds its files.
    unit
        The unit of a file that does not declare its own: a key of `METRES_PER_UNIT`, or a number of metres. By default
        what its tool always writes, otherwise metres.
    up
        The axis of its world that points up, such as "-y": it becomes z. By default the world stays as it is.

    Raises
    ------
    FileFormatError
        If it cannot be read, is of no known format, declares another unit than `unit`, or gives no unit and cannot be
        in metres; if `unit` or `up` is none.
    """
    if up is not None and up not in Z_UP_FROM:
        raise FileFormatError(f'"{up}" is no axis of the world. Needed one of {", ".join(Z_UP_FROM)}.')
    source = Source(path)
    codec = next((one for one in CODECS if one.recognises is not None and one.recognises(source)), None)
    if codec is None or codec.read is None:
        raise FileFormatError(
            f"{path} is a folder without a calibration that is known. Needed intri.yml and extri.yml (EasyMocap), "
            "cameras.txt and images.txt (COLMAP), or OpenCV YAML files; otherwise name the file itself."
        )
    reading = codec.read(source)
    metres = _metres(path, unit, reading.unit)
    cameras = scale(reading.cameras, metres / reading.unit.metres) if metres != reading.unit.metres else reading.cameras
    unit_notes = () if unit is not None or reading.unit.declared else _unit_notes(path, cameras, reading.unit.doubt)
    axis_notes = _axis_notes(path, cameras) if up is None else ()
    cameras = cameras if up is None else turn_up(cameras, up)
    notes = (*reading.notes, *unit_notes, *axis_notes)
    return Calibration(cameras, codec, source.used, notes, reading.metadata)


def write_calibration(cameras: CameraGroup, codec: Codec, metadata: Mapping[str, str | float]) -> Writing:
    """Return what is to be written for another tool.

    Raises
    ------
    FileFormatError
        If the format is only read, or cannot hold these cameras.
    """
    if codec.write is None:
        raise FileFormatError(f"{codec.what} is read, but not written. Needed one of {', '.join(written_formats())}.")
    return codec.write(cameras, metadata)


def codec_named(name: str) -> Codec:
    """Return the codec of a format's short name.

    Raises
    ------
    FileFormatError
        If there is none.
    """
    for codec in CODECS:
        if codec.name == name.lower():
            return codec
    raise FileFormatError(f'"{name}" is no format of calibrations. Needed one of {", ".join(written_formats())}.')


def written_formats() -> tuple[str, ...]:
    """Return the short names of the formats that can be written."""
    return tuple(sorted(codec.name for codec in CODECS if codec.write is not None))


def _metres(path: Path, asked: str | None, unit: Unit) -> float:
    """Return the length of the file's unit, metres."""
    if asked is None:
        return unit.metres
    try:
        metres = METRES_PER_UNIT[asked] if asked in METRES_PER_UNIT else float(asked)
        if not 0 < metres < np.inf:
            raise ValueError
    except ValueError:
        raise FileFormatError(
            f'The unit "{asked}" is unknown: needed {", ".join(METRES_PER_UNIT)} or a number of metres, such as 0.039.'
        ) from None
    if unit.declared and metres != unit.metres:
        raise FileFormatError(
            f"{path} declares its own unit, {unit.metres:g} m, which contradicts {asked}. Leave the unit out, or "
            "correct the file."
        )
    return metres


def _unit_notes(path: Path, cameras: CameraGroup, doubt: str) -> tuple[str, ...]:
    """Refuse cameras that stand impossibly far apart, and tell of a unit that was assumed."""
    apart = distances_m(cameras)
    remedy = f"say which unit it is: clapcap cameras {quote(str(path))} --unit mm -o cameras.toml"
    if len(apart) and apart.max() > FARTHEST_M:
        raise FileFormatError(
            f"{path}: the cameras would stand {apart.max():,.0f} m apart, needed at most {FARTHEST_M:g} m, so the unit "
            f"is not the one assumed. If the file is right, {remedy}"
        )
    if not doubt:
        return ()
    where = f"{apart.min():.2f} to {apart.max():.2f} m apart" if len(apart) else "somewhere"
    return (f"Unit: {doubt}. As taken, the cameras stand {where}. If that is wrong, {remedy}",)


def _axis_notes(path: Path, cameras: CameraGroup) -> tuple[str, ...]:
    up = axis_up(cameras)
    if up in ("z", None):
        return ()
    return (
        f"World: by the pictures, its {up} axis points up, where clapcap has z up. Turn it: clapcap cameras "
        f"{quote(str(path))} --up {up} -o cameras.toml",
    )


def adapt_to_size(
    camera: Camera, size_px: tuple[int, int], how: Literal["fit", "fill", "crop"] | None = None
) -> Camera:
    """Return the camera for pictures of another size than those it was calibrated on.

    Parameters
    ----------
    camera
        As calibrated.
    size_px
        Width and height of the pictures now.
    how
        What was done to the pictures: "fit": scaled until all of it fits, bars at the sides that are left; "fill":
        scaled until nothing is left empty, what stands over cut off on both sides; "crop": cut off on both sides
        without scaling. None: "fit", if the shape is the same within `ALMOST_SAME_SHAPE`: it is what converters do to a
        picture of nearly the size asked for.

    Raises
    ------
    CalibrationError
        If the shape differs and it is not said how.
    """
    old, new = np.array(camera.size_px, dtype=np.float64), np.array(size_px, dtype=np.float64)
    if (old == new).all():
        return camera
    ratio = new / old
    if how is None and abs(ratio[0] / ratio[1] - 1) > ALMOST_SAME_SHAPE:
        turned = " The video seems to be turned by 90 degrees against the calibration." if (
            abs(new[0] / new[1] * old[0] / old[1] - 1) <= ALMOST_SAME_SHAPE
        ) else ""  # fmt: skip
        raise CalibrationError(
            f"{camera.name}: the video is {size_px[0]} x {size_px[1]} px, but the camera was calibrated at "
            f"{camera.size_px[0]} x {camera.size_px[1]} px, which is another shape.{turned} Calibrate with the same "
            "camera settings as the takes, or convert the video without cropping."
        )
    scale = {"fit": ratio.min(), "fill": ratio.max(), "crop": 1.0}[how or "fit"]
    # Pixel (0, 0) is a centre: the picture's own middle is (size - 1) / 2, and stays in the middle.
    matrix = camera.matrix.copy()
    matrix[:2, :2] *= scale
    matrix[:2, 2] = (new - 1) / 2 + scale * (matrix[:2, 2] - (old - 1) / 2)
    return replace(camera, size_px=size_px, matrix=matrix)
