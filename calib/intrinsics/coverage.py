"""Where in its picture a camera saw the board's corners, and where it never did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CELLS = (12, 8)
"""The picture in cells across and down; both divide by four, so that the outer quarters are whole cells."""

RINGS = 5
"""The picture in rings around its middle, as wide as each other; the last one holds the corners of the picture only."""

FEWEST_CORNERS = 4
"""Fewer corners in a region say nothing about the lens there: that is less than one view of the smallest board."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often corners were seen in each part of the picture.

    Attributes
    ----------
    size_px
        Width and height.
    cells
        (8, 12): corners seen in each cell of the picture, from the top left.
    rings
        (5,): corners seen in each ring around the middle, up to the half diagonal.
    """

    size_px: tuple[int, int]
    cells: npt.NDArray[np.int64]
    rings: npt.NDArray[np.int64]

    @property
    def share(self) -> float:
        """Share of the picture's cells in which any corner was seen."""
        return float((self.cells > 0).mean())

    @property
    def unseen(self) -> tuple[str, ...]:
        """The outer parts of the picture in which no corners were seen (fewer than 4), in words.

        Whole quarters first, "the outer left quarter"; of the picture's corners, those that no such quarter includes.
        """
        across, down = self.cells.shape[1] // 4, self.cells.shape[0] // 4
        sides = {
            "left": (slice(None), slice(None, across)),
            "right": (slice(None), slice(-across, None)),
            "upper": (slice(None, down), slice(None)),
            "lower": (slice(-down, None), slice(None)),
        }
        empty = [side for side, where in sides.items() if self.cells[where].sum() < FEWEST_CORNERS]
        parts = [f"the outer {side} quarter" for side in empty]
        for row in ("upper", "lower"):
            for column in ("left", "right"):
                corner = self.cells[sides[row][0], sides[column][1]].sum() < FEWEST_CORNERS
                if corner and row not in empty and column not in empty:
                    parts.append(f"the {row} {column} corner")
        return tuple(parts)

    @property
    def only_middle(self) -> bool:
        """Whether all outer quarters are unseen, on every side."""
        return len([part for part in self.unseen if "quarter" in part]) == 4


def coverage_of(xy_px: Array, size_px: npt.ArrayLike) -> Coverage:
    """Count the points (..., 2), pixels, NaN where not seen; those outside of the picture do not count."""
    size = np.array(size_px, dtype=np.float64)
    points = xy_px[np.isfinite(xy_px).all(axis=-1)]
    points = points[((points >= -0.5) & (points < size - 0.5)).all(axis=-1)]
    across, down = CELLS
    column, row = np.floor((points + 0.5) / size * [across, down]).astype(int).T
    cells = np.bincount(row * across + column, minlength=across * down).reshape(down, across)
    radius = np.linalg.norm(points - (size - 1) / 2, axis=-1) / (np.linalg.norm(size) / 2)
    rings = np.bincount(np.minimum(radius * RINGS, RINGS - 1).astype(int), minlength=RINGS)
    return Coverage((int(size[0]), int(size[1])), cells.astype(np.int64), rings.astype(np.int64))
