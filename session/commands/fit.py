"""`clapcap fit`: bones and inverse kinematics alone, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "fit"
EXAMPLE = (
    "Example: `clapcap fit keypoints3d.npz -o motion.bvh --observations observations2d.npz --cameras cameras.toml`"
)


def command(
    keypoints: Annotated[Path, typer.Argument(help="Keypoints in 3D: .npz, .csv, .json, .trc or .c3d.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to: .bvh or .npz.")],
    skeleton: Annotated[str, typer.Option(help="The animation skeleton: a name, or a .toml file.")] = "humanoid",
    observations: Annotated[
        Path | None, typer.Option(help="What the views hold: observations2d.npz. Then the fit is on the pixels.")
    ] = None,
    cameras: Annotated[Path | None, typer.Option(help="The calibrated cameras of these views: cameras.toml.")] = None,
) -> None:
    """Fit bones of constant length to keypoints in 3D, and to the views that they come from."""
    from session.single_stages import fit_file
    from session.terminal import Terminal

    fit_file(keypoints, output, skeleton, Terminal(), observations, cameras)
