"""A table over time: named columns of numbers, such as joint angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimeTable:
    """Named columns over time.

    Attributes
    ----------
    columns
        Their names, which carry the unit where there could be doubt.
    time_s
        (frames,), session time, strictly increasing.
    values
        (frames, columns), finite.
    """

    columns: tuple[str, ...]
    time_s: Array
    values: Array

    def __post_init__(self) -> None:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("column names repeat")
        if self.values.shape != (len(self.time_s), len(self.columns)):
            raise ValueError(f"values has shape {self.values.shape}, needed {(len(self.time_s), len(self.columns))}")
        if not (np.isfinite(self.values).all() and np.isfinite(self.time_s).all()):
            raise ValueError("the table holds values that are not finite")
        if (np.diff(self.time_s) <= 0).any():
            raise ValueError("time_s does not increase")

    def __getitem__(self, column: str) -> Array:
        """Return a column, (frames,)."""
        values: Array = self.values[:, self.columns.index(column)]
        return values
