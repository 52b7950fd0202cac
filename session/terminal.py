"""The only module that talks to the terminal: lines, tables and progress bars."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from clapcap.progress import Progress


class Terminal:
    """Where a command says what it does; the same words go to a log when there is no screen."""

    def __init__(self, console: Console | None = None) -> None:
        """Speak through `console`; by default standard output."""
        self.console = console or Console(highlight=False)

    def say(self, text: str) -> None:
        """Print a line as it stands."""
        self.console.print(text, markup=False, soft_wrap=True)

    def done(self, stage: str, text: str) -> None:
        """Say what a stage did."""
        self.console.print(f"[green]✓[/green] [bold]{stage}[/bold]  ", end="")
        self.console.print(text, markup=False, soft_wrap=True)

    def skipped(self, stage: str) -> None:
        """Say that a stage has nothing to do."""
        self.console.print(f"[dim]= {stage}  unchanged, kept[/dim]")

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.console.print("[yellow]![/yellow] ", end="")
        self.console.print(text, markup=False, soft_wrap=True)

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer: both ends are a terminal."""
        return self.console.is_terminal and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Ask a question of yes or no; Enter means yes."""
        answer = self.console.input(f"{question} \\[Y/n] ").strip().lower()
        return answer in ("", "y", "yes")

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show a progress bar with the time left while the block runs; on a terminal only, and gone afterwards."""
        bar = RichProgress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bar:
            task = bar.add_task(what, total=None)
            shown = 0.0

            def report(done: int, total: int | None) -> None:
                nonlocal shown
                now = time.monotonic()
                if now - shown > 0.05 or done == total:
                    shown = now
                    bar.update(task, completed=done, total=total)

            yield report

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; the first column is text, the others are figures."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for place, name in enumerate(header):
            table.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)
