"""`clapcap triangulate`: one stage alone, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "triangulate"
EXAMPLE = "Example: `clapcap triangulate cameras.toml cam1.npz cam2.npz -o keypoints3d.npz`"


def command(
    cameras: Annotated[Path, typer.Argument(help="The calibration: cameras.toml, or a file of another tool.")],
    views: Annotated[list[Path], typer.Argument(metavar="CAM.npz...", help="Keypoints, one file a camera.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to: .npz, .csv, .json, .trc or .c3d.")],
    time_map: Annotated[
        Path | None, typer.Option(help="time_map.json; without it all files must be in one time already.")
    ] = None,
    solver: Annotated[str, typer.Option(help='"clapcap", or "anipose" to compare.')] = "clapcap",
) -> None:
    """Triangulate keypoints of several cameras. A file's stem names its camera."""
    from session.single_stages import triangulate_files
    from session.terminal import Terminal

    triangulate_files(cameras, views, output, time_map, solver, Terminal())
