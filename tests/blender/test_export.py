"""What Blender finds in our exports must be our motion, seen through our cameras.

`CLAPCAP_BLENDER_PYTHON` names another Python with bpy to test with: `make test-blender` does so for several Blenders.
"""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_take import body, make_poses, ring_of_cameras
from blender.export.armature import bones_of, continuous
from blender.export.job import ExportJob
from calib.cameras import CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from skeleton.formats.npz import save_motion
from skeleton.motion import Motion

RATE_HZ = 60 / 1.001
FRAMES = 90
CHECK = Path(__file__).parent / "blender_check.py"
PYTHON = os.environ.get("CLAPCAP_BLENDER_PYTHON") or sys.executable


def dance(rate_hz: float) -> Motion:
    """Return a body that dances, exactly known."""
    kinematics = body()
    poses = make_poses(np.random.default_rng(5), FRAMES, rate_hz)
    return Motion(
        kinematics.skeleton.joint_names,
        kinematics.skeleton.parents,
        kinematics.skeleton.rest_offset_m,
        kinematics.local_quaternions(poses),
        poses.root_m,
        3.0 + np.arange(FRAMES) / rate_hz,
    )


@pytest.fixture(scope="module")
def motion() -> Motion:
    return dance(RATE_HZ)


@pytest.fixture(scope="module")
def cameras() -> CameraGroup:
    """Two cameras, one of them upright."""
    first, second = ring_of_cameras(2)
    upright = np.array([[1390.0, 0, 530.0], [0, 1400.0, 970.0], [0, 0, 1]])
    return CameraGroup((first, replace(second, size_px=(1080, 1920), matrix=upright)))


