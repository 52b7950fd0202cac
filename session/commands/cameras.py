"""`clapcap cameras`: a calibration shown, and written for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "cameras"
EXAMPLE = "Example: `clapcap cameras my-session --to pose2sim -o Calib.toml`; formats and conventions: docs/cameras.md"


def command(
    calibration: Annotated[
        Path, typer.Argument(metavar="SESSION|FILE", help="A calibrated session, or a calibration by any of the tools.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Write for: anipose, blender, caliscope, colmap, easymocap, freemocap, opencap, opencv, pose2sim or "
            "qualisys. With -o alone: anipose, clapcap's own.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file or folder to write. [default: as the tool names it]")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of a file that gives none: m, cm, mm, inch, or a number of metres.")
    ] = None,
    up: Annotated[
        str | None, typer.Option(metavar="AXIS", help="The axis of the file's world that points up: it becomes z.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Call a camera like its video's stem. Repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Show the cameras of a calibration, or write them for another tool.

    Reads what aniposelib, caliscope, COLMAP, EasyMocap, freemocap, OpenCV, Pose2Sim and Qualisys write.
    """
    from calib.interchange import codec_named, load_calibration
    from session.cameras import find_calibration, hand_on, rename_cameras, show_cameras
    from session.terminal import Terminal

    terminal = Terminal()
    codec = None if to is None and output is None else codec_named(to or "anipose")
    found = rename_cameras(load_calibration(find_calibration(calibration), unit, up), rename or [])
    if codec is None:
        show_cameras(found, terminal)
    for note in found.notes:
        terminal.warn(note)
    if codec is not None:
        hand_on(found, codec, output, force, terminal)
