"""Why no board was found: which markers the pictures do show, and which board they fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calib.boards.board import Board, CharucoBoard, to_cv2_dictionary
from media.frames import read_frames

Array = npt.NDArray[np.float64]

# The largest of each family: smaller dictionaries of the same number of bits are its beginning.
DICTIONARIES = (
    "DICT_4X4_1000",
    "DICT_5X5_1000",
    "DICT_6X6_1000",
    "DICT_7X7_1000",
    "DICT_ARUCO_ORIGINAL",
    "DICT_ARUCO_MIP_36h12",
    "DICT_APRILTAG_36h11",
    "DICT_APRILTAG_25h9",
    "DICT_APRILTAG_16h5",
)
LOOKED_AT = 8
"""Frames searched for other markers, spread evenly."""

MOST_COLUMNS = 24
MIN_MARKERS = 4
"""Fewer markers in one picture do not tell a layout; single ones are often false."""

SURE_MARKERS = 8
"""So many markers on one layout are no chance: the other dictionaries need not be tried."""


@dataclass(frozen=True)
class FoundLayout:
    """A board that the markers of a picture fit.

    Attributes
    ----------
    dictionary
        Of `DICTIONARIES`.
    inverted, legacy
        The print's kind.
    columns, rows
        Squares across, and down at least: how many rows lie beyond the last marker seen cannot be told.
    markers
        How many markers of one picture fit.
    mirrored
        Seen as in a mirror.
    """

    dictionary: str
    inverted: bool
    legacy: bool
    columns: int
    rows: int
    markers: int
    mirrored: bool = False

    @property
    def named(self) -> str:
        """The print's kind, to put after its size."""
        kinds = [(", white on black", self.inverted), (", legacy layout", self.legacy), (", mirrored", self.mirrored)]
        return "".join(name for name, there in kinds if there)


