"""Filming live: cameras, the recording with its times, the screen, and every way to end it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

import session.live.recorder
from calib.boards.board import CharucoBoard
from calib.quality.advice import Advice
from calib.quality.live_views import LiveViews
from clapcap.errors import ClapcapError, MediaError, SessionError
from media.frames import read_frames
from session.folder import Session
from session.live.cameras import FileCamera, Picture, Webcam, open_cameras
from session.live.film import film_live
from session.live.keys import Keys
from session.live.recorder import WAITING, Recorder
from session.live.screen import live_screen
from session.new import create_session
from session.settings import BoardSettings
from session.terminal import Terminal
from session.wizard.answers import Answers, Talk
from session.wizard.conversation import prepare
from sync.timestamps import read_timestamps

SIZE = (64, 48)


def picture(shade: int, time_s: float) -> Picture:
    return Picture(np.full((SIZE[1], SIZE[0], 3), shade, dtype=np.uint8), time_s)


class ScriptedCamera:
    """Delivers pictures of a rising shade, 30 a second; then does what the test wants."""

    def __init__(self, name: str, count: int, then: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.stopped = False
        self._waiting = iter(range(count))
        self._then = then
        self._ended = False

    def start(self, record: Callable[[Picture], None]) -> None:
        self._record = record

    def latest(self) -> Picture | None:
        number = next(self._waiting, None)
        if number is None:
            self._then()
            self._ended = True
            return None
        taken = picture(10 * number, 100 + number / 30)
        self._record(taken)
        return taken

    @property
    def ended(self) -> bool:
        return self._ended

    def stop(self) -> None:
        self.stopped = True


class FakeCapture:
    """What OpenCV gives for a webcam: frames whose red rises, and the driver's time stamps."""

    def __init__(self, stamps_ms: list[float], opened: bool = True) -> None:
        self._stamps_ms = stamps_ms
        self._opened = opened
        self._at = -1
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802, OpenCV calls it so
        return self._opened

    def set(self, key: int, value: float) -> bool:
        return True

    def grab(self) -> bool:
        self._at += 1
        return self._at < len(self._stamps_ms)

    def get(self, key: int) -> float:
        return self._stamps_ms[self._at]

    def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8]]:
        bgr = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
        bgr[..., 2] = self._at
        return True, bgr

    def release(self) -> None:
        self.released = True


@pytest.fixture
def opened(tmp_path: Path) -> Session:
    terminal = Terminal(Console(file=io.StringIO()))
    create_session(tmp_path / "s", (), {}, BoardSettings(), terminal)
    return Session.open(tmp_path / "s")


@pytest.fixture
def screen() -> Terminal:
    return Terminal(Console(file=io.StringIO(), width=80, highlight=False))


def said(terminal: Terminal) -> str:
    assert isinstance(terminal.console.file, io.StringIO)
    return terminal.console.file.getvalue()


def webcam(stamps_ms: list[float], now_s: float, **kwargs: Any) -> tuple[Webcam, list[Picture], FakeCapture]:
    capture = FakeCapture(stamps_ms, **kwargs)
    return Webcam("cam1", 0, lambda source: capture, lambda: now_s), [], capture


def all_of(camera: Webcam, taken: list[Picture]) -> None:
    camera.start(taken.append)
    while not camera.ended:
        camera.latest()
    camera.stop()


def test_a_webcam_is_timed_by_its_driver_where_that_has_the_same_clock() -> None:
    camera, taken, capture = webcam([9900.0, 9933.5, 9933.5, 9967.0], now_s=10.0)
    all_of(camera, taken)
    assert [p.time_s for p in taken] == [9.9, 9.9335, 9.967]  # the same picture twice counts once
    assert [int(p.rgb[0, 0, 0]) for p in taken] == [0, 1, 3]  # red first
    assert capture.released


def test_else_by_the_time_of_arrival() -> None:
    camera, taken, _ = webcam([33.0], now_s=5000.0)  # the position in a stream, no time of day
    all_of(camera, taken)
    assert [p.time_s for p in taken] == [5000.0]


