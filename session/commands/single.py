"""`clapcap single`: one video to an animated skeleton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "single"
EXAMPLE = "Example: `clapcap single walk.mp4 --height 1.72`"


def command(
    video: Annotated[Path, typer.Argument(help="The video of one camera, or a folder of pictures; it is only read.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The folder for the results; by default VIDEO-clapcap here.")
    ] = None,
    height: Annotated[float | None, typer.Option(help="The subject's height in metres; else 1.75.")] = None,
    camera: Annotated[Path | None, typer.Option(help="A calibration that holds the camera: cameras.toml.")] = None,
    camera_name: Annotated[
        str | None, typer.Option(help="Which camera of the calibration; else the video's stem.")
    ] = None,
    focal_mm: Annotated[
        float | None, typer.Option(help="Focal length on 35 mm film; else the video's metadata.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A lifter of your own: lifter.safetensors.")] = None,
    overlay: Annotated[bool, typer.Option("--overlay/--no-overlay", help="A video with the skeleton over it.")] = True,
) -> None:
    """Do everything from one video to files; depth is inferred. Run again to go on after an interruption."""
    from session.single import SingleOptions, process_video
    from session.terminal import Terminal

    options = SingleOptions(height, camera, camera_name, focal_mm, weights, overlay)
    process_video(video, output, options, Terminal())
