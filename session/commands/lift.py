"""`clapcap lift`: one stage alone, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "lift"
EXAMPLE = "Example: `clapcap lift cam1.npz --height 1.72 -o keypoints3d.npz`"


def command(
    view: Annotated[Path, typer.Argument(metavar="CAM.npz", help="Keypoints of one camera, named by the file's stem.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to: .npz, .csv, .json, .trc or .c3d.")],
    cameras: Annotated[
        Path | None, typer.Option(help="A calibration, whose world the points are then in: cameras.toml.")
    ] = None,
    height: Annotated[float | None, typer.Option(help="The subject's height in metres; else 1.75.")] = None,
    camera_name: Annotated[
        str | None, typer.Option(help="Which camera of the calibration; else the file's stem.")
    ] = None,
    focal_mm: Annotated[float | None, typer.Option(help="Focal length on 35 mm film, without a calibration.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A lifter of your own: lifter.safetensors.")] = None,
) -> None:
    """Lift keypoints of one camera to points in space: Z up, depth inferred."""
    from session.single_stages import lift_file
    from session.terminal import Terminal

    lift_file(view, output, cameras, camera_name, focal_mm, height, weights, Terminal())
