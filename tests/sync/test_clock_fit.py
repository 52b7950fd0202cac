"""Offset and rate from moments known on two clocks."""

import numpy as np
import pytest

from sync.clock_fit import fit_clock


def test_two_moments_by_hand():
    # 2 s + 1.001 t, and a prior so weak that it does not matter.
    fit = fit_clock(np.array([0.0, 100.0]), np.array([2.0, 102.1]), np.full(2, 0.001), rate_std=1, common_std_s=0)
    assert fit.rate == pytest.approx(1.001, abs=1e-9)
    assert fit.offset_s == pytest.approx(2, abs=1e-6)
    # sqrt(2) 1 ms / 100 s; at time 0 the offset is that of the first moment alone.
    assert fit.rate_std == pytest.approx(np.sqrt(2) * 1e-5, rel=1e-3)
    assert fit.offset_std_s == pytest.approx(0.001, rel=1e-3)


def test_stated_deviations_are_those_of_repeated_trials():
    rng = np.random.default_rng(0)
    camera = np.array([3.0, 40.0, 200.0, 550.0])
    std = np.array([0.001, 0.002, 0.001, 0.003])
    offsets, rates = [], []
    for _ in range(4000):
        # The rate is drawn from its prior: only then is the posterior's deviation what one finds.
        rate, common = 1 + rng.normal(0, 50e-6), rng.normal(0, 0.002)
        session = 5 + rate * camera + common + rng.normal(0, std)
        fit = fit_clock(camera, session, std, rate_std=50e-6, common_std_s=0.002)
        offsets.append((fit.offset_s - 5) / fit.offset_std_s)
        rates.append((fit.rate - rate) / fit.rate_std)
    # The deviation of 4000 samples is known to 1.1 %; five sigma.
    assert np.std(offsets) == pytest.approx(1, abs=0.06)
    assert np.std(rates) == pytest.approx(1, abs=0.06)
