"""A sound that alone turns a clock makes it uncertain by that much; sounds that agree leave it as sure as it is."""

from functools import partial

import numpy as np
import pytest

from sync.joint_fit import SharedMoments, fit_jointly
from sync.one_sound import fit_doubting_each

STD_S = 1e-5


def moments(times_s: np.ndarray, error_s: np.ndarray) -> SharedMoments:
    """Two cameras hear the same sounds; the second's clock is 2 s behind, and errs by so much at each."""
    n = len(times_s)
    return SharedMoments(
        np.zeros(n, dtype=np.int64),
        np.ones(n, dtype=np.int64),
        np.arange(n),
        times_s,
        times_s - 2.0 + error_s,
        np.full(n, STD_S),
        np.full(n, 0.9),
        np.zeros(n, dtype=bool),
    )


def clock(heard: SharedMoments):
    solve = partial(
        fit_jointly,
        reference=0,
        start={0: (0.0, 1.0), 1: (2.0, 1.0)},
        rate_std=5e-5,
        jitter_s=1e-5,
        jitter_dof=1.0,
        ambient_std_s=0.005,
        common_std_s={},
    )
    return fit_doubting_each(solve, heard).clocks[1]


def test_a_far_sound_that_is_off_alone_is_not_believed():
    times_s = np.array([5.0, 6, 7, 8, 9, 10, 30])
    error_s = np.zeros(7)
    error_s[-1] = 0.001
    found = clock(moments(times_s, error_s))
    true_s = 2.0 + 28.0
    assert abs(found.offset_s + found.rate * 28.0 - true_s) < 4 * float(found.std_s(28.0))


def test_sounds_that_agree_leave_the_deviation_small():
    rng = np.random.default_rng(1)
    times_s = np.linspace(1, 30, 9)
    found = clock(moments(times_s, rng.normal(0, STD_S, 9)))
    assert found.rate_std < 3e-6
    assert abs(found.rate - 1) < 3 * found.rate_std


def test_of_two_claps_none_is_doubted():
    found = clock(moments(np.array([1.0, 60.0]), np.array([0.0, 0.003])))
    assert found.rate == pytest.approx(1 - 0.003 / 59, abs=2e-6)
    assert found.rate_std < 2e-6
