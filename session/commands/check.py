"""`clapcap check`: whether the cameras still stand where they were calibrated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "check"
EXAMPLE = (
    "Example: `clapcap check my-session today/cam1.mp4 today/cam2.mp4`. Exit code: 0 when all cameras are where they "
    "were, 1 when not"
)
EXIT_CHANGED = 1


def command(
    session: Annotated[Path, typer.Argument(help="The calibrated session.")],
    videos: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[VIDEO...]",
            help="Later videos of the board, one a camera, or their folder. [default: the session's folder check/]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Tell from a later recording of the board whether a camera was moved, turned or zoomed since the calibration.

    Ten seconds will do, of all cameras or of some: the board held where two of them see it at once, and a clap; without
    a clap, the board put down in four places or more. Nothing of the calibration is changed.
    """
    from session.check import check_session
    from session.folder import Session
    from session.terminal import Terminal

    result = check_session(Session.open(session), videos or (), Terminal())
    if not result.unchanged:
        raise typer.Exit(EXIT_CHANGED)