def explain_missing_board(path: Path, board: Board, frame_index: npt.NDArray[np.int64]) -> str:
    """Look again at a few of the frames in which the board was not found, and say what is there and what to do."""
    missing = f"{path}: the board ({board}) was found in none of {len(frame_index)} frames."
    start, stop = int(frame_index[0]), int(frame_index[-1]) + 1
    step = max(1, -(-(stop - start) // LOOKED_AT))
    images = [frame.image for frame in read_frames(path, gray=True, start=start, stop=stop, step=step)]
    layout = find_layout(images)
    if layout is not None and not (isinstance(board, CharucoBoard) and _is_part_of(layout, board)):
        return (
            f"{missing} But {layout.markers} markers of {layout.dictionary} were seen in one picture, as on a board of "
            f"{layout.columns} columns and at least {layout.rows} rows{layout.named}. Is the board's spec right? Count "
            f"its squares, and write into session.toml, under [board]: {_as_settings(layout, board)}"
        )
    if layout is not None:
        return (
            f"{missing} Its markers were seen ({layout.markers} in one picture), but its corners could not be located: "
            "there it is too small, too blurred or seen too much from the side. Film the board closer, slower, in more "
            "light, facing this camera."
        )
    if not isinstance(board, CharucoBoard):
        return f"{missing} {_without_charuco(board)}"
    count, frames = _count_markers(images, board)
    if count:
        return (
            f"{missing} Single markers of its dictionary were seen ({count} in {frames} of {len(images)} frames looked "
            f"at closely; needed {MIN_MARKERS} in one). Film the board closer, flat, in more light, without blur."
        )
    return (
        f"{missing} No marker of any common dictionary was seen in {len(images)} of them looked at closely. Does this "
        "camera's video show the board? Film it closer, flat, in more light, without blur. If it has no markers, write "
        'into session.toml, under [board]: kind = "checkerboard"'
    )


def _as_settings(layout: FoundLayout, board: Board) -> str:
    """Return the lines that say of the board what was seen."""
    rows = f"rows = {layout.rows}"
    if isinstance(board, CharucoBoard) and layout.columns == board.rows and layout.rows <= board.columns:
        rows = f"rows = {board.columns}"  # stated the other way round
    kind = "" if isinstance(board, CharucoBoard) else 'kind = "charuco", '
    return f'{kind}columns = {layout.columns}, {rows}, dictionary = "{layout.dictionary}"'


def _without_charuco(board: Board) -> str:
    if board.kind == "checkerboard":
        return (
            "All of its squares must be in the picture, with a white margin around them. Count the squares (one more "
            "than the inner corners) across and down, and correct columns and rows under [board] in session.toml; or "
            "film it closer, flat, in more light, without blur."
        )
    return (
        "Count the tags across and down, and correct columns and rows under [board] in session.toml. Their family must "
        "be 36h11, their black border two of their small squares wide, as Kalibr prints them. Or film it closer, flat, "
        "in more light, without blur."
    )


def _is_part_of(layout: FoundLayout, board: CharucoBoard) -> bool:
    """Tell whether what was seen can be the stated board; its lowest rows may have been hidden."""
    same_markers = layout.dictionary.rsplit("_", 1)[0] == board.dictionary.rsplit("_", 1)[0]
    return same_markers and layout.columns == board.columns and layout.rows <= board.rows


def find_layout(images: list[npt.NDArray[np.uint8]]) -> FoundLayout | None:
    """Return the board layout that most markers of one picture fit; None where fewer than `MIN_MARKERS` do."""
    best: FoundLayout | None = None
    for mirrored in (False, True):
        pictures = [np.ascontiguousarray(image[:, ::-1]) for image in images] if mirrored else images
        for dictionary in DICTIONARIES:
            for inverted in (False, True):
                for image in pictures:
                    ids, quads = _find_markers(_inverted(image) if inverted else image, dictionary)
                    if len(ids) < max(MIN_MARKERS, best.markers + 1 if best else 0):
                        continue
                    fit = _fit_layout(ids, quads)
                    if fit is not None and (best is None or fit[3] > best.markers):
                        columns, rows, legacy, markers = fit
                        best = FoundLayout(dictionary, inverted, legacy, columns, rows, markers, mirrored)
                if best is not None and best.markers >= SURE_MARKERS:
                    return best
    return best


def _find_markers(image: npt.NDArray[np.uint8], dictionary: str) -> tuple[npt.NDArray[np.int64], Array]:
    """Return the ids (markers,) and outlines (markers, 4, 2), pixels."""
    import cv2

    quads, ids, _ = cv2.aruco.ArucoDetector(to_cv2_dictionary(dictionary)).detectMarkers(image)
    if ids is None or not len(ids):
        return np.zeros(0, dtype=np.int64), np.zeros((0, 4, 2))
    return np.ravel(ids).astype(np.int64), np.reshape(quads, (-1, 4, 2)).astype(np.float64)


def _inverted(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.bitwise_not(image)


def _count_markers(images: list[npt.NDArray[np.uint8]], board: CharucoBoard) -> tuple[int, int]:
    """Return how many markers of the board's ids were seen, and in how many pictures."""
    most = board.columns * board.rows // 2
    counts = [
        max(int((_find_markers(picture, board.dictionary)[0] < most).sum()) for picture in (image, _inverted(image)))
        for image in images
    ]
    return sum(counts), sum(count > 0 for count in counts)


def _fit_layout(ids: npt.NDArray[np.int64], quads: Array) -> tuple[int, int, bool, int] | None:
    """Try numbers of columns and both colours of the first square; return columns, rows, legacy and markers that fit.

    Markers are numbered along the rows. On the right layout one homography maps the squares to the picture.
    """
    import cv2

    centres = quads.mean(axis=1)
    side = np.median(np.linalg.norm(quads - np.roll(quads, 1, axis=1), axis=-1))
    best: tuple[int, int, bool, int] | None = None
    for columns in range(2, MOST_COLUMNS + 1):
        for first in (1, 0):  # whether the markers of the top row begin in the second or in the first square
            squares = [(x, y) for y in range(2 * (int(ids.max()) // columns + 2)) for x in range(columns)]
            held = np.array([(x, y) for x, y in squares if (x + y) % 2 == first], dtype=np.float64)
            places = held[ids]
            homography, _ = cv2.findHomography(places, centres, cv2.RANSAC, 0.3 * side)
            if homography is None:
                continue
            mapped = cv2.perspectiveTransform(places[None], homography)[0]
            fits = np.linalg.norm(mapped - centres, axis=1) < 0.3 * side
            if fits.sum() >= MIN_MARKERS and (best is None or fits.sum() > best[3]):
                # A row of markers alone fits any number of columns: needed at least two rows of them.
                if len(np.unique(places[fits, 1])) < 2:
                    continue
                best = (columns, int(places[fits, 1].max()) + 1, first == 0, int(fits.sum()))
    return best
