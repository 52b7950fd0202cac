"""What the wizard would ask, as far as flags have answered it, and whether anybody is there to answer the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from session.terminal import Terminal


@dataclass(frozen=True)
class Answers:
    """Answers given by flags; None or empty: not given.

    Attributes
    ----------
    board
        Squares of the board, across x down.
    square_mm, marker_mm
        As measured on the print.
    dictionary
        OpenCV's name of the marker dictionary.
    kind
        "charuco", "checkerboard" or "aprilgrid".
    print_to
        Write the board there for printing.
    videos
        Files or folders to bring into the calibration.
    names
        What to call the cameras of `videos` or `live`, in the same order.
    live
        Webcams, streams or files to film with now.
    record
        Whether to write down what those see.
    """

    board: str | None = None
    square_mm: float | None = None
    marker_mm: float | None = None
    dictionary: str | None = None
    kind: str | None = None
    print_to: Path | None = None
    videos: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    record: bool = True

    @property
    def describe_a_session(self) -> bool:
        """Whether they are enough to make a session without asking."""
        return bool(self.board or self.square_mm or self.videos or self.print_to or self.live)


@dataclass(frozen=True)
class Talk:
    """Where the wizard speaks, what it knows beforehand, and whether it may ask."""

    terminal: Terminal
    answers: Answers
    asks: bool
