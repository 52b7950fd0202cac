"""What every kind of board gives to the search for its corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from calib.boards.board import Board

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sighting:
    """The board in one picture.

    Attributes
    ----------
    board
        As seen: legacy layout and inverted print as they are.
    xy_px
        (corners, 2), pixels; NaN where not seen.
    sigma_px
        (corners,): standard deviation of x and of y, pixels; NaN where not seen.
    blur_px
        Blur of the picture there, standard deviation, pixels: the larger of that along x and that along y.
    H_picture_print
        (3, 3): from the print (metres from its top left, y down) to pixels.
    mirrored
        Whether the print is seen as in a mirror. `xy_px` is where the corners are in the picture as it is.
    """

    board: Board
    xy_px: Array
    sigma_px: Array
    blur_px: float
    H_picture_print: Array
    mirrored: bool = False

    @property
    def count(self) -> int:
        """How many corners were seen."""
        return int(np.isfinite(self.xy_px[:, 0]).sum())


class Finder(Protocol):
    """Finds one board in the pictures of one camera, one after the other."""

    def find(self, image: Image) -> Sighting | None:
        """Return the board in the next picture (height, width), or None."""
        ...

    @property
    def board(self) -> Board:
        """The board as found so far."""
        ...

    @property
    def misfit(self) -> bool:
        """Whether what is seen belongs to another board."""
        ...
