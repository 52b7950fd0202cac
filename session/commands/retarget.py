"""`clapcap retarget`: a motion onto another rig, BVH in and BVH out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "retarget"
EXAMPLE = "Example: `clapcap retarget my-session/results/dance --to character.bvh`"


def command(
    motion: Annotated[Path, typer.Argument(help="A take's folder, or a motion: .npz or .bvh.")],
    to: Annotated[Path, typer.Option(help="The rig: a BVH file of the character at rest.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to; else beside the motion.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Bone map of the rig: a name or a TOML file; else it is proposed.")
    ] = None,
    source_preset: Annotated[str | None, typer.Option(help="Likewise for the motion's own skeleton.")] = None,
) -> None:
    """Bring a motion onto another rig: its names, proportions and rest pose; feet that stand stay."""
    from session.retarget import retarget_file
    from session.terminal import Terminal

    retarget_file(motion, to, output, preset, source_preset, Terminal())
