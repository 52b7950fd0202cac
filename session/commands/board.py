"""`clapcap board`: the board to print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "board"
EXAMPLE = "Example: `clapcap board my-session -o board.pdf`, then print at 100 % (no fitting to the page)."


def command(
    session: Annotated[Path, typer.Argument(help="The session folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to: .pdf, .svg or .png.")] = Path("board.pdf"),
) -> None:
    """Print the session's board at true size, with a ruler and the spec on the page."""
    from session.board import print_session_board
    from session.folder import Session
    from session.terminal import Terminal

    print_session_board(Session.open(session), output, Terminal())
