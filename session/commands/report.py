"""`clapcap report`: the page that says how good a take is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "report"
EXAMPLE = "Example: `clapcap report my-session --take dance`"


def command(
    session: Annotated[Path, typer.Argument(help="The session folder.")],
    take: Annotated[str | None, typer.Option(help="Only this take; otherwise all that have been processed.")] = None,
) -> None:
    """Write the page of each take, results/TAKE/report.html, from the results that are there, and say where it is."""
    from session.folder import Session
    from session.processing.report import report_session
    from session.terminal import Terminal

    report_session(Session.open(session), take, Terminal())
