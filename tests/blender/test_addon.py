"""The extension: built, validated, installed, enabled and used in a Blender without a window.

`CLAPCAP_BLENDER_PYTHON` names another Python with bpy to test with: `make test-blender` does so for several Blenders.
"""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_rigs import build_rig, walk
from blender.addon_zip import TAKEN, build_addon
from blender.export.armature import bones_of
from retarget.bvh import write_bvh
from retarget.rigs.planting import find_contacts, spans
from retarget.rigs.presets import propose
from retarget.rigs.rig import Rig
from skeleton.formats.npz import save_keypoints3d, save_motion
from skeleton.keypoints import Keypoints3D
from skeleton.motion import Motion

CHECK = Path(__file__).parent / "addon_check.py"
PYTHON = os.environ.get("CLAPCAP_BLENDER_PYTHON") or sys.executable
FRAMES = 90
LIMBS = (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))
ALLOWED = {
    *("__future__", "collections", "dataclasses", "importlib", "itertools", "json", "pathlib", "sys", "typing"),
    *("bpy", "bpy_extras", "numpy"),
}
RIGS = ("mixamo", "vrm", "metarig", "rigify")


def test_what_is_taken_of_clapcap_needs_numpy_alone(tmp_path: Path):
    with zipfile.ZipFile(build_addon(tmp_path / "addon.zip")) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                for node in ast.parse(archive.read(name)).body:  # those in functions are of methods that are not used
                    if isinstance(node, ast.Import):
                        assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED, name
                    if isinstance(node, ast.ImportFrom) and not node.level:
                        assert str(node.module).split(".")[0] in ALLOWED, name
        assert {f"lib/{name}" for name in TAKEN} <= set(archive.namelist())


