"""Plain checkerboards: no markers, so all corners must be seen, and the board must show which way is up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from calib.boards.board import grid_neighbours
from clapcap.errors import CalibrationError

if TYPE_CHECKING:
    from calib.corners.finder import Finder

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Checkerboard:
    """A board of black and white squares, the one at the top left black.

    Turned by 180 degrees in its plane, a board of an even number of squares across and down, or of an odd number both
    ways, looks the same (by 90 degrees too, when it is square): in one picture nobody can tell its corners apart, and
    two cameras would not agree on which is which. Such boards are refused. With one number even and the other odd, the
    turned board has a white square at the top left, and is told apart.

    The board's frame: as `calib.boards.board.Board` has it.

    Attributes
    ----------
    columns, rows
        Squares across and down: one more than the inner corners.
    square_m
        Side of a square, metres.
    inverted
        The square at the top left is white instead.
    """

    kind: ClassVar[str] = "checkerboard"

    columns: int
    rows: int
    square_m: float
    inverted: bool = False

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3 or self.columns + self.rows < 7:
            raise CalibrationError(
                f"A checkerboard of {self.columns} x {self.rows} squares cannot calibrate: needed at least 3 x 4. "
                "Count the squares across and down (one more than the inner corners)."
            )
        if (self.columns + self.rows) % 2 == 0:
            raise CalibrationError(
                f"A checkerboard of {self.columns} x {self.rows} squares looks the same upside down, so two cameras "
                f"cannot agree on its corners: needed one number even, the other odd, such as {self.columns} x "
                f"{self.rows + 1}. Cover a row, or print a ChArUco board (clapcap board). If you counted the inner "
                "corners, add one to both numbers."
            )
        if not (np.isfinite(self.square_m) and self.square_m > 0):
            raise CalibrationError(f"Squares of {1e3 * self.square_m:g} mm: needed more than 0. Measure one.")

    def __str__(self) -> str:
        kind = ", white at the top left" if self.inverted else ""
        return f"checkerboard of {self.columns} x {self.rows} squares of {1e3 * self.square_m:g} mm{kind}"

    @property
    def width_m(self) -> float:
        """Width of the print, metres."""
        return self.columns * self.square_m

    @property
    def height_m(self) -> float:
        """Height of the print, metres."""
        return self.rows * self.square_m

    @cached_property
    def corners_m(self) -> Array:
        """((columns - 1) * (rows - 1), 3): the inner corners in the board's frame, row by row from the top left."""
        row, column = np.divmod(np.arange((self.columns - 1) * (self.rows - 1)), self.columns - 1)
        corners = np.zeros((len(row), 3))
        corners[:, 0] = (column + 1) * self.square_m - self.width_m / 2
        corners[:, 1] = self.height_m / 2 - (row + 1) * self.square_m
        corners.setflags(write=False)
        return corners

    @cached_property
    def neighbours(self) -> npt.NDArray[np.intp]:
        """(pairs, 2): the corners that are one square apart along a row or a column."""
        return grid_neighbours(self.columns - 1, self.rows - 1)

    @cached_property
    def dark_rectangles_m(self) -> Array:
        """(rectangles, 4) left, top, width, height: what is dark, metres from the top left of the print, y down."""
        row, column = np.divmod(np.arange(self.columns * self.rows), self.columns)
        dark = (row + column) % 2 == 0
        side = np.full(int(dark.sum()), self.square_m)
        return np.stack([column[dark] * self.square_m, row[dark] * self.square_m, side, side], axis=1)

    def finder(self) -> Finder:
        """Return what finds the board in the pictures of one camera."""
        from calib.corners.checkerboard_finder import CheckerboardFinder

        return CheckerboardFinder(self)
