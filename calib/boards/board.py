"""ChArUco boards: what was printed, and where its corners are."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from clapcap.errors import CalibrationError

if TYPE_CHECKING:
    from calib.corners.finder import Finder

Array = npt.NDArray[np.float64]

DICTIONARY_NAME = re.compile(
    r"DICT_(\dX\d_(50|100|250|1000)|ARUCO_ORIGINAL|ARUCO_MIP_36h12|APRILTAG_(16h5|25h9|36h1[01]))"
)


class Board(Protocol):
    """What calibration needs to know of a board: a flat print with corners that can be told apart.

    The board's frame: origin in the middle of the print, x to the right and y up on the print as it hangs on a wall, z
    out of the print towards who looks at it.
    """

    kind: ClassVar[str]

    @property
    def inverted(self) -> bool:
        """Whether it is printed white on black."""
        ...

    @property
    def width_m(self) -> float:
        """Width of the print, metres."""
        ...

    @property
    def height_m(self) -> float:
        """Height of the print, metres."""
        ...

    @property
    def corners_m(self) -> Array:
        """(corners, 3) in the board's frame."""
        ...

    @property
    def neighbours(self) -> npt.NDArray[np.intp]:
        """(pairs, 2): corners next to each other along a row or a column."""
        ...

    @property
    def dark_rectangles_m(self) -> Array:
        """(rectangles, 4) left, top, width, height: what is dark, metres from the top left of the print, y down.

        For an inverted board these are the light parts.
        """
        ...

    def finder(self) -> Finder:
        """Return what finds the board in the pictures of one camera."""
        ...


@dataclass(frozen=True)
class Squares:
    """What boards of squares have in common: where their inner corners are.

    Attributes
    ----------
    columns, rows
        Squares across and down.
    square_m
        Side of a square, metres.
    """

    columns: int
    rows: int
    square_m: float

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