def blender(arguments: list[str], text: str | None = None) -> str:
    """Run a process of the Python that has Blender's module, and return what it says on stderr."""
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2]))
    done = subprocess.run(
        [PYTHON, *arguments], input=text, capture_output=True, text=True, timeout=300, env=environment
    )
    if done.returncode and "cannot be loaded" in done.stderr + done.stdout:
        pytest.skip(f"bpy cannot be loaded: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stderr


@pytest.fixture(scope="module")
def exported(cameras: CameraGroup, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that exports one format and returns what Blender finds in it."""
    if sys.executable == PYTHON and importlib.util.find_spec("bpy") is None:
        pytest.skip("bpy is not installed: pip install clapcap[blender]")
    folder = tmp_path_factory.mktemp("export")
    save_anipose_toml(folder / "cameras.toml", cameras, {})
    made: dict[str, tuple[dict, dict]] = {}

    def export(kind: str, rate_hz: float = RATE_HZ) -> tuple[dict, dict]:
        if kind not in made:
            save_motion(folder / "motion.npz", dance(rate_hz))
            target = folder / f"dance.{kind}"
            job = ExportJob(
                "dance", str(folder / "motion.npz"), str(target), kind, cameras=str(folder / "cameras.toml")
            )
            blender(["-m", "blender.export.job"], job.to_json())
            blender([str(CHECK), str(target), str(folder / f"{kind}.npz"), str(round(rate_hz))])
            with np.load(folder / f"{kind}.npz") as found:
                arrays = {key: found[key] for key in found}
            made[kind] = arrays, json.loads(str(arrays.pop("notes")))
        return made[kind]

    return export


def worst_mm(heads: np.ndarray, bones: list[str], motion: Motion) -> float:
    """Return how far the bones that are joints of ours are from there, at worst, in mm."""
    position = motion.world_positions()
    assert len(heads) == len(position)
    ours = [k for k, bone in enumerate(bones) if bone in motion.joint_names]
    theirs = [motion.joint_names.index(bones[k]) for k in ours]
    return 1000 * float(np.linalg.norm(heads[:, ours] - position[:, theirs], axis=-1).max())


@pytest.mark.bpy
def test_the_armature_is_within_a_tenth_of_a_millimetre_in_every_frame(exported, motion):
    found, notes = exported("blend")
    assert worst_mm(found["heads"], found["bones"].tolist(), motion) <= 0.1
    assert found["rate_hz"] == pytest.approx(RATE_HZ, rel=1e-6)
    assert (notes["action"], notes["armature"], notes["scene"]) == ("dance", "dance", "dance")


@pytest.mark.bpy
def test_bones_have_the_rolls_of_the_skeleton(exported):
    found, _ = exported("blend")
    skeleton = body().skeleton
    bones = found["bones"].tolist()
    for joint, name in enumerate(skeleton.joint_names):
        if name in bones and name != "hips":  # hips: the bone's tail is chosen among three children
            assert found["axes"][bones.index(name)] == pytest.approx(skeleton.bone_axes[joint], abs=1e-4), name


@pytest.mark.bpy
def test_the_cameras_see_the_figure_where_ours_do(exported, motion, cameras):
    found, notes = exported("blend")
    bones = found["bones"].tolist()
    assert [entry[:3] for entry in notes["cameras"]] == [[c.name, *c.size_px] for c in cameras]
    for camera in cameras:
        pinhole = replace(camera, distortion=np.zeros(5))
        xy = found[f"xy {camera.name}"]
        expected = pinhole.project(found["heads"][: len(xy)].reshape(-1, 3)).reshape(xy.shape)
        assert np.abs(xy - expected).max() < 0.5, camera.name
    assert len(bones) > 20


@pytest.mark.bpy
def test_switched_on_the_handles_keep_the_limbs_where_they_were(exported, motion):
    found, notes = exported("blend")
    assert sorted(notes["handles"]) == ["left_foot_ik", "left_hand_ik", "right_foot_ik", "right_hand_ik"]
    bones = found["bones"].tolist()
    ends = [bones.index(f"{side}_{end}") for side in ("left", "right") for end in ("hand", "foot")]
    moved_mm = 1000 * np.linalg.norm(found["led"] - found["heads"], axis=-1)
    assert moved_mm[:, ends].max() < 1.0
    middles = [bones.index(f"{side}_{middle}") for side in ("left", "right") for middle in ("forearm", "shin")]
    # Where an elbow or knee is bent the wrong way, as limits allow by 5 degrees, the handle bends it the right way.
    assert moved_mm[:, middles].max() < 40.0
    assert np.median(moved_mm[:, middles]) < 5.0
    assert moved_mm[:, middles].max() > 0.0  # or the handles lead nothing
    assert set(notes["shapes"]) == set(bones)


@pytest.mark.bpy
@pytest.mark.parametrize("kind", ["fbx", "glb", "usd"])
def test_other_formats_come_back_with_the_same_bones_motion_and_rate(exported, kind):
    # Blender's own importers of FBX and USD round frame rates such as 59.94 to whole numbers.
    motion = dance(60.0)
    found, notes = exported(kind, 60.0)
    bones = found["bones"].tolist()
    assert set(bones) == {name for name in motion.joint_names if not name.endswith("_end")}
    assert worst_mm(found["heads"], bones, motion) <= 0.5
    assert found["rate_hz"] == 60.0
    assert "dance" in notes["action"]


def test_quaternions_take_the_short_way():
    quaternions = np.array([[0, 0, 0, 1.0], [0, 0, -0.1, -0.995], [0, 0, 0.2, 0.98]])
    assert (continuous(quaternions)[:, 3] > 0).all()


def test_joints_called_end_are_tails_and_no_bones(motion):
    bones = bones_of(motion, {})
    assert "left_toe_end" not in bones.joint
    rest = bones.tail_m["left_toe"] - bones.head_m["left_toe"]
    assert rest == pytest.approx(motion.rest_offset_m[motion.joint_names.index("left_toe_end")])
    assert min(float(min(head[2], bones.tail_m[bone][2])) for bone, head in bones.head_m.items()) == pytest.approx(0.0)
