"""Keypoints in 3D as TRC (Track Row Column), which OpenSim, Pose2Sim and most biomechanics programs read.

Written: metres (`Units` m, as Pose2Sim writes and OpenSim's kinematics expect), and OpenSim's axes, Y up: x of the file
is y of the world, y is z (up), z is x. This is the cyclic change that Pose2Sim makes, so right-handedness stays. `Time`
is session time; `DataRate` is the mean frame rate (1 for a single frame). A missing value is an empty cell, and each
line ends with a tab, as in OpenSim's own files. Numbers are printed with as many digits as they need to come back
exactly. The file name that the first line has room for is always `clapcap.trc`: the content must not depend on the
path.

Lost: sigma, filled, camera names, reprojection errors.

Read: any TRC, in m, cm or mm, taken as Y up and turned back; sigma is NaN.

Source of the layout: OpenSim's TRCFileAdapter (its documentation calls the format "Marker (.trc) files").
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from skeleton.formats.contract import check_frames, check_names, frame_rate_hz, keypoints3d, reading
from skeleton.keypoints import Keypoints3D

_FILE_AXES = [1, 2, 0]  # world axis of the file's x, y, z
_WORLD_AXES = [2, 0, 1]  # file axis of the world's x, y, z
_PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
_HEADER_LINES = 5


def save(path: Path, keypoints: Keypoints3D) -> None:
    """Write a TRC; raises FileFormatError for what cannot be written, OSError when the disk refuses."""
    check_names(path, keypoints.names)
    check_frames(path, keypoints)
    frames, points = keypoints.xyz_m.shape[:2]
    rate = f"{frame_rate_hz(keypoints.time_s):.9g}"
    header = {
        "DataRate": rate,
        "CameraRate": rate,
        "NumFrames": str(frames),
        "NumMarkers": str(points),
        "Units": "m",
        "OrigDataRate": rate,
        "OrigDataStartFrame": "1",
        "OrigNumFrames": str(frames),
    }
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tclapcap.trc",
        "\t".join(header),
        "\t".join(header.values()),
        "Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in keypoints.names),
        "\t\t" + "".join(f"X{n}\tY{n}\tZ{n}\t" for n in range(1, points + 1)),
        "",
    ]
    table = keypoints.xyz_m[..., _FILE_AXES].reshape(frames, -1).tolist()
    for frame, (time_s, row) in enumerate(zip(keypoints.time_s.tolist(), table, strict=True), start=1):
        cells = ("" if math.isnan(value) else repr(value) for value in row)
        lines.append(f"{frame}\t{time_s!r}\t" + "".join(f"{cell}\t" for cell in cells))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")


def load(path: Path) -> Keypoints3D:
    """Read a TRC; raises FileFormatError if the file cannot be read or has another layout."""
    with reading(path, "a TRC file"):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        if not lines or not lines[0].startswith("PathFileType"):
            raise ValueError("its first line does not begin with PathFileType")
        if len(lines) < _HEADER_LINES:
            raise ValueError(f"it has {len(lines)} lines, needed {_HEADER_LINES} of header")
        header = dict(zip(_filled_cells(lines[1]), _filled_cells(lines[2]), strict=False))
        if header["Units"].lower() not in _PER_METRE:
            raise ValueError(f"Units is {header['Units']!r}, needed one of {', '.join(_PER_METRE)}")
        labels = _filled_cells(lines[3])
        if labels[:2] != ["Frame#", "Time"]:
            raise ValueError(f"line 4 begins with {labels[:2]}, needed Frame# and Time")
        names = labels[2:]
        if len(names) != int(header["NumMarkers"]):
            raise ValueError(f"NumMarkers is {header['NumMarkers']}, but line 4 names {len(names)}")
        cells = 2 + 3 * len(names)
        rows = [
            _row(line, cells, number)
            for number, line in enumerate(lines[_HEADER_LINES:], start=_HEADER_LINES + 1)
            if line.strip()
        ]
        if len(rows) != int(header["NumFrames"]):
            raise ValueError(f"NumFrames is {header['NumFrames']}, but there are {len(rows)} rows: it was cut short")
        table = np.array(rows, dtype=np.float64).reshape(-1, cells)
        xyz = table[:, 2:].reshape(len(table), len(names), 3)[..., _WORLD_AXES]
        return keypoints3d(names, xyz / _PER_METRE[header["Units"].lower()], table[:, 1])


def _filled_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t") if cell.strip()]


def _row(line: str, columns: int, number: int) -> list[float]:
    cells = line.split("\t")
    if any(cell.strip() for cell in cells[columns:]):
        raise ValueError(f"line {number} has {len(cells)} cells, needed {columns}")
    cells += [""] * (columns - len(cells))  # writers differ on whether missing markers at the end get their tabs
    try:
        return [float(cell) if cell.strip() else math.nan for cell in cells[:columns]]
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
