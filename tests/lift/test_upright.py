"""Up, floor and path of lifted bodies, against made-up people whose every step and camera is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.made_walkers import Walker, camera_at, jump, lie_down, lifted, walk
from lift.points import root
from lift.upright.floor import touching
from lift.upright.gravity import find_gravity
from lift.upright.path import Floor, steady_path
from lift.upright.standing import stand_upright

TIME_S = np.arange(360) / 60
STILL = walk(np.zeros((360, 2)), TIME_S)
CIRCLE = walk(np.stack([np.cos(1.1 * TIME_S), np.sin(1.1 * TIME_S)], axis=1), TIME_S)
TOWARDS = walk(np.stack([0 * TIME_S, 2 - 4 * TIME_S / TIME_S[-1]], axis=1), TIME_S)

LEVEL = camera_at(np.array([0, -4.5, 1.4]), np.array([0, 0, 1.0]))
TILTED = camera_at(np.array([0, -4.5, 3.2]), np.array([0, 0, 1.0]), 25.0)
FRONT = camera_at(np.array([0, -4, 2.2]), np.array([0, 0, 0.8]), 12.0)


def off_deg(standing, camera) -> float:
    return float(np.degrees(np.arccos(min(1.0, standing.gravity.up @ camera.T_cam_world[:3, 2]))))


def soles_m(standing, walker) -> np.ndarray:
    """Heights of heels and toes above the floor where feet stand, less those of the made-up body."""
    names = standing.keypoints.names
    feet = [[names.index(f"{side}_{point}") for point in ("heel", "foot_index")] for side in ("left", "right")]
    off = standing.keypoints.xyz_m[:, feet, 2] - walker.xyz_m[:, feet, 2]
    return off.mean(axis=2)[walker.contact == 1]


@pytest.mark.parametrize(
    ("walker", "camera"),
    [
        pytest.param(CIRCLE, LEVEL, id="circle"),
        pytest.param(CIRCLE, TILTED, id="camera tilted and rolled by 25 degrees"),
        pytest.param(TOWARDS, LEVEL, id="towards the camera"),
        pytest.param(jump(STILL, (1.0, 2.5, 4.0)), FRONT, id="jumps"),
        pytest.param(lie_down(STILL, 1.2, 5.5, np.pi / 2), FRONT, id="lies most of the time, away from the camera"),
        pytest.param(lie_down(STILL, 1.2, 5.5, 0.0), FRONT, id="lies most of the time, across"),
    ],
)
def test_world_has_z_up_and_a_floor_at_zero(walker: Walker, camera):
    standing = stand_upright(*lifted(walker, camera, np.random.default_rng(3)), camera)
    assert off_deg(standing, camera) < 3.0
    assert off_deg(standing, camera) < 2.5 * standing.gravity.sigma_deg
    assert standing.floor_from == "feet"
    assert standing.floor_m == 0.0
    assert abs(np.median(soles_m(standing, walker))) < 0.03
    first = root(standing.keypoints.xyz_m)[0]
    assert np.abs(first[:2]).max() < 1e-9
    ahead = standing.camera.T_cam_world[2, :3]  # the view's direction in the world
    assert abs(ahead[0]) < 1e-9
    assert ahead[1] > 0


def test_pictures_stay_as_they_are():
    body, keypoints = lifted(CIRCLE, TILTED, np.random.default_rng(0), joint_m=0.0, depth=0.0)
    standing = stand_upright(body, keypoints, TILTED)
    # 3 px of noise a coordinate, and a path that is smoothed by some millimetres.
    assert np.median(standing.keypoints.reprojection_px) < 6.0
    assert standing.pitch_deg == pytest.approx(np.degrees(np.arcsin(TILTED.T_cam_world[2, 2])), abs=2.0)
    assert standing.roll_deg == pytest.approx(
        np.degrees(np.arctan2(TILTED.T_cam_world[0, 2], -TILTED.T_cam_world[1, 2])), abs=2.0
    )


def test_feet_that_stand_hold_the_path():
    body, _ = lifted(CIRCLE, LEVEL, np.random.default_rng(5))
    hips = root(LEVEL.to_camera(CIRCLE.xyz_m))
    path = steady_path(body.root_m, touching(body.joints_m, None), body.contact, TIME_S)
    shaking = [np.linalg.norm(np.diff(x - hips, n=2, axis=0), axis=1).mean() for x in (body.root_m, path)]
    off = [np.linalg.norm(x - hips, axis=1).mean() for x in (body.root_m, path)]
    assert shaking[1] < 0.7 * shaking[0]
    assert off[1] < 0.8 * off[0]


def test_a_moving_belt_does_not_carry_the_path_away():
    body, _ = lifted(STILL, LEVEL, np.random.default_rng(5))
    feet = touching(body.joints_m, None).copy()
    feet[:, 0] += (1.2 * (TIME_S % 0.6))[:, None] * LEVEL.T_cam_world[:3, 1]  # away from the camera, and back
    contact = np.stack([np.ones(360), np.zeros(360)], axis=1) * (TIME_S % 0.6 < 0.5)[:, None]
    path = steady_path(body.root_m, feet, contact, TIME_S)
    hips = root(LEVEL.to_camera(STILL.xyz_m))
    assert np.linalg.norm(path - hips, axis=1).max() < 0.25


def test_no_foot_is_left_below_the_floor():
    body, _ = lifted(CIRCLE, LEVEL, np.random.default_rng(6), depth=0.04)
    up = LEVEL.T_cam_world[:3, 2]
    feet = touching(body.joints_m, up)
    level = -LEVEL.center_m[2] + 0.025
    path = steady_path(body.root_m, feet, body.contact, TIME_S, Floor(up, level))
    deepest = [float(((x[:, None] + feet) @ up).min() - level) for x in (body.root_m, path)]
    assert deepest[0] < -0.05
    assert deepest[1] > -0.03


def test_a_calibrated_camera_keeps_its_world():
    body, keypoints = lifted(CIRCLE, TILTED, np.random.default_rng(1))
    known = stand_upright(body, keypoints, TILTED, in_world=True, floor_m=0.0)
    assert known.gravity is None
    assert known.floor_from == "calibration"
    assert known.floor_m == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_array_equal(known.camera.T_cam_world, TILTED.T_cam_world)
    assert np.median(np.linalg.norm(known.keypoints.xyz_m - CIRCLE.xyz_m, axis=-1)) < 0.1
    told = stand_upright(body, keypoints, TILTED, in_world=True)
    assert told.floor_from == "feet"
    assert abs(told.floor_m) < 0.05


def test_feet_that_are_never_seen_are_believed_as_lifted():
    body, keypoints = lifted(CIRCLE, LEVEL, np.random.default_rng(2))
    low = [k for k, name in enumerate(keypoints.names) if name.split("_", 1)[-1] in ("ankle", "heel", "foot_index")]
    xy, confidence = keypoints.xy_px.copy(), keypoints.confidence.copy()
    xy[:, low], confidence[:, low] = np.nan, 0.0
    standing = stand_upright(
        replace(body, contact=np.full((360, 2), 0.4)), replace(keypoints, xy_px=xy, confidence=confidence), LEVEL
    )
    assert standing.floor_from == "lowest"
    assert standing.gravity.told_by["feet"] == 0.0
    assert off_deg(standing, LEVEL) < 8.0
    assert abs(np.median(soles_m(standing, CIRCLE))) < 0.08


def test_who_only_lies_tells_nothing_and_the_camera_counts_as_level():
    camera = camera_at(np.array([0, -4, 1.2]), np.array([0, 0, 0.6]), 5.0)
    lying = lie_down(STILL, -2, 9, np.pi / 2)
    gravity = stand_upright(*lifted(lying, camera, np.random.default_rng(0)), camera).gravity
    assert gravity.told_by == {"feet": 0.0, "balance": 0.0, "camera": 1.0}
    assert gravity.sigma_deg > 8.0
    assert gravity.up[1] < -0.95


def test_one_frame_is_enough():
    body, keypoints = lifted(STILL, LEVEL, np.random.default_rng(0))
    one = replace(
        body,
        joints_m=body.joints_m[:1],
        root_m=body.root_m[:1],
        sigma_m=body.sigma_m[:1],
        contact=body.contact[:1],
        time_s=body.time_s[:1],
    )
    first = replace(keypoints, xy_px=keypoints.xy_px[:1], confidence=keypoints.confidence[:1], time_s=body.time_s[:1])
    standing = stand_upright(one, first, LEVEL)
    assert np.isfinite(standing.keypoints.xyz_m).all()
    assert off_deg(standing, LEVEL) < 10.0


def test_an_unsure_lifter_is_trusted_less():
    body, keypoints = lifted(STILL, FRONT, np.random.default_rng(0))
    xyz = body.joints_m + body.root_m[:, None]
    ray = FRONT.undistort(keypoints.xy_px)
    sigma = [find_gravity(xyz, ray, body.contact, share * body.sigma_m, TIME_S).sigma_deg for share in (0.5, 1.0, 4.0)]
    assert sigma[0] < sigma[1] < sigma[2]
