"""Writing and probing: pictures and sound at the right time, nothing left behind by a failure."""

import numpy as np
import pytest

from clapcap.errors import MediaError
from media.audio import Audio, read_audio
from media.frames import read_frames
from media.probe import probe
from media.writer import VideoWriter

COLOUR = (200, 30, 60)
# MP4 and MOV: 1/90000 s; MKV and WebM: milliseconds.
ROUNDING_S = {".mp4": 1e-5, ".mov": 1e-5, ".mkv": 6e-4, ".webm": 6e-4}


def tone_burst(rate, at_s, duration_s):
    time = np.arange(round(rate * duration_s)) / rate - at_s
    sound = 0.6 * np.exp(-((time / 0.002) ** 2)) * np.cos(2 * np.pi * 1000 * time)
    return np.repeat(sound[:, None], 2, axis=1).astype(np.float32)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("start_s", [0.0, 0.3337, -0.1])
def test_pictures_and_sound_keep_their_times(tmp_path, suffix, start_s):
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.02, 0.06, 40))
    path = tmp_path / ("a" + suffix)
    with VideoWriter(path, (64, 48), audio=Audio(tone_burst(48_000, 0.7, 1.2), 48_000, start_s)) as writer:
        for time_s in times:
            writer.write(np.full((48, 64, 3), COLOUR, dtype=np.uint8), time_s)
    frames = list(read_frames(path))
    np.testing.assert_allclose([f.time_s for f in frames], times, atol=ROUNDING_S[suffix])
    assert np.abs(frames[20].image.astype(int) - COLOUR).max() <= 4
    audio = read_audio(path)
    assert audio is not None
    time = audio.start_s + np.arange(len(audio.samples)) / audio.rate_hz
    near = np.abs(time - (0.7 + start_s)) < 0.015
    energy = audio.samples[near].mean(axis=1) ** 2
    assert (energy * time[near]).sum() / energy.sum() == pytest.approx(0.7 + start_s, abs=max(ROUNDING_S[suffix], 5e-5))
    info = probe(path)
    assert info.audio is not None
    assert info.audio.channels == 2


def test_a_constant_rate_and_an_odd_size(tmp_path):
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, (65, 49), rate_hz=60000 / 1001) as writer:
        for _ in range(12):
            writer.write(np.full((49, 65, 3), COLOUR, dtype=np.uint8))
    frames = list(read_frames(path))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(12) * 1001 / 60000, atol=1e-5)
    assert frames[0].image.shape == (50, 66, 3)


def test_a_failure_leaves_nothing_and_spares_what_was_there(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")

    def fail():
        with VideoWriter(path, (64, 48)) as writer:
            writer.write(np.zeros((48, 64, 3), dtype=np.uint8))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"earlier"


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(MediaError, match=r"Choose one of \.mp4"):
        VideoWriter(tmp_path / "a.avi", (64, 48))
    with (
        pytest.raises(MediaError, match=r"cannot be written.*the folder exists"),
        VideoWriter(tmp_path / "gone" / "a.mp4", (64, 48)) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), dtype=np.uint8))


def test_a_video_without_frames_is_not_written(tmp_path):
    with pytest.raises(MediaError, match="no frame to write"), VideoWriter(tmp_path / "a.mp4", (64, 48)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource", reason="limits of file sizes are Unix's")

    def fill():
        noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
        with VideoWriter(tmp_path / "a.mp4", (320, 240), crf=10) as writer:
            for i in range(60):
                writer.write(np.roll(noise, i, axis=0))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(MediaError, match=r"a\.mp4 cannot be written \(.*the disk has room"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_misuse_is_refused(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", (64, 48)) as writer:
        picture = np.zeros((48, 64, 3), dtype=np.uint8)
        with pytest.raises(ValueError, match="needed uint8"):
            writer.write(picture[:10])
        writer.write(picture, 0.5)
        with pytest.raises(ValueError, match="not after the one before"):
            writer.write(picture, 0.5)
    assert [f.time_s for f in read_frames(tmp_path / "a.mp4")] == [0.5]


def test_probe_by_hand(write_video):
    sound = np.zeros((72_000, 2), dtype=np.float32)
    path = write_video("a.mp4", range(0, 900, 20), rotation=270, sound=sound, sound_layout="stereo")
    info = probe(path)
    assert info.size_px == (64, 96)
    assert info.rotation_deg == 90
    assert info.frame_count == 45
    assert info.nominal_fps == pytest.approx(30)
    assert info.duration_s == pytest.approx(1.5, abs=0.04)
    assert info.start_s == 0
    assert info.variable_rate is False
    assert info.codec == "h264"
    assert info.audio is not None
    assert (info.audio.rate_hz, info.audio.channels, info.audio.codec) == (48_000, 2, "aac")


def test_probe_variable_rate_late_start_and_other_containers(write_video):
    info = probe(write_video("vfr.mp4", [600 + 20 * i + 30 * (i > 10) for i in range(30)]))
    assert info.variable_rate is True
    assert info.start_s == pytest.approx(1, abs=1e-3)
    assert info.audio is None
    info = probe(write_video("a.mkv", range(0, 600, 20)))
    assert info.frame_count == 30
    assert info.variable_rate is False
    assert info.duration_s == pytest.approx(1, abs=0.04)


def test_probe_a_folder_of_images(tmp_path):
    import cv2

    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((8, 12, 3), dtype=np.uint8))
    info = probe(tmp_path, image_rate_hz=20)
    assert (info.size_px, info.frame_count, info.codec) == ((12, 8), 4, "images")
    assert info.nominal_fps == pytest.approx(20)
    assert info.duration_s == pytest.approx(0.2)


def test_probe_refuses_what_is_no_video(tmp_path):
    (tmp_path / "x.mp4").write_text("x" * 1000)
    with pytest.raises(MediaError, match="is not a video"):
        probe(tmp_path / "x.mp4")


@pytest.mark.data
def test_probe_recordings(data):
    info = probe(data / "walk4" / "cam02.mp4")
    assert (info.size_px, info.frame_count, info.codec) == ((1080, 1920), 100, "vp9")
    assert info.nominal_fps == pytest.approx(60, abs=0.1)