def test_a_camera_that_does_not_open_or_delivers_nothing_is_named() -> None:
    camera, taken, _ = webcam([], now_s=1.0, opened=False)
    with pytest.raises(MediaError, match="camera 0 cannot be opened"):
        camera.start(taken.append)
    camera, taken, capture = webcam([], now_s=1.0)
    with pytest.raises(MediaError, match="delivers no picture"):
        camera.start(taken.append)
    camera.stop()
    assert capture.released


@pytest.mark.parametrize(
    ("sources", "says"),
    [(["0", "0"], "names a camera twice"), (["nowhere.mp4"], '"nowhere.mp4" is no camera')],
)
def test_sources_that_are_none(sources: list[str], says: str) -> None:
    with pytest.raises(MediaError, match=says):
        open_cameras(sources)


def test_sources_get_names() -> None:
    assert [camera.name for camera in open_cameras(["0", "rtsp://garden/1"])] == ["cam1", "cam2"]
    assert [camera.name for camera in open_cameras(["0", "1"], ["left", "right"])] == ["left", "right"]
    with pytest.raises(MediaError, match="1 names for 2 cameras"):
        open_cameras(["0", "1"], ["left"])
    with pytest.raises(MediaError, match="have one name"):
        open_cameras(["0", "1"], ["left", "left"])
    with pytest.raises(MediaError, match="cannot name a camera"):
        open_cameras(["0"], ["../left"])


def test_what_is_recorded_is_what_was_seen_and_when(opened: Session, screen: Terminal) -> None:
    cameras = [ScriptedCamera("cam1", 12), ScriptedCamera("cam2", 8)]
    assert film_live(opened, cameras, screen, record=True) is False
    folder = opened.calibration.folder
    assert sorted(path.name for path in folder.iterdir()) == ["cam1.mp4", "cam2.mp4", "timestamps.csv"]
    table = read_timestamps(folder / "timestamps.csv", ("cam1", "cam2"))
    for name, count in (("cam1", 12), ("cam2", 8)):
        frames = list(read_frames(folder / f"{name}.mp4"))
        assert [frame.image.mean() for frame in frames] == pytest.approx([10 * n for n in range(count)], abs=4)
        np.testing.assert_allclose(table.frame_time_s(name, range(count)), np.arange(count) / 30, atol=1e-5)
        np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(count) / 30, atol=1e-4)
    assert "Show the board to the cameras" in said(screen)
    assert "12 pictures in 0.4 s" in said(screen)
    assert all(camera.stopped for camera in cameras)


def test_interrupted_it_keeps_what_was_filmed(opened: Session, screen: Terminal) -> None:
    def ctrl_c() -> None:
        raise KeyboardInterrupt

    cameras = [ScriptedCamera("cam1", 5, ctrl_c), ScriptedCamera("cam2", 5)]
    with pytest.raises(KeyboardInterrupt):
        film_live(opened, cameras, screen, record=True)
    assert len(list(read_frames(opened.calibration.folder / "cam1.mp4"))) == 5
    assert opened.calibration.timestamps.exists()
    assert all(camera.stopped for camera in cameras)


