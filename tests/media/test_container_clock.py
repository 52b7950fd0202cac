"""When files say that they were recorded."""

import av
import numpy as np
import pytest

from media.container_clock import recorded_at_s, timecode_s


def write(path, **tags):
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())


def test_two_files_are_as_far_apart_as_their_creation_times(tmp_path):
    write(tmp_path / "cam1.mp4", creation_time="2025-06-01T10:00:00.000000Z")
    write(tmp_path / "cam2.mp4", creation_time="2025-06-01T10:00:07.000000Z")
    first, second = recorded_at_s(tmp_path / "cam1.mp4"), recorded_at_s(tmp_path / "cam2.mp4")
    assert second - first == 7.0


def test_a_file_that_says_nothing_has_no_time(tmp_path):
    write(tmp_path / "cam1.mp4")
    assert recorded_at_s(tmp_path / "cam1.mp4") is None


def test_a_clock_that_was_never_set_is_no_time(tmp_path):
    write(tmp_path / "cam1.mp4", creation_time="1970-01-01T00:00:12.000000Z")
    assert recorded_at_s(tmp_path / "cam1.mp4") is None


@pytest.mark.parametrize(
    ("text", "rate_hz", "seconds"),
    [
        ("01:00:00:12", 25.0, 3600.48),
        # Non-drop: 30 numbers take 1.001 s.
        ("00:01:00:00", 30000 / 1001, 60.06),
        # Drop-frame: the first number of minute 1 is 2, and ten minutes are 17982 frames.
        ("00:01:00;02", 30000 / 1001, 1800 * 1001 / 30000),
        ("00:10:00;00", 30000 / 1001, 17982 * 1001 / 30000),
        ("00:10:00;00", 60000 / 1001, 35964 * 1001 / 60000),
    ],
)
def test_timecodes_are_counted_as_smpte_does(text, rate_hz, seconds):
    assert timecode_s(text, rate_hz) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("text", ["", "10:00", "aa:bb:cc:dd"])
def test_what_is_no_timecode_has_no_time(text):
    assert timecode_s(text, 25.0) is None
