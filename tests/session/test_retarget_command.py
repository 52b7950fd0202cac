"""`clapcap retarget`: BVH in, BVH out, in the rig's own unit; nothing is written over."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_take import body, make_poses
from clapcap.errors import FileFormatError, SessionError
from retarget.bvh import read_bvh, write_bvh
from session.retarget import retarget_file
from session.terminal import Terminal
from skeleton.motion import Motion

NAMES = {"hips": "mixamorig:Hips", "spine": "mixamorig:Spine", "chest": "mixamorig:Spine2", "neck": "mixamorig:Neck"}
SIDES = {
    "thigh": "UpLeg", "shin": "Leg", "foot": "Foot", "toe": "ToeBase",
    "clavicle": "Shoulder", "upper_arm": "Arm", "forearm": "ForeArm", "hand": "Hand",
}  # fmt: skip


@pytest.fixture
def motion() -> Motion:
    kinematics = body()
    poses = make_poses(np.random.default_rng(2), 40, 30.0)
    return Motion(
        kinematics.skeleton.joint_names,
        kinematics.skeleton.parents,
        kinematics.skeleton.rest_offset_m,
        kinematics.local_quaternions(poses),
        poses.root_m,
        np.arange(40) / 30,
    )


@pytest.fixture
def rig(motion: Motion, tmp_path: Path) -> Path:
    """A rig of Mixamo's names, twice as large, in centimetres."""

    def named(joint: str) -> str:
        for side in ("left", "right"):
            if joint.startswith(f"{side}_") and joint.removeprefix(f"{side}_") in SIDES:
                return f"mixamorig:{side.title()}{SIDES[joint.removeprefix(f'{side}_')]}"
        return NAMES.get(joint, joint)

    names = []
    for joint in motion.joint_names:
        names.append(f"{named(joint.removesuffix('_end'))}_end" if joint.endswith("_end") else named(joint))
    made = Motion(
        tuple(names),
        motion.parents,
        2 * motion.rest_offset_m,
        np.tile([0, 0, 0, 1.0], (2, len(names), 1)),
        np.zeros((2, 3)),
        np.array([0, 1.0]),
    )
    write_bvh(tmp_path / "character.bvh", made, scale=100)
    return tmp_path / "character.bvh"


def test_a_bvh_comes_out_on_the_rig_in_the_rigs_own_unit(motion: Motion, rig: Path, tmp_path: Path):
    write_bvh(tmp_path / "in.bvh", motion)
    out = retarget_file(tmp_path / "in.bvh", rig, None, None, None, Terminal())
    assert out == tmp_path / "in-character.bvh"
    made = read_bvh(out, scale=100)
    assert "mixamorig:LeftForeArm" in made.joint_names
    assert len(made.time_s) == 40
    hand = made.world_positions()[:, made.joint_names.index("mixamorig:LeftHand")]
    elbow = made.world_positions()[:, made.joint_names.index("mixamorig:LeftForeArm")]
    ours = motion.world_positions()
    want = ours[:, motion.joint_names.index("left_hand")] - ours[:, motion.joint_names.index("left_forearm")]
    assert np.abs((hand - elbow) - 2 * want).max() < 0.002


def test_nothing_is_written_over(motion: Motion, rig: Path, tmp_path: Path):
    write_bvh(tmp_path / "in.bvh", motion)
    (tmp_path / "mine.bvh").write_text("precious", encoding="utf-8")
    with pytest.raises(SessionError, match="not written over"):
        retarget_file(tmp_path / "in.bvh", rig, tmp_path / "mine.bvh", None, None, Terminal())
    assert (tmp_path / "mine.bvh").read_text(encoding="utf-8") == "precious"


def test_an_unknown_preset_is_refused_with_those_there_are(motion: Motion, rig: Path, tmp_path: Path):
    write_bvh(tmp_path / "in.bvh", motion)
    with pytest.raises(FileFormatError, match="mixamo"):
        retarget_file(tmp_path / "in.bvh", rig, None, "nobody", None, Terminal())
