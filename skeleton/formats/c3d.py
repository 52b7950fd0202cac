"""Keypoints in 3D as C3D, the binary format of marker-based motion capture; needs ezc3d (the extra `c3d`).

Written: millimetres, as is usual in C3D, 32 bit floats (a step of 0.0002 mm at 3 m); the world's axes, right-handed and
Z up, which POINT:X_SCREEN (+X) and POINT:Y_SCREEN (+Z) say; residual 0, or -1 for a missing point. C3D knows one frame
rate only, so the frames must be equally spaced within a tenth of a frame, and come back equally spaced; the group
CLAPCAP holds the start time (START_S) and the rate (RATE_HZ) with all their digits, as text.

Lost: sigma (C3D's residual could hold it, but programs disagree on its byte), filled, camera names, reprojection
errors, points with one missing coordinate. More than 65535 frames, names of more than 255 bytes are refused.

Read: any C3D in m, cm or mm, up to its 65535th frame; sigma is NaN. Y_SCREEN +Y is taken as Y up and turned to Z up.
Without CLAPCAP, time counts from frame 1 at the file's rate. Other data (analog channels, events) are ignored.

Source of the layout: The C3D File Format User Guide (Motion Lab Systems, 2008).
"""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from clapcap.errors import FileFormatError
from skeleton.formats.contract import Array, check_frames, check_names, frame_rate_hz, keypoints3d, reading
from skeleton.keypoints import Keypoints3D

_PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
_GROUP = "CLAPCAP"
_MAX_FRAMES = 65535  # POINT:FRAMES is an unsigned 16 bit number
_BIG_ENDIAN = 86  # processor type of SGI/MIPS; 84 (Intel) and 85 (DEC) are little-endian
_MAX_NAME_BYTES = 255  # a dimension of a parameter is one byte
_UNEVEN_FRAMES = 0.1  # time stamps in whole milliseconds pass up to 100 Hz; a dropped frame (1) does not


def save(path: Path, keypoints: Keypoints3D) -> None:
    """Write a C3D.

    Raises
    ------
    FileFormatError
        If ezc3d is missing, or C3D cannot hold these keypoints.
    OSError
        If the file cannot be written.
    """
    ezc3d = _ezc3d(path)
    check_names(path, keypoints.names)
    check_frames(path, keypoints)
    _check_limits(path, keypoints)
    rate_hz = _even_rate_hz(path, keypoints.time_s)

    xyz_mm = np.moveaxis(keypoints.xyz_m, 0, -1).transpose(1, 0, 2) * 1000  # (3, points, frames)
    missing = ~(np.abs(xyz_mm) <= np.finfo(np.float32).max).all(axis=0)

    document = ezc3d.c3d()
    point = document["parameters"]["POINT"]
    point["RATE"]["value"] = [rate_hz]
    point["UNITS"]["value"] = ["mm"]
    point["LABELS"]["value"] = list(keypoints.names)
    document.add_parameter("POINT", "X_SCREEN", ["+X"])
    document.add_parameter("POINT", "Y_SCREEN", ["+Z"])
    document.add_parameter(_GROUP, "START_S", [repr(float(keypoints.time_s[0]))])
    document.add_parameter(_GROUP, "RATE_HZ", [repr(rate_hz)])
    points = np.ones((4, *missing.shape))
    points[:3] = np.where(missing, np.nan, xyz_mm)
    document["data"]["points"] = points
    document["data"]["meta_points"]["residuals"] = np.where(missing, -1.0, 0.0)[None]

    path.open("wb").close()  # ezc3d says nothing when it cannot write; this raises the OSError
    document.write(str(path))
    _check_written(path, missing.size * 4 * np.dtype(np.float32).itemsize)


