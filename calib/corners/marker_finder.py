"""Finding a board of markers (ChArUco, AprilGrid): where it was in the picture before, else in all of the picture.

The print's kind (white on black, other layouts of the same markers) is found out on the way.

A print seen mirrored has two explanations. Its back may be printed too, mirrored, so that each corner of the back lies
behind that of the front: the picture is then as the camera sees it, and corner x of the flipped picture is at W - 1 - x
in it, with a pose from which the board is seen from behind. Or the camera mirrors its video, as phones do with selfies:
no camera that looks at the world has such a picture (x would point left), its takes are mirrored too, and with them the
left and right of the person. One picture cannot tell the two apart, nor can one camera that only ever sees the mirrored
side: `calib.corners.all_cameras` decides for all cameras together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from calib.boards.board import Board
from calib.corners.finder import Sighting
from calib.corners.marker_search import LARGEST_READ_PX, NO_MARKERS, Markers, MarkerSearch
from calib.corners.print_match import PrintMatch, apply_homography

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom exclusive."""

DECIDED_CORNERS = 40
"""After this many corners the print's kind is decided: a wrong kind fits none or few."""

LARGEST_QUICK_PX = 1920
"""Pictures with a longer side than this are looked at quickly at a half, a third ... of their size, ..."""

FULL_EVERY = 5
"""... and every so many pictures in full, for boards whose markers are too small to be read otherwise."""

CHANGED_LEVELS = 8
"""Parts of the picture that differ by less from when they were last searched without success are not searched again. A
marker's edges differ by 30 to 200 levels from what they cover; noise, averaged over `BLOCK_PX`, by 1 to 3."""

BLOCK_PX = 8
"""Changes are looked for in blocks of this size, ..."""

AROUND_CHANGE_PX = 48
"""... and so far around them, because a marker is read as a whole."""

GROWN = 0.25
"""A board is looked for around where it was: this share of its size wider on each side, and by its last move."""

FIT_SQUARES = 0.3
"""A marker belongs to the board when it lies where the other markers say, to this part of a square."""

LIKENESS = 0.8
"""Corners below are not there: hidden, or another board's."""

FAR_SQUARES = 0.3
"""So far a corner may lie from where the markers put it."""

MISFIT_MARKERS = 8
"""After so many markers, fewer than half of which fit the board as stated, it is another board."""


@dataclass(frozen=True, eq=False)
class MarkerPrint:
    """One kind of print: a board, and where its markers and corners are on it.

    Attributes
    ----------
    board
        The board as this print is; what it says of `inverted` counts.
    quads_m
        (markers, 4, 2), by marker id: their corners clockwise from the top left of the marker as it is read, metres
        from the top left of the print, y down.
    dark_m
        (rectangles, 4) left, top, width, height: what is dark (light, if inverted), in the same frame.
    square_m
        How far around a corner the print is compared, see `calib.corners.print_match`.
    """

    board: Board
    quads_m: Array
    dark_m: Array
    square_m: float

    @cached_property
    def corners_m(self) -> Array:
        """(corners, 2): in the same frame."""
        corners: Array = self.board.corners_m[:, :2] * [1, -1] + [self.board.width_m / 2, self.board.height_m / 2]
        return corners

    @cached_property
    def match(self) -> PrintMatch:
        """What compares pictures with it."""
        return PrintMatch(self.dark_m, (self.board.width_m, self.board.height_m), self.corners_m, self.square_m)

    def locate(self, markers: Markers) -> tuple[Array | None, npt.NDArray[np.bool_]]:
        """Return the homography from the print to the picture that most markers agree on, and which do."""
        import cv2

        held, seen = self.quads_m[markers.ids], markers.quads
        side = float(np.median(np.linalg.norm(seen - np.roll(seen, 1, axis=1), axis=-1)))
        near = FIT_SQUARES * side * self.square_m / float(np.linalg.norm(held[0, 0] - held[0, 1]))
        found, _ = cv2.findHomography(
            held.reshape(-1, 2), seen.reshape(-1, 2), cv2.RANSAC if len(seen) > 1 else 0, near
        )
        if found is None or not np.isfinite(found).all():
            return None, np.zeros(len(seen), dtype=np.bool_)
        H = np.asarray(found, dtype=np.float64)
        fits = np.linalg.norm(apply_homography(H, held) - seen, axis=-1).max(axis=1) <= near
        if not fits.any() or (fits.sum() == 1 and len(seen) > 1):
            return None, fits
        if not fits.all():
            found, _ = cv2.findHomography(held[fits].reshape(-1, 2), seen[fits].reshape(-1, 2), 0)
            H = np.asarray(found, dtype=np.float64)
        return H, fits

    def guess(self, H: Array, markers: Markers, picture: Image) -> tuple[npt.NDArray[np.intp], Array, Array]:
        """Return the corners that may be seen, where they should be (n, 2), and the side of a square there (n,).

        Those near a marker that was seen; what the homography is off at the nearest markers' corners (a lens bends the
        board) is taken off.
        """
        centres = self.quads_m[markers.ids].mean(axis=1)
        squares = np.abs(self.corners_m[:, None] - centres).max(axis=-1) / self.square_m
        ids = np.flatnonzero(squares.min(axis=1) < (1 if len(markers.ids) == 1 else 2))
        at = apply_homography(H, self.corners_m[ids])
        held = self.quads_m[markers.ids].reshape(-1, 2)
        off = markers.quads.reshape(-1, 2) - apply_homography(H, held)
        distance = np.linalg.norm(self.corners_m[ids, None] - held, axis=-1) / self.square_m
        weight = 1 / (distance**2 + 0.05) ** 2
        guess = at + weight @ off / weight.sum(axis=1, keepdims=True)
        inside = ((guess >= 0) & (guess <= np.array(picture.shape[::-1]) - 1)).all(axis=1)
        ids, guess = ids[inside], guess[inside]
        return ids, guess, self.match.side_px(H, ids)


