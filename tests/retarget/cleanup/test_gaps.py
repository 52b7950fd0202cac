from dataclasses import replace

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


def test_a_gap_in_a_straight_path_is_filled_and_marked():
    xyz, time_s = straight()
    gappy = xyz.copy()
    gappy[8:11] = np.nan  # from frame 7 to 11: 0.4 s
    filled = fill_gaps(keypoints(gappy, time_s), max_gap_s=0.4)
    np.testing.assert_allclose(filled.xyz_m, xyz, atol=1e-5)
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
    # A circle of radius 0.2 m, twice a second. A cubic through the gap's ends and the points 0.1 s beyond them misses
    # the middle by what it misses of a cosine there; a coordinate has 1 / sqrt(3) of that over the take.
    omega, radius_m = 4 * np.pi, 0.2
    time_s = np.arange(600) / 100
    xyz = radius_m * np.stack([np.cos(omega * time_s), np.sin(omega * time_s), 0 * time_s], axis=-1)[:, None]
    truth = xyz[:, 0].copy()
    xyz[300:319] = np.nan  # 0.2 s
    filled = fill_gaps(keypoints(xyz, time_s, sigma=0.002), max_gap_s=0.2)
    at_s = np.array([-0.2, -0.1, 0.1, 0.2])
    miss = 1 - np.polyval(np.polyfit(at_s, np.cos(omega * at_s), 3), 0.0)
    middle = radius_m * miss / np.sqrt(3)
    assert middle > 0.01
    assert filled.sigma_m[309, 0] == pytest.approx(np.hypot(0.002, middle), rel=0.02)
    assert filled.sigma_m[300, 0] == pytest.approx(np.hypot(0.002, 4 / 20 * 19 / 20 * middle), rel=0.02)
    assert (np.linalg.norm(filled.xyz_m[300:319, 0] - truth[300:319], axis=-1) < 2 * filled.sigma_m[300:319, 0]).all()


def test_each_side_of_a_gap_counts_by_its_own_deviation():
    rng = np.random.default_rng(4)
    time_s = np.arange(120) / 60
    truth = np.stack([time_s, np.sin(3 * time_s), 1 + 0 * time_s], axis=-1)[:, None]
    sigma = np.where(np.abs(time_s - 0.85) < 0.1, 0.03, 0.001)[:, None]  # uncertain shortly before the gap
    sigma[56:58] = 0.001  # but for the two last frames
    xyz = truth + sigma[..., None] * rng.standard_normal((120, 100, 3))
    gap = slice(58, 66)
    xyz[gap] = np.nan
    known = replace(keypoints(xyz, time_s), sigma_m=np.where(np.isfinite(xyz[..., 0]), sigma, np.nan))
    aware, blind = (fill_gaps(k).xyz_m for k in (known, keypoints(xyz, time_s, sigma=0.01)))
    errors = [np.sqrt(np.mean((filled[gap] - truth[gap]) ** 2)) for filled in (aware, blind)]
    assert errors[0] < 0.6 * errors[1]
    # No jump where the filled path begins and ends.
    step = np.linalg.norm(np.diff(aware[56:68], axis=0), axis=-1)
    true_step = np.linalg.norm(np.diff(truth[56:68], axis=0), axis=-1)
    assert np.abs(step - true_step).max() < 6 * 0.001


def test_a_take_of_two_observations_states_its_ignorance():
    time_s = np.array([0.0, 0.1, 0.2])
    xyz = np.array([[[0.0, 0.0, 0.0]], [[np.nan] * 3], [[0.4, 0.0, 0.0]]])
    filled = fill_gaps(keypoints(xyz, time_s, sigma=0.0), max_gap_s=0.25)
    # 2 m/s over a quarter of 0.2 s.
    assert filled.sigma_m[1, 0] == pytest.approx(0.1)
    assert filled.xyz_m[1, 0, 0] == pytest.approx(0.2, rel=0.05)


def test_points_never_seen_stay_nan():
    xyz, time_s = straight()
    xyz = np.concatenate([xyz, np.full_like(xyz, np.nan)], axis=1)
    filled = fill_gaps(keypoints(xyz, time_s))
    assert np.isnan(filled.xyz_m[:, 1]).all()
