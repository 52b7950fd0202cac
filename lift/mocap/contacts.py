"""When recorded feet stand: what the networks learn of contact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STANDING_M_S = 0.35
"""A planted toe of the recordings moves at 0.02 to 0.1 m/s at the median, 0.2 in the retargeted salsa; one that
swings in a walk passes the other foot at 2 m/s and more."""

STANDING_M = 0.06
"""Toes that stand are within so much of their lowest level: the floor is level to 0.05 m over the recordings."""

_LOWEST_SHARE = 0.05


def foot_contacts(sole_m: Array, rate_hz: float) -> npt.NDArray[np.int8]:
    """Return (frames, feet): 1 stands, 0 does not, -1 not known.

    A foot stands where its sole is slow and low. What is slow but high may stand on a step or hang in the air: this is
    not known. The level is the sequence's own (the lowest twentieth of the sole's heights), as the recorded floors
    are up to 0.14 m off.

    Parameters
    ----------
    sole_m
        (frames, feet, 3): paths of the soles, metres, Z up; NaN: not recorded.
    rate_hz
        Frames a second.
    """
    contact = np.full(sole_m.shape[:2], -1, dtype=np.int8)
    if len(sole_m) < 3:
        return contact
    speed = np.linalg.norm(np.gradient(sole_m, axis=0), axis=-1) * rate_hz
    known = np.isfinite(speed)
    if not known.any():
        return contact
    level = np.nanquantile(sole_m[..., 2], _LOWEST_SHARE)
    low = sole_m[..., 2] < level + STANDING_M
    slow = speed < STANDING_M_S
    contact[known & slow & low] = 1
    contact[known & ~slow] = 0
    return contact
