"""Frames: order, time stamps, orientation, cut and broken files, folders of images."""

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from clapcap.errors import MediaError
from media.frames import _timed, read_frames
from media.orientation import orient, rotation_deg

LOSSLESS_ENOUGH = 3  # gray levels; frames differ by 7


def level(index):
    return 30 + 7 * (index % 28)


def gray_at_centre(frame):
    return float(frame.image[28:36, 40:56].mean()) if frame.image.shape[0] < frame.image.shape[1] else np.nan


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
def test_every_container_gives_every_frame_in_order_at_its_time(write_video, suffix):
    path = write_video("a" + suffix, range(0, 25 * 20, 20))
    frames = list(read_frames(path))
    assert [f.index for f in frames] == list(range(25))
    # MKV and WebM round to milliseconds.
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(25) / 30, atol=0.0006)
    levels = [gray_at_centre(f) for f in frames]
    np.testing.assert_allclose(levels, [level(i) for i in range(25)], atol=LOSSLESS_ENOUGH)
    assert frames[0].image.shape == (64, 96, 3)
    assert frames[0].image.dtype == np.uint8


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("start", [0, 600])
def test_variable_rate_and_late_start_keep_their_time_stamps(write_video, suffix, start):
    ticks = start + np.array([0, 7, 50, 80, 500, 520, 521, 900])
    frames = list(read_frames(write_video("vfr" + suffix, ticks.tolist())))
    # MP4 states a late start in milliseconds unless told otherwise, MKV everything.
    np.testing.assert_allclose([f.time_s for f in frames], ticks / 600, atol=0.0006)


def test_gray_is_the_luma_over_the_full_range(write_video):
    path = write_video("gray.mp4", range(0, 100, 20))
    gray, rgb = list(read_frames(path, gray=True)), list(read_frames(path))
    assert gray[0].image.shape == (64, 96)
    assert [g.time_s for g in gray] == [c.time_s for c in rgb]
    for g, c in zip(gray, rgb, strict=True):
        # The middle is neutral gray, where luma and all three colours are one.
        assert np.abs(g.image[20:, :].astype(int) - c.image[20:, :, 1]).mean() < LOSSLESS_ENOUGH


def test_start_stop_step_are_those_of_range(write_video):
    path = write_video("a.mp4", range(0, 600, 20))
    frames = list(read_frames(path, start=3, stop=20, step=4))
    assert [f.index for f in frames] == list(range(3, 20, 4))
    assert [round(30 * f.time_s) for f in frames] == [3, 7, 11, 15, 19]
    np.testing.assert_allclose([gray_at_centre(f) for f in frames], [level(f.index) for f in frames], atol=3)
    assert list(read_frames(path, start=5, stop=5)) == []
    with pytest.raises(ValueError, match="step=0"):
        next(read_frames(path, step=0))


# By hand: the picture has red at its top left and green at its top right; turned clockwise by 90 degrees, red is at the
# top right and green at the bottom right. libav counts rotations counter-clockwise.
@pytest.mark.parametrize(
    ("counter_clockwise", "hflip", "shape", "red", "green"),
    [
        (0, False, (64, 96), (0, 0), (0, -1)),
        (270, False, (96, 64), (0, -1), (-1, -1)),
        (180, False, (64, 96), (-1, -1), (-1, 0)),
        (90, False, (96, 64), (-1, 0), (0, 0)),
        (0, True, (64, 96), (0, -1), (0, 0)),
        (270, True, (96, 64), (0, 0), (-1, 0)),
    ],
)
def test_the_display_matrix_is_applied(write_video, counter_clockwise, hflip, shape, red, green):
    path = write_video("r.mp4", [0, 20], rotation=counter_clockwise, hflip=hflip)
    image = next(read_frames(path)).image
    assert image.shape[:2] == shape
    assert image.flags.c_contiguous
    corner = {0: slice(2, 14), -1: slice(-14, -2)}
    patch = image[corner[red[0]], corner[red[1]]].mean(axis=(0, 1))
    assert patch[0] > 180
    assert patch[1] < 90
    patch = image[corner[green[0]], corner[green[1]]].mean(axis=(0, 1))
    assert patch[1] > 160
    assert patch[0] < 90
    gray = next(read_frames(path, gray=True)).image
    assert gray.shape == shape


