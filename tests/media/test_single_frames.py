"""Single frames by number are those that reading everything gives."""

import av
import cv2
import numpy as np
import pytest

from clapcap.errors import MediaError
from media import single_frames
from media.frames import read_frames
from media.single_frames import read_frames_at


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
@pytest.mark.parametrize("gop", ["1", "12"])
def test_single_frames_are_those_of_the_whole(write_video, suffix, gop):
    options = {"g": gop, **({"bf": "2"} if suffix in (".mp4", ".mov", ".mkv") else {})}
    path = write_video("a" + suffix, range(0, 1200, 20), codec_options=options)
    whole = list(read_frames(path))
    wanted = {59, 17, 0, 3, 24, 900, 23}
    found = list(read_frames_at(path, wanted))
    assert [f.index for f in found] == [0, 3, 17, 23, 24, 59]
    for frame in found:
        assert frame.time_s == whole[frame.index].time_s
        np.testing.assert_array_equal(frame.image, whole[frame.index].image)
    assert list(read_frames_at(path, [])) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_late_starts_and_variable_rates_keep_their_numbers(write_video, suffix):
    ticks = 600 + np.array([0, 7, 50, 80, 500, 520, 521, 900, 1500, 1510])
    path = write_video("vfr" + suffix, ticks.tolist(), codec_options={"g": "4"})
    whole = list(read_frames(path))
    for frame in read_frames_at(path, range(10)):
        assert frame.time_s == whole[frame.index].time_s
        np.testing.assert_array_equal(frame.image, whole[frame.index].image)


def test_a_jump_decodes_one_group_of_pictures_only(write_video, monkeypatch):
    path = write_video("long.mp4", range(0, 6000, 20), codec_options={"g": "10", "bf": "0"})
    decoded = []
    real = av.container.InputContainer.decode

    class Counting:
        """The container, counting what it decodes."""

        def __init__(self, container):
            self._container = container

        def __getattr__(self, name):
            return getattr(self._container, name)

        def decode(self, stream):
            for picture in real(self._container, stream):
                decoded.append(picture.pts)
                yield picture

    whole = single_frames._decode_at
    monkeypatch.setattr(single_frames, "_decode_at", lambda c, s, stamp: whole(Counting(c), s, stamp))
    monkeypatch.setattr(single_frames, "decode_frames", None)  # it must not be needed
    (frame,) = read_frames_at(path, [295])
    assert frame.index == 295
    assert 1 <= len(decoded) <= 10  # of 300: from the key frame before it


def test_gray_and_turned_pictures_come_as_from_the_whole(write_video):
    path = write_video("turned.mp4", range(0, 200, 20), rotation=90)
    (frame,) = read_frames_at(path, [4], gray=True)
    np.testing.assert_array_equal(frame.image, list(read_frames(path, gray=True))[4].image)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"no\.mp4 does not exist"):
        list(read_frames_at(tmp_path / "no.mp4", [0]))


def test_single_images_of_a_folder(tmp_path):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 6), 50 * number, dtype=np.uint8))
    found = list(read_frames_at(tmp_path, [3, 1, 9], gray=True))
    assert [(f.index, int(f.image[0, 0])) for f in found] == [(1, 50), (3, 150)]
