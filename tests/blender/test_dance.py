"""The take's motion: human, continuous, feet on the floor, palms together at the clap."""

import numpy as np
import pytest

from blender import dance
from blender.armature import JOINT_NAMES, REST, SIDES
from blender.shoot import CAMERAS, DANCE

STEP_S = 1 / 240


@pytest.fixture(scope="module")
def time():
    first, last = DANCE.span_s
    return np.arange(first, last, STEP_S)


@pytest.fixture(scope="module")
def joints(time):
    xyz = dance.pose(time).joints()
    return {name: xyz[:, place] for place, name in enumerate(JOINT_NAMES)}


def test_minimum_jerk_is_half_way_at_half_time_and_rests_at_the_keys():
    keys = ((1.0, (0.0,)), (2.0, (10.0,)), (4.0, (-2.0,)))
    values = dance.minimum_jerk(keys, np.array([0.0, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 9.0]))[:, 0]
    quarter = 10 * (10 * 0.25**3 - 15 * 0.25**4 + 6 * 0.25**5)
    np.testing.assert_allclose(values, [0, 0, quarter, 5, 10, 4, -2, -2])
    around = dance.minimum_jerk(keys, np.array([2.0 - 1e-4, 2.0 + 1e-4]))
    np.testing.assert_allclose(around, 10.0, atol=1e-6)


@pytest.mark.parametrize(
    ("bone", "tip"), [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel")]
)
@pytest.mark.parametrize("side", SIDES)
def test_bones_keep_their_length(joints, side, bone, tip):
    length = np.linalg.norm(joints[f"{side}_{bone}"] - joints[f"{side}_{tip}"], axis=1)
    np.testing.assert_allclose(length, np.linalg.norm(REST[f"{side}_{bone}"] - REST[f"{side}_{tip}"]), atol=1e-9)


def test_nothing_jumps_and_nobody_moves_faster_than_people_do(joints):
    for name, xyz in joints.items():
        speed = np.linalg.norm(np.diff(xyz, axis=0), axis=1) / STEP_S
        assert speed.max() < (5.0 if "wrist" in name else 3.0), name
        assert np.abs(np.diff(speed)).max() < 0.45, name  # m/s within 4 ms: 110 m/s2, an open hand's at a clap


@pytest.mark.parametrize("side", SIDES)
def test_planted_feet_stay_and_no_foot_goes_through_the_floor(joints, time, side):
    lowest = np.minimum(joints[f"{side}_heel"][:, 2], joints[f"{side}_foot_index"][:, 2])
    assert lowest.min() > REST[f"{side}_heel"][2] - 1e-6
    down = dance.minimum_jerk(dance.FOOT_KEYS[side], time)[:, 1] == 0
    turning = (time > 4.3) & (time < 6.1)
    ankle = joints[f"{side}_ankle"]
    speed = np.linalg.norm(np.diff(ankle, axis=0), axis=1) / STEP_S
    planted = down[1:] & down[:-1] & ~turning[1:]
    assert speed[planted].max() < 1e-6  # the legs reach: nothing drags a foot
    assert planted.mean() > 0.5


def test_the_palms_meet_once_at_the_clap(joints, time):
    apart = np.linalg.norm(joints["left_wrist"] - joints["right_wrist"], axis=1)
    met = apart.argmin()
    assert abs(time[met] - DANCE.clap_s) < STEP_S
    assert 0.04 < apart[met] < 0.08  # two palms' thickness between the wrists' centres
    away = np.abs(time - DANCE.clap_s) > 0.25
    assert apart[away].min() > 0.1


def test_the_trunk_turns_to_either_side(joints):
    across = joints["left_shoulder"] - joints["right_shoulder"]
    yaw = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    assert 32 < yaw.max() < 55
    assert -55 < yaw.min() < -32


def test_the_head_stays_in_every_picture_and_the_joints_nearly_always(joints, time):
    for camera in CAMERAS:
        inside = {}
        for name, xyz in joints.items():
            px = camera.project(xyz)
            inside[name] = ((px >= 0) & (px <= np.array(camera.size_px) - 1)).all(axis=1)
        assert inside["nose"].all(), camera.name
        assert np.mean(list(inside.values())) > 0.995, camera.name
