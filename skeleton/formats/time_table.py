"""Tables over time: CSV for spreadsheets and pandas, and OpenSim's motion files (.mot).

CSV: `time_s`, then the table's columns, whose names carry their units. UTF-8, comma, point as the decimal mark.

Motion file: OpenSim's header (`version`, `nRows`, `nColumns`, `inDegrees`, `endheader`), then a row of names and rows
of numbers, separated by tabs. OpenSim wants its rows equally spaced: a table whose time stamps are not is interpolated
onto an even line of as many rows a second as the median step says, linearly.

Both print the time with all its digits, and numbers to a millionth (of a degree, of a metre).

Source of the layout: OpenSim's documentation, "Motion (.mot) Files".
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from skeleton.formats.contract import Array, reading
from skeleton.tables import TimeTable

_UNIFORM_SHARE = 1e-3  # time stamps within this share of a step of an even line count as even, as in our BVH


def save_csv(path: Path, table: TimeTable) -> None:
    """Write a table as CSV; raises OSError when the disk refuses."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_s", *table.columns])
        writer.writerows(_rows(table.time_s, table.values))


def save_mot(path: Path, table: TimeTable) -> None:
    """Write a table, its angles in degrees, as OpenSim's motion file; raises OSError when the disk refuses."""
    time_s, values = _even(table)
    header = [
        "Coordinates",
        "version=1",
        f"nRows={len(time_s)}",
        f"nColumns={1 + len(table.columns)}",
        "inDegrees=yes",
        "",
        "Angles are in degrees, lengths in metres, times in seconds.",
        "",
        "endheader",
        "\t".join(["time", *table.columns]),
    ]
    lines = ["\t".join(row) for row in _rows(time_s, values)]
    path.write_text("\n".join([*header, *lines]) + "\n", encoding="utf-8")


def load_csv(path: Path) -> TimeTable:
    """Read a table as `save_csv` writes it; raises FileFormatError for what is none."""
    with reading(path, "a table over time"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
        if not header or header[0] != "time_s":
            raise ValueError("its first column is not time_s")
        numbers = np.array(rows, dtype=np.float64).reshape(len(rows), len(header))
        return TimeTable(tuple(header[1:]), numbers[:, 0], numbers[:, 1:])


def _rows(time_s: Array, values: Array) -> list[list[str]]:
    numbers = (values.round(6) + 0.0).tolist()  # no -0
    return [
        [repr(time), *(f"{value:.6f}" for value in row)] for time, row in zip(time_s.tolist(), numbers, strict=True)
    ]


def _even(table: TimeTable) -> tuple[Array, Array]:
    time_s, values = table.time_s, table.values
    if len(time_s) < 3:
        return time_s, values
    even = np.linspace(time_s[0], time_s[-1], len(time_s))
    step = float(np.median(np.diff(time_s)))
    if np.abs(time_s - even).max() <= _UNIFORM_SHARE * step:
        return time_s, values
    even = time_s[0] + step * np.arange(1 + int((time_s[-1] - time_s[0]) / step + 1e-6))
    return even, np.stack([np.interp(even, time_s, column) for column in values.T], axis=1)
