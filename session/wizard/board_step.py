"""The wizard on the board: which one, printed, and measured with a ruler."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import SessionError
from session.board import print_session_board, to_board
from session.folder import Session
from session.settings import BoardSettings, update_settings
from session.terminal import Terminal
from session.wizard.answers import Answers, Talk

if TYPE_CHECKING:
    pass

PAPERS = {
    "A4": BoardSettings(5, 7, 35.0, 26.25, "DICT_4X4_50"),
    "A3": BoardSettings(5, 7, 53.0, 39.75, "DICT_4X4_50"),
    "A2": BoardSettings(5, 7, 78.0, 58.5, "DICT_4X4_50"),
    "A1": BoardSettings(5, 7, 113.0, 84.75, "DICT_4X4_50"),
}
"""The largest squares that fit. An odd number of rows is the same in OpenCV's old and new layout; of 50 codes instead
of 1000, fewer are taken for one another."""

KINDS = {
    "charuco": "A chessboard with a marker in every white square (ChArUco)",
    "checkerboard": "A plain chessboard",
    "aprilgrid": "A grid of tags with small black squares between them (AprilGrid)",
}

READABLE_PX = 14.0
"""Markers of 7 to 14 px are near the least that the detector reads (docs/example.md)."""

PICTURE_PX = 1280
"""A webcam's picture; phones have more, and reach further."""

MOST_OFF = 1.5
"""A measured square that differs from the stated one by more than this factor was measured in other units, or is not
that board."""


def apply_board_flags(session: Session, talk: Talk) -> Session:
    """Write what flags say of the board into `session.toml`, print the board if asked, and return the session anew.

    Raises
    ------
    CalibrationError, SessionError
        If there can be no such board.
    """
    answers = talk.answers
    board = board_from_flags(session.settings.board, answers)
    session = _remember(session, board, measured=answers.square_mm is not None)
    if answers.print_to is not None:
        _print(session, answers.print_to, talk.terminal)
    return session


def board_from_flags(board: BoardSettings, answers: Answers) -> BoardSettings:
    """Return the board with what flags say; markers keep their share of the square unless they are given."""
    from calib.boards.board import parse_size

    if answers.kind is not None and answers.kind not in KINDS:
        raise SessionError(f'--kind "{answers.kind}" is unknown: needed one of {", ".join(KINDS)}.')
    columns, rows = parse_size(answers.board) if answers.board else (board.columns, board.rows)
    square_mm = board.square_mm if answers.square_mm is None else answers.square_mm
    marker_mm = answers.marker_mm
    if marker_mm is None:
        marker_mm = scaled_marker_mm(board, square_mm)
    changed = dataclasses.replace(
        board,
        columns=columns,
        rows=rows,
        square_mm=square_mm,
        marker_mm=marker_mm,
        dictionary=answers.dictionary or board.dictionary,
        kind=answers.kind or board.kind,
    )
    to_board(changed)  # refuses boards that cannot be
    return changed


def board_step(session: Session, talk: Talk) -> Session:
    """Ask which board it is and how large it came out of the printer, unless that is known; return the session anew."""
    if session.settings.calibration.board_measured or not talk.asks:
        return session
    terminal = talk.terminal
    terminal.heading("The board")
    if session.calibration.videos:
        board = session.settings.board
        if not terminal.confirm(f"The board in the videos: {in_words(board)}. Is that right?"):
            return _remember(session, _describe(board, terminal), measured=True)
        return _measure(session, terminal, printed=True)
    to_print = _choose(session.settings.board, terminal)
    if to_print is None:
        return _remember(session, _describe(session.settings.board, terminal), measured=True)
    session = _remember(session, to_print)
    _print(session, session.root / "board.pdf", terminal)
    return _measure(session, terminal, printed=False)


def in_words(board: BoardSettings) -> str:
    """Describe a board."""
    size = f"{board.columns} x {board.rows}"
    if board.kind == "checkerboard":
        return f"plain chessboard, {size} squares of {board.square_mm:g} mm"
    if board.kind == "aprilgrid":
        return f"AprilGrid, {size} tags of {board.marker_mm:g} mm, {board.square_mm:g} mm from tag to tag"
    return f"{size} squares of {board.square_mm:g} mm, markers of {board.marker_mm:g} mm, {board.dictionary}"


def scaled_marker_mm(board: BoardSettings, square_mm: float) -> float:
    """Return the marker's side on a print whose squares came out as `square_mm`: printers scale all alike."""
    if square_mm == board.square_mm:
        return board.marker_mm
    return round(board.marker_mm * square_mm / board.square_mm, 3)


def reach_m(board: BoardSettings) -> float:
    """Return from how far a webcam reads the board's markers."""
    from calib.quality.board_looks import USUAL_FOCAL

    return USUAL_FOCAL * PICTURE_PX * board.marker_mm / 1000 / READABLE_PX


def _choose(stated: BoardSettings, terminal: Terminal) -> BoardSettings | None:
    """Return the board to print; None: there is one already."""
    terminal.say(
        "The board is a printed chessboard with markers. The larger it is, the further away it can be seen: take the "
        "largest that you can print and carry."
    )
    boards = list(PAPERS.values())
    options = [
        f"Print a new one on {paper}: read from up to {reach_m(board):.0f} m away by a webcam"
        for paper, board in PAPERS.items()
    ]
    if stated != BoardSettings():
        boards.append(stated)
        options.append(f"Print the one in session.toml: {in_words(stated)}")
    options.append("I have a board already")
    chosen = terminal.choose("Which board?", options, default=len(options) - 2 if stated in boards else 0)
    return boards[chosen] if chosen < len(boards) else None


