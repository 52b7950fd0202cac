"""Words on the terminal: wrapped between words, asked until they can be read."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from clapcap.errors import ClapcapError
from session.calibration_tables import shared_views_table
from session.terminal import Terminal, wrapped


class Screen:
    """A terminal of 40 columns at which the answers lie ready."""

    def __init__(self, *answers: str) -> None:
        self._text = io.StringIO()
        self.terminal = Terminal(Console(file=self._text, width=40, highlight=False))
        waiting = iter(answers)

        def answer(prompt: object) -> str:
            self.terminal.verbatim(str(prompt))
            try:
                return next(waiting)
            except StopIteration:
                raise EOFError from None

        self.terminal.console.input = answer  # type: ignore[method-assign,assignment]

    @property
    def lines(self) -> list[str]:
        return self._text.getvalue().split("\n")


def test_lines_are_broken_between_words_within_their_indentation() -> None:
    assert wrapped("  - one two three", 12, hang=2) == "  - one two\n    three"
    assert wrapped("  kept  as it is", 40) == "  kept  as it is"


def test_words_longer_than_the_line_stay_whole() -> None:
    path = "/a/very/long/path/" + "x" * 60
    screen = Screen()
    screen.terminal.say(f"It lies in {path} now, [bold]as it stands[/bold].")
    assert path in screen.lines
    assert "now, [bold]as it stands[/bold]." in screen.lines


def test_everything_fits() -> None:
    screen = Screen("", "", "")
    text = "A sentence of some length that has to be broken more than once, at forty columns."
    screen.terminal.say(text)
    screen.terminal.done("calibration: corners cam1", text)
    screen.terminal.warn(text)
    screen.terminal.points([text, text])
    screen.terminal.facts([("one", text), ("another", text)])
    screen.terminal.choose("Which?", [text, "short"])
    screen.terminal.confirm(text)
    screen.terminal.ask(text, str, shown="nothing", default="")
    assert max(map(len, screen.lines)) <= 40
    assert "[Y/n] > " in screen.lines  # a long question stands above its answer


def test_an_answer_that_cannot_be_read_is_asked_again() -> None:
    def read(answer: str) -> int:
        if not answer.isdecimal():
            raise ClapcapError("That is no number.")
        return int(answer)

    screen = Screen("many", "7")
    assert screen.terminal.ask("How many?", read, shown="1", default=1) == 7
    assert screen.lines[:3] == ["How many? [1] ", "! That is no number.", "How many? [1] "]
    assert Screen("").terminal.ask("How many?", read, shown="1", default=1) == 1
    assert Screen("0", "3", "2").terminal.choose("Which?", ["a", "b"]) == 1
    assert Screen("nope", "N").terminal.confirm("Sure?") is False
    assert Screen("").terminal.confirm("Sure?", default=False) is False


def test_nobody_answering_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt):
        Screen().terminal.confirm("Is anybody there?")


def test_the_matrix_of_shared_views_fits_whatever_the_cameras_are_called() -> None:
    import numpy as np

    screen = Screen()
    shared_views_table(["a", "b"], np.array([[12, 3], [3, 45]]), screen.terminal)
    assert screen.lines[-4:-1] == ["        a     b", "  a    12     3", "  b     3    45"]
    shared_views_table(["the_left_camera", "the_right_camera"], np.array([[12, 3], [3, 45]]), screen.terminal)
    assert screen.lines[-4:-1] == [
        "                         1     2",
        "  1 the_left_camera     12     3",
        "  2 the_right_camera     3    45",
    ]
