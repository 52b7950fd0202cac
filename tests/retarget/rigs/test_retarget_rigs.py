"""A walk on rigs of other names, proportions and rest poses: limbs point alike, planted feet stay, nothing flips."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from clapcap.errors import FileFormatError, FitError
from retarget.bvh import read_bvh, write_bvh
from retarget.rigs.files import load_rig
from retarget.rigs.planting import find_contacts, spans
from retarget.rigs.presets import by_shape, load_preset, preset_names, propose
from retarget.rigs.retarget import retarget_motion
from retarget.rigs.rig import NEXT, Rig
from skeleton.motion import Motion

LONG_SHINS = {"all": 1.1, "left_shin": 1.25, "right_shin": 1.25}
SHORT = {"all": 0.8, "left_thigh": 1.0, "right_thigh": 1.0}
RIGS = {
    "mixamo, A-pose, long thighs, more joints": ("mixamo", LONG_SHINS, 45.0, "mixamorig:", True),
    "vrm, small, wide hips": ("vrm", SHORT, 0.0, "", False),
    "rigify, tall, arms half down": ("rigify", {"all": 1.2}, 30.0, "DEF-", True),
    "unreal, A-pose": ("unreal", {"all": 0.95, "left_foot": 1.2, "right_foot": 1.2}, 50.0, "", True),
}


def angles_deg(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angles between vectors (..., 3)."""
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(cross, (first * second).sum(axis=-1)))


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, make_rig) -> tuple[Motion, dict[str, str]]:
    preset, scale, down, prefix, extra = RIGS[request.param]
    made = make_rig(preset, scale, down, prefix, extra=extra)
    how, names = propose(made)
    assert how == preset
    return made, names


def test_limbs_point_as_the_sources_do_within_half_a_degree(walk, rig):
    motion, _ = walk
    target, names = rig
    moved, _ = retarget_motion(motion, target, propose(motion)[1], names)
    ours, theirs = motion.world_positions(), moved.world_positions()
    checked = 0
    for part, end in NEXT.items():
        if part not in names or end not in names or part.endswith("clavicle") or part in ("hips", "spine", "chest"):
            continue  # a collar or a spine of other proportions is another shape; limbs are what is compared
        a = ours[:, motion.joint_names.index(end)] - ours[:, motion.joint_names.index(part)]
        b = theirs[:, moved.joint_names.index(names[end])] - theirs[:, moved.joint_names.index(names[part])]
        assert angles_deg(a, b).max() <= 0.5, part
        checked += 1
    assert checked >= 9


def test_knees_and_elbows_bend_in_the_sources_planes(walk, rig):
    motion, _ = walk
    target, names = rig
    moved, _ = retarget_motion(motion, target, propose(motion)[1], names)
    ours, theirs = motion.world_positions(), moved.world_positions()
    for side in ("left", "right"):
        for chain in (("thigh", "shin", "foot"), ("upper_arm", "forearm", "hand")):
            planes = []
            for position, place in (
                (ours, [motion.joint_names.index(f"{side}_{part}") for part in chain]),
                (theirs, [moved.joint_names.index(names[f"{side}_{part}"]) for part in chain]),
            ):
                root, middle, end = (position[:, joint] for joint in place)
                normal = np.cross(middle - root, end - middle)
                planes.append(normal)
            size = np.linalg.norm(planes[0], axis=1)
            bent = size > 0.1 * size.max()  # a straight limb has no plane
            assert angles_deg(planes[0][bent], planes[1][bent]).max() <= 2.0, (side, chain)


def test_planted_feet_stay_within_3_mm_and_on_the_floor(walk, rig):
    motion, _ = walk
    target, names = rig
    moved, report = retarget_motion(motion, target, propose(motion)[1], names)
    assert report.stands == 6
    assert report.drift_mm <= 3.0
    position = moved.world_positions()
    for role, standing in find_contacts(motion, Rig.of(motion, propose(motion)[1])).standing.items():
        path = position[:, moved.joint_names.index(names[role])]
        for start, stop in spans(standing):
            assert 1000 * np.ptp(path[start:stop], axis=0).max() <= 3.0, role
    rest = Rig.of(target, names).rest_m
    toe = position[:, moved.joint_names.index(names["left_toe"])]
    height = rest[moved.joint_names.index(names["left_toe"]), 2]
    assert toe[:, 2].min() == pytest.approx(height, abs=0.02)


def test_nothing_flips_from_frame_to_frame(walk, rig):
    motion, _ = walk
    target, names = rig
    moved, _ = retarget_motion(motion, target, propose(motion)[1], names)
    for joint, rotation in zip(moved.joint_names, moved.world_rotations(), strict=True):
        step = (rotation[:-1].inv() * rotation[1:]).magnitude()
        assert np.degrees(step.max()) < 12.0, joint


def test_onto_its_own_skeleton_a_motion_stays_what_it_is(walk):
    motion, _ = walk
    moved, report = retarget_motion(motion, motion, propose(motion)[1], propose(motion)[1])
    assert report.scale == pytest.approx(1.0)
    # Its feet slide a little where its legs are stretched; planting them moves it by no more.
    assert 1000 * np.abs(moved.world_positions() - motion.world_positions()).max() < 10.0


