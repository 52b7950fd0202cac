"""docs/files.md: its Python runs as it stands, and its table of angles is complete."""

import re
from pathlib import Path

import numpy as np
import pytest

from retarget.joint_angles import isb_angles, opensim_coordinates
from skeleton.formats import save_keypoints3d, time_table
from skeleton.keypoints import Keypoints3D
from skeleton.motion import Motion

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def motion(humanoid) -> Motion:
    rotation = np.tile([0, 0, 0, 1.0], (3, len(humanoid.joints), 1))
    return Motion(
        humanoid.joint_names, humanoid.parents, humanoid.rest_offset_m, rotation, np.zeros((3, 3)), np.arange(3.0)
    )


@pytest.fixture(scope="module")
def folder(motion, tmp_path_factory) -> Path:
    """A take's results, as far as the page's code reads them."""
    folder = tmp_path_factory.mktemp("results")
    shape = (3, 2)
    points = Keypoints3D(
        ("nose", "left_hip"), np.ones((*shape, 3)), np.full(shape, 0.01), np.arange(3.0), np.ones((1, *shape)),
        ("cam1",), np.zeros(shape, dtype=bool),
    )  # fmt: skip
    for name in ("keypoints3d.npz", "dance.csv", "dance.json", "dance.c3d"):
        save_keypoints3d(folder / name, points)
    time_table.save_csv(folder / "dance_angles.csv", isb_angles(motion))
    return folder


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[1])
def test_the_pages_code_runs(block: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    for library in re.findall(r"^import (\w+)", block, re.MULTILINE):
        pytest.importorskip(library)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(block, names)
    for name, frames in (("nose", 3), ("sigma_mm", 3), ("sure", 3), ("angles", 3)):
        if name in names:
            assert len(names[name]) == frames
    if "points_mm" in names:
        np.testing.assert_array_equal(names["points_mm"], np.full((4, 2, 3), [[[1000]], [[1000]], [[1000]], [[1]]]))


def test_the_page_names_every_angle_once(motion):
    rows = re.findall(r"^\| `(\w+_deg)` \|", PAGE, re.MULTILINE)
    sides = [row.replace("SIDE", side) for row in rows for side in (("left", "right") if "SIDE" in row else ("",))]
    assert sorted(sides) == sorted(isb_angles(motion).columns)


def test_the_page_names_coordinates_that_there_are(motion):
    section = PAGE.split("## OpenSim's .mot")[1].split("\n- ")[0]
    named = [name for name in re.findall(r"`([a-z_]+)`", section) if "_" in name and not name.startswith("_")]
    assert len(named) > 8
    assert set(named) <= set(opensim_coordinates(motion).columns)
