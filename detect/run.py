"""Detect the keypoints of whole videos, several cameras at once in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import ClapcapError, DetectionError
from clapcap.progress import Progress, silent
from detect.cut import joined, pieces
from detect.detector import DETECTORS, PEOPLE, DetectedPerson, Detector, coincide, open_detector
from media.frames import read_frames
from media.probe import probe
from media.single_frames import read_stretch
from skeleton.keypoints import Keypoints2D

# How often a worker tells how far it is.
PROGRESS_INTERVAL_S = 0.1
# How much of what a crashed worker wrote is shown.
LAST_WORDS = 600

Array = npt.NDArray[np.float64]
OnDone = Callable[[str, Keypoints2D], None]


def ignore(camera: str, keypoints: Keypoints2D) -> None:
    """Do nothing with a finished camera: the default."""


def detect_video(
    path: Path, detector: Detector, progress: Progress = silent, stretch: tuple[int, int] | None = None
) -> Keypoints2D:
    """Detect the people in every frame of a video, in this process.

    Where the detector finds several people, the first is the main one: for MediaPipe the largest in the picture. The
    others are kept beside; who is who over time and between cameras is told by `triangulate.people`.
    `detect_videos` also keeps off the terminal what detectors' libraries write there.

    Parameters
    ----------
    path
        A video or a folder of images, as `media.frames.read_frames` takes it.
    detector
        A fresh detector: it may track from frame to frame.
    progress
        Told frames.
    stretch
        Number of the first frame and of the one after the last; None: all.

    Returns
    -------
    Keypoints2D
        A row for every frame, at the frame's own time stamp; NaN and confidence 0 where nobody is seen.

    Raises
    ------
    MediaError
        If the video cannot be read to its end.
    """
    total = probe(path).frame_count
    nobody = np.full((len(detector.names), 2), np.nan)
    no_confidence = np.zeros(len(detector.names))
    no_world = np.full((len(detector.names), 3), np.nan)
    xy, confidence, world, times = [], [], [], []
    others: list[tuple[DetectedPerson, ...]] = []
    size = (0, 0)
    for frame in read_frames(path) if stretch is None else read_stretch(path, *stretch):
        people = without_doubles(detector.detect(frame.image, frame.time_s))
        others.append(people[1:])
        person = people[0] if people else None
        xy.append(person.xy_px if person else nobody)
        confidence.append(person.confidence if person else no_confidence)
        world.append(person.world_m if person and person.world_m is not None else no_world)
        times.append(frame.time_s)
        size = (frame.image.shape[1], frame.image.shape[0])
        progress(len(times), total)
    points = len(detector.names)
    world_m = np.array(world).reshape(-1, points, 3)
    others_xy_px, others_confidence = _stacked(others, points)
    return Keypoints2D(
        names=detector.names,
        xy_px=np.array(xy).reshape(-1, points, 2),
        confidence=np.array(confidence).reshape(-1, points),
        time_s=np.array(times),
        image_size_px=np.array(size),
        world_m=world_m if np.isfinite(world_m).any() else None,
        others_xy_px=others_xy_px,
        others_confidence=others_confidence,
    )


def without_doubles(people: tuple[DetectedPerson, ...]) -> tuple[DetectedPerson, ...]:
    """Return people without those who are detected a second time: of two that coincide, the first stays."""
    kept: list[DetectedPerson] = []
    for person in people:
        if not any(coincide(person, other) for other in kept):
            kept.append(person)
    return tuple(kept)


def _stacked(others: list[tuple[DetectedPerson, ...]], points: int) -> tuple[Array | None, Array | None]:
    """Return positions (frames, others, points, 2) and confidences (frames, others, points); None if nobody ever."""
    most = max((len(people) for people in others), default=0)
    if most == 0:
        return None, None
    xy_px = np.full((len(others), most, points, 2), np.nan)
    confidence = np.zeros((len(others), most, points))
    for frame, people in enumerate(others):
        for place, person in enumerate(people):
            xy_px[frame, place], confidence[frame, place] = person.xy_px, person.confidence
    return xy_px, confidence


def detect_videos(
    videos: Mapping[str, Path],
    *,
    detector: str = "mediapipe",
    model_path: Path | None = None,
    people: int = PEOPLE,
    workers: int | None = None,
    cut: bool = False,
    progress: Progress = silent,
    on_done: OnDone = ignore,
) -> dict[str, Keypoints2D]:
    """Detect the people in the videos of several cameras, each in a process of its own.

    Parameters
    ----------
    videos
        Path by camera name.
    detector, model_path, people
        As for `detect.detector.open_detector`.
    workers
        Processes at a time; None: one for each processor core, as MediaPipe keeps one core busy.
    cut
        Detect each video in `pieces`, so that one alone keeps several cores busy. Where two pieces meet, a detector
        that remembers who was where begins anew.
    progress
        Told frames of all cameras together.
    on_done
        Called in this process with each camera as it is finished, so that its result can be saved: what was finished
        before a failure is not lost.

    Returns
    -------
    dict
        Keypoints by camera, in the order of `videos`. Nobody in any frame of a camera is no error here: all NaN.

    Raises
    ------
    ClapcapError
        The first failure of a camera, named: MediaError for a bad video (all are probed before work begins),
        DetectionError for an unknown detector, a bad model, or a process that was killed.
    """
    if detector not in DETECTORS:
        open_detector(detector, model_path, people)  # which says what there is
    counts = {camera: _frame_count(camera, path) for camera, path in videos.items()}
    known = [count for count in counts.values() if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    workers = max(1, workers or _processor_cores())
    stretches = {camera: pieces(counts[camera]) if cut else [None] for camera in videos}
    waiting = deque((camera, number) for camera in videos for number in range(len(stretches[camera])))
    running: dict[Connection, _Worker] = {}
    frames_done = dict.fromkeys(waiting, 0)
    parts: dict[tuple[str, int], Keypoints2D] = {}
    results: dict[str, Keypoints2D] = {}
    with tempfile.TemporaryDirectory(prefix="clapcap-detect-") as logs:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    camera, number = waiting.popleft()
                    job = _Job(videos[camera], (detector, model_path, people), stretches[camera][number])
                    worker = _start(camera, number, job, Path(logs) / f"{len(waiting)}.log")
                    running[worker.connection] = worker
                for ready in wait(list(running)):
                    assert isinstance(ready, Connection)
                    worker = running[ready]
                    message = worker.receive()
                    if isinstance(message, Keypoints2D):
                        del running[ready]
                        worker.process.join()
                        parts[worker.camera, worker.piece] = message
                        frames_done[worker.camera, worker.piece] = len(message.time_s)
                        its = [(worker.camera, number) for number in range(len(stretches[worker.camera]))]
                        if all(part in parts for part in its):
                            # Made anew, because arrays come out of a pipe writable.
                            results[worker.camera] = joined([parts.pop(part) for part in its])
                            on_done(worker.camera, results[worker.camera])
                    else:
                        frames_done[worker.camera, worker.piece] = message
                    progress(sum(frames_done.values()), total)
        finally:
            for worker in running.values():
                worker.stop()
    return {camera: results[camera] for camera in videos}


@dataclass(frozen=True)
class _Job:
    """What a worker does: a video, the detector's arguments, and which frames (`detect_video`)."""

    path: Path
    detector: tuple[str, Path | None, int]
    stretch: tuple[int, int] | None


