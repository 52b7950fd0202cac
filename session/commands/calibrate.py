"""`clapcap calibrate`: the wizard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "calibrate"
EXAMPLE = "Example: `clapcap calibrate my-session`; with another tool's cameras: `--import cameras.toml`"


def command(
    session: Annotated[Path, typer.Argument(help="The session folder.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    timestamps: Annotated[
        Path | None, typer.Option(help="A table of capture times (CSV: cam_id, frame_index, frame_time).")
    ] = None,
    frames: Annotated[
        str | None, typer.Option(metavar="START:STOP:STEP", help="Only these frames of the videos.")
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", help="A calibration made elsewhere: cameras.toml (aniposelib) or Qualisys .qca.txt."),
    ] = None,
    floor_time: Annotated[
        float | None, typer.Option(help="When the board lies on the floor, in seconds of session time.")
    ] = None,
    solver: Annotated[str | None, typer.Option(help='"clapcap", or "anipose" to compare.')] = None,
) -> None:
    """Calibrate the cameras from the videos of the board, or take over a calibration.

    What you give is remembered in session.toml.
    """
    from session.calibration import calibrate_session, calibration_table, remember_calibration
    from session.folder import Session
    from session.terminal import Terminal

    terminal = Terminal()
    opened = remember_calibration(Session.open(session), timestamps, frames, import_, floor_time, solver)
    calibrate_session(opened, terminal, ask=not yes and terminal.can_ask)
    calibration_table(opened, terminal)
