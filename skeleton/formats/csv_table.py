"""Keypoints in 3D as a CSV table: one row a frame, for spreadsheets, pandas and R.

Columns: `frame` (from 0), `time_s`, then for each point NAME_x, NAME_y, NAME_z, NAME_sigma (metres, in the world:
right-handed, Z up) and NAME_filled (0 or 1). An empty cell is a missing value. UTF-8, comma, point as the decimal mark;
numbers are printed with as many digits as they need to come back exactly.

Lost: camera names and reprojection errors. Reading needs `time_s` and NAME_x, NAME_y, NAME_z; it takes sigma and filled
where they are there and ignores other columns, so that tables of other programs in this layout can be read.
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

_POSITION = ("x", "y", "z")


def save(path: Path, keypoints: Keypoints3D) -> None:
    """Write the table; raises FileFormatError for what cannot be written, OSError when the disk refuses."""
    check_names(path, keypoints.names)
    check_frames(path, keypoints)
    frames = len(keypoints.time_s)
    header = ["frame", "time_s"]
    header += [f"{name}_{column}" for name in keypoints.names for column in (*_POSITION, "sigma", "filled")]
    numbers = np.concatenate([keypoints.xyz_m, keypoints.sigma_m[..., None]], axis=-1).tolist()
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
        names = [name[:-2] for name in header if name.endswith("_x") and f"{name[:-2]}_y" in column]
        table = np.array(
            [_row(cells, len(header), reader.line_num) for cells in reader if cells], dtype=np.float64
        ).reshape(-1, len(header))
        shape = (len(table), len(names))
        xyz = np.empty((*shape, 3))
        sigma = np.full(shape, np.nan)
        filled: npt.NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        for point, name in enumerate(names):
            for axis, letter in enumerate(_POSITION):
                xyz[:, point, axis] = table[:, column[f"{name}_{letter}"]]
            if f"{name}_sigma" in column:
                sigma[:, point] = table[:, column[f"{name}_sigma"]]
            if f"{name}_filled" in column:
                filled[:, point] = table[:, column[f"{name}_filled"]] == 1
        return keypoints3d(names, xyz, table[:, column["time_s"]], sigma, filled)


def _row(cells: list[str], columns: int, line: int) -> list[float]:
    if len(cells) != columns:
        raise ValueError(f"line {line} has {len(cells)} cells, the header has {columns}")
    try:
        return [float(cell) if cell.strip() else math.nan for cell in cells]
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from error
