"""TRC as OpenSim and Pose2Sim read it, and what others wrote."""

import csv
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.formats import trc
from skeleton.keypoints import Keypoints3D

# A point 1 m in front of the origin along x, 2 m to the left along y, 3 m up; and one that is missing in frame 1.
TAKE = Keypoints3D(
    names=("left toe", "näse"),
    xyz_m=[[[1, 2, 3], [0.5, -0.25, 1.75]], [[1.1, 2.1, 3.1], [np.nan] * 3], [[1, 2, 3], [0, 0, 0]]],
    sigma_m=np.full((3, 2), 0.01),
    time_s=[10.0, 10.02, 10.04],
    reprojection_px=np.empty((0, 3, 2)),
    camera_names=(),
    filled=np.zeros((3, 2)),
)


def opensim_cells(line: str) -> list[str]:
    """Split as OpenSim's FileAdapter::tokenize: each delimiter ends a token, the rest is one if not empty."""
    tokens = re.split("[\t\r]", line)
    return [token.strip() for token in (tokens if tokens[-1] else tokens[:-1])]


def read_as_opensim(path: Path) -> tuple[dict[str, str], list[str], np.ndarray, np.ndarray]:
    """Follow TRCFileAdapter::extendRead step by step, with all that it throws on as an assertion."""
    lines = iter(path.read_text(encoding="utf-8").split("\n"))
    assert next(lines).split()[0] == "PathFileType"
    keys = [cell for cell in opensim_cells(next(lines)) if cell]
    assert " ".join(keys) == (
        "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
    )
    values = [cell for cell in opensim_cells(next(lines)) if cell]
    assert len(values) == len(keys)
    metadata = dict(zip(keys, values, strict=True))
    labels = [cell for cell in opensim_cells(next(lines)) if cell]
    markers = int(metadata["NumMarkers"])
    assert len(labels) == markers + 2
    assert labels[:2] == ["Frame#", "Time"]
    components = [cell for cell in opensim_cells(next(lines)) if cell]
    assert components == [f"{letter}{n}" for n in range(1, markers + 1) for letter in "XYZ"]
    row = opensim_cells(next(lines))
    while not row or not row[0]:
        row = opensim_cells(next(lines))
    times, positions = [], []
    while row:  # an empty line ends the data
        assert len(row) == 2 + 3 * markers
        times.append(float(row[1]))
        cells = np.array([cell or "nan" for cell in row[2:]], dtype=float).reshape(markers, 3)
        positions.append(np.where(np.isnan(cells).any(axis=-1, keepdims=True), np.nan, cells))
        row = opensim_cells(next(lines))
    return metadata, labels[2:], np.array(times), np.array(positions)


def test_opensim_reads_what_is_written(tmp_path: Path):
    path = tmp_path / "take.trc"
    trc.save(path, TAKE)
    metadata, labels, times, xyz = read_as_opensim(path)
    assert metadata["Units"] == "m"
    assert float(metadata["DataRate"]) == 50
    assert int(metadata["NumFrames"]) == 3
    assert labels == ["left toe", "näse"]
    np.testing.assert_array_equal(times, [10, 10.02, 10.04])
    # OpenSim: Y up. World (x 1, y 2, up 3) is (2, 3, 1) there.
    np.testing.assert_array_equal(xyz[0, 0], [2, 3, 1])
    np.testing.assert_array_equal(xyz[..., 1], TAKE.xyz_m[..., 2])
    assert np.isnan(xyz[1, 1]).all()
    # The change of axes is a rotation: right-handed stays right-handed.
    axes = trc._FILE_AXES
    assert np.linalg.det(np.eye(3)[axes]) == 1


