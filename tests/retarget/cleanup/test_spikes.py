"""Spikes are found; what people really do is kept."""

import numpy as np
import pytest

from retarget.cleanup.spikes import find_spikes

RATES = (30.0, 60.0, 120.0)


def seconds(rate_hz, length_s=4.0):
    return np.arange(int(length_s * rate_hz)) / rate_hz


def walk(time_s):
    """A hand of somebody who walks: 1.3 m/s, swinging."""
    return np.stack([1.3 * time_s, 0.25 * np.sin(6 * time_s), 1 + 0.05 * np.cos(12 * time_s)], axis=-1)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("frames", [1, 2])
def test_leaps_away_and_back_are_found_and_nothing_else(rate_hz, frames):
    rng = np.random.default_rng(1)
    time_s = seconds(rate_hz)
    values = walk(time_s)[:, None] + 0.003 * rng.standard_normal((len(time_s), 20, 3))
    wanted = np.zeros((len(time_s), 20), dtype=bool)
    for track in range(20):
        for at in rng.choice(np.arange(10, len(time_s) - 10, 15), 4, replace=False):
            direction = rng.standard_normal(3)
            values[at : at + frames, track] += 0.3 * direction / np.linalg.norm(direction)
            wanted[at : at + frames, track] = True
    found = find_spikes(values, time_s, np.full(wanted.shape, 0.005))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("rate_hz", RATES)
def test_landings_blows_and_leaps_without_return_are_none(rate_hz):
    time_s = seconds(rate_hz)
    fall = np.maximum(0.6 - 0.5 * 9.81 * (time_s - 1.5).clip(0) ** 2, 0.0)  # lands with 3.4 m/s, stays
    rebound = np.abs(4 * (time_s - 2)).clip(max=0.5)  # a clap: 4 m/s in, 4 m/s out
    punch = 0.5 * np.exp(-0.5 * ((time_s - 2) / 0.06) ** 2)  # half a metre out and back, 5 m/s, 140 m/s2 for a moment
    stop = np.where(time_s < 2, 3 * time_s, 6.0)  # 3 m/s against a wall
    elsewhere = np.where(time_s < 2, 0.0, 1.0)  # a jump to another place: something is wrong, but it is no spike
    for course in (fall, rebound, punch, stop, elsewhere):
        values = course[:, None, None] * np.array([0.6, 0.0, 0.8]) + np.array([0.0, 1.0, 0.0])
        assert not find_spikes(values, time_s, np.full((len(time_s), 1), 0.002)).any()


def test_the_points_own_deviation_counts():
    time_s = seconds(60.0)
    values = walk(time_s)[:, None].copy()
    values[100] += np.array([0.0, 0.0, 0.1])
    assert find_spikes(values, time_s, np.full((240, 1), 0.01))[100, 0]
    assert not find_spikes(values, time_s, np.full((240, 1), 0.05)).any()  # two deviations: nothing unusual
    # A frame that calls itself uncertain is still a spike among certain ones.
    alone = np.full((240, 1), 0.01)
    alone[100] = 0.2
    assert find_spikes(values, time_s, alone)[100, 0]
    assert find_spikes(values, time_s)[100, 0]  # without any deviation


def test_gaps_and_ends():
    time_s = seconds(60.0)
    values = walk(time_s)[:, None].copy()
    values[95:100] = np.nan
    values[101] += 0.4
    values[0] += 0.4  # nobody knows where it came from
    found = find_spikes(values, time_s)
    assert np.flatnonzero(found[:, 0]).tolist() == [101]
    assert not find_spikes(values[:5], time_s[:5]).any()
    assert not find_spikes(np.full((50, 1, 3), np.nan), time_s[:50]).any()


def test_time_counts_and_not_frames():
    # The same 5 cm out and back: within two frames of 120 a second no hand does that, within two of 15 every one can.
    for rate_hz, is_spike in ((120.0, True), (15.0, False)):
        time_s = seconds(rate_hz)
        values = np.zeros((len(time_s), 1, 3))
        values[30] = [0.05, 0.0, 0.0]
        assert find_spikes(values, time_s, np.full((len(time_s), 1), 0.001))[30, 0] == is_spike
