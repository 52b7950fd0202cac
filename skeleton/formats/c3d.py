"""Keypoints in 3D as C3D, the binary format of marker-based motion capture; reading needs ezc3d (the extra `c3d`).

Written: millimetres, as is usual in C3D, 32 bit floats (a step of 0.0002 mm at 3 m); the world's axes, right-handed and
Z up, which POINT:X_SCREEN (+X) and POINT:Y_SCREEN (+Z) say. A missing point has the residual -1, one that was filled 0
("not measured", by the guide), any other its sigma in steps of 0.5 mm, from 0.5 to 127.5 mm (the last: or more; 0
where sigma is unknown), and a bit for each of the first seven cameras that saw it. C3D knows one frame rate only, so
the frames must be equally spaced within a tenth of a frame, and come back equally spaced; the group CLAPCAP holds the
start time (START_S) and the rate (RATE_HZ) with all their digits, as text, and the note, where there is one (NOTE).
More than 65535 frames are counted by TRIAL:ACTUAL_END_FIELD (Vicon) and POINT:LONG_FRAMES (C-Motion), more than 255
names go on in LABELS2.

Lost: filled, camera names, reprojection errors, points with one missing coordinate. Names of more than 255 bytes are
refused.

Read: any C3D in m, cm or mm; sigma is NaN where the file is not clapcap's, as a residual may be anything. Y_SCREEN +Y
is taken as Y up and turned to Z up. Without CLAPCAP, time counts from frame 1 at the file's rate. Other data (analog
channels, events) are ignored. Of more than 65535 frames, those of floats without analog data are read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from skeleton.formats.c3d_layout import (
    HEADER_FRAMES,
    INTEL,
    Head,
    file_head,
    fourth_words,
    long_counts,
    read_floats,
    read_head,
    text_lists,
)
from skeleton.formats.contract import Array, check_frames, check_names, frame_rate_hz, keypoints3d, reading
from skeleton.keypoints import Keypoints3D

_PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
_GROUP = "CLAPCAP"
_MAX_NAME_BYTES = 255  # a dimension of a parameter is one byte
_UNEVEN_FRAMES = 0.1  # time stamps in whole milliseconds pass up to 100 Hz; a dropped frame (1) does not
_SCALE_MM = 0.5  # of the residual's byte: 127 mm is worse than any point of use, 0.5 mm finer than markerless points
_SCALE_STEPS = 32000  # programs that turn floats into 16 bit numbers divide by the scale: so it grows beyond 16 m
_RESIDUAL_STEPS = 255


def save(path: Path, keypoints: Keypoints3D) -> None:
    """Write a C3D.

    Raises
    ------
    FileFormatError
        If C3D cannot hold these keypoints.
    OSError
        If the file cannot be written.
    """
    check_names(path, keypoints.names)
    check_frames(path, keypoints)
    _check_names_fit(path, keypoints)
    rate_hz = _even_rate_hz(path, keypoints.time_s)

    xyz_mm = keypoints.xyz_m * 1000
    missing = ~(np.abs(xyz_mm) <= np.finfo(np.float32).max).all(axis=-1)
    xyz_mm = np.where(missing[..., None], 0.0, xyz_mm)
    frames, points = missing.shape
    scale_mm = max(_SCALE_MM, float(np.abs(xyz_mm).max()) / _SCALE_STEPS)
    measured = ~(missing | keypoints.filled)
    known = measured & np.isfinite(keypoints.sigma_m)
    steps = np.where(known, np.minimum(keypoints.sigma_m * (1000 / scale_mm), _RESIDUAL_STEPS), 0.0)
    residual = np.where(known, np.maximum(np.rint(steps), 1), 0).astype(np.int64)
    seen = np.isfinite(keypoints.reprojection_px) & measured
    more_frames, trial = long_counts(frames)
    groups = {
        "POINT": {
            "USED": points,
            "FRAMES": min(frames, HEADER_FRAMES),
            **more_frames,
            "RATE": rate_hz,
            "UNITS": "mm",
            "X_SCREEN": "+X",
            "Y_SCREEN": "+Z",
            **text_lists("LABELS", keypoints.names),
            **text_lists("DESCRIPTIONS", [" "] * points),
        },
        "ANALOG": {"USED": 0, "GEN_SCALE": 1.0, "RATE": 0.0},
        "FORCE_PLATFORM": {"USED": 0},
        **({"TRIAL": trial} if trial else {}),
        _GROUP: {
            "START_S": repr(float(keypoints.time_s[0])),
            "RATE_HZ": repr(rate_hz),
            "RESIDUAL": "sigma",
            **_note(keypoints),
        },
    }
    try:
        head = file_head(points, frames, rate_hz, -scale_mm, groups)
    except ValueError as error:
        raise FileFormatError(f"{path}: C3D cannot hold {points} names so long: {error}. Shorten the names.") from error
    data = np.empty((frames, points, 4), dtype="<f4")
    data[..., :3] = xyz_mm
    data[..., 3] = fourth_words(missing, residual, seen)
    with path.open("wb") as file:
        file.write(head)
        file.write(data.tobytes())


def load(path: Path) -> Keypoints3D:
    """Read a C3D.

    Raises
    ------
    FileFormatError
        If ezc3d is missing, or the file cannot be read or holds no points.
    """
    ezc3d = _ezc3d(path)
    with reading(path, "a C3D file"):
        head = read_head(path)  # before ezc3d, whose words for a file that is not there say less
        try:
            document = ezc3d.c3d(str(path))
        except OSError as error:
            raise ValueError(str(error)) from error
        parameters = document["parameters"]
        point = parameters["POINT"]
        units = _text(point, "UNITS").lower()
        if units not in _PER_METRE:
            raise ValueError(f"POINT:UNITS is {units!r}, needed one of {', '.join(_PER_METRE)}")
        frames = _frame_count(parameters, head)
        count = int(document["data"]["points"].shape[1])
        xyz, missing, sigma = _points(path, document, head, frames)
        xyz_m = xyz / _PER_METRE[units]
        if _text(point, "Y_SCREEN") == "+Y":
            xyz_m = xyz_m[..., [2, 0, 1]]
        xyz_m = np.where(missing[..., None], np.nan, xyz_m)
        if _GROUP in parameters:
            start_s = float(parameters[_GROUP]["START_S"]["value"][0])
            rate_hz = float(parameters[_GROUP]["RATE_HZ"]["value"][0])
        else:
            rate_hz = float(point["RATE"]["value"][0])
            start_s = float(document["header"]["points"]["first_frame"]) / rate_hz  # ezc3d counts it from 0
        sigma_m = None if sigma is None else sigma / _PER_METRE[units]
        note = _text(parameters[_GROUP], "NOTE") if _GROUP in parameters else ""
        time_s = start_s + np.arange(frames) / rate_hz
        return replace(keypoints3d(_labels(point, count), xyz_m, time_s, sigma_m), note=note)


def _points(path: Path, document: Any, head: Head, frames: int) -> tuple[Array, npt.NDArray[np.bool_], Array | None]:
    """Return positions (frames, points, 3), what is missing (frames, points), and sigma, in the file's unit.

    ezc3d reads 65535 frames, and takes the residual from the byte where the guide puts the cameras: so floats like ours
    are read without it.
    """
    points = document["data"]["points"]
    parameters = document["parameters"]
    scale = float(parameters["POINT"]["SCALE"]["value"][0])
    analog = int(parameters["ANALOG"]["USED"]["value"][0]) if "ANALOG" in parameters else 0
    if head.processor == INTEL and scale < 0 and not analog:
        numbers = read_floats(path, head, frames, points.shape[1]).astype(np.float64)
        residual = np.where(numbers[..., 3] < 0, 0, numbers[..., 3]).astype(np.int64) & 0xFF
        ours = _GROUP in parameters and _text(parameters[_GROUP], "RESIDUAL") == "sigma"
        sigma = np.where(residual > 0, -scale * residual, np.nan) if ours else None
        return numbers[..., :3], numbers[..., 3] < 0, sigma
    if points.shape[2] < frames:
        raise ValueError(f"it was cut short, or is too long: {points.shape[2]} of {frames} frames can be read")
    missing = document["data"]["meta_points"]["residuals"][0].T < 0
    return points[:3].transpose(2, 1, 0), missing, None


def _frame_count(parameters: Any, head: Head) -> int:
    """Return how many frames there are: the header's count, and where that is at its end, Vicon's or C-Motion's."""
    frames = head.last_frame - head.first_frame + 1
    if head.last_frame < HEADER_FRAMES:
        return frames
    counted = []
    if "TRIAL" in parameters and "ACTUAL_END_FIELD" in parameters["TRIAL"]:
        ends = [
            np.asarray(parameters["TRIAL"][key]["value"], dtype=np.int64) % 65536  # ezc3d reads them as signed
            for key in ("ACTUAL_START_FIELD", "ACTUAL_END_FIELD")
        ]
        start, end = (int(words[0]) + 65536 * int(words[1]) if len(words) > 1 else 0 for words in ends)
        counted.append(end - start + 1)
    if "LONG_FRAMES" in parameters["POINT"]:
        counted.append(int(parameters["POINT"]["LONG_FRAMES"]["value"][0]))
    return max([frames, *counted])


def _ezc3d(path: Path) -> Any:
    try:
        import ezc3d
    except ImportError as error:
        raise FileFormatError(
            f'{path}: reading C3D needs ezc3d, which is not installed. Run: pip install "clapcap[c3d]"'
        ) from error
    return ezc3d


def _check_names_fit(path: Path, keypoints: Keypoints3D) -> None:
    for name in keypoints.names:
        if len(name.encode()) > _MAX_NAME_BYTES:
            raise FileFormatError(
                f"{path}: C3D holds names of at most {_MAX_NAME_BYTES} bytes, {name!r} has {len(name.encode())}. "
                "Rename the point."
            )


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


def _note(keypoints: Keypoints3D) -> dict[str, str]:
    """Return the parameter of the note; as much of it as a dimension of one byte allows."""
    note = keypoints.note.encode("ascii", "replace")[:_MAX_NAME_BYTES].decode("ascii")
    return {"NOTE": note} if note else {}


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
