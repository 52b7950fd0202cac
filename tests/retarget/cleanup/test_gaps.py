import numpy as np
import pytest

from retarget.cleanup.gaps import fill_gaps
from skeleton.keypoints import Keypoints3D


def keypoints(xyz, time_s, sigma=0.01):
    found = np.isfinite(xyz).all(axis=-1)
    return Keypoints3D(
        names=tuple(f"p{i}" for i in range(xyz.shape[1])),
        xyz_m=xyz,
        sigma_m=np.where(found, sigma, np.nan),
        time_s=time_s,
        reprojection_px=np.where(found, 1.0, np.nan)[None],
        camera_names=("cam1",),
        filled=np.zeros(found.shape, dtype=bool),
    )


def straight(frames=21, rate_hz=10.0):
    time_s = np.arange(frames) / rate_hz
    return time_s[:, None, None] * np.array([1.0, -2.0, 0.5]) + np.array([0.0, 0.0, 1.0]), time_s


def test_a_gap_in_a_straight_path_is_filled_exactly_and_marked():
    xyz, time_s = straight()
    gappy = xyz.copy()
    gappy[8:11] = np.nan  # from frame 7 to 11: 0.4 s
    filled = fill_gaps(keypoints(gappy, time_s), max_gap_s=0.4)
    np.testing.assert_allclose(filled.xyz_m, xyz, atol=1e-12)
    assert np.flatnonzero(filled.filled[:, 0]).tolist() == [8, 9, 10]
    assert np.isnan(filled.reprojection_px[0, 8:11]).all()
    # On a straight path interpolation makes no error: sigma is that of the neighbours.
    np.testing.assert_allclose(filled.sigma_m, 0.01, atol=1e-12)


def test_longer_gaps_and_the_ends_stay_open():
    xyz, time_s = straight()
    xyz[8:11] = np.nan
    xyz[:2] = np.nan
    xyz[-1] = np.nan
    filled = fill_gaps(keypoints(xyz, time_s), max_gap_s=0.39)
    assert not filled.filled.any()
    np.testing.assert_array_equal(filled.xyz_m, xyz)


def test_uneven_times_count_not_frames():
    time_s = np.array([0.0, 0.1, 0.2, 0.9, 1.0, 1.1])
    xyz = time_s[:, None, None] * np.ones(3)
    xyz[[2, 4]] = np.nan  # one frame each: gaps of 0.8 s and 0.2 s
    filled = fill_gaps(keypoints(xyz, time_s), max_gap_s=0.25)
    assert np.flatnonzero(filled.filled[:, 0]).tolist() == [4]


def test_sigma_grows_by_the_error_that_interpolation_makes_in_this_take():
    # A circle of radius 1 m at 1 rad/s: acceleration 1 m/s2, so the middle of a chord of 0.4 s is off by
    # 1 - cos(0.2) = 20 mm, on average over the take 20 / sqrt(3) mm a coordinate.
    time_s = np.arange(200) * 0.05
    xyz = np.stack([np.cos(time_s), np.sin(time_s), 0 * time_s], axis=-1)[:, None]
    xyz[100:107] = np.nan  # 0.4 s
    filled = fill_gaps(keypoints(xyz, time_s, sigma=0.005), max_gap_s=0.4)
    middle = (1 - np.cos(0.2)) / np.sqrt(3)
    assert filled.sigma_m[103, 0] == pytest.approx(np.hypot(0.005, middle), rel=0.02)
    assert filled.sigma_m[100, 0] == pytest.approx(np.hypot(0.005, 4 / 8 * 7 / 8 * middle), rel=0.02)
    truth = np.stack([np.cos(time_s), np.sin(time_s), 0 * time_s], axis=-1)
    assert np.linalg.norm(filled.xyz_m[103, 0] - truth[103]) < 3 * filled.sigma_m[103, 0]


def test_a_take_of_two_observations_states_its_ignorance():
    time_s = np.array([0.0, 0.1, 0.2])
    xyz = np.array([[[0.0, 0.0, 0.0]], [[np.nan] * 3], [[0.4, 0.0, 0.0]]])
    filled = fill_gaps(keypoints(xyz, time_s, sigma=0.0), max_gap_s=0.25)
    # 2 m/s over a quarter of 0.2 s.
    assert filled.sigma_m[1, 0] == pytest.approx(0.1)
    assert filled.xyz_m[1, 0, 0] == pytest.approx(0.2)


def test_points_never_seen_stay_nan():
    xyz, time_s = straight()
    xyz = np.concatenate([xyz, np.full_like(xyz, np.nan)], axis=1)
    filled = fill_gaps(keypoints(xyz, time_s))
    assert np.isnan(filled.xyz_m[:, 1]).all()
