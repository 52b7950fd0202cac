"""What the archives hold: `index.csv`, one line a sequence, and `split.json`, the fixed sets of subjects."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from clapcap.errors import FileFormatError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sequence:
    """One recorded sequence, as the index describes it; the file's own frame rate and unit are not to be trusted.

    `glitch_frames` count the file's frames from 0, those that `skip_first` leaves out too.
    """

    path: str
    split: str
    subject: str
    activity: str
    skeleton: str
    fps: float
    frames_total: int
    skip_first: int
    unit_m: float
    floor_m: float
    glitch_frames: tuple[int, ...]
    licence: str

    @property
    def archive(self) -> str:
        """The archive's name, without its suffix."""
        return self.path.split("/", 1)[0]


def read_index(folder: Path) -> tuple[Sequence, ...]:
    """Return all sequences of a folder of archives, in the order of its index.

    Raises
    ------
    FileFormatError
        The index or the split is missing or breaks its layout; they disagree; or a subject is in two sets.
    """
    try:
        with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
            rows = [_sequence(row) for row in csv.DictReader(file)]
        split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
        said = {path: name for name in SPLITS for path in split[name]}
    except OSError as error:
        raise FileFormatError(
            f"{error.filename}: cannot be read ({error.strerror}). The folder of recorded motion holds index.csv, "
            "split.json and the archives that they name."
        ) from error
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{folder}: index.csv or split.json does not follow its layout: {error!r}") from error
    if differing := sorted(row.path for row in rows if said.get(row.path) != row.split):
        raise FileFormatError(
            f"{folder}: index.csv and split.json disagree on {differing[0]} and {len(differing) - 1} more"
        )
    sets = {(row.subject, row.split) for row in rows}
    if len(sets) != len({subject for subject, _ in sets}):
        subjects = [subject for subject, _ in sets]
        mixed = sorted({subject for subject in subjects if subjects.count(subject) > 1})
        raise FileFormatError(f"{folder}: in more than one set: {', '.join(mixed)}. A subject belongs to one set only.")
    return tuple(rows)


def _sequence(row: dict[str, str]) -> Sequence:
    if row["split"] not in SPLITS or row["up_axis"] != "Y":
        raise ValueError(f"{row['path']}: split {row['split']!r}, up axis {row['up_axis']!r}")
    return Sequence(
        path=row["path"],
        split=row["split"],
        subject=row["subject"],
        activity=row["activity"],
        skeleton=row["skeleton"],
        fps=float(row["fps"]),
        frames_total=int(row["frames_total"]),
        skip_first=int(row["skip_first"]),
        unit_m=float(row["unit_to_m"]),
        floor_m=float(row["floor_y_m"]),
        glitch_frames=tuple(int(word) for word in row["glitch_frames"].split()),
        licence=row["licence"],
    )
