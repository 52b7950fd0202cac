"""Finding a checkerboard.

By OpenCV's sector-based search (A. Duda, U. Frese, "Accurate detection and localization of checkerboard corners for
calibration", BMVC 2018), and then by matching the print.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calib.boards.checkerboard import Checkerboard
from calib.corners.finder import Sighting
from calib.corners.print_match import PrintMatch

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

LARGEST_SEARCH_PX = 1000
"""Larger pictures are searched at a smaller size; the match takes place in the picture as it is."""

LEAST_SHARE = 0.7
"""Of the corners that must look like those of the print, or else it is another board (one with markers in its squares)
or upside down."""

LIKENESS = 0.8
"""A corner below is not there: as for markers (`calib.charuco_finder`)."""


class CheckerboardFinder:
    """Finds one checkerboard in the pictures of one camera."""

    def __init__(self, board: Checkerboard) -> None:
        """Look for `board`."""
        self._board = board
        plain = replace(board, inverted=False)
        self._corners_m = plain.corners_m[:, :2] * [1, -1] + [board.width_m / 2, board.height_m / 2]
        size = board.width_m, board.height_m
        self._match = PrintMatch(plain.dark_rectangles_m, size, self._corners_m, board.square_m)
        self._blur = (2, 2)

    @property
    def board(self) -> Checkerboard:
        """The board as stated: which square is black tells only its direction."""
        return self._board

    @property
    def misfit(self) -> bool:
        """Never: another board is not found at all."""
        return False

    def find(self, image: Image) -> Sighting | None:
        """Return the board in the next picture (height, width), or None."""
        import cv2

        picture = np.bitwise_not(image) if self._board.inverted else image
        shrink = max(1.0, max(picture.shape) / LARGEST_SEARCH_PX)
        small = picture
        if shrink > 1:
            small = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        grid = (self._board.columns - 1, self._board.rows - 1)
        flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE
        found, corners = cv2.findChessboardCornersSB(small, grid, flags=flags)
        if not found:
            return None
        xy = (np.reshape(corners, (-1, 2)).astype(np.float64) + 0.5) * shrink - 0.5
        seen = [self._see(picture, ordered) for ordered in self._orders(xy)]
        return max((one for one in seen if one is not None), key=lambda one: one.count, default=None)

    def _orders(self, xy: Array) -> list[Array]:
        """Return the corners as they may be numbered on a print that is not seen in a mirror."""
        across, down = self._board.columns - 1, self._board.rows - 1
        grid = xy.reshape(down, across, 2)
        x, y = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
        if x[0] * y[1] - x[1] * y[0] < 0:
            grid = grid[:, ::-1]
        return [grid.reshape(-1, 2), grid[::-1, ::-1].reshape(-1, 2)]

    def _see(self, picture: Image, xy: Array) -> Sighting | None:
        import cv2

        H, _ = cv2.findHomography(self._corners_m, xy, 0)
        if H is None:
            return None
        ids = np.arange(len(xy))
        match = self._match.match(picture, xy, ids, np.asarray(H, dtype=np.float64), self._blur)
        there = match.likeness >= LIKENESS
        if there.mean() < LEAST_SHARE:
            return None
        self._blur = match.blur
        return Sighting(
            board=self._board,
            xy_px=np.where(there[:, None], match.xy_px, np.nan),
            sigma_px=np.where(there, match.sigma_px, np.nan),
            blur_px=max(match.blur_px),
            H_picture_print=np.asarray(H, dtype=np.float64),
        )
