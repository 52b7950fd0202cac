"""Tables over time: as pandas reads the CSV, and as OpenSim's documentation has its motion files."""

from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.formats import time_table
from skeleton.tables import TimeTable

TABLE = TimeTable(
    ("pelvis_tilt", "knee_angle_r"),
    np.array([10.0, 10.016683, 10.033367]),
    np.array([[1.25, -1e-9], [1 / 3, 60.1234567], [2.0, 61.0]]),
)


def read_as_opensim(path: Path) -> tuple[dict[str, str], list[str], np.ndarray]:
    """Follow "Motion (.mot) Files" and DelimFileAdapter: a header until `endheader`, labels, rows between tabs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    end = lines.index("endheader")
    keys = dict(line.split("=") for line in lines[:end] if "=" in line)
    labels = lines[end + 1].split("\t")
    assert labels[0] == "time"
    assert len(set(labels)) == len(labels)
    assert all(label and not any(c.isspace() for c in label) for label in labels)
    rows = np.array([[float(cell) for cell in line.split("\t")] for line in lines[end + 2 :]])
    assert rows.shape == (int(keys["nRows"]), int(keys["nColumns"])) == (len(rows), len(labels))
    steps = np.diff(rows[:, 0])
    np.testing.assert_allclose(steps, steps.mean(), rtol=2e-3)  # "uniformly spaced"
    return keys, labels, rows


def test_opensim_reads_the_motion_file(tmp_path: Path):
    path = tmp_path / "take.mot"
    time_table.save_mot(path, TABLE)
    keys, labels, rows = read_as_opensim(path)
    assert path.read_text().startswith("Coordinates\nversion=1\n")
    assert keys["inDegrees"] == "yes"
    assert labels == ["time", "pelvis_tilt", "knee_angle_r"]
    np.testing.assert_allclose(rows[:, 0], TABLE.time_s, rtol=0)
    np.testing.assert_allclose(rows[:, 1:], TABLE.values, atol=5.1e-7)
    assert "-0.000000" not in path.read_text()


def test_an_uneven_table_is_interpolated_for_opensim(tmp_path: Path):
    time_s = np.array([0.0, 0.1, 0.2, 0.35, 0.4, 0.5, 0.8])
    path = tmp_path / "take.mot"
    time_table.save_mot(path, TimeTable(("a", "b"), time_s, np.stack([10 * time_s, 1 - time_s], axis=1)))
    _, _, rows = read_as_opensim(path)
    np.testing.assert_allclose(rows[:, 0], np.arange(9) / 10, atol=1e-12)
    np.testing.assert_allclose(rows[:, 1:], np.stack([10 * rows[:, 0], 1 - rows[:, 0]], axis=1), atol=1e-6)


def test_pandas_and_we_read_the_csv(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "take.csv"
    time_table.save_csv(path, TABLE)
    table = pandas.read_csv(path, index_col="time_s")
    assert list(table.columns) == ["pelvis_tilt", "knee_angle_r"]
    np.testing.assert_array_equal(table.index, TABLE.time_s)
    np.testing.assert_allclose(table.to_numpy(), TABLE.values, atol=5.1e-7)
    again = time_table.load_csv(path)
    assert again.columns == TABLE.columns
    np.testing.assert_array_equal(again["knee_angle_r"], table["knee_angle_r"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("t,a\n0,1\n", "first column is not time_s"),
        ("time_s,a\n0,one\n", "could not convert"),
        ("time_s,a\n0,1\n0,2\n", "does not increase"),
        ("time_s,a\n0,1\n1\n", "inhomogeneous"),
        ("", "not enough values"),
    ],
)
def test_bad_tables_say_what_is_wrong(tmp_path: Path, content: str, complaint: str):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=complaint) as caught:
        time_table.load_csv(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"columns": ("a", "a")}, "column names repeat"),
        ({"values": np.zeros((3, 1))}, r"shape \(3, 1\), needed \(3, 2\)"),
        ({"values": np.full((3, 2), np.nan)}, "not finite"),
        ({"time_s": np.zeros(3)}, "does not increase"),
    ],
)
def test_a_table_is_checked_when_made(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        TimeTable(**{"columns": ("a", "b"), "time_s": np.arange(3.0), "values": np.zeros((3, 2)), **changes})
