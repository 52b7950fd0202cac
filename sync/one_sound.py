"""What one sound alone decides is no surer than that sound: clocks solved again without each.

A single match that is off by a wave of its tone, far away from all others in time, turns a clock's rate, and the fit
has nothing to contradict it. Leaving each sound out in turn shows it (B. Efron, "The jackknife, the bootstrap and other
resampling plans", 1982): where the clock moves by more than the two deviations allow, it is uncertain by that much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sync.joint_fit import FittedClock, JointFit, SharedMoments

FEWEST, MOST = 4, 60
"""Of fewer sounds, none can be spared; of more, none decides alone."""

SIGNIFICANT = 3.0
"""Deviations of a difference that are no chance."""


def fit_doubting_each(fit: Callable[[SharedMoments], JointFit], moments: SharedMoments) -> JointFit:
    """Solve for the clocks of all cameras, their deviations grown by what one sound decides.

    `fit` solves from moments, as `fit_jointly` does with the rest of its arguments given.
    """
    whole = fit(moments)
    sounds = np.unique(moments.sound[~moments.ambient])
    if not FEWEST <= len(sounds) <= MOST:
        return whole
    clocks = dict(whole.clocks)
    for sound in sounds:
        rest = moments.only(moments.sound != sound)
        if not set(whole.clocks) <= set(rest.first.tolist()) | set(rest.second.tolist()):
            continue
        without = fit(rest).clocks
        for camera, clock in whole.clocks.items():
            clocks[camera] = _grown(clocks[camera], clock, without[camera])
    return replace(whole, clocks=clocks)


def _grown(now: FittedClock, whole: FittedClock, without: FittedClock) -> FittedClock:
    """Return a clock whose deviations are at least what it moves by when a sound is left out, if that is no chance."""
    at_s = whole.middle_s
    turned = abs(without.rate - whole.rate)
    moved_s = abs(without.offset_s - whole.offset_s + (without.rate - whole.rate) * at_s)
    rate_std, middle_std_s = now.rate_std, now.middle_std_s
    if turned > SIGNIFICANT * max(whole.rate_std, np.sqrt(max(without.rate_std**2 - whole.rate_std**2, 0.0))):
        rate_std = max(rate_std, float(turned))
    there_s = float(without.std_s(at_s))
    if moved_s > SIGNIFICANT * max(whole.middle_std_s, np.sqrt(max(there_s**2 - whole.middle_std_s**2, 0.0))):
        middle_std_s = max(middle_std_s, float(moved_s))
    return replace(now, rate_std=rate_std, middle_std_s=middle_std_s)
