"""The clocks of all cameras at once: by hand, and the stated deviations against repeated trials."""

import numpy as np
import pytest

from sync.joint_fit import FittedClock, SharedMoments, fit_jointly


def moments(rows, ambient=False):
    """Rows of first camera, second camera, sound, time on the first's clock, on the second's, deviation."""
    first, second, sound, first_s, second_s, std_s = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return SharedMoments(first, second, sound, first_s, second_s, std_s, np.ones(n), np.full(n, ambient))


def fit(shared, start, **changes):
    settings = {
        "rate_std": 50e-6,
        "jitter_s": 1e-6,
        "jitter_dof": 1.0,
        "ambient_std_s": 0.006,
        "common_std_s": {},
        **changes,
    }
    return fit_jointly(shared, 0, start, **settings)


def test_two_sounds_by_hand():
    # The second clock starts 2 s late and loses 40 us in 100 s; the prior of 1 (no prior) does not draw the rate.
    shared = moments([(0, 1, 0, 10.0, 8.0, 1e-5), (0, 1, 1, 110.0, 107.996, 1e-5)])
    clock = fit(shared, {0: (0.0, 1.0), 1: (2.0, 1.0)}, rate_std=1.0).clocks[1]
    assert clock.rate - 1 == pytest.approx(0.004 / 99.996, rel=1e-6)
    assert clock.offset_s + clock.rate * 8 == pytest.approx(10, abs=1e-8)
    assert clock.middle_s == pytest.approx((8 + 107.996) / 2, abs=0.01)


def test_deviations_away_from_the_middle():
    clock = FittedClock(0.0, 1.0, middle_s=30.0, middle_std_s=3e-3, rate_std=1e-4)
    assert clock.offset_std_s == pytest.approx(np.hypot(3e-3, 3e-3))
    np.testing.assert_allclose(clock.std_s([30, 70]), [3e-3, 5e-3])


def test_a_camera_is_reached_through_another():
    # 0 and 2 share nothing; both share a sound with 1.
    shared = moments([(0, 1, 0, 5.0, 4.0, 1e-5), (1, 2, 1, 14.0, 24.0, 1e-5)])
    clocks = fit(shared, {0: (0.0, 1.0), 1: (1.0, 1.0), 2: (-9.0, 1.0)}).clocks
    assert clocks[2].offset_s + clocks[2].rate * 24 == pytest.approx(15, abs=1e-6)
    assert clocks[2].middle_std_s > clocks[1].middle_std_s


def test_an_outlier_does_not_count():
    rng = np.random.default_rng(0)
    times = np.linspace(5, 60, 8)
    rows = [(0, 1, k, t + 1.0, t + 1e-5 * rng.normal(), 1e-5) for k, t in enumerate(times)]
    rows[3] = (0, 1, 3, times[3] + 1.0 + 0.004, times[3], 1e-5)
    result = fit(moments(rows), {0: (0.0, 1.0), 1: (1.0, 1.0)})
    assert not result.inlier[3]
    assert result.inlier.sum() == 7
    # A mean would be off by 4 ms / 8.
    assert float(result.clocks[1].offset_s) == pytest.approx(1, abs=5e-5)


def test_ambient_sound_tells_the_rate_and_not_the_offset():
    times = np.linspace(0, 300, 20)
    drifting = [(0, 1, 1 + k, t * (1 + 30e-6) + 1.004, t, 2e-5) for k, t in enumerate(times)]
    clap = moments([(0, 1, 0, 10.0 * (1 + 30e-6) + 1.0, 10.0, 1e-5)])
    shared = SharedMoments.joined([clap, moments(drifting, ambient=True)])
    clock = fit(shared, {0: (0.0, 1.0), 1: (1.0, 1.0)}).clocks[1]
    assert clock.rate == pytest.approx(1 + 30e-6, abs=1e-7)
    # The ambient sound comes from 1.4 m further away: the clap decides.
    assert clock.offset_s == pytest.approx(1.0, abs=2e-5)


def test_stated_deviations_are_those_of_repeated_trials():
    rng = np.random.default_rng(1)
    times = np.array([4.0, 20.0, 33.0, 58.0])
    late = []
    for _ in range(400):
        rate = 1 + rng.normal(0, 50e-6)
        # Each camera's arrival has its own error, so that the three pairs of three cameras are not independent.
        heard = [times + rng.normal(0, 1e-4, 4), times / rate + rng.normal(0, 1e-4, 4), times + rng.normal(0, 1e-4, 4)]
        rows = [
            (a, b, k, heard[a][k], heard[b][k], np.sqrt(2) * 1e-4)
            for a, b in ((0, 1), (0, 2), (1, 2))
            for k in range(4)
        ]
        clock = fit(moments(rows), {0: (0.0, 1.0), 1: (0.0, 1.0), 2: (0.0, 1.0)}).clocks[1]
        for at in (0.0, 30.0, 60.0):
            late.append((clock.offset_s + (clock.rate - rate) * at) / clock.std_s(at))
    # Up to a factor: what does not average out of one room's sounds is stated on top, and outliers are watched for.
    assert 0.6 < np.sqrt(np.mean(np.square(late))) < 1.15


def test_moments_that_are_uncertain_by_themselves_do_not_make_the_others_uncertain():
    rng = np.random.default_rng(1)
    times = np.linspace(5, 60, 12)
    exact = [(0, 1, k, t + 1.0 + 2e-6 * rng.normal(), t, 2e-6) for k, t in enumerate(times)]
    unsure = [(0, 1, 12 + k, t + 1.0 + 5e-4 * rng.normal(), t, 2e-4) for k, t in enumerate(times[::2])]
    alone, together = (fit(moments(rows), {0: (0.0, 1.0), 1: (1.0, 1.0)}) for rows in (exact, exact + unsure))
    # Were their residuals taken for scatter of all, it would be hundreds of microseconds.
    assert together.scatter_s < 3 * alone.scatter_s
    assert together.clocks[1].middle_std_s == pytest.approx(alone.clocks[1].middle_std_s, rel=0.5)