@dataclass(frozen=True)
class _Worker:
    """The process of a camera's piece, and the end of the pipe on which it tells frames done, its result or failure."""

    camera: str
    piece: int
    process: SpawnProcess
    connection: Connection
    log: Path

    def receive(self) -> int | Keypoints2D:
        """Return the next message; raise the camera's failure."""
        try:
            message = self.connection.recv()
        except EOFError:
            raise self._died() from None
        if isinstance(message, _Failure):
            if message.kind is None:
                raise RuntimeError(f"camera {self.camera}: {message.text}")
            raise message.kind(f"camera {self.camera}: {message.text}")
        assert isinstance(message, (int, Keypoints2D))
        return message

    def stop(self) -> None:
        """End the process, if it has not ended."""
        self.process.terminate()
        self.process.join()
        self.connection.close()

    def _died(self) -> DetectionError:
        self.process.join()
        code = self.process.exitcode or 0
        if code == -signal.SIGTERM or code == -9:
            return DetectionError(
                f"camera {self.camera}: its process was killed (signal {-code}), usually because memory ran out. Close "
                "other programs or detect fewer cameras at a time, and run the same command again: finished cameras "
                "are kept."
            )
        log = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return DetectionError(
            f"camera {self.camera}: its process ended with code {code} before it was done. Its last words: "
            f"{log.strip()[-LAST_WORDS:] or 'none'}. Run `clapcap doctor`, and the same command again."
        )


@dataclass(frozen=True)
class _Failure:
    """Why a worker gave up: a `ClapcapError` of this kind, or None for a bug, whose traceback is the text."""

    kind: type[ClapcapError] | None
    text: str


def _start(camera: str, piece: int, job: _Job, log: Path) -> _Worker:
    # Spawned, not forked: TensorFlow Lite and libav have threads, which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs, log), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process ends the pipe
    return _Worker(camera, piece, process, ours, log)


def _work(job: _Job, connection: Connection, log: Path) -> None:
    """Detect one video, or a piece of it, and send what comes of it: the body of a worker process."""
    # TensorFlow Lite and MediaPipe write notes straight to the process's stderr, whatever their log levels say.
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    last_told = 0.0

    def tell(done: int, total: int | None) -> None:
        nonlocal last_told
        if time.monotonic() - last_told >= PROGRESS_INTERVAL_S:
            last_told = time.monotonic()
            connection.send(done)

    try:
        with closing(open_detector(*job.detector)) as opened:
            result = detect_video(job.path, opened, tell, job.stretch)
        connection.send(result)
    except BrokenPipeError:
        pass  # nobody is waiting for the result any more
    except ClapcapError as error:
        connection.send(_Failure(type(error), str(error)))
    except MemoryError:
        connection.send(
            _Failure(DetectionError, "memory ran out. Close other programs or detect fewer cameras at a time.")
        )
    except Exception:
        connection.send(_Failure(None, traceback.format_exc()))


def _frame_count(camera: str, path: Path) -> int | None:
    try:
        return probe(path).frame_count
    except ClapcapError as error:
        raise type(error)(f"camera {camera}: {error}") from error


def _processor_cores() -> int:
    # Fewer than cpu_count() in a container or under taskset; not known on every system.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