class MarkerFinder:
    """Finds one board in the pictures of one camera, one after the other.

    Parameters
    ----------
    prints
        The kinds of print it may be, the likeliest first.
    search
        Finds their markers.
    """

    def __init__(self, prints: Sequence[MarkerPrint], search: MarkerSearch) -> None:
        self._prints = list(prints)
        self._search = search
        self._corners = np.zeros(len(self._prints), dtype=int)
        self._seen_markers = self._fitting_markers = 0
        self._pictures = 0
        self._last: Sighting | None = None
        self._moved = np.zeros(2)
        self._blur = (2, 2)
        self._searched: Image | None = None

    @property
    def board(self) -> Board:
        """The board, of the kind that most corners were seen of."""
        return self._prints[int(self._corners.argmax())].board

    @property
    def misfit(self) -> bool:
        """Whether markers of the board's dictionary were seen, but not where the board has them."""
        return self._seen_markers >= MISFIT_MARKERS and 2 * self._fitting_markers < self._seen_markers

    def find(self, image: Image) -> Sighting | None:
        """Return the board in the next picture (height, width), or None."""
        last, seen = self._last, None
        self._pictures += 1
        if last is not None:
            seen = self._look(image, _box(self._outline(last), image, self._moved), last.mirrored, self._side(last))
        if seen is None:
            seen = self._look_everywhere(image)
        if seen is not None:
            here = self._outline(seen).mean(axis=0)
            self._moved = here - self._outline(last).mean(axis=0) if last is not None else np.zeros(2)
        self._last = seen
        return seen

    def _look_everywhere(self, image: Image) -> Sighting | None:
        import cv2

        shrink = -(-max(image.shape) // LARGEST_QUICK_PX)
        if shrink > 1 and self._pictures % FULL_EVERY != 1:
            small = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        else:
            small, shrink = image, 1
        box = self._changed(image)
        if box is None:
            return None
        left, top, right, bottom = (edge // shrink for edge in box)
        markers, mirrored = self._search.quick(np.ascontiguousarray(small[top:bottom, left:right], dtype=np.uint8))
        if not len(markers.ids):
            return None
        self._searched = None
        quads = (markers.quads + [left, top] + 0.5) * shrink - 0.5
        side = float(np.median(np.linalg.norm(quads - np.roll(quads, 1, axis=1), axis=-1)))
        around = np.concatenate([quads.reshape(-1, 2) - 3 * side, quads.reshape(-1, 2) + 3 * side])
        return self._look(image, _box(around, image, np.zeros(2)), mirrored, side)

    def _changed(self, image: Image) -> Box | None:
        """Return the part of the picture that has changed since it was last searched, or None."""
        import cv2

        height, width = image.shape
        blocks = cv2.resize(image, (width // BLOCK_PX, height // BLOCK_PX), interpolation=cv2.INTER_AREA)
        before, self._searched = self._searched, blocks.astype(np.uint8, copy=False)
        if before is None or before.shape != blocks.shape:
            return 0, 0, width, height
        changed = cv2.absdiff(before, blocks) > CHANGED_LEVELS
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if not len(rows):
            self._searched = before
            return None
        # What was not searched is compared with its old picture again, so that slow changes add up.
        here = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        before[here] = self._searched[here]
        self._searched = before
        low = np.array([columns[0], rows[0]]) * BLOCK_PX - AROUND_CHANGE_PX
        high = np.array([columns[-1] + 2, rows[-1] + 2]) * BLOCK_PX + AROUND_CHANGE_PX
        left, top = np.maximum(low, 0)
        right, bottom = np.minimum(high, [width, height])
        return int(left), int(top), int(right), int(bottom)

    def _look(self, image: Image, box: Box, mirrored: bool, side: float) -> Sighting | None:
        """Look closely at a part of the picture, and at a larger one if the board lies across its edge."""
        seen = self._look_once(image, box, mirrored, side)
        if seen is None:
            return None
        needed = _box(self._outline(seen), image, np.zeros(2), grown=0.05)
        if needed[0] < box[0] or needed[1] < box[1] or needed[2] > box[2] or needed[3] > box[3]:
            again = self._look_once(image, needed, mirrored, self._side(seen))
            if again is not None and again.count >= seen.count:
                return again
        return seen

    def _look_once(self, image: Image, box: Box, mirrored: bool, side: float) -> Sighting | None:
        left, top, right, bottom = box
        part = np.ascontiguousarray(image[top:bottom, left:right])
        if mirrored:
            part = np.ascontiguousarray(part[:, ::-1])
        shrink = max(1, int(side / LARGEST_READ_PX))
        most = int(self._corners.argmax())
        prints = [self._prints[most]] if self._corners[most] >= DECIDED_CORNERS else self._prints
        best: Sighting | None = None
        of = most
        for inverted in dict.fromkeys(print_.board.inverted for print_ in prints):
            picture = np.bitwise_not(part) if inverted else part
            markers, fits = NO_MARKERS, 0
            for search in (self._search.once, self._search.thorough):
                before, markers = markers, _shrunk(search, picture, shrink)
                if best is not None and set(markers.ids) == set(before.ids):
                    break
                fits = 0
                for place, print_ in enumerate(self._prints):
                    if len(markers.ids) and print_.board.inverted == inverted and print_ in prints:
                        seen, fitting = self._fit(picture, markers, print_)
                        fits = max(fits, fitting)
                        if seen is not None and (best is None or seen.count > best.count):
                            best, of = seen, place
                if best is not None and best.count >= self._in_picture(best, part):
                    break
            if len(markers.ids) > 1:
                self._seen_markers += len(markers.ids)
                self._fitting_markers += fits
        if best is None:
            return None
        self._corners[of] += best.count
        shift: Array = np.array([[1, 0, left], [0, 1, top], [0, 0, 1.0]])
        if mirrored:
            shift = shift @ np.array([[-1, 0, part.shape[1] - 1], [0, 1, 0], [0, 0, 1.0]])
        return replace(
            best,
            xy_px=apply_homography(shift, best.xy_px),
            H_picture_print=shift @ best.H_picture_print,
            mirrored=mirrored,
        )

    def _fit(self, picture: Image, markers: Markers, print_: MarkerPrint) -> tuple[Sighting | None, int]:
        """Return what of the board is in a picture (dark on light, not mirrored), and how many markers fit."""
        H, fits = print_.locate(markers)
        if H is None:
            return None, int(fits.sum())
        ids, guess, side = print_.guess(H, Markers(markers.ids[fits], markers.quads[fits]), picture)
        if not len(ids):
            return None, int(fits.sum())
        match = print_.match.match(picture, guess, ids, H, self._blur)
        there = (match.likeness >= LIKENESS) & (np.linalg.norm(match.xy_px - guess, axis=1) <= FAR_SQUARES * side)
        if not there.any():
            return None, int(fits.sum())
        self._blur = match.blur
        count = len(print_.corners_m)
        xy, sigma = np.full((count, 2), np.nan), np.full(count, np.nan)
        xy[ids[there]], sigma[ids[there]] = match.xy_px[there], match.sigma_px[there]
        return Sighting(print_.board, xy, sigma, max(match.blur_px), H), int(fits.sum())

    def _in_picture(self, seen: Sighting, picture: Image) -> int:
        """Return how many corners of the board lie in the picture, hidden or not."""
        at = apply_homography(seen.H_picture_print, self._prints[0].corners_m)
        return int(((at >= 0) & (at <= np.array(picture.shape[::-1]) - 1)).all(axis=1).sum())

    def _side(self, seen: Sighting) -> float:
        """Return about how large a marker is in the picture: at most the side of a square, pixels."""
        print_ = self._prints[0]
        return float(np.median(print_.match.side_px(seen.H_picture_print, np.arange(len(print_.corners_m)))))

    def _outline(self, seen: Sighting) -> Array:
        board = self._prints[0].board
        ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [board.width_m, board.height_m]
        return apply_homography(seen.H_picture_print, ends)


def _shrunk(search: Callable[[Image], Markers], picture: Image, shrink: int) -> Markers:
    """Search a picture at a part of its size."""
    import cv2

    if shrink == 1:
        return search(picture)
    small = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    markers = search(small.astype(np.uint8, copy=False))
    return Markers(markers.ids, (markers.quads + 0.5) * shrink - 0.5)


def _box(points: Array, image: Image, moved: Array, grown: float = GROWN) -> Box:
    """Return the part of the picture that holds points (n, 2), grown by a share of its size, and by a move."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = grown * float((high - low).max()) + np.abs(moved)
    limit = np.array(image.shape[::-1])
    left, top = np.clip(np.floor(low - margin), 0, limit - 1).astype(int)
    right, bottom = np.clip(np.ceil(high + margin) + 1, [left + 1, top + 1], limit).astype(int)
    return int(left), int(top), int(right), int(bottom)
