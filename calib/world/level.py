"""Which way is up, as far as the cameras alone can tell: photographers keep the horizon level.

The x axis of a level camera is horizontal however far it looks up or down, so that up is at right angles to all x axes,
and on the side of the cameras' -y. A phone whose video does not say how it was held has its y axis there instead, or
hangs upside down: each camera is taken in the way that costs least, and one that fits in no way is left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LOST_DEG = 20.0
"""A camera that is off level by more says nothing. Cameras on tripods are level within 5 degrees, propped up phones
within 15."""

ROLLED_DEG = (0.0, 14.0, 16.0, 16.0)
"""What it costs to take a camera as upright, upside down, on its left or on its right side, as if it were off level by
so much: decoders turn videos upright, so that all but the first are rare."""

PITCH_COST = 0.1
"""Degrees off level that a degree of looking up or down counts for: little, since cameras at ceilings look straight
down, but enough to decide where horizons leave the direction open."""

SAME_AXIS = 0.2
"""Sine below which two axes are one: what lies at right angles to both is then not known from them."""


def level_up(T_cam_world: Array) -> Array:
    """Guess the direction up in the world of the cameras (cameras, 4, 4): (3,), a unit vector."""
    x, y = T_cam_world[:, 0, :3], T_cam_world[:, 1, :3]
    level = np.stack([x, x, y, y], axis=1)  # (cameras, ways, 3): the axis that is level if it is held that way
    above = np.stack([-y, y, x, -x], axis=1)  # and that which then points up
    candidates = _candidates(x, y)
    tilt = np.degrees(np.arcsin(np.clip(np.abs(np.einsum("nk,cwk->ncw", candidates, level)), 0, 1)))
    pitch = np.degrees(np.arccos(np.clip(np.einsum("nk,cwk->ncw", candidates, above), -1, 1)))
    cost = tilt**2 + np.square(ROLLED_DEG) + (PITCH_COST * pitch) ** 2
    best = int(np.minimum(cost.min(axis=2), LOST_DEG**2).sum(axis=1).argmin())
    way = cost[best].argmin(axis=1)
    kept = np.flatnonzero(cost[best].min(axis=1) < LOST_DEG**2)
    return _normal(level[kept, way[kept]], candidates[best])


def _candidates(x: Array, y: Array) -> Array:
    """Return (n, 3): the cameras' own ups and their mean, and what is at right angles to two cameras' level axes."""
    axes = np.concatenate([x, y])
    first, second = np.triu_indices(len(axes), 1)
    across = np.cross(axes[first], axes[second])
    length = np.linalg.norm(across, axis=1)
    different = (length > SAME_AXIS) & (first % len(x) != second % len(x))
    across = across[different] / length[different, None]
    mean_up = -y.mean(axis=0)
    size = np.linalg.norm(mean_up)
    own = [mean_up / size] if size > SAME_AXIS else []
    found: Array = np.concatenate([across, -across, -y, np.reshape(own, (-1, 3))])
    return found


def _normal(level: Array, guess: Array) -> Array:
    """Return what is at right angles to the axes (n, 3) in least squares; along `guess` where they leave it open."""
    if not len(level):
        return guess
    _, spread, directions = np.linalg.svd(level)
    if len(spread) < 2 or spread[1] < SAME_AXIS * spread[0]:
        across = guess - directions[0] * (directions[0] @ guess)
        return np.asarray(across / np.linalg.norm(across))
    return np.asarray(directions[2] * (1.0 if directions[2] @ guess >= 0 else -1.0))
