"""The session's board: from millimetres in `session.toml` to the board that the solvers use, and to paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from session.atomic import written_whole
from session.folder import Session
from session.settings import BoardSettings
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.boards.board import Board


def to_board(board: BoardSettings) -> Board:
    """Return the board that the settings describe.

    Raises
    ------
    CalibrationError
        If there can be no such board.
    """
    from calib.boards.aprilgrid import AprilGrid
    from calib.boards.board import CharucoBoard
    from calib.boards.checkerboard import Checkerboard

    if board.kind == "checkerboard":
        return Checkerboard(board.columns, board.rows, board.square_mm / 1000)
    if board.kind == "aprilgrid":
        spacing = (board.square_mm - board.marker_mm) / board.marker_mm
        return AprilGrid(board.columns, board.rows, board.marker_mm / 1000, spacing)
    return CharucoBoard(board.columns, board.rows, board.square_mm / 1000, board.marker_mm / 1000, board.dictionary)


def print_session_board(session: Session, output: Path, terminal: Terminal) -> None:
    """Write the session's board to a file for printing."""
    from calib.boards.print_board import print_board

    board = to_board(session.settings.board)
    with written_whole(output) as partial:
        page = print_board(board, partial)
    terminal.done("board", f"{output} ({page})")
    terminal.say(
        "Print it at 100 % (no fitting to the page), measure the ruler on it, glue it on something stiff and flat. If "
        "the ruler is off, write what you measure into session.toml: the board sets the scale of everything."
    )
