"""The board's corners in the videos of all cameras, several at once."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from calib.boards.board import Board
from calib.corners.corner_views import CornerViews, detect_corners
from clapcap.errors import CalibrationError, ClapcapError
from clapcap.progress import Progress, silent
from media.probe import probe

PROGRESS_INTERVAL_S = 0.1
MIRROR_FRAMES = 3
"""A camera saw a side of the board when it did so in this many frames: single markers can be misread."""

OnDone = Callable[[str, CornerViews], None]


def ignore(camera: str, views: CornerViews) -> None:
    """Do nothing with a finished camera: the default."""


def detect_all_corners(
    videos: Mapping[str, Path],
    board: Board,
    *,
    frames: slice = slice(None),
    workers: int | None = None,
    progress: Progress = silent,
    on_done: OnDone = ignore,
) -> dict[str, CornerViews]:
    """Find the board in the videos of several cameras, each in a thread of its own.

    Threads, not processes: the time goes into libav and OpenCV, which let other threads run, and a process takes longer
    to start than a short recording to search.

    Parameters
    ----------
    videos
        Path by camera name.
    board, frames
        As for `calib.corners.corner_views.detect_corners`.
    workers
        Threads at a time; None: the processor's cores. More would wait for each other in Python's own code: 6.6 instead
        of 5.2 ms a frame with four on two cores.
    progress
        Told frames of all cameras together, in the caller's thread.
    on_done
        Called in the caller's thread with each camera as it is finished, so that its result can be saved.

    Returns
    -------
    dict
        Corners by camera, in the order of `videos`.

    Raises
    ------
    ClapcapError
        That of the first camera that failed, in the order of `videos`, after those that were finished were handed to
        `on_done`; `detect_corners` says which. All videos are probed before work begins.
    """
    counts = [probe(path).frame_count for path in videos.values()]
    known = [len(range(*frames.indices(count))) for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    frames_done = dict.fromkeys(videos, 0)
    stopped = threading.Event()

    def work(camera: str, path: Path) -> CornerViews:
        def tell(done: int, total: int | None) -> None:
            frames_done[camera] = done
            if stopped.is_set():
                raise _StoppedError

        return detect_corners(path, board, frames=frames, progress=tell)

    results: dict[str, CornerViews] = {}
    failures: dict[str, ClapcapError] = {}
    workers = max(1, workers or _processor_cores())
    with _no_threads_within(), ThreadPoolExecutor(workers, "corners") as pool:
        running: dict[Future[CornerViews], str] = {
            pool.submit(work, camera, path): camera for camera, path in videos.items()
        }
        try:
            while running:
                finished, _ = wait(running, PROGRESS_INTERVAL_S, FIRST_COMPLETED)
                progress(sum(frames_done.values()), total)
                for future in finished:
                    camera = running.pop(future)
                    try:
                        results[camera] = future.result()
                        on_done(camera, results[camera])
                    except ClapcapError as error:
                        failures[camera] = error
        finally:
            stopped.set()  # of use only after a failure that is a bug, or Ctrl-C
            for future in running:
                future.cancel()
    for camera in videos:
        if camera in failures:
            raise failures[camera]
    return {camera: results[camera] for camera in videos}


@contextlib.contextmanager
def _no_threads_within() -> Iterator[None]:
    """Keep OpenCV and BLAS to the thread that calls them: theirs and ours would wait for each other, twice the time."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(before)


class _StoppedError(Exception):
    """Ends a thread whose result nobody waits for."""


def refuse_mirrored(views: Sequence[CornerViews]) -> None:
    """Refuse cameras whose videos are mirrored.

    A print seen mirrored is the back of a board that is printed on both sides, or the video is mirrored. When one
    camera saw it both ways the board has two sides, and all is well: corners are where each camera sees them. Otherwise
    a camera that saw it mirrored only is refused: its takes are mirrored, too, so un-mirroring the corners alone would
    calibrate a camera that never filmed them.

    Raises
    ------
    CalibrationError
        With what to do.
    """
    back = {view.camera: int((view.seen & view.mirrored).sum()) for view in views}
    front = {view.camera: int((view.seen & ~view.mirrored).sum()) for view in views}
    if any(min(back[camera], front[camera]) >= MIRROR_FRAMES for camera in back):
        return
    mirrored = [camera for camera in back if back[camera] > front[camera]]
    if not mirrored:
        return
    names = ", ".join(mirrored)
    counts = ", ".join(f"{back[camera]} of {back[camera] + front[camera]}" for camera in mirrored)
    raise CalibrationError(
        f"The video of {names} is mirrored, as of a selfie camera: {counts} views of the board in it are mirror "
        f"images. Record {names} again with mirroring switched off, the takes too (left and right of the person are "
        f"exchanged in them), or un-mirror its videos: ffmpeg -i {mirrored[0]}.mp4 -vf hflip unmirrored.mp4. If the "
        "board is printed on both sides instead: turn it in front of one camera, so that this camera sees both."
    )


def _processor_cores() -> int:
    # Fewer than cpu_count() in a container or under taskset; not known on every system.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
