"""Somebody at a terminal of 80 columns: reads what a command prints, types answers, presses Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COLUMNS = 80
PATIENCE_S = 120.0  # only ends a test that hangs: nothing is judged by how long it takes
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[78])")
CTRL_C, CTRL_D = "\x03", "\x04"


class TerminalUser:
    """A command that runs on a pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self._process = process
        self._end = end
        self._open = True
        self._read = 0
        self.screen = ""
        self.typed: list[str] = []

    def sees(self, text: str) -> None:
        """Wait until the words appear after what was seen before, wherever lines were broken."""
        wanted = re.compile(r"\s+".join(re.escape(word) for word in text.split()))
        while (found := wanted.search(self.said, self._read)) is None:
            if not self._take():
                raise AssertionError(f'the command ended before it said "{text}":\n{self.said}')
        self._read = found.end()

    def types(self, text: str) -> None:
        """Type a line."""
        self.typed.append(text)
        self.presses(text + "\n")

    def presses(self, keys: str) -> None:
        """Press keys."""
        os.write(self._end, keys.encode())

    def leaves(self) -> int:
        """Wait for the end; return the exit code."""
        while self._take():
            pass
        return self._process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        """All that was printed, as a person has read it: without colours."""
        return ESCAPE.sub("", self.screen).replace("\r\n", "\n")

    def lines(self) -> list[str]:
        """Return the lines on the screen; of a line that was written over, what came last."""
        return [line.split("\r")[-1] for line in self.said.split("\n")]

    def _take(self) -> bool:
        """Read more; return whether there may be more to come."""
        if not self._open:
            return False
        ready, _, _ = select.select([self._end], [], [], PATIENCE_S)
        if not ready:
            raise AssertionError(f"nothing was said for {PATIENCE_S:g} s after:\n{self.said}")
        try:
            more = os.read(self._end, 65536)
        except OSError:  # Linux says so when the other end is closed
            more = b""
        self._open = bool(more)
        self.screen += more.decode(errors="replace")
        return self._open


@contextmanager
def at_a_terminal(arguments: Sequence[object], folder: Path, columns: int = COLUMNS) -> Iterator[TerminalUser]:
    """Run the command line on a terminal in `folder`."""
    end, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "session", *map(str, arguments)],
        stdin=other,
        stdout=other,
        stderr=other,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(other)
    try:
        yield TerminalUser(process, end)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(end)
