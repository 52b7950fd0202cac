import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.world.feet import FEET, SOLE_M, TRUNK, floor_from_feet
from clapcap.errors import CalibrationError
from skeleton.keypoints import Keypoints3D

RATE_HZ = 30
STANCE, STEP = 18, 12  # frames in which a foot stands, and in which it swings


def cameras(T_world_true=None, height_m=1.5):
    """Four level cameras around the space, in a world that may be turned and moved."""
    T_world_true = np.eye(4) if T_world_true is None else T_world_true
    group = []
    for place, turn in enumerate([0, 80, 170, 260]):
        R = Rotation.from_euler("z", turn, degrees=True)
        T_true_cam = np.eye(4)
        T_true_cam[:3, :3] = (R * Rotation.from_euler("x", -100, degrees=True)).as_matrix()
        T_true_cam[:3, 3] = R.apply([0, -4, height_m])
        K = np.array([[900, 0, 640], [0, 900, 360], [0, 0, 1.0]])
        T_cam_world = np.linalg.inv(T_world_true @ T_true_cam)
        group.append(Camera(f"cam{place + 1}", (1280, 720), K, np.zeros(5), T_cam_world))
    return CameraGroup(tuple(group))


def walker(steps=16, radius_m=1.0, noise_m=0.004, seed=0, T_world_true=None):
    """Somebody who walks in a circle (radius 0: on the spot) on the floor of the true world."""
    rng = np.random.default_rng(seed)
    frames = steps * (STANCE + STEP)
    names = (*FEET, *TRUNK)
    xyz = np.zeros((frames, len(names), 3))
    cycle = STANCE + STEP
    for side in (0, 1):
        phase = (np.arange(frames) + side * cycle // 2) / cycle
        step, within = np.divmod(phase, 1)
        swing = np.clip((within * cycle - STANCE) / STEP, 0, 1)
        angle = 2 * (step + swing * swing * (3 - 2 * swing)) * 0.35
        heading = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], axis=1)
        middle = (radius_m + 0.1 * (2 * side - 1)) * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        middle[:, 2] = SOLE_M + 0.12 * np.sin(np.pi * swing)
        xyz[:, 2 * side] = middle - 0.05 * heading
        xyz[:, 2 * side + 1] = middle + 0.13 * heading
    xyz[:, 4:] = xyz[:, :4].mean(axis=1, keepdims=True)
    xyz[:, 4:6, 2], xyz[:, 6:8, 2] = 1.4, 0.95
    noise = np.repeat(rng.normal(0, noise_m, (frames // 6 + 1, len(names))), 6, axis=0)
    xyz[..., 2] += noise[:frames]
    if T_world_true is not None:
        xyz = xyz @ T_world_true[:3, :3].T + T_world_true[:3, 3]
    return Keypoints3D(
        names, xyz, np.full(xyz.shape[:2], 0.005), np.arange(frames) / RATE_HZ,
        np.zeros((0, frames, len(names))), (), np.zeros(xyz.shape[:2], dtype=bool),
    )  # fmt: skip


def edited(keypoints, xyz):
    return Keypoints3D(
        keypoints.names, xyz, keypoints.sigma_m, keypoints.time_s, keypoints.reprojection_px, (), keypoints.filled
    )


def world(tilt_deg, height_m):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xy", tilt_deg, degrees=True).as_matrix()
    T[2, 3] = height_m
    return T


@pytest.mark.parametrize(("tilt_deg", "height_m"), [((0, 0), 0.0), ((2, -1.5), 0.3), ((0, 1), -0.59)])
def test_the_floor_is_under_the_feet_of_who_walks_in_a_circle(tilt_deg, height_m):
    """The world's error (heels 59 cm underground, say) is found from the feet alone."""
    T_world_true = world(tilt_deg, height_m)
    floor = floor_from_feet(walker(T_world_true=T_world_true), cameras(T_world_true))
    residual = floor.T_floor_world @ T_world_true
    # Contacts are 2 mm off after their median, 60 of them over 2 m: half a degree is the prior's share.
    assert np.degrees(np.arccos(residual[2, 2])) < 0.3
    assert residual[2, 3] == pytest.approx(0, abs=0.004)
    assert floor.tilt_std_deg < 0.5
    assert "under the feet" in floor.policy


def test_origin_and_x_axis_are_dropped_onto_the_floor():
    T_world_true = world((2, -1.5), 0.3)
    T = floor_from_feet(walker(T_world_true=T_world_true), cameras(T_world_true)).T_floor_world
    np.testing.assert_allclose(T[:2, 3], 0, atol=1e-12)
    assert T[0, 0] > 0.99
    assert T[1, 0] == pytest.approx(0, abs=1e-12)


def test_a_world_of_any_orientation_is_levelled():
    """As calibrations made elsewhere have it: the first camera's frame."""
    T_world_true = np.eye(4)
    T_world_true[:3, :3] = Rotation.from_euler("xyz", [110, 20, 50], degrees=True).as_matrix()
    T_world_true[:3, 3] = [1, 2, 3]
    floor = floor_from_feet(walker(T_world_true=T_world_true), cameras(T_world_true))
    residual = floor.T_floor_world @ T_world_true
    assert residual[2, 2] > np.cos(np.radians(0.3))
    assert residual[2, 3] == pytest.approx(0, abs=0.004)


def test_who_stands_on_one_spot_tells_the_height_but_not_the_tilt():
    T_world_true = world((2, 0), 0.3)  # by the cameras' word, which here is the truth
    floor = floor_from_feet(walker(radius_m=0.0, T_world_true=T_world_true), cameras(T_world_true))
    residual = floor.T_floor_world @ T_world_true
    assert residual[2, 3] == pytest.approx(0, abs=0.006)
    assert floor.tilt_std_deg > 1.5


def test_a_foot_on_a_chair_is_not_on_the_floor():
    keypoints = walker()
    xyz = keypoints.xyz_m.copy()
    xyz[150:400, :2] = xyz[150, :2]
    xyz[150:400, :2, 2] += 0.45
    floor = floor_from_feet(edited(keypoints, xyz), cameras())
    assert floor.T_floor_world[2, 3] == pytest.approx(0, abs=0.005)
    assert floor.contacts_m[:, 2].max() < 0.06


def test_cameras_below_the_feet_are_refused():
    with pytest.raises(CalibrationError, match=r"cam1 \(-80 cm\), cam2 \(-80 cm\)"):
        floor_from_feet(walker(T_world_true=world((0, 0), 2.3)), cameras())


def test_feet_that_never_rest_tell_no_floor():
    keypoints = walker()
    xyz = keypoints.xyz_m + np.arange(len(keypoints.time_s))[:, None, None] * np.array([0.02, 0, 0])
    with pytest.raises(CalibrationError, match="at rest 0 times, needed 4"):
        floor_from_feet(edited(keypoints, xyz), cameras())


def test_keypoints_without_heels_are_refused():
    keypoints = walker()
    few = Keypoints3D(
        keypoints.names[1:], keypoints.xyz_m[:, 1:], keypoints.sigma_m[:, 1:], keypoints.time_s,
        keypoints.reprojection_px[..., 1:], (), keypoints.filled[:, 1:],
    )  # fmt: skip
    with pytest.raises(CalibrationError, match="no left_heel"):
        floor_from_feet(few, cameras())
