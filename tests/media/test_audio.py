"""Sound: when it starts, of any layout, rate and container."""

from collections import deque

import numpy as np
import pytest

from clapcap.errors import MediaError
from media.audio import Audio, _place, read_audio

FRAMES = range(0, 45 * 20, 20)  # 1.5 s


def bursts(rate, channels, at_s, duration_s=1.5):
    """A 1 kHz tone burst of 4 ms in every channel at every given time."""
    time = np.arange(round(rate * duration_s)) / rate
    sound = np.zeros_like(time)
    for at in at_s:
        sound += 0.6 * np.exp(-(((time - at) / 0.002) ** 2)) * np.cos(2 * np.pi * 1000 * (time - at))
    return np.repeat(sound[:, None], channels, axis=1).astype(np.float32)


def burst_time_s(audio, near_s):
    """Where the energy within 15 ms of a time is centred, on the audio's own clock."""
    time = audio.start_s + np.arange(len(audio.samples)) / audio.rate_hz
    near = np.abs(time - near_s) < 0.015
    energy = audio.samples[near].mean(axis=1) ** 2
    return float((energy * time[near]).sum() / energy.sum())


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_aac_priming_is_taken_out(write_video, rate, layout, channels, suffix):
    sound = bursts(rate, channels, [0.3, 1.1])
    audio = read_audio(write_video("a" + suffix, FRAMES, sound=sound, sound_rate=rate, sound_layout=layout))
    assert audio is not None
    assert audio.rate_hz == rate
    assert audio.samples.shape[1] == channels
    # AAC delays by 1024 samples, 21 ms; MKV rounds the time stamps of single blocks by up to 0.5 ms.
    for at in (0.3, 1.1):
        assert burst_time_s(audio, at) == pytest.approx(at, abs=0.0001)


def test_other_codecs_and_sample_formats(write_video):
    for name, codec in [("a.avi", "pcm_s16le"), ("b.mkv", "pcm_s16le"), ("c.mkv", "flac"), ("d.webm", "libopus")]:
        audio = read_audio(
            write_video(name, FRAMES, sound=bursts(48_000, 2, [0.5]), sound_layout="stereo", sound_codec=codec)
        )
        assert audio is not None
        assert np.abs(audio.samples).max() == pytest.approx(0.6, abs=0.03)
        # WebM rounds the encoder's delay of 6.5 ms to milliseconds.
        assert burst_time_s(audio, 0.5) == pytest.approx(0.5, abs=0.0006)


def test_mono_is_the_mean_of_the_channels(write_video):
    sound = bursts(48_000, 2, [0.5])
    sound[:, 1] = 0
    path = write_video("a.mkv", FRAMES, sound=sound, sound_layout="stereo", sound_codec="pcm_s16le")
    audio = read_audio(path, mono=True)
    assert audio is not None
    assert audio.samples.shape[1] == 1
    np.testing.assert_allclose(audio.samples[: len(sound), 0], sound[:, 0] / 2, atol=1e-4)


def test_no_sound_track_and_a_folder_of_images(write_video, tmp_path):
    assert read_audio(write_video("silent.mp4", FRAMES)) is None
    assert read_audio(tmp_path) is None


def test_a_file_that_is_no_video(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_text("no video at all")
    with pytest.raises(MediaError, match="is not a video"):
        read_audio(path)


def block(value, length=100):
    return np.full((length, 1), value, dtype=np.float32)


def test_gaps_are_filled_with_zeros():
    # 1 kHz: blocks of 100 ms; the third comes 50 ms late.
    audio = _place(deque([block(1), block(2), block(3)]), np.array([0.5, 0.6, 0.75]), 1000)
    assert audio.start_s == 0.5
    assert audio.samples[:, 0].tolist() == [1] * 100 + [2] * 100 + [0] * 50 + [3] * 100


def test_rounded_time_stamps_are_averaged():
    # Blocks of 33.3 ms, time stamps in whole milliseconds, as MKV stores them.
    blocks = deque(block(i, 333) for i in range(300))
    true = 0.2004 + np.arange(300) * 0.0333
    audio = _place(blocks, np.round(true, 3), 10_000)
    assert len(audio.samples) == 300 * 333
    # 300 errors of uniform rounding: 0.29 ms / sqrt(300) = 0.017 ms, three sigma.
    assert audio.start_s == pytest.approx(0.2004, abs=5e-5)


def test_audio_is_validated():
    with pytest.raises(ValueError, match="needed float32"):
        Audio(np.zeros(10, dtype=np.float32), 48_000, 0.0)
    with pytest.raises(ValueError, match="rate_hz"):
        Audio(np.zeros((10, 1), dtype=np.float32), 0, 0.0)
    audio = Audio(np.zeros((480, 1), dtype=np.float32), 48_000, 0.5)
    assert audio.end_s == pytest.approx(0.51)
