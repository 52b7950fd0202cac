"""Pictures and sound of a file are on one clock, whatever its container does to their time stamps.

A flash and a click are put at known moments; the time between the two, as read, must be the one that was put in.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.audio import read_audio
from media.frame_times import frame_times_s
from media.frames import read_frames
from media.probe import probe
from media.single_frames import read_frames_at, read_stretch

RATE_HZ = 48_000
TOLERANCE_S = 0.001  # what MKV rounds time stamps to


def write(
    path: Path,
    times_s: Sequence[float],
    flash: int,
    click_s: float,
    *,
    sound_from_s: float = 0.0,
    sound_s: float = 2.0,
    sound_codec: str = "aac",
    options: dict[str, str] | None = None,
    mux_options: dict[str, str] | None = None,
) -> Path:
    """Write a video whose frame `flash` is white, and a click at `click_s` on the same clock."""
    ticks = 90_000
    time = sound_from_s + np.arange(round(sound_s * RATE_HZ)) / RATE_HZ
    click = 0.8 * np.exp(-(((time - click_s) / 0.002) ** 2)) * np.cos(2 * np.pi * 1000 * (time - click_s))
    sound = click.astype(np.float32)
    with av.open(str(path), "w", options=mux_options or {}) as container:
        video = container.add_stream("libx264", rate=30, options=options or {})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, ticks)
        audio = container.add_stream(sound_codec, rate=RATE_HZ)
        audio.codec_context.layout = "mono"
        for index, at in enumerate(times_s):
            picture = np.full((48, 64, 3), 235 if index == flash else 16, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = round(at * ticks), Fraction(1, ticks)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        form = "fltp" if sound_codec == "aac" else "s16"
        for start in range(0, len(sound), 1024):
            block = sound[start : start + 1024]
            values = block[None] if form == "fltp" else (block[None] * 32767).astype(np.int16)
            chunk = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), form, "mono")
            chunk.pts, chunk.sample_rate = round(sound_from_s * RATE_HZ) + start, RATE_HZ
            chunk.time_base = Fraction(1, RATE_HZ)
            container.mux(audio.encode(chunk))
        container.mux(audio.encode(None))
    return path


def flash_time_s(path: Path) -> float:
    frames = list(read_frames(path, gray=True))
    brightest = max(frames, key=lambda frame: frame.image.mean())
    assert brightest.image.mean() > 150
    return brightest.time_s


def click_time_s(path: Path) -> float:
    audio = read_audio(path, mono=True)
    assert audio is not None
    energy = audio.samples[:, 0].astype(np.float64) ** 2
    time = audio.start_s + np.arange(len(energy)) / audio.rate_hz
    near = np.abs(time - time[energy.argmax()]) < 0.01
    return float((energy * time)[near].sum() / energy[near].sum())


def at_rate(rate_hz: float, count: int = 50, start_s: float = 0.0) -> list[float]:
    return [start_s + index / rate_hz for index in range(count)]


def lateness_s(path: Path) -> float:
    return click_time_s(path) - flash_time_s(path)


SUFFIXES = pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])


@SUFFIXES
@pytest.mark.parametrize("rate_hz", [25, 30000 / 1001, 30, 50, 60000 / 1001, 60, 120, 240])
def test_flash_and_click_at_every_usual_rate(tmp_path, suffix, rate_hz):
    times = at_rate(rate_hz)
    path = write(tmp_path / f"a{suffix}", times, 20, times[20] + 0.123)
    assert lateness_s(path) == pytest.approx(0.123, abs=TOLERANCE_S)
    np.testing.assert_allclose(frame_times_s(path), times, atol=TOLERANCE_S / 2 + 1e-6)


@SUFFIXES
@pytest.mark.parametrize("sound_codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize("sound_from_s", [0.037, 0.4])
def test_sound_that_starts_later_than_the_pictures(tmp_path, suffix, sound_codec, sound_from_s):
    if (suffix, sound_codec) == (".mp4", "pcm_s16le"):
        sound_codec = "flac"
    times = at_rate(30)
    path = write(
        tmp_path / f"a{suffix}", times, 20, times[20] + 0.05, sound_from_s=sound_from_s, sound_codec=sound_codec
    )
    assert lateness_s(path) == pytest.approx(0.05, abs=TOLERANCE_S)


@SUFFIXES
def test_pictures_that_start_later_than_the_sound(tmp_path, suffix):
    times = at_rate(30, start_s=0.31)
    path = write(tmp_path / f"a{suffix}", times, 20, times[20] - 0.2)
    assert lateness_s(path) == pytest.approx(-0.2, abs=TOLERANCE_S)
    assert frame_times_s(path)[0] == pytest.approx(0.31, abs=TOLERANCE_S)


@SUFFIXES
def test_frames_shown_in_another_order_than_decoded(tmp_path, suffix):
    """B-frames shift all time stamps; MP4 and MOV put that right by an edit list."""
    times = at_rate(60)
    options = {"bf": "3", "b_strategy": "0"}
    path = write(tmp_path / f"a{suffix}", times, 21, times[21] + 0.1, options=options)
    assert lateness_s(path) == pytest.approx(0.1, abs=TOLERANCE_S)
    np.testing.assert_allclose(frame_times_s(path), times, atol=TOLERANCE_S)


@SUFFIXES
def test_variable_rate_and_dropped_frames(tmp_path, suffix):
    rng = np.random.default_rng(3)
    times = (np.cumsum(rng.uniform(0.012, 0.06, 60)) - 0.012).tolist()
    del times[30:36]
    path = write(tmp_path / f"a{suffix}", times, 45, times[45] + 0.02, sound_s=3.0)
    assert lateness_s(path) == pytest.approx(0.02, abs=TOLERANCE_S)
    read = frame_times_s(path)
    np.testing.assert_allclose(np.diff(read), np.diff(times), atol=TOLERANCE_S)


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_time_stamps_below_zero(tmp_path, suffix):
    """What was recorded before a camera's zero, as in a file cut without coding it anew."""
    times = at_rate(30, start_s=-0.4)
    path = write(
        tmp_path / f"a{suffix}", times, 20, times[20] + 0.08, sound_from_s=-0.4, sound_codec="pcm_s16le",
        mux_options={"avoid_negative_ts": "disabled"} if suffix == ".mkv" else None,
    )  # fmt: skip
    assert lateness_s(path) == pytest.approx(0.08, abs=TOLERANCE_S)


