"""The video of all cameras side by side shows them, and lets them be heard, at the same moments."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sync_scene import BLINK_S, CLAPS_S, OFFSETS_S, RATES_HZ, film_take, light

from clapcap.errors import SessionError, SyncError
from media.audio import read_audio
from media.frames import read_frames
from session.folder import Recording
from session.main import run
from session.sync_check import write_check
from sync.time_map import CameraClock, TimeMap


def clocks(**refused: str) -> TimeMap:
    return TimeMap(
        {
            name: CameraClock(
                offset_s, 1.0, 0.0, 0.0, "clap" if offset_s else "reference", 1.0, refused.get(name, "ok")
            )
            for name, offset_s in OFFSETS_S.items()
        }
    )


@pytest.fixture(name="take", scope="module")
def _take(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return film_take(tmp_path_factory.mktemp("session") / "s").take("dance")[0]


def click_s(path: Path) -> float:
    """Return when the first clap in the sound of a file begins."""
    audio = read_audio(path, mono=True)
    assert audio is not None
    return audio.start_s + int((np.abs(audio.samples[:, 0]) > 0.05).argmax()) / audio.rate_hz


@pytest.mark.parametrize("around_s", [None, 2.0])
def test_every_tile_shows_its_moment_and_the_sound_belongs_to_it(
    take: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around_s: float | None
) -> None:
    if around_s is not None:  # otherwise the take is short enough to be shown whole
        monkeypatch.setattr("session.sync_check.LENGTH_S", 2.5)
    clip = tmp_path / "clip.mp4"
    told: list[tuple[int, int | None]] = []
    checked = write_check(take, clocks(), clip, around_s=around_s, progress=lambda *done: told.append(done))
    assert checked.cameras == ("cam1", "cam2", "cam3")
    assert checked.rate_hz == pytest.approx(60)
    assert checked.sound_of == "cam1"
    assert told[-1][0] == told[-1][1] == len(told)

    frames = list(read_frames(clip, gray=True))
    assert len(frames) == len(told)
    moments_s = checked.start_s + np.array([frame.time_s for frame in frames])
    height, width = frames[0].image.shape
    to_switch_s = np.abs((moments_s + BLINK_S / 2) % BLINK_S - BLINK_S / 2)
    for place, name in enumerate(OFFSETS_S):
        top, left = place // 2 * height // 2, place % 2 * width // 2
        middle = np.array(
            [
                frame.image[top + height // 8 : top + height // 4, left + width // 4 : left + width // 3].mean()
                for frame in frames
            ]
        )
        recorded_s = OFFSETS_S[name], OFFSETS_S[name] + 4.5
        # A frame stands for what is within half its interval.
        decided = (
            (to_switch_s > 0.5 / RATES_HZ[name] + 0.001)
            & (moments_s > recorded_s[0])
            & (moments_s < recorded_s[1] - 0.05)
        )
        assert decided.sum() > 20
        np.testing.assert_array_equal(middle[decided] > 128, light(moments_s[decided]))
    assert click_s(clip) == pytest.approx(CLAPS_S[0] - checked.start_s, abs=0.001)


def test_a_file_is_never_written_over_and_nothing_is_left_of_an_interruption(take: Recording, tmp_path: Path) -> None:
    kept = tmp_path / "kept.mp4"
    kept.write_text("mine")
    with pytest.raises(SessionError, match="is there already"):
        write_check(take, clocks(), kept)
    assert kept.read_text() == "mine"

    def interrupt(done: int, total: int | None) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_check(take, clocks(), tmp_path / "cut.mp4", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.mp4"]


def test_what_cannot_be_shown_is_refused(take: Recording, tmp_path: Path) -> None:
    with pytest.raises(SyncError, match="1 cameras have a time"):
        write_check(take, clocks(cam2="no clap", cam3="no clap"), tmp_path / "clip.mp4")
    with pytest.raises(SessionError, match="--around is 99 s"):
        write_check(take, clocks(), tmp_path / "clip.mp4", around_s=99.0)
    assert not list(tmp_path.iterdir())


def test_a_camera_without_a_clock_is_left_out(take: Recording, tmp_path: Path) -> None:
    checked = write_check(take, clocks(cam3="no clap"), tmp_path / "clip.mp4", around_s=1.0)
    assert checked.cameras == ("cam1", "cam2")


def call(*arguments: object) -> int:
    """Run the command line in this process; return its exit code."""
    try:
        run([str(argument) for argument in arguments])
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_the_command_writes_page_and_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, clip = tmp_path / "s", tmp_path / "clip.mp4"
    film_take(root)
    assert call("sync", root, "--take", "dance", "--check", clip) == 0
    assert "3 of 3 cameras on one time line" in capsys.readouterr().out
    assert clip.exists()
    page = root / "results" / "dance" / "sync.html"
    assert "All 3 cameras are on one time line" in page.read_text(encoding="utf-8")
    assert call("sync", root, "--take", "dance") == 0
    assert "sync page  unchanged, kept" in capsys.readouterr().out
    assert call("sync", root, "--take", "dance", "--around", "3") != 0
    assert "Give both" in " ".join("".join(capsys.readouterr()).split())