def test_the_zip_is_the_same_every_time(tmp_path: Path):
    first, second = build_addon(tmp_path / "a.zip"), build_addon(tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()


def as_armature(rig: Motion, scale: float) -> dict:
    """Return a rig's bones as an FBX file brings them: in centimetres, the armature scaled down and turned upright."""
    bones = bones_of(rig, {})
    upright = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # undoes the object's quarter turn about x
    entries = {}
    for name, joint in bones.joint.items():
        head, tail = (upright @ point[name] / scale for point in (bones.head_m, bones.tail_m))
        roll = 0.4 * (joint % 5)  # rigs roll their bones as they like
        entries[name] = {"head": head.tolist(), "tail": tail.tolist(), "roll": roll, "parent": bones.parent[name]}
    return {"bones": entries, "scale": scale, "turn": [np.pi / 2, 0.0, 0.0]}


@pytest.fixture(scope="module")
def motion() -> Motion:
    whole, _ = walk()
    kept = slice(0, FRAMES)
    return Motion(
        whole.joint_names, whole.parents, whole.rest_offset_m, whole.rotation_xyzw[kept], whole.root_m[kept],
        whole.time_s[kept],
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(motion: Motion, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """What Blender says once the extension is installed and was used."""
    if sys.executable == PYTHON and importlib.util.find_spec("bpy") is None:
        pytest.skip("bpy is not installed: pip install clapcap[blender]")
    folder = tmp_path_factory.mktemp("addon")
    package = build_addon(folder / "clapcap.zip")
    save_motion(folder / "motion.npz", motion)
    write_bvh(folder / "motion.bvh", motion)
    points = motion.world_positions()[:, :3]
    save_keypoints3d(
        folder / "keypoints3d.npz",
        Keypoints3D(
            ("hips", "spine", "chest"), points, np.full(points.shape[:2], 0.01), motion.time_s,
            np.empty((0, *points.shape[:2])), (), np.zeros(points.shape[:2], dtype=bool),
        ),
    )  # fmt: skip
    rigs = {
        "mixamo": as_armature(
            build_rig("mixamo", {"all": 1.1, "left_shin": 1.3, "right_shin": 1.3}, 45.0, "mixamorig:"), 0.01
        ),
        "vrm": as_armature(build_rig("vrm", {"all": 0.8, "left_thigh": 1.0, "right_thigh": 1.0}), 1.0),
    }
    environment = dict(
        os.environ,
        CLAPCAP_TEST_RIGS=json.dumps(rigs),
        BLENDER_USER_RESOURCES=str(folder / "blender"),
    )
    environment.pop("PYTHONPATH", None)
    files = [folder / name for name in ("motion.npz", "motion.bvh", "keypoints3d.npz", "found.npz")]
    command = [PYTHON, str(CHECK), str(package), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, cwd=folder)
    if "ImportError" in done.stderr and ".so" in done.stderr:
        pytest.skip(f"bpy cannot be loaded: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    with np.load(files[-1]) as arrays:
        held = {key: arrays[key] for key in arrays}
    return held, json.loads(str(held.pop("notes")))


@pytest.mark.bpy
def test_it_is_enabled_with_its_operators_and_leaves_no_modules_about(found):
    _, notes = found
    assert notes["enabled"] == ["bl_ext.user_default.clapcap"]
    assert all(notes["operators"])
    assert notes["global modules"] == []
    assert notes["imported"] == [["FINISHED"]] * 3


@pytest.mark.bpy
def test_motion_bvh_and_markers_are_where_clapcap_has_them(found, motion):
    held, notes = found
    position = motion.world_positions()
    for bones, heads in ((notes["source"], held["source"]), (notes["bvh"], held["bvh"])):
        for k, bone in enumerate(bones):
            if bone in motion.joint_names:
                assert np.abs(heads[:, k] - position[:, motion.joint_names.index(bone)]).max() < 1e-4, bone
    assert {"hips", "spine", "chest"} <= {name.split(".")[0] for name in notes["markers"]}
    assert notes["rate_hz"] == pytest.approx(60.0)


def joint(rig: str, part: str, side: str) -> str:
    """Return the bone of a rig that shows where a part is."""
    letter = side[0].upper()
    if rig == "metarig":
        return f"{part}.{letter}"
    if rig == "rigify":
        return f"DEF-{part}.{letter}"
    return propose(build_rig(rig, {"all": 1.0}, 0.0, "mixamorig:" if rig == "mixamo" else ""))[1][f"{side}_{part}"]


@pytest.mark.bpy
@pytest.mark.parametrize("state", ["connected", "baked"])
@pytest.mark.parametrize("rig", RIGS)
def test_limbs_of_the_rig_point_as_the_motions_do(found, motion, rig, state):
    held, notes = found
    bones, heads = notes[rig]["bones"], held[f"{rig} {state}"]
    position = motion.world_positions()
    for side in ("left", "right"):
        for part, end in LIMBS:
            a, b = (position[:, motion.joint_names.index(f"{side}_{name}")] for name in (part, end))
            c, d = (heads[:, bones.index(joint(rig, name, side))] for name in (part, end))
            ours, theirs = b - a, d - c
            cross = np.linalg.norm(np.cross(ours, theirs), axis=1)
            assert np.degrees(np.arctan2(cross, (ours * theirs).sum(axis=1))).max() <= 0.5, (side, part)


@pytest.mark.bpy
@pytest.mark.parametrize("rig", RIGS)
def test_baked_nothing_flips_feet_stand_and_helpers_are_gone(found, motion, rig):
    held, notes = found
    assert notes[rig]["constraints"] == 0
    assert notes[rig]["helpers"] == []
    turned = held[f"{rig} turned"]
    step = np.einsum("fbji,fbjk->fbik", turned[:-1], turned[1:])
    angle = np.degrees(np.arccos(np.clip((np.trace(step, axis1=2, axis2=3) - 1) / 2, -1, 1)))
    assert angle.max() < 15.0
    bones, heads = notes[rig]["bones"], held[f"{rig} baked"]
    standing = find_contacts(motion, Rig.of(motion, propose(motion)[1])).standing
    checked = 0
    for side in ("left", "right"):
        toe = {"mixamo": f"mixamorig:{side.title()}ToeBase", "vrm": f"{side}Toes"}.get(rig)
        toe = toe or ("DEF-" if rig == "rigify" else "") + f"toe.{side[0].upper()}"
        for start, stop in spans(standing[f"{side}_toe"]):
            assert 1000 * np.ptp(heads[start:stop, bones.index(toe)], axis=0).max() <= 3.0, side
            checked += 1
    assert checked >= 2