def cut_front(path: Path, kind: bytes, media_ticks: int) -> None:
    """Let the edit list of the track of `kind` (b"vide", b"soun") begin that much later in the media."""
    data = bytearray(path.read_bytes())
    place = data.index(b"hdlr\0\0\0\0")
    while data[place + 12 : place + 16] != kind:
        place = data.index(b"hdlr\0\0\0\0", place + 1)
    edits = data.rindex(b"elst", 0, place)
    count = int.from_bytes(data[edits + 8 : edits + 12], "big")
    entry = edits + 12 + 12 * (count - 1)
    begin = int.from_bytes(data[entry + 4 : entry + 8], "big", signed=True)
    data[entry + 4 : entry + 8] = (begin + media_ticks).to_bytes(4, "big", signed=True)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2", "b_strategy": "0"}])
def test_an_edit_list_that_cuts_the_front_off(tmp_path, suffix, options):
    """A phone's trim: the first 0.5 s of pictures and sound stay in the file and are not shown."""
    times = at_rate(30)
    path = write(tmp_path / f"a{suffix}", times, 30, times[30] + 0.123, options=options)
    with av.open(str(path)) as container:
        ticks = {stream.type: round(0.5 / stream.time_base) for stream in container.streams}
    cut_front(path, b"vide", ticks["video"])
    cut_front(path, b"soun", ticks["audio"])
    assert flash_time_s(path) == pytest.approx(0.5, abs=TOLERANCE_S)
    assert click_time_s(path) == pytest.approx(0.623, abs=TOLERANCE_S)
    frames = list(read_frames(path, gray=True))
    assert len(frames) == probe(path).frame_count == len(times) - 15
    np.testing.assert_allclose(frame_times_s(path), [frame.time_s for frame in frames], atol=1e-9)
    alone = list(read_frames_at(path, [2, 15, 16], gray=True))
    together = [frame for frame in read_stretch(path, 2, 17, gray=True) if frame.index in (2, 15, 16)]
    for found in (alone, together):
        assert [frame.index for frame in found] == [2, 15, 16]
        for frame in found:
            assert frame.time_s == pytest.approx(frames[frame.index].time_s, abs=1e-9)
            np.testing.assert_array_equal(frame.image, frames[frame.index].image)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_an_edit_list_of_the_sound_alone(tmp_path, suffix):
    """Only the sound is cut: all of it moves against the pictures, as players show it."""
    times = at_rate(30)
    path = write(tmp_path / f"a{suffix}", times, 30, times[30] + 0.123)
    with av.open(str(path)) as container:
        ticks = round(0.25 / container.streams.audio[0].time_base)
    cut_front(path, b"soun", ticks)
    assert lateness_s(path) == pytest.approx(0.123 - 0.25, abs=TOLERANCE_S)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_probing_counts_the_frames_and_knows_a_variable_rate(tmp_path, suffix):
    even = write(tmp_path / f"even{suffix}", at_rate(60), 5, 0.5)
    times = at_rate(30)
    uneven = write(tmp_path / f"uneven{suffix}", times[:20] + times[24:], 5, 0.5)
    assert probe(even).frame_count == 50
    assert not probe(even).variable_rate
    assert probe(uneven).frame_count == 46
    assert probe(uneven).variable_rate
