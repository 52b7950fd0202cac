"""`clapcap evaluate`: how good a trained model is, beside its baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "evaluate"
EXAMPLE = "Example: `clapcap evaluate lifter runs/first recordings/mocap`"


def command(
    what: Annotated[str, typer.Argument(help="The model: lifter, from one view to 3D.")],
    run: Annotated[Path, typer.Argument(help="The folder that `clapcap train` wrote, or a file of weights.")],
    data: Annotated[Path, typer.Argument(help="Recorded motion, as for `clapcap train`.")],
    split: Annotated[str, typer.Option(help="Whose motion: test, val or train subjects.")] = "test",
    views: Annotated[int, typer.Option(help="Virtual cameras a sequence.", min=1)] = 2,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write the network as ONNX too, checked against torch.")] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Where recordings are kept once read; default: in the run.")
    ] = None,
) -> None:
    """Print a trained model's errors by activity, beside the baselines of its run."""
    from clapcap.errors import ClapcapError
    from session.terminal import Terminal
    from session.training import check_what, evaluate_lifter

    check_what(what)
    if split not in ("test", "val", "train"):
        raise ClapcapError(f'There is no set "{split}": choose test, val or train.')
    evaluate_lifter(run, data, split, views, onnx, cache, Terminal())
