"""Clean-up as a whole: what is marked, what is kept, and that deviations stay those of the errors."""

from dataclasses import replace

import numpy as np
import pytest

from retarget.cleanup.filters import FILTERS
from retarget.cleanup.points import CleanUp, clean_points
from skeleton.keypoints import Keypoints3D


def keypoints(xyz, time_s, sigma):
    there = np.isfinite(xyz).all(axis=-1)
    return Keypoints3D(
        names=tuple(f"p{i}" for i in range(xyz.shape[1])),
        xyz_m=xyz,
        sigma_m=np.where(there, sigma, np.nan),
        time_s=time_s,
        reprojection_px=np.where(there, 1.0, np.nan)[None],
        camera_names=("cam1",),
        filled=np.zeros(there.shape, dtype=bool),
    )


def body(time_s, points, rng):
    """Points that swing within 1.5 Hz, each in its own way."""
    phase, size = rng.uniform(0, 2 * np.pi, (4, points, 3)), rng.uniform(0.02, 0.1, (4, points, 3))
    frequency = np.array([0.3, 0.6, 1.0, 1.5])[:, None, None]
    turns = 2 * np.pi * frequency * time_s[:, None, None, None] + phase
    return (size * np.sin(turns)).sum(axis=1)


def test_spikes_and_gaps_are_filled_and_marked_and_nothing_else_is_touched():
    rng = np.random.default_rng(1)
    time_s = np.arange(240) / 60
    truth = body(time_s, 3, rng)
    xyz = truth + 0.001 * rng.standard_normal(truth.shape)
    xyz[50, 0] += 0.5
    xyz[100:104, 1] = np.nan  # 0.083 s
    xyz[100:160, 2] = np.nan  # 1 s
    before = keypoints(xyz, time_s, 0.001)
    cleaned = clean_points(before, CleanUp())
    after, changes = cleaned.keypoints, cleaned.changes
    expected = np.zeros((240, 3), dtype=bool)
    expected[50, 0] = expected[100:104, 1] = True
    np.testing.assert_array_equal(after.filled, expected)
    np.testing.assert_array_equal(changes.filled, expected)
    assert np.argwhere(changes.spikes).tolist() == [[50, 0]]
    assert changes.open.sum() == 60
    assert np.isnan(after.xyz_m[100:160, 2]).all()
    assert np.isnan(after.reprojection_px[0][expected]).all()
    np.testing.assert_array_equal(after.xyz_m[~expected], before.xyz_m[~expected])
    np.testing.assert_array_equal(after.sigma_m[~expected], before.sigma_m[~expected])
    assert np.abs(after.xyz_m[expected] - truth[expected]).max() < 0.006
    assert changes.moved_m[50, 0] == pytest.approx(0.5 * 3**0.5, abs=0.01)
    assert changes.moved_m[51, 0] == 0


def test_what_is_not_wanted_is_not_done():
    time_s = np.arange(120) / 60
    xyz = body(time_s, 2, np.random.default_rng(2))
    xyz[50, 0] += 0.5
    xyz[60, 1] = np.nan
    before = keypoints(xyz, time_s, 0.001)
    kept = clean_points(before, CleanUp(max_gap_s=0.0, spikes=False))
    np.testing.assert_array_equal(kept.keypoints.xyz_m, before.xyz_m)
    assert not kept.keypoints.filled.any()
    # A spike whose gap may not be filled leaves one.
    open_ = clean_points(before, CleanUp(max_gap_s=0.0))
    assert np.isnan(open_.keypoints.xyz_m[50, 0]).all()
    assert np.isnan(open_.keypoints.sigma_m[50, 0])
    assert not open_.keypoints.filled.any()


def test_what_was_filled_before_stays_marked():
    time_s = np.arange(120) / 60
    before = keypoints(body(time_s, 1, np.random.default_rng(3)), time_s, 0.001)
    marked = before.filled.copy()
    marked[20:25] = True
    after = clean_points(replace(before, filled=marked), CleanUp(filter="gaussian")).keypoints
    np.testing.assert_array_equal(after.filled, marked)


@pytest.mark.parametrize("name", ["none", *FILTERS])
@pytest.mark.parametrize("slow_share", [0.0, 0.5, 1.0])
def test_within_the_deviation_lie_two_thirds_of_the_errors(name, slow_share):
    # White noise, errors that last 0.3 s, and both: sampled. Normal errors are within one deviation in 68 % of cases.
    rng = np.random.default_rng(4)
    time_s = np.arange(600) / 60
    truth = body(time_s, 20, rng)
    drive = rng.standard_normal(truth.shape)
    slow, keep = np.empty_like(drive), np.exp(-1 / (60 * 0.3))
    slow[0] = drive[0]
    for frame in range(1, 600):
        slow[frame] = keep * slow[frame - 1] + np.sqrt(1 - keep**2) * drive[frame]
    error = 0.01 * (np.sqrt(slow_share) * slow + np.sqrt(1 - slow_share) * rng.standard_normal(truth.shape))
    after = clean_points(keypoints(truth + error, time_s, 0.01), CleanUp(filter=name)).keypoints
    off = after.xyz_m - truth
    within = np.mean(np.abs(off) < after.sigma_m[..., None])
    assert 0.60 < within < 0.80
    if name in ("butterworth", "gaussian", "savitzky-golay", "kalman") and slow_share == 0:
        assert np.median(after.sigma_m) < 0.007  # it became less, as the errors did
        assert np.sqrt(np.mean(off**2)) < 0.007


def test_a_filter_that_takes_motion_away_says_so():
    # 3 Hz swings of 5 cm, and a cutoff of 2 Hz: next to nothing is left of them.
    rng = np.random.default_rng(5)
    time_s = np.arange(600) / 60
    truth = 0.05 * np.sin(2 * np.pi * 3 * time_s[:, None, None] + rng.uniform(0, 6, (5, 3)))
    before = keypoints(truth + 0.002 * rng.standard_normal(truth.shape), time_s, 0.002)
    after = clean_points(before, CleanUp(filter="butterworth", parameters={"cutoff_hz": 2.0})).keypoints
    rms = np.sqrt(np.mean((after.xyz_m - truth) ** 2))
    assert rms > 0.02
    assert np.sqrt(np.mean(after.sigma_m**2)) == pytest.approx(rms, rel=0.15)


def test_unknown_deviations_stay_unknown():
    time_s = np.arange(120) / 60
    xyz = body(time_s, 2, np.random.default_rng(6))
    xyz[60, 1] = np.nan
    for name in FILTERS:
        after = clean_points(keypoints(xyz, time_s, np.nan), CleanUp(filter=name)).keypoints
        assert np.isfinite(after.xyz_m).all()
        assert np.isnan(after.sigma_m).all()
        assert after.filled[60, 1]


def test_the_same_input_gives_the_same_output():
    time_s = np.arange(120) / 60
    rng = np.random.default_rng(7)
    before = keypoints(body(time_s, 2, rng) + 0.01 * rng.standard_normal((120, 2, 3)), time_s, 0.01)
    for name in FILTERS:
        first, second = (clean_points(before, CleanUp(filter=name)).keypoints for _ in range(2))
        np.testing.assert_array_equal(first.xyz_m, second.xyz_m)
        np.testing.assert_array_equal(first.sigma_m, second.sigma_m)
