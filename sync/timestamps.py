"""A table that gives the capture time of every frame of every camera."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import SyncError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

CAMERA, FRAME, TIME, GROUP = "cam_id", "frame_index", "frame_time", "sync_index"


@dataclass(frozen=True, eq=False)
class CameraTimestamps:
    """The rows of one camera, in the order of its frames.

    Attributes
    ----------
    frame_index
        (frames,), number of the frame in the video, from 0.
    time_s
        (frames,), session time of its capture, strictly increasing.
    sync_index
        (frames,), equal for frames of different cameras that belong together, or None where the table has no such
        column.
    """

    frame_index: Indices
    time_s: Array
    sync_index: Indices | None


@dataclass(frozen=True, eq=False)
class TimestampTable:
    """A table of time stamps.

    Attributes
    ----------
    path
        Where it was read.
    cameras
        The rows by the camera's name.
    zero_s
        The table's own time at session time zero: its earliest time stamp, so that session times stay small.
    """

    path: Path
    cameras: Mapping[str, CameraTimestamps]
    zero_s: float

    def frame_time_s(self, camera: str, frame_index: npt.ArrayLike) -> Array:
        """Return the session time (frames,) of frames of a camera, by their number in its video.

        Raises
        ------
        SyncError
            If the table has no row for one of them.
        """
        rows = self.cameras[camera]
        wanted = np.asarray(frame_index, dtype=np.int64)
        place = np.minimum(np.searchsorted(rows.frame_index, wanted), len(rows.frame_index) - 1)
        lacking = wanted[rows.frame_index[place] != wanted]
        if lacking.size:
            raise SyncError(
                f"{self.path}: {camera} has {len(rows.frame_index)} rows, but none for {lacking.size} of the "
                f"{wanted.size} frames of its video, first frame {lacking[0]}. Does the table belong to this recording?"
            )
        return np.asarray(rows.time_s[place], dtype=np.float64)


def read_timestamps(path: str | Path, camera_names: Sequence[str]) -> TimestampTable:
    """Read a CSV with the columns `cam_id`, `frame_index`, `frame_time` (seconds) and, if there, `sync_index`.

    Recorders number frames from when they started to look, which may be before the first frame that they saved: the
    smallest `frame_index` of a camera is the first frame of its video, and the numbers count on from there (in
    caliscope's test recordings all four videos begin with frame_index 26).

    Parameters
    ----------
    path
        The table.
    camera_names
        The cameras (the videos' stems). Each takes the rows whose `cam_id` is its name, or else the number at the end
        of its name: `cam_id` 3 belongs to `cam_3` and to `cam03`.

    Raises
    ------
    SyncError
        If the table cannot be read, lacks a column, a camera's rows are missing or ambiguous, or times do not increase.
    """
    path = Path(path)
    rows = _read_rows(path)
    by_id: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_id.setdefault((row[CAMERA] or "").strip(), []).append(row)
    identifiers = _match(path, list(by_id), camera_names)
    times = {name: _camera_rows(path, name, by_id[identifiers[name]]) for name in camera_names}
    zero_s = min(float(rows.time_s[0]) for rows in times.values())
    return TimestampTable(
        path,
        {name: CameraTimestamps(t.frame_index, t.time_s - zero_s, t.sync_index) for name, t in times.items()},
        zero_s,
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = reader.fieldnames or []
    except OSError as error:
        raise SyncError(f"{path} cannot be read ({error.strerror}). Check the name of the table.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SyncError(f"{path} is not a CSV table ({error}).") from error
    lacking = [name for name in (CAMERA, FRAME, TIME) if name not in columns]
    if lacking:
        raise SyncError(
            f"{path} lacks the column {', '.join(lacking)}: needed {CAMERA}, {FRAME}, {TIME} (seconds), found "
            f"{', '.join(columns) or 'nothing'}."
        )
    if not rows:
        raise SyncError(f"{path} has no rows: needed one for each frame of each camera.")
    return rows


def _match(path: Path, identifiers: Sequence[str], camera_names: Sequence[str]) -> dict[str, str]:
    """Return the `cam_id` of every camera."""
    found: dict[str, str] = {}
    for name in camera_names:
        candidates = [i for i in identifiers if i == name]
        number = _trailing_number(name)
        if not candidates and number is not None:
            candidates = [i for i in identifiers if i not in camera_names and _trailing_number(i) == number]
        if len(candidates) != 1:
            problem = "no rows" if not candidates else f"rows under several cam_id ({', '.join(candidates)})"
            raise SyncError(
                f"{path} has {problem} for {name}: its cam_id are {', '.join(identifiers)}. Use the videos' names, or "
                "the numbers at their ends, as cam_id."
            )
        found[name] = candidates[0]
    taken: dict[str, str] = {}
    for name, identifier in found.items():
        if identifier in taken:
            raise SyncError(
                f"{path}: cam_id {identifier} could be {taken[identifier]} or {name}. Use the videos' names as cam_id."
            )
        taken[identifier] = name
    return found


def _trailing_number(text: str) -> int | None:
    digits = re.search(r"(\d+)$", text)
    return int(digits.group(1)) if digits else None


def _camera_rows(path: Path, name: str, rows: list[dict[str, str]]) -> CameraTimestamps:
    grouped = bool(rows[0].get(GROUP))
    try:
        numbers = np.array([int(row[FRAME]) for row in rows])
        times = np.array([float(row[TIME]) for row in rows])
        groups = np.array([int(row[GROUP]) for row in rows]) if grouped else None
    except (TypeError, ValueError) as error:
        raise SyncError(f"{path}: a row of {name} holds something that is no number ({error}).") from error
    order = np.argsort(numbers, kind="stable")
    numbers, times = numbers[order], times[order]
    for before, after, t_before, t_after in zip(numbers, numbers[1:], times, times[1:], strict=False):
        if after == before:
            raise SyncError(f"{path} has two rows for frame_index {after} of {name}.")
        if not t_after > t_before or not math.isfinite(t_after):
            raise SyncError(
                f"{path}: the time of frame_index {after} of {name} ({t_after} s) is not after that of {before} "
                f"({t_before} s)."
            )
    return CameraTimestamps(numbers - numbers[0], times, groups[order] if groups is not None else None)
