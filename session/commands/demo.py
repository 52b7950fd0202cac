"""`clapcap demo`: the whole job on the embedded example, measured against its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "demo"
EXAMPLE = "Example: `clapcap demo`, then open clapcap-demo/results/dance/overlay.png"


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to make the session.")] = Path("clapcap-demo"),
) -> None:
    """Run the whole job on the embedded example, and say how far it is from the truth."""
    from session.demo import run_demo
    from session.terminal import Terminal

    run_demo(folder, Terminal())
