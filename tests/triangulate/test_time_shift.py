"""What moving points say of clocks, on cases that can be checked by hand."""

import numpy as np
import pytest

from triangulate.time_shift import time_information, velocities

INTERVAL_S = 0.02


def moving_points(frames):
    """Two points that move to and fro, 0.3 m, once a second, and one at rest: (frames, 3, 3)."""
    time_s = np.arange(frames) * INTERVAL_S
    swing = 0.3 * np.sin(2 * np.pi * time_s)
    xyz = np.tile(np.array([[0.2, 0.0, 1.0], [-0.2, 0.1, 1.4], [0.0, 0.2, 0.6]]), (frames, 1, 1))
    xyz[:, 0, 0] += swing
    xyz[:, 1, 2] += swing
    return time_s, xyz


def shift_said(cameras, time_s, xyz, observed):
    """The shift of all cameras but the first by one step of least squares."""
    residual = np.stack([camera.project(xyz) for camera in cameras]) - observed
    sigma = np.ones(observed.shape[:3])
    away_s = time_s - time_s.mean()
    said = time_information(cameras, xyz, residual, sigma, velocities(xyz, INTERVAL_S), away_s, INTERVAL_S)
    free = np.arange(1, len(cameras))
    return np.linalg.solve(said.H[np.ix_(free, free)], said.g[free])


def test_a_point_that_moves_two_metres_a_second_has_that_velocity():
    time_s = np.arange(30) * INTERVAL_S
    xyz = np.zeros((30, 1, 3))
    xyz[:, 0, 1] = 2.0 * time_s
    velocity = velocities(xyz, INTERVAL_S)
    np.testing.assert_allclose(velocity[5:-5, 0], np.tile([0.0, 2.0, 0.0], (20, 1)), atol=1e-12)
    assert np.isnan(velocity[0]).all()


def test_a_gap_leaves_no_velocity_around_it():
    xyz = np.zeros((30, 1, 3))
    xyz[15] = np.nan
    unknown = np.isnan(velocities(xyz, INTERVAL_S)).all(axis=(1, 2))
    # 0.05 s are two frames of 0.02 s to either side, and two at the ends.
    assert np.flatnonzero(unknown).tolist() == [0, 1, 13, 14, 15, 16, 17, 28, 29]


def test_a_late_camera_is_told_by_how_much(ring):
    cameras = ring(3)
    time_s, xyz = moving_points(100)
    late_s = np.array([0.0, 0.004, -0.003])
    # What a camera shows that exposes d after its time stamp is where the points are d later.
    observed = np.stack(
        [camera.project(moving_points_at(time_s + late)) for camera, late in zip(cameras, late_s, strict=True)]
    )
    np.testing.assert_allclose(shift_said(cameras, time_s, xyz, observed), late_s[1:], atol=2e-4)


def moving_points_at(time_s):
    swing = 0.3 * np.sin(2 * np.pi * time_s)
    xyz = np.tile(np.array([[0.2, 0.0, 1.0], [-0.2, 0.1, 1.4], [0.0, 0.2, 0.6]]), (len(time_s), 1, 1))
    xyz[:, 0, 0] += swing
    xyz[:, 1, 2] += swing
    return xyz


def test_a_constant_offset_of_each_joint_is_no_time(ring, rng):
    cameras = ring(3)
    time_s, xyz = moving_points(100)
    observed = np.stack([camera.project(xyz) for camera in cameras]) + rng.normal(0, 3, (3, 1, 3, 2))
    # The points move at up to 1.9 m/s, 430 px/s: without the constants, 3 px would pass for 5 ms and more.
    assert np.abs(shift_said(cameras, time_s, xyz, observed)).max() < 5e-4


def test_points_at_rest_say_nothing(ring):
    cameras = ring(3)
    time_s, xyz = moving_points(100)
    still = np.repeat(xyz[:1], 100, axis=0)
    residual = np.ones((3, 100, 3, 2))
    said = time_information(
        cameras, still, residual, np.ones((3, 100, 3)), velocities(still, INTERVAL_S), time_s, INTERVAL_S
    )
    assert np.abs(said.H).max() == pytest.approx(0, abs=1e-12)


def test_moving_all_clocks_together_changes_nothing(ring):
    cameras = ring(4)
    time_s, xyz = moving_points(100)
    observed = np.stack([camera.project(xyz) for camera in cameras])
    said = time_information(
        cameras,
        xyz,
        np.zeros_like(observed),
        np.ones((4, 100, 3)),
        velocities(xyz, INTERVAL_S),
        time_s - time_s.mean(),
        INTERVAL_S,
    )
    together = np.r_[np.ones(4), np.zeros(4)]
    assert together @ said.H @ together < 1e-9 * np.trace(said.H)
