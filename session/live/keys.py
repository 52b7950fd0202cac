"""Single keys from the keyboard while a command works."""

from __future__ import annotations

import sys
from types import TracebackType


class Keys:
    """A context in which keys are read as they are pressed; Ctrl-C still interrupts. Without a terminal: no keys."""

    def __enter__(self) -> Keys:
        self._before = None
        if sys.stdin.isatty() and sys.platform != "win32":
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def pressed(self) -> str:
        """Return what was pressed since the last time; "" for nothing."""
        if self._before is None:
            return ""
        import os
        import select

        there, _, _ = select.select([sys.stdin], [], [], 0)
        return os.read(sys.stdin.fileno(), 64).decode(errors="ignore") if there else ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
