"""The small protocol by which long work tells how far it is; only `session` turns it into a progress bar."""

from typing import Protocol


class Progress(Protocol):
    """Called now and then by long work, from the thread that started it."""

    def __call__(self, done: int, total: int | None) -> None:
        """Report that `done` of `total` steps are finished; `total` is None while it is unknown."""


def silent(done: int, total: int | None) -> None:
    """Ignore progress: the default of every solver."""