def load(path: Path) -> Keypoints3D:
    """Read a C3D.

    Raises
    ------
    FileFormatError
        If ezc3d is missing, or the file cannot be read or holds no points.
    """
    ezc3d = _ezc3d(path)
    with reading(path, "a C3D file"):
        path.open("rb").close()  # an error of the system rather than ezc3d's for a file that is not there
        try:
            document = ezc3d.c3d(str(path))
        except OSError as error:
            raise ValueError(str(error)) from error
        parameters = document["parameters"]
        point = parameters["POINT"]
        points = document["data"]["points"]
        _check_whole(path, points.shape[2])
        units = _text(point, "UNITS").lower()
        if units not in _PER_METRE:
            raise ValueError(f"POINT:UNITS is {units!r}, needed one of {', '.join(_PER_METRE)}")
        count, frames = points.shape[1:]
        missing = document["data"]["meta_points"]["residuals"][0].T < 0  # (frames, points)
        xyz_m = points[:3].transpose(2, 1, 0) / _PER_METRE[units]
        if _text(point, "Y_SCREEN") == "+Y":
            xyz_m = xyz_m[..., [2, 0, 1]]
        xyz_m = np.where(missing[..., None], np.nan, xyz_m)
        if _GROUP in parameters:
            start_s = float(parameters[_GROUP]["START_S"]["value"][0])
            rate_hz = float(parameters[_GROUP]["RATE_HZ"]["value"][0])
        else:
            rate_hz = float(point["RATE"]["value"][0])
            start_s = float(document["header"]["points"]["first_frame"]) / rate_hz  # ezc3d counts it from 0
        return keypoints3d(_labels(point, count), xyz_m, start_s + np.arange(frames) / rate_hz)


def _ezc3d(path: Path) -> Any:
    try:
        import ezc3d
    except ImportError as error:
        raise FileFormatError(
            f'{path}: C3D needs ezc3d, which is not installed. Run: pip install "clapcap[c3d]"'
        ) from error
    return ezc3d


def _check_limits(path: Path, keypoints: Keypoints3D) -> None:
    frames = len(keypoints.time_s)
    if frames > _MAX_FRAMES:
        raise FileFormatError(
            f"{path}: C3D holds at most {_MAX_FRAMES} frames, this take has {frames}. Save it as TRC or npz."
        )
    for name in keypoints.names:
        if len(name.encode()) > _MAX_NAME_BYTES:
            raise FileFormatError(
                f"{path}: C3D holds names of at most {_MAX_NAME_BYTES} bytes, {name!r} has {len(name.encode())}. "
                "Rename the point."
            )


def _check_written(path: Path, data_bytes: int) -> None:
    with path.open("rb") as file:
        header = file.read(512)
    data_start = struct.unpack("<H", header[16:18])[0] if len(header) == 512 else 0  # in blocks of 512 bytes, from 1
    size, needed = path.stat().st_size, max(data_start - 1, 1) * 512 + data_bytes
    if size < needed:
        raise OSError(errno.ENOSPC, f"{size} of {needed} bytes were written: is the disk full?", str(path))


def _check_whole(path: Path, frames: int) -> None:
    """Refuse a file that was cut short: ezc3d reads what there is without a word, so its own header is asked."""
    with path.open("rb") as file:
        header = file.read(512)
        file.seek((header[0] - 1) * 512)  # to the parameters, whose fourth byte is the kind of processor
        order = ">" if file.read(4)[3] == _BIG_ENDIAN else "<"
    first, last = struct.unpack(f"{order}2H", header[6:10])
    if frames < last - first + 1:
        raise ValueError(f"it was cut short: it holds {frames} of {last - first + 1} frames")


def _even_rate_hz(path: Path, time_s: Array) -> float:
    """Return the frame rate, refusing frames that are not equally spaced."""
    rate_hz = frame_rate_hz(time_s)
    off = np.abs((time_s - time_s[0]) * rate_hz - np.arange(len(time_s)))  # in frames
    if not off.max() <= _UNEVEN_FRAMES:
        worst = int(np.argmax(off))
        raise FileFormatError(
            f"{path}: C3D needs equally spaced frames, but frame {worst} lies {off[worst]:.3g} frames from its place "
            f"at {rate_hz:.6g} Hz (at most {_UNEVEN_FRAMES}). Resample the keypoints, or save them as TRC or npz."
        )
    if not np.finfo(np.float32).tiny < rate_hz < np.finfo(np.float32).max:
        raise FileFormatError(f"{path}: C3D cannot hold a frame rate of {rate_hz:g} Hz. Check the time stamps.")
    return rate_hz


def _text(group: Any, key: str) -> str:
    """Return the first text of a parameter, empty where there is none."""
    values = group[key]["value"] if key in group else []
    return str(values[0]).strip() if len(values) else ""


def _labels(point: Any, count: int) -> list[str]:
    """Return the points' names: LABELS holds the first 255, LABELS2 the next, ...; unnamed points get a number."""
    labels: list[str] = []
    for key in sorted((k for k in point if re.fullmatch(r"LABELS\d*", k)), key=lambda k: (len(k), k)):
        labels += [str(label).strip() for label in point[key]["value"]]
    labels += [""] * (count - len(labels))
    return [label or f"point_{place}" for place, label in enumerate(labels[:count], start=1)]