def _describe(stated: BoardSettings, terminal: Terminal) -> BoardSettings:
    """Ask for all of a board's spec."""
    from calib.boards.board import parse_size

    kinds = list(KINDS)
    kind = kinds[terminal.choose("What does it look like?", list(KINDS.values()), default=kinds.index(stated.kind))]
    board = dataclasses.replace(stated, kind=kind, dictionary=BoardSettings().dictionary)
    item = "tag" if kind == "aprilgrid" else "square"

    def read_size(answer: str) -> tuple[int, int]:
        columns, rows = parse_size(answer)
        to_board(dataclasses.replace(board, columns=columns, rows=rows))
        return columns, rows

    size = (stated.columns, stated.rows)
    columns, rows = terminal.ask(
        f"How many {item}s does it have, across x down?", read_size, shown=f"{size[0]}x{size[1]}", default=size
    )
    board = dataclasses.replace(board, columns=columns, rows=rows)
    what = "From one tag's edge to the next tag's same edge" if kind == "aprilgrid" else "Side of a square"
    square_mm = terminal.ask(
        f"{what}, measured with a ruler, in mm?", read_mm, shown=f"{stated.square_mm:g}", default=stated.square_mm
    )
    usual = scaled_marker_mm(stated, square_mm)
    board = dataclasses.replace(board, square_mm=square_mm, marker_mm=usual)
    if kind == "checkerboard":
        return board

    def read_marker(answer: str) -> float:
        marker_mm = read_mm(answer)
        if not marker_mm < square_mm:
            raise SessionError(f"A marker of {marker_mm:g} mm does not fit into {square_mm:g} mm.")
        return marker_mm

    what = "a tag" if kind == "aprilgrid" else "the black square of a marker"
    marker_mm = terminal.ask(f"Side of {what}, in mm?", read_marker, shown=f"{usual:g}", default=usual)
    board = dataclasses.replace(board, marker_mm=marker_mm)
    if kind == "aprilgrid":
        return board

    def read_dictionary(answer: str) -> BoardSettings:
        name = answer.upper() if answer.upper().startswith("DICT_") else f"DICT_{answer.upper()}"
        found = dataclasses.replace(board, dictionary=name)
        to_board(found)
        return found

    default = stated if stated.kind == kind else board
    return terminal.ask(
        "Which marker dictionary? If you do not know, press Enter: should it be another one, it will be named.",
        read_dictionary,
        shown=default.dictionary,
        default=dataclasses.replace(board, dictionary=default.dictionary),
    )


def _print(session: Session, output: Path, terminal: Terminal) -> None:
    """Write the board for printing; another board's print of that name stays as it is."""
    target = _free_name(output) if output.exists() else output
    print_session_board(session, target, terminal)
    if target != output and target.read_bytes() == output.read_bytes():
        target.unlink()
        terminal.say(f"It is the same as {output}, which is kept.")


def _free_name(path: Path) -> Path:
    number = 2
    while (free := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return free


def _measure(session: Session, terminal: Terminal, printed: bool) -> Session:
    """Ask for the side of a square as printed; take it over into the session.

    Where the board may not be printed yet, no answer leaves the question for the next time.
    """
    board = session.settings.board

    def read(answer: str) -> float | None:
        measured = read_mm(answer)
        if not 1 / MOST_OFF < measured / board.square_mm < MOST_OFF:
            raise SessionError(
                f"{measured:g} mm is far from the {board.square_mm:g} mm of this board. Measure a square, not a "
                "marker, in millimetres."
            )
        return measured

    one = "the distance from tag to tag" if board.kind == "aprilgrid" else "one square"
    terminal.say(
        f"Measure {one} with a ruler (better: a row of them, divided by their number). It sets the scale of everything."
    )
    shown, default = (f"{board.square_mm:g}", board.square_mm) if printed else ("not printed yet", None)
    square_mm = terminal.ask(f"How many mm is {one}?", read, shown=shown, default=default)
    if square_mm is None:
        return session
    marker_mm = scaled_marker_mm(board, square_mm)
    if square_mm != board.square_mm:
        terminal.say(
            f"The print is {100 * square_mm / board.square_mm:.1f} % of the design. That is fine: squares of "
            f"{square_mm:g} mm and markers of {marker_mm:g} mm from now on."
        )
    return _remember(session, dataclasses.replace(board, square_mm=square_mm, marker_mm=marker_mm), measured=True)


def read_mm(answer: str) -> float:
    """Read a length in millimetres.

    Raises
    ------
    SessionError
        If it is none.
    """
    match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*(mm)?", answer.strip(), re.IGNORECASE)
    if match is None or not float(match[1].replace(",", ".")) > 0:
        raise SessionError(f'"{answer}" is no length in millimetres. Type a number, such as 34.8.')
    return float(match[1].replace(",", "."))


def _remember(session: Session, board: BoardSettings, measured: bool = False) -> Session:
    known = vars(session.settings.board)
    changes: dict[tuple[str, ...], object] = {
        ("board", name): value for name, value in vars(board).items() if known[name] != value
    }
    if measured:
        changes["calibration", "board_measured"] = True
    update_settings(session.settings_file, changes)
    return Session.open(session.root)
