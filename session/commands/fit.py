"""`clapcap fit`: bones and inverse kinematics alone, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "fit"
EXAMPLE = "Example: `clapcap fit keypoints3d.npz -o motion.bvh`"


def command(
    keypoints: Annotated[Path, typer.Argument(help="Keypoints in 3D: .npz, .csv, .json, .trc or .c3d.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to: .bvh or .npz.")],
    skeleton: Annotated[str, typer.Option(help="The animation skeleton.")] = "humanoid",
) -> None:
    """Fit bones of constant length to keypoints in 3D."""
    from session.single_stages import fit_file
    from session.terminal import Terminal

    fit_file(keypoints, output, skeleton, Terminal())
