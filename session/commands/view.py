"""`clapcap view`: look at a take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "view"
EXAMPLE = "Example: `clapcap view my-session/results/dance`"


def command(
    take: Annotated[Path, typer.Argument(help="A take's folder, of results or of videos.")],
    save: Annotated[Path | None, typer.Option(help="Keep it as a file for the viewer: take.rrd.")] = None,
) -> None:
    """Look at a take: videos with keypoints, the skeleton among the cameras, errors, on one time line.

    In rerun's viewer; without it or without a display, as overlay videos and a picture.
    """
    from session.terminal import Terminal
    from session.view import view_take

    view_take(take, save, Terminal())
