"""AprilGrids, as Kalibr prints them: a grid of AprilTags with black squares between their corners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from calib.boards.board import dictionary_size, grid_neighbours, to_cv2_dictionary
from clapcap.errors import CalibrationError

if TYPE_CHECKING:
    from calib.corners.finder import Finder

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AprilGrid:
    """A grid of tags of the family 36h11, numbered from the bottom left along the rows, upwards (Kalibr's layout).

    In the gaps between tags, and around the outermost, black squares touch the tags' corners: each tag's corner is a
    crossing of black and white, found as exactly as that of a checkerboard. The board's frame: as
    `calib.boards.board.Board` has it.

    Attributes
    ----------
    columns, rows
        Tags across and down.
    tag_m
        Side of a tag over its black border, metres: Kalibr's `tagSize`.
    spacing
        Gap between tags as a share of `tag_m`: Kalibr's `tagSpacing`.
    border_bits
        Width of a tag's black border, in bits: 2 as Kalibr prints them, 1 as AprilTag's own pictures.
    inverted
        White on black.
    """

    kind: ClassVar[str] = "aprilgrid"
    dictionary: ClassVar[str] = "DICT_APRILTAG_36h11"

    columns: int
    rows: int
    tag_m: float
    spacing: float = 0.3
    border_bits: int = 2
    inverted: bool = False

    def __post_init__(self) -> None:
        most = dictionary_size(self.dictionary)
        if self.columns < 1 or self.rows < 1 or not 2 <= self.columns * self.rows <= most:
            raise CalibrationError(
                f"An AprilGrid of {self.columns} x {self.rows} tags cannot be: needed 2 to {most} tags. Count the tags "
                "across and down."
            )
        if not (np.isfinite(self.tag_m) and self.tag_m > 0 and 0 < self.spacing < 1):
            raise CalibrationError(
                f"Tags of {1e3 * self.tag_m:g} mm and a spacing of {self.spacing:g}: needed more than 0 mm, and a "
                "spacing between 0 and 1. Measure a tag over its black border, and the gap between two tags as a "
                "share of it."
            )
        if self.border_bits not in (1, 2):
            raise CalibrationError(
                f"A border of {self.border_bits} bits: needed 2 (as Kalibr prints tags) or 1 (AprilTag's own pictures)."
            )

    def __str__(self) -> str:
        kind = ", white on black" if self.inverted else ""
        return (
            f"AprilGrid of {self.columns} x {self.rows} tags of {1e3 * self.tag_m:g} mm, spacing {self.spacing:g}, "
            f"border of {self.border_bits} bits{kind}"
        )

    @property
    def gap_m(self) -> float:
        """Side of the black squares between the tags, metres."""
        return self.spacing * self.tag_m

    @property
    def width_m(self) -> float:
        """Width of the print with its outer black squares, metres."""
        return self.columns * (self.tag_m + self.gap_m) + self.gap_m

    @property
    def height_m(self) -> float:
        """Height of the print with its outer black squares, metres."""
        return self.rows * (self.tag_m + self.gap_m) + self.gap_m

    @cached_property
    def corners_m(self) -> Array:
        """(4 * tags, 3): the tags' corners in the board's frame, row by row from the top left of the print."""
        x, y = (self._lines(count) for count in (self.columns, self.rows))
        corners = np.zeros((len(y), len(x), 3))
        corners[..., 0] = x - self.width_m / 2
        corners[..., 1] = self.height_m / 2 - y[:, None]
        flat = corners.reshape(-1, 3)
        flat.setflags(write=False)
        return flat

    @cached_property
    def neighbours(self) -> npt.NDArray[np.intp]:
        """(pairs, 2): corners next to each other along a row or a column, a tag or a gap apart."""
        return grid_neighbours(2 * self.columns, 2 * self.rows)

    @cached_property
    def dark_rectangles_m(self) -> Array:
        """(rectangles, 4) left, top, width, height: what is dark, metres from the top left of the print, y down."""
        return self._dark(0)

    def finder(self) -> Finder:
        """Return what finds the board in the pictures of one camera.

        Programs differ in which side of a tag they call its top: all four are tried.
        """
        from calib.corners.marker_finder import MarkerFinder, MarkerPrint
        from calib.corners.marker_search import MarkerSearch

        prints = [
            MarkerPrint(
                replace(self, inverted=inverted),
                np.roll(self._quads, -turns, axis=1),
                self._dark(turns),
                2 * self.gap_m,
            )
            for inverted in (self.inverted, not self.inverted)
            for turns in range(4)
        ]
        return MarkerFinder(
            prints, MarkerSearch(self.dictionary, self.columns * self.rows, self.border_bits, touching=True)
        )

    def _lines(self, count: int) -> Array:
        """Return where the sides of the tags are along one direction of the print."""
        start = self.gap_m + np.arange(count) * (self.tag_m + self.gap_m)
        lines: Array = np.stack([start, start + self.tag_m], axis=1).ravel()
        return lines

    @cached_property
    def _quads(self) -> Array:
        """(tags, 4, 2), by id: corners clockwise from the top left, metres from the top left of the print, y down."""
        row, column = np.divmod(np.arange(self.columns * self.rows), self.columns)
        left = self._lines(self.columns)[2 * column]
        top = self._lines(self.rows)[2 * (self.rows - 1 - row)]
        around = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * self.tag_m
        quads: Array = np.stack([left, top], axis=1)[:, None] + around
        return quads

    def _dark(self, turns: int) -> Array:
        """Return the dark rectangles where each tag's own top is turned by a quarter clockwise that many times."""
        dictionary = to_cv2_dictionary(self.dictionary)
        cells = dictionary.markerSize + 2 * self.border_bits
        cell = self.tag_m / cells
        rectangles = []
        for tag, quad in enumerate(self._quads):
            picture = dictionary.generateImageMarker(tag, cells, borderBits=self.border_bits)
            dark = np.argwhere(np.rot90(picture, -turns) < 128)
            rectangles += [(quad[0, 0] + x * cell, quad[0, 1] + y * cell, cell, cell) for y, x in dark]
        step, gap = self.tag_m + self.gap_m, self.gap_m
        rectangles += [(x * step, y * step, gap, gap) for y in range(self.rows + 1) for x in range(self.columns + 1)]
        return np.array(rectangles, dtype=np.float64)