def clapping(walk: tuple[Motion, dict[str, np.ndarray]]) -> Motion:
    """Return a still stand in which the arms go from the sides to palm on palm in front of the chest, and back."""
    motion, _ = walk
    frames = 60
    share = np.sin(np.linspace(0, np.pi, frames)) ** 2
    rotation = np.tile([0.0, 0, 0, 1], (frames, len(motion.joint_names), 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = Rotation.from_euler("z", -sign * 66 * share[:, None], degrees=True)
        bend = Rotation.from_euler("z", -sign * 90 * share[:, None], degrees=True)
        rotation[:, motion.joint_names.index(f"{side}_upper_arm")] = arm.as_quat()
        rotation[:, motion.joint_names.index(f"{side}_forearm")] = bend.as_quat()
    root = np.tile([0.0, 0.0, 0.95], (frames, 1))
    return Motion(motion.joint_names, motion.parents, motion.rest_offset_m, rotation, root, np.arange(frames) / 60)


def test_hands_that_meet_do_so_on_shoulders_twice_as_wide(walk, make_rig):
    motion = clapping(walk)
    rig = make_rig("vrm", {"left_upper_arm": 1.4, "right_upper_arm": 1.4, "all": 1.0})
    _, names = propose(rig)
    moved, _ = retarget_motion(motion, rig, propose(motion)[1], names)
    ours, theirs = motion.world_positions(), moved.world_positions()

    def apart(position: np.ndarray, joint_names: tuple[str, ...], left: str, right: str) -> np.ndarray:
        return np.linalg.norm(position[:, joint_names.index(left)] - position[:, joint_names.index(right)], axis=1)

    source = apart(ours, motion.joint_names, "left_hand", "right_hand")
    made = apart(theirs, moved.joint_names, names["left_hand"], names["right_hand"])
    assert source.min() < 0.2
    assert made[source.argmin()] == pytest.approx(source.min(), abs=0.002)
    # With the arms at the sides, the wider shoulders show.
    assert made[0] > source[0] + 0.1
    # It comes and goes smoothly: no frame is jerked by more than the movement itself is, times the way it has to go.
    jerk = [
        np.linalg.norm(np.diff(position[:, joints.index(hand)], n=2, axis=0), axis=1).max()
        for position, joints, hand in ((ours, motion.joint_names, "left_hand"), (theirs, moved.joint_names, "leftHand"))
    ]
    assert jerk[1] < 3 * jerk[0]


@pytest.mark.parametrize("name", RIGS)
def test_an_unknown_rig_is_told_by_its_shape(make_rig, name):
    preset, scale, down, _, extra = RIGS[name]
    rig = make_rig(preset, scale, down, "", extra=extra)
    truth = load_preset(preset).match(rig.joint_names)
    nameless = Motion(
        tuple(f"bone{k}" for k in range(len(rig.joint_names))),
        rig.parents,
        rig.rest_offset_m,
        rig.rotation_xyzw,
        rig.root_m,
        rig.time_s,
    )
    how, found = propose(nameless)
    assert how == "shape"
    by_name = {role: rig.joint_names[int(bone.removeprefix("bone"))] for role, bone in found.items()}
    assert {role: by_name.get(role) for role in truth} == truth


def test_presets_name_both_sides_and_distinct_joints():
    assert {"mixamo", "vrm", "unreal", "rigify", "human36m17", "humanoid"} <= set(preset_names())
    for name in preset_names():
        bones = load_preset(name).bones
        first = [names[0] for names in bones.values()]
        assert len(set(first)) == len(first), name
        for role in bones:
            if role.startswith("left_"):
                assert bones[role] != bones[role.replace("left", "right")], (name, role)


def test_a_rig_without_legs_is_refused_by_name(walk):
    motion, _ = walk
    names = {role: joint for role, joint in propose(motion)[1].items() if "thigh" not in role}
    with pytest.raises(FitError, match="left_thigh, right_thigh"):
        retarget_motion(motion, motion, propose(motion)[1], names)
    assert (
        by_shape(
            Motion(("a", "b"), [-1, 0], np.ones((2, 3)), np.tile([0, 0, 0, 1.0], (1, 2, 1)), np.ones((1, 3)), [0.0])
        )
        == {}
    )


def test_a_preset_of_ones_own_is_read_and_a_wrong_one_named(tmp_path: Path):
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\n[bones]\nhips = "Pelvis"\nleft_thigh = "LThigh"\n', encoding="utf-8")
    assert load_preset(mine).bones["right_thigh"] == ("RThigh",)
    mine.write_text('[bones]\nwing = "Wing"\n', encoding="utf-8")
    with pytest.raises(FileFormatError, match="wing"):
        load_preset(mine)
    with pytest.raises(FileFormatError, match="mixamo"):
        load_preset("nobody")


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "m"), (100.0, "cm"), (1000.0, "mm")])
def test_the_unit_of_a_rig_is_told_by_its_size(make_rig, tmp_path: Path, scale, unit):
    rig = make_rig("mixamo", {"all": 1.0})
    write_bvh(tmp_path / "rig.bvh", rig, scale=scale)
    found = load_rig(tmp_path / "rig.bvh")
    assert found.unit == unit
    assert np.allclose(found.motion.rest_offset_m, read_bvh(tmp_path / "rig.bvh", scale=scale).rest_offset_m)