def test_pandas_reads_what_is_written_as_pose2sim_does(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "take.trc"
    trc.save(path, TAKE)
    table = pandas.read_csv(path, sep="\t", skiprows=4, encoding="utf-8")
    table = table.loc[:, ~table.columns.str.startswith("Unnamed: 8")]  # the tab that ends each line
    np.testing.assert_array_equal(table.iloc[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(table.iloc[:, 1], TAKE.time_s)
    expected = TAKE.xyz_m[..., [1, 2, 0]].reshape(3, 6)
    np.testing.assert_array_equal(table[["X1", "Y1", "Z1", "X2", "Y2", "Z2"]].to_numpy(), expected)


@pytest.mark.parametrize("rate_hz", [23.976, 29.97, 59.94, 120.0])
def test_an_independent_reader_agrees(tmp_path: Path, rate_hz: float):
    """trc-data-reader, which splits at any space: so it needs names without spaces and no missing values."""
    trc_data_reader = pytest.importorskip("trc", reason="an independent reader: pip install trc-data-reader")
    xyz = np.random.default_rng(1).normal(size=(5, 3, 3))
    names = ("nose", "left_hip", "right_hip")
    none = np.zeros((5, 3))
    path = tmp_path / "take.trc"
    time_s = 3 + np.arange(5) / rate_hz
    trc.save(path, Keypoints3D(names, xyz, none, time_s, np.empty((0, 5, 3)), (), none))
    data = trc_data_reader.TRCData()
    data.load(str(path))
    assert data["Markers"] == list(names)
    assert (data["NumFrames"], data["NumMarkers"], data["Units"]) == (5, 3, "m")
    assert data["DataRate"] == pytest.approx(rate_hz, rel=1e-8)
    assert data["Frame#"] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(data["Time"], time_s)
    for point, name in enumerate(names):
        np.testing.assert_array_equal(data[name], xyz[:, point][:, [1, 2, 0]])


FOREIGN = (
    "PathFileType\t4\t(X/Y/Z)\tC:\\take.trc\r\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\r\n"
    "60.00\t60.00\t2\t2\tmm\t60.00\t1\t2\r\n"
    "Frame#\tTime\tSACR\t\t\tL.Heel\r\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\r\n"
    "1\t0.000\t10\t900.5\t-20\t0\t35\t1e2\r\n"
    "2\t0.017\t11\t900\t-21\r\n"
)


def test_millimetres_windows_lines_no_blank_line_and_missing_tabs(tmp_path: Path):
    path = tmp_path / "foreign.trc"
    path.write_bytes(FOREIGN.encode())
    keypoints = trc.load(path)
    assert keypoints.names == ("SACR", "L.Heel")
    np.testing.assert_allclose(keypoints.xyz_m[0], [[-0.02, 0.01, 0.9005], [0.1, 0, 0.035]])
    assert np.isnan(keypoints.xyz_m[1, 1]).all()
    np.testing.assert_array_equal(keypoints.time_s, [0, 0.017])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("PathFileType", "FilePathType", "first line does not begin with PathFileType"),
        ("\tmm\t", "\tinch\t", "Units is 'inch', needed one of m, cm, mm"),
        ("Units", "Unit", "'Units' is missing"),
        ("Frame#", "Frame", "line 4 begins with"),
        ("\t2\tmm", "\t3\tmm", "NumMarkers is 3, but line 4 names 2"),
        ("\t2\t2\tmm", "\t3\t2\tmm", "NumFrames is 3, but there are 2 rows"),
        ("900.5", "900,5", "line 6: could not convert"),
        ("\t1e2", "\t1e2\t7", "line 6 has 9 cells, needed 8"),
        ("0.017", "0.000", "time_s does not increase"),
        ("L.Heel", "SACR", "repeat"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, old: str, new: str, complaint: str):
    path = tmp_path / "bad.trc"
    assert old in FOREIGN
    path.write_bytes(FOREIGN.replace(old, new, 1).encode())
    with pytest.raises(FileFormatError, match=complaint) as caught:
        trc.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.data
def test_the_real_takes_of_accad(data: Path, tmp_path: Path):
    """All 136 of them: as many frames, and as many frames with an empty joint, as the archive's index says."""
    with tarfile.open(data / "mocap" / "accad_joints.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with (data / "mocap" / "index.csv").open(encoding="utf-8", newline="") as file:
        index = [row for row in csv.DictReader(file) if row["path"].startswith("accad_joints/")]
    assert len(index) == 136
    for row in index:
        take = trc.load(tmp_path / row["path"])
        gaps = re.search(r"(\d+) frames have an empty joint", row["note"])
        assert len(take.time_s) == int(row["frames_total"])
        assert np.isnan(take.xyz_m).any(axis=(1, 2)).sum() == (int(gaps[1]) if gaps else 0)
        if row["activity"] in ("walk", "run"):  # upright: up is z
            median = dict(zip(take.names, np.nanmedian(take.xyz_m[..., 2], axis=0), strict=True))
            assert 1.2 < median["head"] < 1.9
            assert median["ankle_l"] < median["knee_l"] < median["hip_l"] < median["neck"] < median["head"]
    jump = trc.load(tmp_path / "accad_joints" / "male2" / "Male2-Run_to_jump_to_walk.trc")
    np.testing.assert_allclose(jump.xyz_m[0, jump.index("knee_l")], [2.5305, 2.4325, 0.3760], atol=1e-12)
    trc.save(tmp_path / "again.trc", jump)
    np.testing.assert_array_equal(trc.load(tmp_path / "again.trc").xyz_m, jump.xyz_m)
