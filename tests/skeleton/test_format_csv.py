"""CSV as pandas reads it, and tables that others wrote."""

from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.formats import csv_table
from skeleton.keypoints import Keypoints3D


def test_pandas_reads_what_is_written(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    keypoints = Keypoints3D(
        names=("nose", 'a,"b"', "nose_x"),
        xyz_m=[[[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[0.1, 1e-17, 3e5], [np.nan] * 3, [1, 2, np.nan]]],
        sigma_m=[[0.01, 0.02, 0.03], [0.04, np.nan, np.nan]],
        time_s=[1.5, 1e9 / 7],
        reprojection_px=np.empty((0, 2, 3)),
        camera_names=(),
        filled=[[False, True, False], [False, False, True]],
    )
    path = tmp_path / "take.csv"
    csv_table.save(path, keypoints)
    table = pandas.read_csv(path, float_precision="round_trip")
    of_nose = ["nose_x_m", "nose_y_m", "nose_z_m", "nose_sigma_mm", "nose_filled"]
    assert list(table.columns[:7]) == ["frame", "time_s", *of_nose]
    np.testing.assert_array_equal(table["frame"], [0, 1])
    np.testing.assert_array_equal(table["time_s"], keypoints.time_s)
    for point, name in enumerate(keypoints.names):
        np.testing.assert_array_equal(table[[f"{name}_{axis}_m" for axis in "xyz"]], keypoints.xyz_m[:, point])
        np.testing.assert_array_equal(table[f"{name}_sigma_mm"], 1000 * keypoints.sigma_m[:, point])
        np.testing.assert_array_equal(table[f"{name}_filled"].astype(bool), keypoints.filled[:, point])
    assert csv_table.load(path).names == keypoints.names


FOREIGN = "time_s,hip_x,hip_y,hip_z,hip_error\r\n0,1,2,3,9\r\n0.5,,,,\r\n\r\n"


def test_tables_of_others_without_sigma(tmp_path: Path):
    path = tmp_path / "foreign.csv"
    path.write_bytes(b"\xef\xbb\xbf" + FOREIGN.encode())  # with a byte order mark, as spreadsheets write
    keypoints = csv_table.load(path)
    assert keypoints.names == ("hip",)
    np.testing.assert_array_equal(keypoints.xyz_m[:, 0], [[1, 2, 3], [np.nan] * 3])
    assert np.isnan(keypoints.sigma_m).all()
    assert not keypoints.filled.any()


def test_the_columns_of_earlier_versions_are_metres(tmp_path: Path):
    path = tmp_path / "old.csv"
    path.write_text("frame,time_s,hip_x,hip_y,hip_z,hip_sigma,hip_filled\n0,1.5,1,2,3,0.02,1\n")
    keypoints = csv_table.load(path)
    assert keypoints.names == ("hip",)
    assert keypoints.sigma_m[0, 0] == 0.02
    assert keypoints.filled[0, 0]
    csv_table.save(path, keypoints)
    assert path.read_text() == (
        "frame,time_s,hip_x_m,hip_y_m,hip_z_m,hip_sigma_mm,hip_filled\n0,1.5,1.0,2.0,3.0,20.0,1\n"
    )
    assert csv_table.load(path).sigma_m[0, 0] == 0.02


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("time_s", "t", "column time_s"),
        ("hip_z", "hip_q", "hip_z"),
        ("0.5,,,,", "0.5,,,", "line 3 has 4 cells, the header has 5"),
        ("0,1,2", "0,one,2", "line 2: could not convert"),
        ("0.5,", ",", "not finite"),
        ("0.5,", "-1,", "time_s does not increase"),
        ("hip_x", "hop_x", "at least one"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, old: str, new: str, complaint: str):
    path = tmp_path / "bad.csv"
    assert old in FOREIGN
    path.write_text(FOREIGN.replace(old, new, 1), newline="")
    with pytest.raises(FileFormatError, match=complaint) as caught:
        csv_table.load(path)
    assert str(path) in str(caught.value)
