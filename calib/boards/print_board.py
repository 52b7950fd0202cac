"""The board on paper: PDF, SVG or PNG at true size, with a ruler and the spec on the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from calib.boards.board import Board
from clapcap.errors import CalibrationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

PAPERS_MM = {
    "A4": (210.0, 297.0),
    "Letter": (215.9, 279.4),
    "A3": (297.0, 420.0),
    "A2": (420.0, 594.0),
    "A1": (594.0, 841.0),
    "A0": (841.0, 1189.0),
}
MARGIN_MM = 8.0
"""White around everything: printers cannot print to the edge, and the markers need a light border."""

FOOT_MM = 22.0
"""Height of the ruler and the text below the board."""

SMALLEST_WIDTH_MM = 130.0
"""The ruler of 100 mm and the text need this much."""

SUFFIXES = (".pdf", ".svg", ".png")


@dataclass(frozen=True)
class Page:
    """The page a board is printed on, millimetres."""

    name: str
    width_mm: float
    height_mm: float

    def __str__(self) -> str:
        return f"{self.name}, {self.width_mm:g} x {self.height_mm:g} mm"


def fitting_page(board: Board, paper: str | None = None) -> Page:
    """Return the smallest of A4 to A0 that holds the board at true size, else a page of its own size.

    Parameters
    ----------
    board
        What is to be printed.
    paper
        A name of `PAPERS_MM` to use that paper only.

    Raises
    ------
    CalibrationError
        If the paper is unknown or too small.
    """
    width = max(1e3 * board.width_m, SMALLEST_WIDTH_MM - 2 * MARGIN_MM) + 2 * MARGIN_MM
    height = 1e3 * board.height_m + 3 * MARGIN_MM + FOOT_MM
    if paper is not None and paper not in PAPERS_MM:
        raise CalibrationError(f'"{paper}" is no paper size: needed one of {", ".join(PAPERS_MM)}.')
    for name in [paper] if paper else ["A4", "A3", "A2", "A1", "A0"]:
        short, long = PAPERS_MM[name]
        for direction, page in (("portrait", (short, long)), ("landscape", (long, short))):
            if width <= page[0] and height <= page[1]:
                return Page(f"{name} {direction}", *page)
    if paper:
        raise CalibrationError(
            f"The board needs {width:.0f} x {height:.0f} mm with its margins, {paper} has "
            f"{PAPERS_MM[paper][0]:g} x {PAPERS_MM[paper][1]:g} mm. Take larger paper or smaller squares."
        )
    return Page("custom size", float(np.ceil(width)), float(np.ceil(height)))


def print_board(board: Board, path: Path, paper: str | None = None) -> Page:
    """Draw the board at true size.

    Parameters
    ----------
    board
        What to draw.
    path
        Where to; the suffix decides: .pdf and .svg are vector graphics, .png has 300 dots per inch up to A3, 150 above.
    paper
        As `fitting_page` takes it.

    Returns
    -------
    Page
        The page, for the printer's settings.

    Raises
    ------
    CalibrationError
        If the suffix or the paper is unknown, or the paper too small.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CalibrationError(
            f'A board is printed to {", ".join(SUFFIXES)}, not to "{path.suffix}". Name the file so.'
        )
    page = fitting_page(board, paper)
    figure = _draw(board, page)
    dpi = 300 if max(page.width_mm, page.height_mm) <= 420 else 150
    # No dates: the same board gives the same file.
    metadata: dict[str, Any] | None = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": None}[suffix]
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "clapcap", "svg.fonttype": "path"}):
        figure.savefig(path, format=suffix[1:], dpi=dpi, metadata=metadata)
    return page


def _draw(board: Board, page: Page) -> Figure:
    """Draw on axes of one millimetre a unit, y down, that cover the page."""
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path as Outline

    figure = Figure(figsize=(page.width_mm / 25.4, page.height_mm / 25.4), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, page.width_mm), ylim=(page.height_mm, 0))
    axes.axis("off")

    width, height = 1e3 * board.width_m, 1e3 * board.height_m
    left = (page.width_mm - width) / 2
    top = MARGIN_MM + (page.height_mm - height - 3 * MARGIN_MM - FOOT_MM) / 2
    rectangles = 1e3 * board.dark_rectangles_m + np.array([left, top, 0, 0])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    # All in one path, one fill: renderers leave hairlines between separate shapes that touch.
    vertices = (rectangles[:, None, :2] + corners * rectangles[:, None, 2:]).reshape(-1, 2)
    codes = np.tile([Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY], len(rectangles))
    ink, ground = ("white", "black") if board.inverted else ("black", "white")
    axes.add_patch(Rectangle((left, top), width, height, facecolor=ground, linewidth=0))
    axes.add_patch(PathPatch(Outline(vertices, codes), facecolor=ink, linewidth=0))
    _draw_foot(axes, board, page)
    return figure


def _draw_foot(axes: Any, board: Board, page: Page) -> None:
    """Draw the ruler of 100 mm and the spec."""
    left, base = MARGIN_MM + 2, page.height_mm - MARGIN_MM - FOOT_MM + 8
    ticks = np.arange(101)
    length = np.where(ticks % 10 == 0, 5.0, np.where(ticks % 5 == 0, 3.5, 2.0))
    axes.vlines(left + ticks, base - length, base, color="black", linewidth=0.3)
    axes.hlines(base, left, left + 100, color="black", linewidth=0.3)
    for centimetre in range(11):
        axes.text(left + 10 * centimetre, base + 0.7, str(10 * centimetre), ha="center", va="top", fontsize=6)
    axes.text(left + 104, base, "mm", ha="left", va="bottom", fontsize=6)
    spec = f"clapcap board: {board}\nPrint on {page} at 100 %, then measure: the ruler must be 100 mm long."
    axes.text(left, base + 5, spec, ha="left", va="top", fontsize=6.5, linespacing=1.4)
