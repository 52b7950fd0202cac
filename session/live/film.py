"""Filming the board live: watch the cameras, advise, record, and stop when it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live

from clapcap.errors import ClapcapError, MediaError, SessionError
from session.board import to_board
from session.folder import Session
from session.live.cameras import FileCamera, LiveCamera, Picture
from session.live.keys import Keys
from session.live.recorder import Recorder, write_timestamps
from session.live.screen import live_screen
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.quality.advice import Advice
    from calib.quality.live_views import BoardFinder, LiveViews, Look

    Show = Callable[[LiveViews, Advice, float], None]

AT_ONCE_S = 0.15
"""Pictures that were taken further apart do not show the board at one time: in 0.15 s it is carried some 10 cm."""

REFRESHES_HZ = 8.0
"""As fast as people read, and slow enough for a terminal at the far end of a network."""


def film_live(session: Session, cameras: Sequence[LiveCamera], terminal: Terminal, record: bool) -> bool:
    """Watch the cameras until they have seen enough of the board, q or Ctrl-C is pressed, or they end.

    With `record`, what they see is written into the session's calibration with the times at which it was taken, also
    when it is interrupted. Returns whether it was enough.

    Raises
    ------
    ClapcapError
        If videos of a calibration are there already, a camera does not work, or the disk is full.
    KeyboardInterrupt
        On Ctrl-C, once all is written.
    """
    recorders = _recorders(session, cameras) if record else {}
    keep = False
    try:
        for camera in cameras:
            camera.start(recorders[camera.name].add if record else _ignore)
        keep = True
        return _watch(session, cameras, terminal, record)
    finally:
        for camera in cameras:
            camera.stop()
        _finish(session, recorders, terminal, keep)


def _ignore(picture: Picture) -> None:
    """Record nothing."""


def _recorders(session: Session, cameras: Sequence[LiveCamera]) -> dict[str, Recorder]:
    """Prepare a recorder for each camera; refuse to write over what is there."""
    folder = session.calibration.folder
    there = [path.name for path in session.calibration.videos.values()]
    if session.calibration.timestamps.exists():
        there.append(session.calibration.timestamps.name)
    if there:
        raise SessionError(
            f"{folder} holds {', '.join(there)} already, and nothing is written over. Move them away, name another "
            "session, or watch only: --no-record"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return {
        camera.name: Recorder(folder / f"{camera.name}.mp4", may_wait=isinstance(camera, FileCamera))
        for camera in cameras
    }


def _finish(session: Session, recorders: dict[str, Recorder], terminal: Terminal, keep: bool) -> None:
    """Close the videos and write the table of times; where filming never began, leave nothing."""
    failures: list[ClapcapError] = []
    for recorder in recorders.values():
        try:
            recorder.close(keep)
        except ClapcapError as error:
            failures.append(error)
    times_s = {name: recorder.times_s for name, recorder in recorders.items() if recorder.times_s}
    if keep and times_s:
        write_timestamps(session.calibration.timestamps, times_s)
        for name, times in times_s.items():
            lost = f", {recorders[name].lost} lost: the computer was too slow" if recorders[name].lost else ""
            length_s = times[-1] - times[0]
            terminal.done(f"calibration/{name}.mp4", f"{len(times)} pictures in {length_s:.1f} s{lost}")
        terminal.done("calibration/timestamps.csv", "when each picture was taken: no clap is needed")
    if failures:
        raise failures[0]


def _watch(session: Session, cameras: Sequence[LiveCamera], terminal: Terminal, record: bool) -> bool:
    """Look at the cameras' pictures as they come; return whether it was enough."""
    from calib.quality.advice import next_advice
    from calib.quality.live_views import BoardFinder, LiveViews

    board = to_board(session.settings.board)
    finders = [BoardFinder(board) for _ in cameras]
    seen = LiveViews.nothing_yet([camera.name for camera in cameras], board)
    first_s: float | None = None
    with Keys() as keys, _display(terminal, record) as show, ThreadPoolExecutor(len(cameras)) as workers:
        while not all(camera.ended for camera in cameras):
            pictures = [camera.latest() for camera in cameras]
            times_s = [picture.time_s for picture in pictures if picture is not None]
            if not times_s:
                continue
            now_s = max(times_s)
            first_s = now_s if first_s is None else first_s
            at_once = [
                picture if picture is not None and now_s - picture.time_s <= AT_ONCE_S else None for picture in pictures
            ]
            seen = seen.and_then(now_s, list(workers.map(_look, finders, at_once)))
            advice = next_advice(seen)
            show(seen, advice, now_s - first_s)
            if advice.enough:
                return True
            if "q" in keys.pressed().lower():
                return False
    if first_s is None:
        raise MediaError("The cameras ended before they delivered a picture. Plug them in anew, and try again.")
    return False


def _look(finder: BoardFinder, picture: Picture | None) -> Look | None:
    import cv2
    import numpy as np

    if picture is None:
        return None
    return finder.look(np.asarray(cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8))


@contextmanager
def _display(terminal: Terminal, record: bool) -> Iterator[Show]:
    """Give what shows how it stands: a screen that is drawn anew, or, where there is none, a line for new advice."""
    recording = "recording" if record else "watching"
    if not terminal.console.is_terminal:
        said = ""

        def tell(seen: LiveViews, advice: Advice, elapsed_s: float) -> None:
            nonlocal said
            if advice.text != said:
                said = advice.text
                terminal.say(f"{elapsed_s:.0f} s, {100 * advice.progress:.0f} %: {said}")

        yield tell
        return
    with Live(console=terminal.console, refresh_per_second=REFRESHES_HZ) as live:

        def draw(seen: LiveViews, advice: Advice, elapsed_s: float) -> None:
            state = f"{elapsed_s // 60:.0f}:{elapsed_s % 60:02.0f} · {recording} · q: that is all, Ctrl-C: stop"
            live.update(live_screen(seen, advice, state, terminal.width))

        yield draw
