"""Writing down what live cameras see: a video a camera, and the table of when each picture was taken."""

from __future__ import annotations

import csv
import queue
import threading
from collections.abc import Mapping
from pathlib import Path

from clapcap.errors import ClapcapError, SessionError
from media.writer import VideoWriter
from session.atomic import written_whole
from session.live.cameras import Picture

WAITING = 20
"""Pictures that may wait to be written: 55 MB of 1280 x 720. A disk that is slower for longer loses pictures."""


class _DiscardError(Exception):
    """Makes the writer leave no file."""


class Recorder:
    """Writes one camera's pictures in a thread of its own, so that the camera is never kept waiting.

    Parameters
    ----------
    path
        The video; it appears when the recorder is closed.
    may_wait
        Whether who hands on pictures can wait for the disk (files can, cameras cannot).
    """

    def __init__(self, path: Path, may_wait: bool) -> None:
        self.path = path
        self.times_s: list[float] = []
        self.lost = 0
        self._may_wait = may_wait
        self._keep = True
        self._failure: ClapcapError | None = None
        self._queue: queue.Queue[Picture | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write, name=f"write {path.name}", daemon=True)
        self._thread.start()

    def add(self, picture: Picture) -> None:
        """Write a picture, or leave it out if the disk lags behind."""
        try:
            self._queue.put(picture, block=self._may_wait)
        except queue.Full:
            self.lost += 1

    def close(self, keep: bool) -> None:
        """Write what waits and finish the file, or leave none.

        Raises
        ------
        ClapcapError
            If it could not be written.
        """
        self._keep = keep
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _write(self) -> None:
        first = self._queue.get()
        if first is None:
            return
        size_px = (first.rgb.shape[1], first.rgb.shape[0])
        picture: Picture | None = first
        try:
            with VideoWriter(self.path, size_px, fast=True) as writer:
                while picture is not None:
                    writer.write(picture.rgb, picture.time_s - first.time_s)
                    self.times_s.append(picture.time_s)
                    picture = self._queue.get()
                if not self._keep:
                    raise _DiscardError
        except _DiscardError:
            self.times_s.clear()
        except ClapcapError as error:
            self._failure = error
            while picture is not None:  # nobody shall wait for a disk that is full
                picture = self._queue.get()


def write_timestamps(path: Path, times_s: Mapping[str, list[float]]) -> None:
    """Write the table of capture times, as `sync.timestamps` reads it.

    Raises
    ------
    SessionError
        If there is one already.
    """
    if path.exists():
        raise SessionError(f"{path} is there already. Move it away first.")
    with written_whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["cam_id", "frame_index", "frame_time"])
        for camera, times in times_s.items():
            table.writerows([camera, index, f"{time_s:.6f}"] for index, time_s in enumerate(times))