def test_orient_by_hand():
    # Clockwise by 90 degrees: x' = -y, y' = x. The left column, read upwards, becomes the top row.
    image = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    clockwise = np.array([[0, -1], [1, 0]])
    assert orient(image, clockwise).tolist() == [[4, 1], [5, 2], [6, 3]]
    assert rotation_deg(clockwise) == 90
    assert orient(image, np.array([[-1, 0], [0, 1]])).tolist() == [[3, 2, 1], [6, 5, 4]]


class Picture:
    """What `_timed` needs of a decoded picture: its time stamp in milliseconds."""

    def __init__(self, pts):
        from fractions import Fraction

        self.pts, self.dts, self.time_base = pts, None, Fraction(1, 1000)


def times(stamps):
    return [time for _, time in _timed(iter([Picture(pts) for pts in stamps]), 0.040)]


def test_missing_time_stamps_lie_between_their_neighbours():
    np.testing.assert_allclose(times([0, None, None, 90, 100]), [0, 0.03, 0.06, 0.09, 0.1])


def test_missing_time_stamps_at_the_ends_follow_the_nominal_rate():
    np.testing.assert_allclose(times([None, None, 100, 140, None]), [0.02, 0.06, 0.10, 0.14, 0.18])
    np.testing.assert_allclose(times([None] * 30), np.arange(30) * 0.04)


def test_times_increase_strictly_where_the_container_does_not():
    np.testing.assert_allclose(times([0, 40, 40, 80]), [0, 0.04, 0.06, 0.08])
    np.testing.assert_allclose(times([0, 40, 20, 120]), [0, 0.04, 0.08, 0.12])


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    shorter = path.with_name("cut" + path.suffix)
    shorter.write_bytes(content[: int(share * len(content))])
    return shorter


def frames_of(path, frames):
    """Append the frames one by one, so that those before an error are kept."""
    for frame in read_frames(path):
        frames.append(frame)


def read_until_error(path):
    frames = []
    with pytest.raises(MediaError) as caught:
        frames_of(path, frames)
    return frames, str(caught.value)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
def test_a_cut_file_gives_its_good_frames_and_then_says_what_is_missing(write_video, name):
    # All key frames, and the index of the MP4 at the front, so that the cut decides alone how much is left.
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    whole = write_video(name, range(0, 60 * 20, 20), codec_options={"g": "1"}, **options)
    frames, message = read_until_error(cut(whole, 0.6))
    assert 20 < len(frames) < 45
    np.testing.assert_allclose([gray_at_centre(f) for f in frames], [level(f.index) for f in frames], atol=5)
    assert "cut" + whole.suffix in message
    assert "cut short" in message
    assert f"{len(frames)}" in message
    assert f"{frames[-1].time_s:.2f} s" in message
    assert "Copy it" in message
    if name.endswith("mp4"):
        assert f"{len(frames)} of 60 frames" in message
    # What ends before the cut is not concerned.
    assert len(list(read_frames(cut(whole, 0.6), stop=20))) == 20


