"""`clapcap export`: a take for Blender and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "export"
EXAMPLE = "Example: `clapcap export my-session/results/dance --to blend`"


def command(
    take: Annotated[Path, typer.Argument(help="A take's folder, or a motion: .npz or .bvh.")],
    to: Annotated[str, typer.Option(help="blend, fbx, glb, usd or bvh.")] = "blend",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to; else beside the motion.")] = None,
    videos: Annotated[bool, typer.Option("--videos/--no-videos", help="In .blend: videos behind the figure.")] = True,
) -> None:
    """Write a take for Blender (armature, IK handles, cameras with their videos), as FBX, GLB, USD, or as BVH."""
    from session.export import export_motion
    from session.terminal import Terminal

    export_motion(take, to, output, videos, Terminal())
