"""The files of a take for other programs, and single conversions: all that can be written is, and the rest is said."""

import errno
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import skeleton.formats.c3d
from clapcap.errors import FileFormatError, SessionError
from retarget.bvh import read_bvh
from session.convert import convert_file
from session.folder import Recording, Session
from session.processing.files import export_take
from session.stages import Stages
from session.terminal import Terminal
from skeleton.formats import load_keypoints3d, npz, time_table
from skeleton.hierarchy_file import load_skeleton
from skeleton.keypoints import Keypoints3D
from skeleton.motion import Motion

ALL = ["dance.bvh", "dance.trc", "dance.c3d", "dance.csv", "dance.json", "dance_angles.csv", "dance.mot"]


class Take:
    """A session with one take that has its points and its motion."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = root / "results" / "dance"
        self.results.mkdir(parents=True)
        time_s = 2 + np.arange(4) / 50
        rng = np.random.default_rng(2)
        shape = (4, 3)
        self.keypoints = Keypoints3D(
            ("nose", "left_hip", "right_hip"), rng.normal(size=(*shape, 3)), np.full(shape, 0.01), time_s,
            np.ones((2, *shape)), ("cam1", "cam2"), np.zeros(shape, dtype=bool),
        )  # fmt: skip
        humanoid = load_skeleton("humanoid")
        joints = len(humanoid.joints)
        rotation = np.tile([0, 0, 0, 1.0], (4, joints, 1))
        self.motion = Motion(
            humanoid.joint_names, humanoid.parents, humanoid.rest_offset_m, rotation, rng.normal(size=(4, 3)), time_s
        )
        self.save()

    def save(self) -> None:
        npz.save_keypoints3d(self.results / "keypoints3d.npz", self.keypoints)
        npz.save_motion(self.results / "motion.npz", self.motion)

    def export(self) -> str:
        screen = io.StringIO()
        take = Recording("dance", self.root, {}, self.results)
        stages = Stages(Session(self.root), take, Terminal(Console(file=screen, width=1000)))
        export_take(take, stages)
        return screen.getvalue()

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.results.iterdir()} - {"keypoints3d.npz", "motion.npz", "manifest.json"}


@pytest.fixture
def take(tmp_path: Path) -> Take:
    return Take(tmp_path)


def assert_same_positions(found: Motion, wanted: Motion) -> None:
    """Compare joint by joint: a BVH file has an order of its own."""
    assert set(found.joint_names) == set(wanted.joint_names)
    order = [found.joint_names.index(name) for name in wanted.joint_names]
    np.testing.assert_allclose(found.world_positions()[:, order], wanted.world_positions(), atol=1e-5)


def test_all_files_of_a_take_are_written_named_and_kept(take: Take):
    assert ", ".join(ALL) in take.export()
    assert take.files == set(ALL)
    for name in ("dance.trc", "dance.csv", "dance.json"):
        np.testing.assert_allclose(load_keypoints3d(take.results / name).xyz_m, take.keypoints.xyz_m, rtol=1e-12)
    assert_same_positions(read_bvh(take.results / "dance.bvh"), take.motion)
    angles = time_table.load_csv(take.results / "dance_angles.csv")
    np.testing.assert_array_equal(angles["elbow_left_pronation_deg"], 90)
    assert "\npelvis_tilt\t" not in (take.results / "dance.mot").read_text()  # the first column is the time
    assert "\ntime\tpelvis_tilt\t" in (take.results / "dance.mot").read_text()
    before = {name: (take.results / name).stat().st_mtime_ns for name in ALL}
    assert "unchanged, kept" in take.export()
    assert {name: (take.results / name).stat().st_mtime_ns for name in ALL} == before


def test_a_format_that_cannot_hold_the_take_is_left_out_with_a_reason(take: Take):
    take.export()
    take.keypoints = replace(take.keypoints, time_s=[2, 2.02, 2.05, 2.06])
    names = tuple(name.replace("shin", "calf") for name in take.motion.joint_names)
    take.motion = Motion(
        names, take.motion.parents, take.motion.rest_offset_m, take.motion.rotation_xyzw, take.motion.root_m,
        take.motion.time_s,
    )  # fmt: skip
    take.save()
    said = take.export()
    assert "! dance.c3d was not written: C3D needs equally spaced frames, but frame 2 lies 0.5 frames" in said
    assert "! dance_angles.csv was not written: joint angles are those of the skeleton 'humanoid'" in said
    assert take.files == {"dance.bvh", "dance.trc", "dance.csv", "dance.json"}  # the earlier run's others are gone
    assert "unchanged, kept" in take.export()
    take.keypoints = replace(take.keypoints, time_s=take.motion.time_s)
    take.save()
    take.export()
    assert "dance.c3d" in take.files


def test_a_full_disk_stops_what_does_not_fit_and_no_more(take: Take, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, keypoints: Keypoints3D) -> None:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    codec = replace(skeleton.formats.KEYPOINTS3D_CODECS[".c3d"], save=full)
    monkeypatch.setitem(skeleton.formats.KEYPOINTS3D_CODECS, ".c3d", codec)
    with pytest.raises(OSError, match="No space left") as caught:
        take.export()
    assert str(caught.value.filename).endswith("dance.c3d")  # what main.py says the remedy for
    assert take.files == set(ALL) - {"dance.c3d"}
    monkeypatch.undo()
    take.export()
    assert take.files == set(ALL)


def test_an_edited_file_is_set_aside(take: Take):
    take.export()
    (take.results / "dance.trc").write_text("mine")
    assert "dance.trc was edited by hand" in take.export()
    assert (take.results / "dance.edited-1.trc").read_text() == "mine"
    assert load_keypoints3d(take.results / "dance.trc").names == take.keypoints.names


def convert(source: Path, output: Path, bvh_unit: str = "m") -> str:
    screen = io.StringIO()
    convert_file(source, output, bvh_unit, Terminal(Console(file=screen, width=1000)))
    return screen.getvalue()


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".trc", ".json", ".c3d"])
def test_points_into_points(take: Take, tmp_path: Path, suffix: str):
    output = tmp_path / f"points{suffix}"
    assert "4 frames of 3 points" in convert(take.results / "keypoints3d.npz", output)
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    back = tmp_path / "back.npz"
    convert(output, back)
    np.testing.assert_allclose(npz.load_keypoints3d(back).xyz_m, take.keypoints.xyz_m, rtol=1e-7)


def test_a_motion_into_bvh_angles_and_back(take: Take, tmp_path: Path):
    source = take.results / "motion.npz"
    assert "4 frames of 26 joints" in convert(source, tmp_path / "a.bvh", "cm")
    assert "OFFSET 0.00000000 -43.00000000 0.00000000" in (tmp_path / "a.bvh").read_text()  # the thigh
    convert(tmp_path / "a.bvh", tmp_path / "b.npz", "cm")
    assert_same_positions(npz.load_motion(tmp_path / "b.npz"), take.motion)
    convert(tmp_path / "a.bvh", tmp_path / "angles.csv", "cm")
    assert time_table.load_csv(tmp_path / "angles.csv")["shoulder_right_elevation_deg"][0] == 90
    convert(source, tmp_path / "a.mot")
    assert (tmp_path / "a.mot").read_text().startswith("Coordinates\n")


def test_what_cannot_be_converted_is_said(take: Take, tmp_path: Path):
    points, motion = take.results / "keypoints3d.npz", take.results / "motion.npz"
    with pytest.raises(FileFormatError, match=r"points are written as \.npz, .*, not \.bvh\. .*clapcap fit"):
        convert(points, tmp_path / "a.bvh")
    with pytest.raises(FileFormatError, match=r"a motion is written as \.bvh, \.csv, \.mot, \.npz, not \.trc"):
        convert(motion, tmp_path / "a.trc")
    with pytest.raises(SessionError, match='--bvh-unit "inch" is unknown: needed one of m, cm, mm'):
        convert(motion, tmp_path / "a.bvh", "inch")
    with pytest.raises(SessionError, match="is the file to be read"):
        convert(points, points)
    (tmp_path / "no.npz").write_text("no archive")
    with pytest.raises(FileFormatError, match="it is no npz archive"):
        convert(tmp_path / "no.npz", tmp_path / "a.trc")
    assert not list(tmp_path.glob("a.*"))
