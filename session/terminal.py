"""The only module that talks to the terminal: lines, tables and progress bars."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from clapcap.errors import ClapcapError
from clapcap.progress import Progress

Answer = TypeVar("Answer")

ROOM_FOR_ANSWERS = 16
"""Columns kept free behind a question; a longer one stands above the answer."""


class Terminal:
    """Where a command says what it does; the same words go to a log when there is no screen.

    Text is wrapped between words to the width of the console (80 columns where there is no screen); a path or a command
    longer than that is left whole, so that it can be copied.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Speak through `console`; by default standard output."""
        self.console = console or Console(highlight=False)

    def say(self, text: str = "") -> None:
        """Print paragraphs; lines keep their indentation, and are wrapped within it."""
        self._print(Text("\n".join(wrapped(line, self.width) for line in text.split("\n"))))

    def verbatim(self, line: str) -> None:
        """Print a line as it stands."""
        self._print(Text(line))

    def heading(self, text: str) -> None:
        """Begin a part of what is said."""
        self._print(Text.assemble("\n", (text, "bold")))

    def command(self, text: str) -> None:
        """Print a command to be typed, on a line of its own and never wrapped."""
        self._print(Text(f"  {text}", style="cyan"))

    def facts(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Print what is known, each behind its name."""
        width = max(len(name) for name, _ in pairs) + 2
        for name, value in pairs:
            line = Text(wrapped(f"  {name:<{width}}{value}", self.width, hang=width))
            line.stylize("bold", 2, 2 + len(name))
            self._print(line)

    def points(self, texts: Sequence[str]) -> None:
        """Print a list."""
        for text in texts:
            self._print(Text(wrapped(f"  - {text}", self.width, hang=2)))

    def done(self, stage: str, text: str) -> None:
        """Say what a stage did."""
        self._named("✓", "green", stage, f"  {text}")

    def skipped(self, stage: str) -> None:
        """Say that a stage has nothing to do."""
        self._print(Text(f"= {stage}  unchanged, kept", style="dim"))

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.marked("!", "yellow", text)

    def marked(self, mark: str, colour: str, text: str) -> None:
        """Print a paragraph behind a coloured mark."""
        self._named(mark, colour, "", text)

    def _named(self, mark: str, colour: str, name: str, text: str) -> None:
        """Print a paragraph behind a coloured mark and a name in bold."""
        whole = Text(wrapped(f"{mark} {name}{text}", self.width, hang=2))
        whole.stylize(colour, 0, len(mark))
        whole.stylize("bold", len(mark) + 1, len(mark) + 1 + len(name))
        self._print(whole)

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)

    @property
    def width(self) -> int:
        """Columns."""
        return self.console.width

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer: both ends are a terminal."""
        return self.console.is_terminal and sys.stdin.isatty()

    def confirm(self, question: str, default: bool = True) -> bool:
        """Ask a question of yes or no; Enter means `default`. Anything else than yes or no is asked again."""

        def read(answer: str) -> bool:
            if answer.lower() not in ("y", "yes", "n", "no"):
                raise ClapcapError(f'"{answer}" is neither yes nor no. Type y or n.')
            return answer.lower().startswith("y")

        return self.ask(question, read, shown="Y/n" if default else "y/N", default=default)

    def choose(self, question: str, options: Sequence[str], default: int = 0) -> int:
        """Let one of several be chosen by its number; return its place."""
        for number, option in enumerate(options, start=1):
            self._print(Text(wrapped(f"  {number}  {option}", self.width, hang=3)))

        def read(answer: str) -> int:
            if not answer.isdecimal() or not 1 <= int(answer) <= len(options):
                raise ClapcapError(f'"{answer}" is not in the list. Type a number from 1 to {len(options)}.')
            return int(answer) - 1

        return self.ask(question, read, shown=str(default + 1), default=default)

    def ask(self, question: str, read: Callable[[str], Answer], *, shown: str, default: Answer) -> Answer:
        """Ask until the answer can be read.

        Parameters
        ----------
        question
            What to ask.
        read
            Returns what an answer means, or raises ClapcapError to say why it is none; it is then asked again.
        shown, default
            What Enter stands for, in words and as a value.
        """
        prompt = f"{question} [{shown}] "
        if len(prompt) > self.width - ROOM_FOR_ANSWERS:
            self.say(question)
            prompt = f"[{shown}] > "
        while True:
            try:
                answer = self.console.input(Text(prompt, style="bold")).strip()
            except EOFError:  # Ctrl-D: nobody will answer any more
                raise KeyboardInterrupt from None
            if not answer:
                return default
            try:
                return read(answer)
            except ClapcapError as error:
                self.warn(str(error))

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


def wrapped(line: str, width: int, hang: int = 0) -> str:
    """Return a line broken between words to `width` columns, the new lines indented like the first and by `hang` more.

    Words are never broken.
    """
    indent = line[: len(line) - len(line.lstrip(" "))]
    if len(line) <= width:
        return line
    return "\n".join(
        textwrap.wrap(
            line,
            width,
            subsequent_indent=indent + " " * hang,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
    )