def test_stopped_by_ctrl_c_the_wizard_says_how_to_go_on(
    opened: Session, screen: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ctrl_c() -> None:
        raise KeyboardInterrupt

    scripted = [ScriptedCamera("cam1", 5, ctrl_c)]
    monkeypatch.setattr("session.live.cameras.open_cameras", lambda sources, names: scripted)
    assert prepare(opened, Talk(screen, Answers(live=("0",)), asks=False)) is None
    assert "What was filmed is kept" in said(screen)
    assert f"  clapcap calibrate {opened.root}" in said(screen).split("\n")
    assert opened.calibration.timestamps.exists()


def test_q_ends_it(opened: Session, screen: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["", "x", "q"])
    monkeypatch.setattr(Keys, "pressed", lambda self: next(keys))
    assert film_live(opened, [ScriptedCamera("cam1", 50)], screen, record=True) is False
    assert len(list(read_frames(opened.calibration.folder / "cam1.mp4"))) == 3


def test_nothing_is_written_over_and_watching_writes_nothing(opened: Session, screen: Terminal) -> None:
    film_live(opened, [ScriptedCamera("cam1", 3)], screen, record=False)
    assert list(opened.calibration.folder.iterdir()) == []
    film_live(opened, [ScriptedCamera("cam1", 3)], screen, record=True)
    before = {path: path.read_bytes() for path in opened.calibration.folder.iterdir()}
    with pytest.raises(SessionError, match=r"cam1.mp4, timestamps.csv already, and nothing is written over"):
        film_live(Session.open(opened.root), [ScriptedCamera("cam9", 3)], screen, record=True)
    assert {path: path.read_bytes() for path in opened.calibration.folder.iterdir()} == before


def test_a_camera_that_cannot_start_leaves_nothing_behind(opened: Session, screen: Terminal) -> None:
    class Broken(ScriptedCamera):
        def start(self, record: Callable[[Picture], None]) -> None:
            raise MediaError("cam2: camera 1 cannot be opened.")

    class Eager(ScriptedCamera):
        def start(self, record: Callable[[Picture], None]) -> None:
            record(picture(0, 100.0))

    with pytest.raises(MediaError, match="cam2"):
        film_live(opened, [Eager("cam1", 1), Broken("cam2", 1)], screen, record=True)
    assert list(opened.calibration.folder.iterdir()) == []


def test_a_disk_that_cannot_be_written_stops_nobody_and_is_told(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "no such folder" / "cam1.mp4", may_wait=True)
    for number in range(3 * WAITING):
        recorder.add(picture(0, number / 30))
    with pytest.raises(ClapcapError, match="cannot be written"):
        recorder.close(keep=True)


def test_a_disk_that_lags_loses_pictures_and_not_the_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = threading.Event()

    class SlowWriter(session.live.recorder.VideoWriter):
        def write(self, rgb: npt.NDArray[np.uint8], time_s: float | None = None) -> None:
            may_go_on.wait()
            super().write(rgb, time_s)

    monkeypatch.setattr(session.live.recorder, "VideoWriter", SlowWriter)
    recorder = Recorder(tmp_path / "cam1.mp4", may_wait=False)
    for number in range(3 * WAITING):
        recorder.add(picture(0, number / 30))
    assert 2 * WAITING - 1 <= recorder.lost <= 2 * WAITING
    may_go_on.set()
    recorder.close(keep=True)
    assert len(recorder.times_s) == len(list(read_frames(tmp_path / "cam1.mp4"))) == 3 * WAITING - recorder.lost


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_the_screen_fits_80_columns(count: int) -> None:
    names = [f"a camera of the name {number}" for number in range(1, count + 1)]
    seen = LiveViews.nothing_yet(names, CharucoBoard(4, 5, 0.054, 0.0405))
    seen.cells[0, 2, 3:6] = 1, 5, 50
    advice = Advice("Show the board to " + " and ".join(names) + " together.", (names[0],), 0.125, False)
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(live_screen(seen, advice, "0:42 · recording · q: that is all, Ctrl-C: stop", 80))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().split("\n")
    assert max(map(len, lines)) <= 80
    assert any("│   ░▒█" in line for line in lines)
    assert any("views   0/20" in line for line in lines)
    assert "  12 % · 0:42 · recording · q: that is all, Ctrl-C: stop" in lines


def test_a_file_stands_for_a_camera(tmp_path: Path) -> None:
    film = tmp_path / "front.mp4"
    with session.live.recorder.VideoWriter(film, SIZE) as writer:
        for number in range(4):
            writer.write(picture(50 * number, 0).rgb)
    (camera,) = open_cameras([str(film)])
    assert isinstance(camera, FileCamera)
    assert camera.name == "front"
    taken: list[Picture] = []
    camera.start(taken.append)
    frames: Iterator[Picture | None] = iter(camera.latest, None)
    assert len(list(frames)) == len(taken) == 4
    assert camera.ended
    assert cv2.cvtColor(taken[3].rgb, cv2.COLOR_RGB2GRAY).mean() == pytest.approx(150, abs=3)
