"""Bones and their inverse kinematics."""

import numpy as np
import pytest

from blender.armature import BONES, JOINT_NAMES, REST, bend
from skeleton.joint_sets import load_joint_set


def bent(target, pole=(0.0, -1.0, 0.0)):
    """A leg of 3 and 4 metres that hangs from the origin, knee a little ahead (towards -y)."""
    knee = np.array([0.0, -0.1, -3.0])
    rest = (np.zeros(3), knee, knee + np.array([0.0, 0.1, -4.0]))
    return bend(rest, np.zeros((1, 3)), np.array([target]), np.array([pole]))


def test_a_right_angle_makes_the_3_4_5_triangle():
    # 3.0017 m and 4.0012 m long: reach 5.0019 m straight down and the knee is bent by 90 degrees.
    upper, lower = np.hypot(3, 0.1), np.hypot(4, 0.1)
    limb = bent((0.0, 0.0, -np.hypot(upper, lower)))
    knee = limb.middle_m[0]
    np.testing.assert_allclose(knee @ (limb.end_m[0] - knee), 0.0, atol=1e-9)
    np.testing.assert_allclose(knee[2], -(upper**2) / np.hypot(upper, lower))  # the altitude's foot, Euclid
    assert knee[1] < 0
    np.testing.assert_allclose(knee[0], 0.0, atol=1e-12)


def test_rotations_carry_the_resting_bones_onto_the_bent_ones():
    target = np.array([1.0, -2.0, -4.0])
    limb = bent(target, pole=(0.3, -1.0, 0.2))
    knee0 = np.array([0.0, -0.1, -3.0])
    np.testing.assert_allclose(limb.upper.apply(knee0)[0], limb.middle_m[0], atol=1e-9)
    np.testing.assert_allclose(limb.middle_m[0] + limb.lower.apply([0.0, 0.1, -4.0])[0], target, atol=1e-9)


def test_at_rest_nothing_turns():
    rest = tuple(REST[f"left_{joint}"] for joint in ("hip", "knee", "ankle"))
    pole = rest[1] - rest[0]  # any vector in the limb's plane, to the hinge's side
    side = pole - (pole @ (rest[2] - rest[0])) / ((rest[2] - rest[0]) @ (rest[2] - rest[0])) * (rest[2] - rest[0])
    limb = bend(rest, rest[0][None], rest[2][None], side[None])
    np.testing.assert_allclose(limb.upper.magnitude(), 0, atol=1e-6)
    np.testing.assert_allclose(limb.lower.magnitude(), 0, atol=1e-6)


@pytest.mark.parametrize("factor", [0.001, 1.5])
def test_a_target_out_of_reach_is_approached_along_its_line(factor):
    direction = np.array([0.6, 0.0, -0.8])
    limb = bent(direction * 7.0 * factor)
    end = limb.end_m[0]
    np.testing.assert_allclose(end / np.linalg.norm(end), direction, atol=1e-9)
    assert 0.99 < np.linalg.norm(end) < 7.01


def test_the_named_joints_are_blazeposes():
    assert set(JOINT_NAMES) <= set(load_joint_set("blazepose33").points)


def test_left_is_plus_x_and_every_bone_hangs_on_one_before_it():
    assert REST["left_shoulder"][0] > 0 > REST["right_shoulder"][0]
    seen = set()
    for bone in BONES:
        assert bone.parent is None or bone.parent in seen
        seen.add(bone.name)
