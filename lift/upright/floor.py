"""The floor under a lifted body."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from lift.upright.gravity import SOLES

Array = npt.NDArray[np.float64]

SOLE_M = 0.025
"""Heels and tips of toes are points of the body so much above its soles, as in the skeleton's own definition."""

_EVEN_M = 0.01
"""Heel and toes whose heights differ by less touch together."""

_FEWEST = 3
"""Frames in which a foot stands that a floor needs."""

_LOWEST_SHARE = 0.05
"""Where no foot stands, the floor is at the level below which so many of the body's lowest points are."""


def touching(joints_m: Array, up: Array | None) -> Array:
    """Return the point of each foot that is nearest to the ground (frames, feet, 3).

    Parameters
    ----------
    joints_m
        (frames, points of body18, 3).
    up
        (3,); None: not known yet, the toes then, on which feet turn when heels rise.
    """
    soles: Array = joints_m[:, SOLES]
    if up is None:
        return np.asarray(soles[:, :, 1])
    height = soles @ up
    # Between heel and toes by how much lower each is, so that nothing leaps when they exchange.
    toes: Array = expit((height[..., 0] - height[..., 1]) / _EVEN_M)[..., None]
    heels, tips = soles[:, :, 0], soles[:, :, 1]
    touch: Array = heels + toes * (tips - heels)
    return touch


FloorFrom = Literal["calibration", "feet", "lowest"]
"""What tells a floor."""


def find_floor(xyz_m: Array, contact: Array, up: Array) -> tuple[float, FloorFrom]:
    """Return the floor's height along `up` from the camera, and what told it.

    Parameters
    ----------
    xyz_m
        (frames, points of body18, 3): metres, camera's frame.
    contact
        (frames, 2): how probably each foot stands.
    up
        (3,): unit vector.
    """
    height = touching(xyz_m, up) @ up - SOLE_M
    stands = contact > 0.5
    if stands.sum() >= _FEWEST:
        return float(np.median(height[stands])), "feet"
    return float(np.quantile((xyz_m @ up).min(axis=1), _LOWEST_SHARE)) - SOLE_M, "lowest"
