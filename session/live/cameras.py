"""Cameras that can be watched while they film: webcams, network streams, and video files that stand for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clapcap.errors import MediaError

FRESH_S = 1.0
"""A driver's time stamp counts if it is not older than this: else it is on another clock."""

WEBCAM_PX = (1280, 720)
"""Asked of webcams, which else give 640 x 480; those that cannot give what is nearest."""

STARTS_S = 10.0
"""Webcams deliver their first picture within a second or two, network streams within some more."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What a camera saw.

    Attributes
    ----------
    rgb
        (height, width, 3) uint8.
    time_s
        When it was taken: one clock for all cameras of a kind.
    """

    rgb: npt.NDArray[np.uint8]
    time_s: float


class LiveCamera(Protocol):
    """A camera that films."""

    name: str

    def start(self, record: Callable[[Picture], None]) -> None:
        """Begin; every picture is handed to `record`, in order."""

    def latest(self) -> Picture | None:
        """Return the newest picture if it was not returned before; None once the camera has ended."""

    @property
    def ended(self) -> bool:
        """Whether no more will come."""

    def stop(self) -> None:
        """End, and wait until the last picture has been handed on."""


class FileCamera:
    """A video file, picture by picture: its clock is that of its own time stamps."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._ended = False

    def start(self, record: Callable[[Picture], None]) -> None:
        """Open the file."""
        from media.frames import read_frames

        self._frames = read_frames(self._path)
        self._record = record

    def latest(self) -> Picture | None:
        """Return the next picture."""
        frame = next(self._frames, None)
        if frame is None:
            self._ended = True
            return None
        picture = Picture(frame.image, frame.time_s)
        self._record(picture)
        return picture

    @property
    def ended(self) -> bool:
        """Whether the file is at its end."""
        return self._ended

    def stop(self) -> None:
        """Close the file."""
        self._frames = iter(())


class Webcam:
    """A camera of this computer or of the network, read in a thread of its own so that no picture waits in a buffer.

    Parameters
    ----------
    name
        What to call it.
    source
        Number of the webcam, or address of the stream.
    open_capture
        Makes what reads it: `cv2.VideoCapture`, or what behaves like one.
    clock
        The time now, seconds, never going back: for pictures whose driver gives none on that clock.
    """

    def __init__(
        self,
        name: str,
        source: int | str,
        open_capture: Callable[[int | str], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._source = source
        self._open = open_capture
        self._clock = clock
        self._newest: Picture | None = None
        self._arrived = threading.Condition()
        self._stopping = False
        self._over = False

    def start(self, record: Callable[[Picture], None]) -> None:
        """Open the camera, and wait for its first picture.

        Raises
        ------
        MediaError
            If it cannot be opened or delivers nothing.
        """
        import cv2

        cv2.setLogLevel(0)  # the error says it in words
        self._capture = (self._open or cv2.VideoCapture)(self._source)
        if not self._capture.isOpened():
            raise MediaError(
                f"{self.name}: camera {self._source} cannot be opened. Is it plugged in, and is no other program using "
                "it? Webcams are numbered from 0: clapcap calibrate SESSION --live 0 1"
            )
        if isinstance(self._source, int):
            # Compressed first: raw pictures of two webcams are more than one USB 2 bus carries.
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, WEBCAM_PX[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, WEBCAM_PX[1])
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._driver_time = cv2.CAP_PROP_POS_MSEC
        self._record = record
        self._thread = threading.Thread(target=self._film, name=self.name, daemon=True)
        self._thread.start()
        with self._arrived:
            self._arrived.wait_for(lambda: self._newest is not None or self._over, STARTS_S)
            if self._newest is None:
                raise MediaError(
                    f"{self.name}: camera {self._source} is open but delivers no picture. Plug it in anew."
                )

    def latest(self) -> Picture | None:
        """Return the newest picture; wait for it if it was returned before."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._newest is not None or self._over, FRESH_S)
            newest, self._newest = self._newest, None
            return newest

    @property
    def ended(self) -> bool:
        """Whether it was unplugged or stopped."""
        return self._over

    def stop(self) -> None:
        """Close the camera."""
        self._stopping = True
        if hasattr(self, "_thread"):
            self._thread.join()
            self._capture.release()

    def _film(self) -> None:
        last_s = -np.inf
        while not self._stopping and self._capture.grab():
            time_s = self._stamp(self._clock())
            there, bgr = self._capture.retrieve()
            if not there:
                break
            if time_s <= last_s:  # the same picture again
                continue
            last_s = time_s
            picture = Picture(np.ascontiguousarray(bgr[..., ::-1]), time_s)
            self._record(picture)
            with self._arrived:
                self._newest = picture
                self._arrived.notify_all()
        with self._arrived:
            self._over = True
            self._arrived.notify_all()

    def _stamp(self, now_s: float) -> float:
        """Return the driver's time stamp where it is one of the same clock (Video4Linux), else the time of arrival."""
        driver_s = float(self._capture.get(self._driver_time)) / 1000
        return driver_s if 0 <= now_s - driver_s < FRESH_S else now_s


def open_cameras(sources: Sequence[str], names: Sequence[str] = ()) -> list[LiveCamera]:
    """Return the cameras meant by numbers, addresses or files, called by the names in the same order; not started yet.

    Without names they are cam1, cam2, ..., and files are called as they are.

    Raises
    ------
    MediaError
        If a source is none of these or named twice, or the names are not as many.
    """
    cameras: list[LiveCamera] = []
    if names and len(names) != len(sources):
        raise MediaError(f"--names gives {len(names)} names for {len(sources)} cameras. Name each, in order.")
    if len(set(sources)) < len(sources):
        raise MediaError(f"--live {' '.join(sources)} names a camera twice. Name each once: --live 0 1")
    for number, source in enumerate(sources, start=1):
        is_file = Path(source).is_file()
        name = names[number - 1] if names else Path(source).stem if is_file else f"cam{number}"
        if Path(name).name != name or name.startswith("."):
            raise MediaError(f'"{name}" cannot name a camera. Use a plain word, such as cam1.')
        if source.isdecimal():
            cameras.append(Webcam(name, int(source)))
        elif "://" in source:
            cameras.append(Webcam(name, source))
        elif is_file:
            cameras.append(FileCamera(name, Path(source)))
        else:
            raise MediaError(
                f'"{source}" is no camera: needed the number of a webcam (0, 1, ...), the address of a stream '
                "(rtsp://...), or a video file."
            )
    called = [camera.name for camera in cameras]
    if len(set(called)) < len(called):
        raise MediaError(f"Two of {', '.join(called)} have one name. Give each its own: --names cam1 cam2")
    return cameras
