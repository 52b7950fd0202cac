"""Tables of time stamps: which rows belong to which camera and frame."""

import numpy as np
import pytest

from clapcap.errors import SyncError
from sync.timestamps import read_timestamps

HEADER = "sync_index,cam_id,frame_index,frame_time\n"


def table(tmp_path, rows, header=HEADER):
    path = tmp_path / "timestamps.csv"
    path.write_text(header + "".join(row + "\n" for row in rows))
    return path


def test_by_hand(tmp_path):
    rows = ["7,0,27,10.2", "6,0,26,10.0", "6,3,40,10.1", "7,3,41,10.3", "9,3,43,10.7"]
    times = read_timestamps(table(tmp_path, rows), ["cam_0", "cam_3"])
    assert times.zero_s == 10
    # The smallest frame_index of a camera is the first frame of its video.
    assert times.cameras["cam_3"].frame_index.tolist() == [0, 1, 3]
    assert times.cameras["cam_3"].sync_index.tolist() == [6, 7, 9]
    np.testing.assert_allclose(times.frame_time_s("cam_0", [0, 1]), [0, 0.2])
    np.testing.assert_allclose(times.frame_time_s("cam_3", [3, 0]), [0.7, 0.1])
    with pytest.raises(SyncError, match=r"cam_3 has 3 rows, but none for 2 of the 5 frames.*first frame 2"):
        times.frame_time_s("cam_3", np.arange(5))


def test_without_groups_and_with_names(tmp_path):
    rows = ["front,0,1.5", "front,1,1.6", "left,0,1.55"]
    times = read_timestamps(table(tmp_path, rows, "cam_id,frame_index,frame_time\n"), ["left", "front"])
    assert times.cameras["front"].sync_index is None
    assert times.frame_time_s("left", 0) == pytest.approx(0.05)


def test_numbers_match_with_leading_zeros_and_exact_names_win(tmp_path):
    times = read_timestamps(table(tmp_path, ["0,1,0,1.0", "0,2,0,2.0"]), ["cam01", "cam02"])
    assert times.frame_time_s("cam02", 0) == 1
    times = read_timestamps(table(tmp_path, ["0,cam1,0,1.0", "0,1,0,9.0", "0,2,0,2.0"]), ["cam1", "cam2"])
    assert times.frame_time_s("cam1", 0) == 0
    assert times.zero_s == 1


@pytest.mark.parametrize(
    ("names", "rows", "expected"),
    [
        (["cam_0", "cam_5"], ["0,0,0,1"], r"no rows for cam_5: its cam_id are 0"),
        (["front"], ["0,0,0,1"], "no rows for front"),
        (["cam1"], ["0,1,0,1", "0,01,0,1"], r"several cam_id \(1, 01\) for cam1"),
        (["a1", "b1"], ["0,1,0,1"], "cam_id 1 could be a1 or b1"),
        (["cam1"], ["0,1,0,soon"], "no number"),
        (["cam1"], ["0,1,0,1", "0,1,0,2"], "two rows for frame_index 0 of cam1"),
        (["cam1"], ["0,1,0,1", "0,1,1,0.5"], r"frame_index 1 of cam1 \(0.5 s\) is not after that of 0"),
        (["cam1"], [], "no rows"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, names, rows, expected):
    with pytest.raises(SyncError, match=expected) as caught:
        read_timestamps(table(tmp_path, rows), names)
    assert "timestamps.csv" in str(caught.value)


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(SyncError, match=r"gone\.csv cannot be read"):
        read_timestamps(tmp_path / "gone.csv", ["a"])
    with pytest.raises(SyncError, match="lacks the column cam_id, frame_time"):
        read_timestamps(table(tmp_path, ["1,2"], "camera,frame_index\n"), ["a"])
    (tmp_path / "timestamps.csv").write_bytes(b"\xff\xfe\x00\x01binary")
    with pytest.raises(SyncError, match="not a CSV table"):
        read_timestamps(tmp_path / "timestamps.csv", ["a"])


@pytest.mark.data
def test_charuco4(data):
    from sync.resample import common_timeline

    names = [f"cam_{i}" for i in range(4)]
    times = read_timestamps(data / "charuco4" / "timestamps.csv", names)
    assert times.zero_s == pytest.approx(123.3348083)
    for name in names:
        # 111 rows, numbered 26 to 136, for 111 frames of video.
        assert times.cameras[name].frame_index.tolist() == list(range(111))
    # Frames of one group lie 46 ms apart at worst (README of the recordings).
    together = np.stack([times.cameras[name].time_s for name in names])
    assert np.ptp(together, axis=0).max() < 0.046
    timeline = common_timeline({name: times.cameras[name].time_s for name in names})
    assert len(timeline) == 111
    assert 1 / np.diff(timeline).mean() == pytest.approx(6, abs=0.01)
