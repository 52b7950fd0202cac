"""`clapcap convert`: one file from one format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "convert"
EXAMPLE = "Example: `clapcap convert my-session/results/dance/keypoints3d.npz -o dance.c3d`"


def command(
    source: Annotated[Path, typer.Argument(help="Points: .npz .csv .json .trc .c3d; or a motion: .npz .bvh.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="Points: the same; a motion: .bvh, .csv (joint angles), .mot (OpenSim), .npz."
        ),
    ],
    bvh_unit: Annotated[str, typer.Option(help="Lengths in a BVH file: m, cm or mm.")] = "m",
) -> None:
    """Write points or a motion in another format."""
    from session.convert import convert_file
    from session.terminal import Terminal

    convert_file(source, output, bvh_unit, Terminal())