@dataclass(frozen=True)
class CharucoBoard(Squares):
    """A chessboard whose white squares hold ArUco markers.

    The board's frame: origin in the middle of the print, x to the right and y up on the print as it hangs on a wall
    with its first marker at the top, z out of the print towards who looks at it. A board that lies face up on the
    floor therefore has its z up. (OpenCV's board frame has y down and z into the board.)

    Attributes
    ----------
    columns, rows
        Squares across and down, 2 or more each (and not 2 x 2: one corner is no board).
    square_m, marker_m
        Sides of a square and of the black square of a marker, metres.
    dictionary
        OpenCV's name of the marker dictionary.
    legacy
        The layout of OpenCV before 4.6, which differs for an even number of rows.
    inverted
        White on black.
    """

    kind: ClassVar[str] = "charuco"

    marker_m: float
    dictionary: str = "DICT_4X4_1000"
    legacy: bool = False
    inverted: bool = False

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2 or self.columns * self.rows < 6:
            raise CalibrationError(
                f"A board of {self.columns} x {self.rows} squares cannot calibrate: needed at least 2 x 3. "
                "Count the squares across and down."
            )
        if not (np.isfinite(self.square_m) and np.isfinite(self.marker_m) and 0 < self.marker_m < self.square_m):
            raise CalibrationError(
                f"Squares of {1e3 * self.square_m:g} mm and markers of {1e3 * self.marker_m:g} mm: needed "
                "0 < marker < square. Measure the side of a square, and of the black part of a marker."
            )
        if not DICTIONARY_NAME.fullmatch(self.dictionary):
            raise CalibrationError(
                f'"{self.dictionary}" is no marker dictionary: needed OpenCV\'s name, such as DICT_4X4_1000 or '
                "DICT_5X5_100."
            )
        markers, known = self.columns * self.rows // 2, dictionary_size(self.dictionary)
        if markers > known:
            raise CalibrationError(
                f"A board of {self.columns} x {self.rows} squares needs {markers} markers, but {self.dictionary} has "
                f"{known}. Take a larger dictionary or fewer squares."
            )

    def __str__(self) -> str:
        kind = "".join([", legacy layout" if self.legacy else "", ", white on black" if self.inverted else ""])
        return (
            f"{self.columns} x {self.rows} squares of {1e3 * self.square_m:g} mm, markers of "
            f"{1e3 * self.marker_m:g} mm, {self.dictionary}{kind}"
        )

    @cached_property
    def dark_rectangles_m(self) -> Array:
        """(rectangles, 4) left, top, width, height: what is dark, metres from the top left of the print, y down."""
        square, marker = self.square_m, self.marker_m
        layout = self.to_cv2()
        dictionary = to_cv2_dictionary(self.dictionary)
        cells = dictionary.markerSize + 2
        cell = marker / cells
        held = np.floor(np.array([corners[0][:2] for corners in layout.getObjPoints()]) / square).astype(int)
        holds_marker = np.zeros((self.rows, self.columns), dtype=bool)
        holds_marker[held[:, 1], held[:, 0]] = True
        rectangles = [(column * square, row * square, square, square) for row, column in np.argwhere(~holds_marker)]
        for marker_id, (column, row) in zip(np.ravel(layout.getIds()), held, strict=True):
            left, top = column * square + (square - marker) / 2, row * square + (square - marker) / 2
            dark = dictionary.generateImageMarker(int(marker_id), cells, borderBits=1) < 128
            rectangles += [(left + x * cell, top + y * cell, cell, cell) for y, x in np.argwhere(dark)]
        return np.array(rectangles, dtype=np.float64)

    def finder(self) -> Finder:
        """Return what finds the board in the pictures of one camera."""
        from calib.corners.marker_finder import MarkerFinder, MarkerPrint
        from calib.corners.marker_search import MarkerSearch

        prints = []
        layouts = [self.legacy, not self.legacy] if self.rows % 2 == 0 else [self.legacy]  # else they are the same
        for inverted in (self.inverted, not self.inverted):
            for legacy in layouts:
                board = dataclasses.replace(self, legacy=legacy, inverted=inverted)
                layout = board.to_cv2()
                order = np.argsort(np.ravel(layout.getIds()))
                quads_m = np.array(layout.getObjPoints(), dtype=np.float64)[order, :, :2]
                prints.append(MarkerPrint(board, quads_m, board.dark_rectangles_m, self.square_m))
        return MarkerFinder(prints, MarkerSearch(self.dictionary, self.columns * self.rows // 2))

    def to_cv2(self) -> Any:
        """Return the `cv2.aruco.CharucoBoard`; whether the print is inverted is not part of it."""
        import cv2

        board = cv2.aruco.CharucoBoard(
            (self.columns, self.rows), self.square_m, self.marker_m, to_cv2_dictionary(self.dictionary)
        )
        board.setLegacyPattern(self.legacy)
        return board


def grid_neighbours(columns: int, rows: int) -> npt.NDArray[np.intp]:
    """Return (pairs, 2): the points next to each other in a grid numbered row by row."""
    grid = np.arange(columns * rows).reshape(rows, columns)
    across = np.stack([grid[:, :-1].ravel(), grid[:, 1:].ravel()], axis=1)
    down = np.stack([grid[:-1].ravel(), grid[1:].ravel()], axis=1)
    return np.concatenate([across, down])


def dictionary_size(name: str) -> int:
    """Return how many markers the dictionary of that name has."""
    return int(to_cv2_dictionary(name).bytesList.shape[0])


def to_cv2_dictionary(name: str) -> Any:
    """Return the `cv2.aruco.Dictionary` of that name."""
    import cv2

    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))


def parse_size(text: str) -> tuple[int, int]:
    """Return columns and rows of a size such as "4x5".

    Raises
    ------
    CalibrationError
        If the text is no size.
    """
    match = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", text, re.IGNORECASE)
    if match is None:
        raise CalibrationError(f'"{text}" is no board size: needed squares across and down, such as 4x5.')
    return int(match[1]), int(match[2])


def board_to_json(board: Board) -> dict[str, Any]:
    """Return the board's kind and fields, for JSON."""
    return {"kind": board.kind, **dataclasses.asdict(board)}  # type: ignore[call-overload]


def board_from_json(fields: Mapping[str, Any]) -> Board:
    """Return the board of these fields.

    Raises
    ------
    CalibrationError
        If there can be no such board.
    ValueError, TypeError
        If these are not the fields of a board.
    """
    own = {name: value for name, value in fields.items() if name != "kind"}
    board: Board = board_class(fields["kind"])(**own)
    return board


def board_class(kind: str) -> type[Any]:
    """Return the class of a kind of board."""
    from calib.boards.aprilgrid import AprilGrid
    from calib.boards.checkerboard import Checkerboard

    return {board.kind: board for board in (CharucoBoard, Checkerboard, AprilGrid)}[kind]
