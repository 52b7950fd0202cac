"""`clapcap doctor`: the environment, checked."""

from __future__ import annotations

import typer

NAME = "doctor"
EXAMPLE = "Example: `clapcap doctor`"


def command() -> None:
    """Check the environment and say what to do about what is missing."""
    from session.doctor import examine, show
    from session.terminal import Terminal

    if not show(examine(), Terminal()):
        raise typer.Exit(2)