def test_an_mp4_that_was_never_finished_is_named_as_such(write_video):
    whole = write_video("a.mp4", range(0, 600, 20))
    with pytest.raises(MediaError, match=r"index that the camera writes at the end.*Copy it"):
        list(read_frames(cut(whole, 0.7)))


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "is empty"), (b"hello, this is no video\n" * 100, "is not a video")]
)
def test_files_that_are_no_videos(tmp_path, capfd, content, expected):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=expected) as caught:
        list(read_frames(path))
    assert "notes.mp4" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_missing_file(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.mp4 does not exist"):
        list(read_frames(tmp_path / "gone.mp4"))


def test_sound_alone_has_no_pictures(tmp_path):
    import wave

    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    with pytest.raises(MediaError, match=r"has no pictures \(found: audio\)"):
        list(read_frames(tmp_path / "sound.wav"))


def test_decoding_errors_stay_off_stderr(write_video, capfd):
    path = write_video("a.mkv", range(0, 1200, 20))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.integers(len(content) // 2, len(content), 40):
        content[position] ^= 0xFF
    path.write_bytes(bytes(content))
    frames = []
    with contextlib.suppress(MediaError):
        frames_of(path, frames)
    assert 0 < len(frames) <= 60
    assert capfd.readouterr().err == ""


def write_images(folder, names):
    folder.mkdir()
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((8, 12, 3), (10 * i, 0, 200), dtype=np.uint8))
    return folder


def test_a_folder_of_images_in_natural_order_at_a_stated_rate(tmp_path):
    folder = write_images(tmp_path / "cam1", ["img2.png", "img10.png", "img1.png"])
    frames = list(read_frames(folder, image_rate_hz=25))
    # Written as BGR with blue 10 x place in the list: img1 is the third, img2 the first.
    assert [int(f.image[0, 0, 2]) for f in frames] == [20, 0, 10]
    assert all(f.image[0, 0, 0] == 200 for f in frames)
    np.testing.assert_allclose([f.time_s for f in frames], [0, 0.04, 0.08])
    assert next(read_frames(folder, gray=True)).image.shape == (8, 12)
    assert [f.index for f in read_frames(folder, start=1)] == [1, 2]


def test_a_folder_of_images_with_a_table_of_times(tmp_path):
    folder = write_images(tmp_path / "cam1", ["1.png", "2.png", "3.png"])
    (folder / "times.csv").write_text("file,time_s\n3.png,0.9\n1.png,0.1\n2.png,0.15\n")
    assert [f.time_s for f in read_frames(folder)] == [0.1, 0.15, 0.9]
    (folder / "times.csv").write_text("time_s\n0.1\n0.15\n0.9\n")
    assert [f.time_s for f in read_frames(folder)] == [0.1, 0.15, 0.9]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("time_s\n0.1\n0.2\n", "2 times, needed one for each of the 3 images"),
        ("time_s\n0.1\n0.2\n0.2\n", r"the time of 3\.png \(0\.2 s\) is not after"),
        ("when\n1\n2\n3\n", "columns time_s, frame_time, time"),
        ("time_s\n0.1\nsoon\n0.3\n", "no number of seconds"),
        ("file,time_s\n1.png,1\n2.png,2\n", r"no time for 1 of 3 images, first 3\.png"),
    ],
)
def test_a_table_of_times_that_does_not_fit(tmp_path, table, expected):
    folder = write_images(tmp_path / "cam1", ["1.png", "2.png", "3.png"])
    (folder / "times.csv").write_text(table)
    with pytest.raises(MediaError, match=expected):
        list(read_frames(folder))


def test_a_folder_without_images_and_a_broken_image(tmp_path):
    folder = tmp_path / "cam1"
    folder.mkdir()
    with pytest.raises(MediaError, match="holds no images"):
        list(read_frames(folder))
    (folder / "1.png").write_bytes(b"not a picture")
    with pytest.raises(MediaError, match=r"1\.png is not an image"):
        list(read_frames(folder))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "shape", "last_s"),
    [
        ("charuco4/cam_0.mp4", 111, (720, 1280), 110 / 6),
        ("walk4/cam02.mp4", 100, (1920, 1080), 1.650),
        ("walk4/cam03.mp4", 100, (1920, 1088), 99 / 60),
    ],
)
def test_recordings(data, name, count, shape, last_s):
    frames = [(f.time_s, f.image.shape) for f in read_frames(data / name, gray=True)]
    assert len(frames) == count
    assert {s for _, s in frames} == {shape}
    assert frames[-1][0] == pytest.approx(last_s, abs=1e-3)
