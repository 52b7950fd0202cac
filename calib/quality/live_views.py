"""What the cameras have seen of the board so far, while it is being filmed: counts that can be judged at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calib.boards.board import Board
from calib.corners.corner_views import MIN_CORNERS
from calib.quality.board_looks import TILTED_DEG, blur_px, board_tilts, cell_counts, seen_regions

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

CELLS = (12, 6)
"""Of the picture, across and down, for showing where the board was: four cameras fit side by side into 80 columns."""

MOVED_SHARE = 0.03
"""Of the picture's larger side. A view counts when the board's corners have moved by this much on average since the
last that counted: a board held still is one view, one that is carried across the picture counts some thirty times."""

STILL_SHARE = 0.002
"""Of the picture's larger side: corners of a board that lies jitter by 0.1 to 0.5 px, 0.0005 at 1280; of one in a
hand, held as still as one can, by several pixels within a second."""

MOST_BLUR_PX = 1.5
"""Smeared by more, a picture does not count. Sharp recordings (webcams, rendered) measure 0.5 to 0.85 px, the same ones
blurred by a Gaussian of 2 px 1.6 to 2.1; corners are still found there, but a moving board smears one way only."""


@dataclass(frozen=True, eq=False)
class Look:
    """The board in one picture of one camera.

    Attributes
    ----------
    xy_px
        (corners, 2), pixels; NaN where not seen.
    size_px
        (2,): width and height of the picture.
    blurred
        Whether its edges are smeared.
    """

    xy_px: Array
    size_px: Counts
    blurred: bool


@dataclass(frozen=True, eq=False)
class LiveViews:
    """Everything seen so far.

    Attributes
    ----------
    names
        The cameras.
    corners_m
        (corners, 3): the board's corners in its frame.
    cells
        (cameras, down, across): how often corners were seen in each cell of the picture.
    regions
        (cameras, 3, 3): in which thirds of the picture, rows from the top.
    views, leaning, turned
        (cameras,): views that counted; among them, with its top or bottom, and its left or right side, nearer by a tilt
        of `TILTED_DEG` or more.
    shared
        (cameras, cameras): views that counted for one of two cameras while both saw the board.
    here, blurred
        (cameras,): whether the board is in the picture now, and whether it is smeared there.
    still_s
        How long the board has not moved in any picture, seen by at least one camera.
    time_s
        When that was, on the clock of the cameras.
    """

    names: tuple[str, ...]
    corners_m: Array
    cells: Counts
    regions: npt.NDArray[np.bool_]
    views: Counts
    leaning: Counts
    turned: Counts
    shared: Counts
    here: npt.NDArray[np.bool_]
    blurred: npt.NDArray[np.bool_]
    still_s: float
    time_s: float
    _counted: tuple[Array | None, ...]
    _before: tuple[Array | None, ...]

    @classmethod
    def nothing_yet(cls, names: Sequence[str], board: Board) -> LiveViews:
        """Return what is known before the first picture."""
        count = len(names)
        none = np.zeros(count, dtype=np.int64)
        return cls(
            names=tuple(names),
            corners_m=board.corners_m,
            cells=np.zeros((count, CELLS[1], CELLS[0]), dtype=np.int64),
            regions=np.zeros((count, 3, 3), dtype=bool),
            views=none,
            leaning=none,
            turned=none,
            shared=np.zeros((count, count), dtype=np.int64),
            here=np.zeros(count, dtype=bool),
            blurred=np.zeros(count, dtype=bool),
            still_s=0.0,
            time_s=np.nan,
            _counted=(None,) * count,
            _before=(None,) * count,
        )

    def and_then(self, time_s: float, looks: Sequence[Look | None]) -> LiveViews:
        """Return what is known after one more moment.

        Parameters
        ----------
        time_s
            When it was.
        looks
            One for each camera; None where the board was not in the picture.
        """
        cells, regions, shared = self.cells.copy(), self.regions.copy(), self.shared.copy()
        views, leaning, turned = self.views.copy(), self.leaning.copy(), self.turned.copy()
        counted, before = list(self._counted), list(self._before)
        new = np.zeros(len(self.names), dtype=bool)
        sharp = np.array([look is not None and not look.blurred for look in looks])
        still = any(look is not None for look in looks)
        for place, look in enumerate(looks):
            if look is None:
                before[place] = None
                continue
            still = still and _moved(before[place], look) < STILL_SHARE
            before[place] = look.xy_px
            if look.blurred:
                continue
            cells[place] += cell_counts(look.xy_px, look.size_px, CELLS)
            regions[place] |= seen_regions(look.xy_px, look.size_px)
            if _moved(counted[place], look) < MOVED_SHARE:
                continue
            counted[place], new[place] = look.xy_px, True
            views[place] += 1
            tilt = board_tilts(look.xy_px[None], self.corners_m, look.size_px)
            if tilt.angle_deg[0] >= TILTED_DEG:
                (leaning if tilt.leaning[0] else turned)[place] += 1
        shared += (sharp[:, None] & sharp) & (new[:, None] | new)
        return replace(
            self,
            cells=cells,
            regions=regions,
            views=views,
            leaning=leaning,
            turned=turned,
            shared=shared,
            here=np.array([look is not None for look in looks]),
            blurred=np.array([look is not None and look.blurred for look in looks]),
            still_s=self.still_s + time_s - self.time_s if still and np.isfinite(self.time_s) else 0.0,
            time_s=time_s,
            _counted=tuple(counted),
            _before=tuple(before),
        )


class BoardFinder:
    """Finds the board in single pictures; which kind of print it is (legacy, inverted), it learns from the first."""

    def __init__(self, board: Board) -> None:
        """Look for `board` in any of its kinds."""
        self._finder = board.finder()

    def look(self, gray: npt.NDArray[np.uint8]) -> Look | None:
        """Return the board in the picture (height, width); None where it is not, or fewer than four corners of it."""
        seen = self._finder.find(gray)
        if seen is None or seen.count < MIN_CORNERS:
            return None
        size_px = np.array(gray.shape[::-1], dtype=np.int64)
        return Look(seen.xy_px, size_px, blur_px(gray, seen.xy_px) > MOST_BLUR_PX)


def _moved(before: Array | None, look: Look) -> float:
    """Return how far the corners seen both times moved, as a share of the picture; infinite where there are none."""
    if before is None:
        return float("inf")
    step = np.linalg.norm(look.xy_px - before, axis=1)
    known = step[np.isfinite(step)]
    return float(known.mean() / look.size_px.max()) if len(known) else float("inf")
