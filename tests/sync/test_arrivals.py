"""First arrivals: to a fraction of a sample, with the stated deviation, and before louder reflections."""

import numpy as np
import pytest

from media.audio import Audio
from sync.arrivals import arrivals, clearness, common_lag, lags_s, likeness, rises, with_rises
from sync.hearing import RATE_HZ, hear


def measured_s(first, second, near_s):
    """Lag of the second track's sounds against the first's, from when they rise, and its stated deviation."""
    one, two = hear(first), hear(second)
    here, there = rises(one, near_s), rises(two, near_s)
    alike = likeness(one, here.time_s, two, here.time_s)
    headroom = np.minimum(here.headroom, there.headroom)
    rise_lag_s = there.time_s - here.time_s
    favoured = with_rises(alike, rise_lag_s, headroom)
    together = common_lag(favoured, near_s - near_s.mean(), 1.0, clearness(headroom))
    lag_s = together.lag_s + together.drift * (near_s - near_s.mean())
    found = arrivals(one, here.time_s, here.time_s, alike, favoured, lag_s, rise_lag_s)
    return found.second_s - found.first_s, found.std_s


@pytest.mark.parametrize("late", [0.0, 0.5 / 48_000, 7.3 / 48_000])
def test_a_shift_by_a_fraction_of_a_sample(hear_claps, late):
    claps, record = hear_claps(0, [1.0, 2.5])
    rng = np.random.default_rng(0)
    first = record(claps, rng, duration_s=4, noise=0)
    second = record(claps, rng, duration_s=4, noise=0, offset_s=-late)
    found, _ = measured_s(first, second, np.array([1.0, 2.5]))
    # A twentieth of a sample of 48 kHz; what is left is opposite the other way around, and both are measured.
    np.testing.assert_allclose(found, late, atol=1e-6)


def test_stated_deviations_are_those_of_repeated_trials(hear_claps):
    claps, record = hear_claps(1, [1.0])
    rng = np.random.default_rng(1)
    trials = [
        measured_s(record(claps, rng, duration_s=2, noise=0.1), record(claps, rng, duration_s=2, noise=0.1), np.ones(1))
        for _ in range(60)
    ]
    spread = np.std([lag[0] for lag, _ in trials])
    stated = np.median([std[0] for _, std in trials])
    # 60 trials tell a deviation to 9 %; that noise is white in the band after flattening is an approximation.
    assert 0.4 < stated / spread < 2.2


def test_the_direct_sound_before_a_louder_reflection(hear_claps):
    claps, record = hear_claps(2, [1.0, 2.2, 3.1])
    rng = np.random.default_rng(2)
    first = record(claps, rng, duration_s=4.5, noise=0.001)
    quiet = record(claps, rng, duration_s=4.5, noise=0.001)
    # 6 ms after the direct sound, twice as loud.
    echo = np.roll(quiet.samples, round(0.006 * 48_000), axis=0)
    second = Audio((quiet.samples + 2 * echo).astype(np.float32), 48_000, 0.0)
    found, _ = measured_s(first, second, np.array([1.0, 2.2, 3.1]))
    np.testing.assert_allclose(found, 0, atol=2e-5)


@pytest.mark.parametrize(("headroom", "expected_s"), [(1000.0, 0.0), (3.0, 0.0017)])
def test_where_clear_sounds_rise_is_the_direct_sound(headroom, expected_s):
    # Three sounds of which a reflection is more alike than the direct sound, as in a room whose wall is near.
    def peak(at_s):
        return np.exp(-0.5 * np.square((lags_s() - at_s) / 0.0001))

    alike = np.tile(0.5 * peak(0.0) + 0.85 * peak(0.0017), (3, 1)).astype(np.float32)
    clear = clearness(np.full(3, headroom))
    favoured = with_rises(alike, np.array([0.0001, -0.0001, 0.0]), np.full(3, headroom))
    together = common_lag(favoured, np.array([-3.0, 1.0, 2.0]), 1.0, clear)
    # The sounds may have moved by a tenth of a millisecond, and the lag with them.
    assert together.lag_s == pytest.approx(expected_s, abs=1.3e-4)


def test_where_the_track_does_not_reach_there_is_no_rise(hear_claps):
    claps, record = hear_claps(3, [1.0])
    heard = hear(record(claps, np.random.default_rng(3), duration_s=2))
    assert heard.end_s == pytest.approx(2, abs=1 / RATE_HZ)
    found = rises(heard, np.array([-5.0, 1.0, 8.0]))
    np.testing.assert_array_equal(np.isnan(found.time_s), [True, False, True])
    assert found.time_s[1] == pytest.approx(1.0, abs=0.001)
