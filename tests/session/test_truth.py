"""Comparing with the truth: a world that was only moved has no error, and a known error is found."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from session.truth import Truth, camera_errors, clock_errors_ms, joint_errors
from sync.time_map import CameraClock, TimeMap

CENTERS_M = np.array([[3.0, 0, 1], [0, 3, 1.5], [-3, 0, 1], [0, -3, 2]])
MOVED = Rotation.from_euler("xyz", [10, 20, 30], degrees=True)
SHIFT_M = np.array([1.0, -2.0, 0.5])


def pose(R: Rotation, center_m: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = R.as_matrix()
    T[:3, 3] = -R.apply(center_m)
    return T


ORIENTATIONS = [Rotation.from_euler("z", 90 * k, degrees=True) for k in range(4)]
NAMES = ("cam1", "cam2", "cam3", "cam4")


@pytest.fixture
def truth() -> Truth:
    time_s = np.arange(0, 2, 0.01)
    path = np.stack([np.sin(time_s), np.cos(time_s), time_s], axis=1)
    return Truth(
        NAMES,
        np.stack([pose(R, center) for R, center in zip(ORIENTATIONS, CENTERS_M, strict=True)]),
        {"dance": np.array([0.0, 0.5, -0.3, 1.0])},
        {"dance": np.array([1.0, 1.0, 1.0, 1.001])},
        ("nose", "left_hip"),
        np.stack([path, path + 1], axis=1),
        time_s,
    )


def moved_cameras(extra_m: float = 0.0, extra_deg: float = 0.0) -> CameraGroup:
    """The true cameras in a world that was turned and shifted; the last one is also off by a known error."""
    K = np.array([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]])
    cameras = []
    for place, (name, R, center) in enumerate(zip(NAMES, ORIENTATIONS, CENTERS_M, strict=True)):
        if place == 3:
            R = Rotation.from_euler("x", extra_deg, degrees=True) * R
            center = center + np.array([0, 0, extra_m])
        # x_ours = MOVED x_true + SHIFT, so the camera's rotation from our world is R MOVED^-1.
        cameras.append(Camera(name, (640, 360), K, np.zeros(5), pose(R * MOVED.inv(), MOVED.apply(center) + SHIFT_M)))
    return CameraGroup(tuple(cameras))


def test_a_world_that_was_only_moved_has_no_error(truth: Truth) -> None:
    for error in camera_errors(moved_cameras(), truth):
        assert error.position_mm < 1e-6
        assert error.rotation_deg < 1e-6


def test_a_turned_camera_is_off_by_its_angle(truth: Truth) -> None:
    angles = [error.rotation_deg for error in camera_errors(moved_cameras(extra_deg=0.3), truth)]
    assert angles == pytest.approx([0, 0, 0, 0.3], abs=1e-6)


def test_a_shifted_camera_is_off_and_the_others_nearly_not(truth: Truth) -> None:
    errors_mm = [error.position_mm for error in camera_errors(moved_cameras(extra_m=0.008), truth)]
    assert errors_mm[3] > max(errors_mm[:3])
    assert 1 < errors_mm[3] < 8  # the alignment shares the error out; scale is not fitted, so it cannot vanish


def test_clocks_are_compared_at_one_moment_without_the_common_part(truth: Truth) -> None:
    offsets = {"cam1": 7.0, "cam2": 7.502, "cam3": 6.7, "cam4": 8.0}
    clocks = {name: CameraClock(offset, 1.0, 0.001, 0.0, "clap", 1.0) for name, offset in offsets.items()}
    errors_ms = clock_errors_ms(TimeMap(clocks), truth, "dance", 4.0)
    # cam4's true clock gains 1 ms a second: 4 ms at 4 s.
    assert errors_ms == pytest.approx({"cam1": 0, "cam2": 2, "cam3": 0, "cam4": -4}, abs=1e-9)


def test_joints_with_a_constant_offset_and_noise(truth: Truth) -> None:
    rng = np.random.default_rng(0)
    time_s = np.arange(0.005, 1.9, 0.01)
    path = np.stack([np.sin(time_s), np.cos(time_s), time_s], axis=1)
    offset_m, sigma_m = np.array([0.03, 0.0, 0.04]), 0.002
    ours = MOVED.apply(path + offset_m + sigma_m * rng.standard_normal(path.shape)) + SHIFT_M
    errors = joint_errors(["nose"], ours[:, None], time_s, moved_cameras(), truth, ["nose"])
    assert errors.mean_mm == pytest.approx(50, abs=0.5)
    # The mean length of a normal 3-vector is sigma sqrt(8 / pi); its mean over 190 frames scatters by 3 % of that.
    assert errors.mean_after_offset_mm == pytest.approx(1000 * sigma_m * np.sqrt(8 / np.pi), rel=0.12)
    assert errors.share == 1


def test_missing_joints_are_counted(truth: Truth) -> None:
    ours = np.full((10, 1, 3), np.nan)
    ours[:5] = MOVED.apply(truth.joints_xyz_m[:5, 0])[:, None] + SHIFT_M
    errors = joint_errors(["nose"], ours, truth.joints_time_s[:10], moved_cameras(), truth, ["nose"])
    assert errors.share == 0.5
    assert errors.mean_mm < 1e-6
