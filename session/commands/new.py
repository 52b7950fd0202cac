"""`clapcap new`: a session folder from videos that lie elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

NAME = "new"
EXAMPLE = (
    "Example: `clapcap new my-session --calibration c/cam1.mp4 c/cam2.mp4 --take dance d/cam1.mp4 d/cam2.mp4 "
    "--board 4x5 --square-mm 54 --marker-mm 40.5`"
)
TAKE_MARK = "\0"  # joins a take's name and a video in one argument; no path can hold it


def spread_lists(argv: Sequence[str]) -> list[str]:
    """Repeat the options of `new` that take several videos, as the option parser wants them.

    `--calibration a b` becomes `--calibration a --calibration b`, and `--take dance a b` one `--take` a video that
    carries the take's name too.
    """
    if next((argument for argument in argv if not argument.startswith("-")), None) != NAME:
        return list(argv)
    spread: list[str] = []
    option, take, count = "", "", 0
    for argument in argv:
        if argument.startswith("-"):
            if option == "--take" and take and not count:
                spread += ["--take", take + TAKE_MARK]
            option, take, count = argument, "", 0
            if option not in ("--calibration", "--take"):
                spread.append(argument)
        elif option == "--calibration":
            spread += [option, argument]
        elif option == "--take" and not take:
            take = argument
        elif option == "--take":
            spread += [option, take + TAKE_MARK + argument]
            count += 1
        else:
            spread.append(argument)
    if option == "--take":
        if not take:
            spread += ["--take", TAKE_MARK]
        elif not count:
            spread += ["--take", take + TAKE_MARK]
    return spread


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The session folder to make, or to add to.")],
    calibration: Annotated[
        list[Path] | None,
        typer.Option("--calibration", metavar="V...", help="The cameras' videos of the board, one a camera."),
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option("--take", metavar="NAME V...", help="A take: its name, then one video a camera. Repeatable."),
    ] = None,
    board: Annotated[str, typer.Option(metavar="COLSxROWS", help="Squares of the board, across x down.")] = "4x5",
    square_mm: Annotated[float, typer.Option(help="Side of a square as printed, in millimetres.")] = 54.0,
    marker_mm: Annotated[float, typer.Option(help="Side of a marker as printed, in millimetres.")] = 40.5,
    dictionary: Annotated[str, typer.Option(help="OpenCV's name of the marker dictionary.")] = "DICT_4X4_1000",
    kind: Annotated[
        str,
        typer.Option(
            help="charuco, checkerboard (no markers), or aprilgrid (--board: tags; --marker-mm: side of a tag; "
            "--square-mm: from tag to tag)."
        ),
    ] = "charuco",
) -> None:
    """Make a session folder. Videos are linked or copied in, never moved.

    A camera is named by its video's stem: give a camera's videos the same name in the calibration and in every take.
    """
    from calib.boards.board import parse_size
    from clapcap.errors import SessionError
    from session.new import create_session, say_next_step
    from session.settings import BOARDS, BoardSettings
    from session.terminal import Terminal

    takes: dict[str, list[Path]] = {}
    for entry in take or []:
        name, _, video = entry.partition(TAKE_MARK)
        takes.setdefault(name, []).extend([Path(video)] if video else [])
    if kind not in BOARDS:
        raise SessionError(f'--kind "{kind}" is unknown: needed one of {", ".join(BOARDS)}.')
    columns, rows = parse_size(board)
    settings = BoardSettings(columns, rows, square_mm, marker_mm, dictionary, kind)
    terminal = Terminal()
    made = create_session(folder, calibration or [], takes, settings, terminal)
    terminal.say(f"{folder} is {'a new session' if made else 'the session, added to'}.")
    say_next_step(folder, terminal)
