"""`clapcap train`: a model learns from recorded motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "train"
EXAMPLE = "Example: `clapcap train lifter recordings/mocap -o runs/first --config my.toml`"


def command(
    what: Annotated[str, typer.Argument(help="The model: lifter, from one view to 3D.")],
    data: Annotated[Path, typer.Argument(help="Recorded motion: a folder with index.csv, split.json and archives.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The run's folder. A run that is there goes on.")],
    config: Annotated[Path | None, typer.Option(help="Settings (TOML); without, the run's own or the default.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where recordings are kept once read; default: in the run.")
    ] = None,
    seen: Annotated[
        Path | None, typer.Option(help="A folder of clips that a detector really saw, mixed in; see docs/lifter.md.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Weights (safetensors) to begin with.")] = None,
) -> None:
    """Train a model; a run that was stopped goes on where it was."""
    from session.terminal import Terminal
    from session.training import check_what, train_lifter

    check_what(what)
    train_lifter(data, output, config, cache, Terminal(), seen=seen, start=start)
