"""`clapcap process`: from videos to an animated skeleton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "process"
EXAMPLE = "Example: `clapcap process my-session --take dance`"


def command(
    session: Annotated[Path, typer.Argument(help="The session folder.")],
    take: Annotated[str | None, typer.Option(help="Only this take; otherwise all.")] = None,
    solver: Annotated[str | None, typer.Option(help='"clapcap", or "anipose" to compare.')] = None,
    person: Annotated[str | None, typer.Option(help='Of several people: "all", "main", or one\'s number.')] = None,
    refine_cameras: Annotated[
        bool | None, typer.Option("--refine-cameras/--no-refine-cameras", help="Correct poses by who moves.")
    ] = None,
    height: Annotated[float | None, typer.Option(help="Of takes with one view: the subject's, metres.")] = None,
    overlay: Annotated[bool | None, typer.Option("--overlay/--no-overlay", help="Videos with the keypoints.")] = None,
) -> None:
    """Do everything from videos to files; run again to go on after an interruption.

    What you give is remembered in session.toml.
    """
    from session.folder import Session
    from session.take import process_session, remember_process
    from session.terminal import Terminal

    opened = remember_process(Session.open(session), solver, overlay, person, refine_cameras, height)
    process_session(opened, take, Terminal())
