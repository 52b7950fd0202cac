"""Plain checkerboards: no markers, so all corners must be seen, and the board must show which way is up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from calib.boards.board import Squares
from clapcap.errors import CalibrationError

if TYPE_CHECKING:
    from calib.corners.finder import Finder

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Checkerboard(Squares):
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
