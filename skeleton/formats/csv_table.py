"""Keypoints in 3D as a CSV table: one row a frame, for spreadsheets, pandas and R.

Columns: `frame` (from 0), `time_s`, then for each point NAME_x_m, NAME_y_m, NAME_z_m (metres in the world: right-
handed, Z up), NAME_sigma_mm (standard deviation of the position, millimetres) and NAME_filled (0 or 1). An empty cell
is a missing value. UTF-8, comma, point as the decimal mark; positions and times are printed with as many digits as they
need to come back exactly.

Lost: camera names, reprojection errors, the last digit of sigma. Reading needs `time_s` and the positions; it takes
sigma and filled where they are there and ignores other columns, so that tables of other programs in this layout can be
read. Positions may also be called NAME_x, NAME_y, NAME_z, and sigma NAME_sigma, in metres, as clapcap once wrote them.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skeleton.formats.contract import check_frames, check_names, keypoints3d, reading
from skeleton.keypoints import Keypoints3D

_POSITION = ("x_m", "y_m", "z_m")
_BARE_POSITION = ("x", "y", "z")
_SIGMA_PER_M = {"sigma_mm": 1000.0, "sigma": 1.0}


def save(path: Path, keypoints: Keypoints3D) -> None:
    """Write the table; raises FileFormatError for what cannot be written, OSError when the disk refuses."""
    check_names(path, keypoints.names)
    check_frames(path, keypoints)
    frames = len(keypoints.time_s)
    header = ["frame", "time_s"]
    header += [f"{name}_{column}" for name in keypoints.names for column in (*_POSITION, "sigma_mm", "filled")]
    numbers = np.concatenate([keypoints.xyz_m, 1000 * keypoints.sigma_m[..., None]], axis=-1).tolist()
    filled = keypoints.filled.astype(int).tolist()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for frame, time_s in zip(range(frames), keypoints.time_s.tolist(), strict=True):  # text is made row by row
            row: list[object] = [frame, time_s]
            for values, flag in zip(numbers[frame], filled[frame], strict=True):
                row += ["" if math.isnan(value) else value for value in values]
                row.append(flag)
            writer.writerow(row)


def load(path: Path) -> Keypoints3D:
    """Read the table; raises FileFormatError if the file cannot be read or has another layout."""
    with reading(path, "a table of keypoints in 3D"):
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a byte order mark
            reader = csv.reader(io.StringIO(file.read(), newline=""))
        header = next(reader, [])
        column = {name: place for place, name in enumerate(header)}
        if "time_s" not in column:
            raise KeyError("the column time_s")
        position = _POSITION if _names(header, _POSITION) else _BARE_POSITION
        names = _names(header, position)
        table = np.array(
            [_row(cells, len(header), reader.line_num) for cells in reader if cells], dtype=np.float64
        ).reshape(-1, len(header))
        shape = (len(table), len(names))
        xyz = np.empty((*shape, 3))
        sigma = np.full(shape, np.nan)
        filled: npt.NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        for point, name in enumerate(names):
            for axis, ending in enumerate(position):
                xyz[:, point, axis] = table[:, column[f"{name}_{ending}"]]
            for ending, per_m in _SIGMA_PER_M.items():
                if f"{name}_{ending}" in column:
                    sigma[:, point] = table[:, column[f"{name}_{ending}"]] / per_m
                    break
            if f"{name}_filled" in column:
                filled[:, point] = table[:, column[f"{name}_filled"]] == 1
        return keypoints3d(names, xyz, table[:, column["time_s"]], sigma, filled)


def _names(header: list[str], position: tuple[str, str, str]) -> list[str]:
    """Return the points whose first two coordinates have columns with these endings."""
    first, second, _ = (f"_{ending}" for ending in position)
    return [
        name.removesuffix(first)
        for name in header
        if name.endswith(first) and name.removesuffix(first) + second in header
    ]


def _row(cells: list[str], columns: int, line: int) -> list[float]:
    if len(cells) != columns:
        raise ValueError(f"line {line} has {len(cells)} cells, the header has {columns}")
    try:
        return [float(cell) if cell.strip() else math.nan for cell in cells]
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from error
