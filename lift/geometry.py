"""The frame in which networks see a body: turned so that the body's middle lies straight ahead, scaled to unit size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lift.points import POINTS, TORSO

Array = npt.NDArray[np.float32]

_ASIDE = 0.05
"""Weight of points outside of the trunk in the body's middle: they matter only where the trunk is not seen."""

_SMALLEST_SPREAD = 0.005
"""The least size in which a body is seen, as a tangent: a body of 1.75 m has it at 90 m."""


@dataclass(frozen=True, eq=False)
class Centred:
    """Rays to a body, seen straight on.

    Attributes
    ----------
    middle
        (windows, frames, 2): the ray to the body's middle, x / z and y / z.
    turn
        (windows, frames, 3, 3): from the camera's frame to the centred one, by the shortest turn.
    ray
        (windows, frames, points, 2): rays in the centred frame; 0 where not seen.
    spread
        (windows, frames): root of the mean square of the centred rays, weighted by confidence: the body's apparent
        size.
    """

    middle: Array
    turn: Array
    ray: Array
    spread: Array

    def at(self, middle: Array, spread: Array) -> Centred:
        """Return a view in which nothing is seen, with the middle and the size of another."""
        return Centred(middle, turn_ahead(middle), np.zeros_like(self.ray), spread)


def centred(ray: Array, confidence: Array) -> Centred:
    """Turn rays so that the trunk's middle lies straight ahead, frame by frame.

    A frame in which nothing is seen keeps the middle and the size of the last one before it, so that a causal network
    can be fed the same; before the first, the camera's axis and the size 1.

    Parameters
    ----------
    ray
        (windows, frames, points, 2): x / z, y / z; NaN: not seen.
    confidence
        (windows, frames, points); 0 where not seen.
    """
    seen = np.isfinite(ray).all(axis=-1)
    weight = np.where(seen, confidence, 0).astype(np.float32)
    xy = np.where(seen[..., None], ray, 0).astype(np.float32)
    trunk = np.full(len(POINTS), _ASIDE, dtype=np.float32)
    trunk[TORSO] = 1
    pull = weight * trunk
    total = pull.sum(axis=-1)
    any_seen = total > 0
    middle = (pull[..., None] * xy).sum(axis=-2) / np.where(any_seen, total, 1)[..., None]
    middle = _held(middle, any_seen, 0.0)
    turn = turn_ahead(middle)
    homogeneous = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)
    turned = homogeneous @ np.swapaxes(turn, -1, -2)
    ahead = turned[..., 2] > 0.1  # what is more than 84 degrees aside is no ray to draw a body by
    weight = np.where(ahead, weight, 0)
    straight = np.where((seen & ahead)[..., None], turned[..., :2] / np.where(ahead, turned[..., 2], 1)[..., None], 0)
    sum_weight = weight.sum(axis=-1)
    square = (weight * (straight**2).sum(axis=-1)).sum(axis=-1) / np.where(sum_weight > 0, sum_weight, 1)
    spread = _held(np.sqrt(square)[..., None], sum_weight > 0, 1.0)[..., 0]
    return Centred(middle, turn, straight.astype(np.float32), np.maximum(spread, _SMALLEST_SPREAD).astype(np.float32))


def turn_ahead(middle: Array) -> Array:
    """Return the shortest rotations (..., 3, 3) that take the rays `middle` (..., 2) to the axis (0, 0, 1).

    Rodrigues' formula for two unit vectors u, e: R = I + [v] + [v]^2 / (1 + u.e), v = u x e.
    """
    u = np.concatenate([middle, np.ones_like(middle[..., :1])], axis=-1)
    u = u / np.linalg.norm(u, axis=-1, keepdims=True)
    x, y, z = u[..., 0], u[..., 1], u[..., 2]
    share = 1 / (1 + z)
    rows = [[1 - x * x * share, -x * y * share, -x], [-x * y * share, 1 - y * y * share, -y], [x, y, z]]
    turn: Array = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2).astype(np.float32)
    return turn


def _held(values: Array, known: npt.NDArray[np.bool_], before: float) -> Array:
    """Return values (windows, frames, n), those not known replaced by the last known before them."""
    last = np.maximum.accumulate(np.where(known, np.arange(known.shape[1]), -1), axis=1)
    held = np.take_along_axis(values, np.maximum(last, 0)[..., None], axis=1)
    result: Array = np.where((last >= 0)[..., None], held, np.float32(before)).astype(np.float32)
    return result


def features(seen: Centred, confidence: Array, world_m: Array | None) -> Array:
    """Return what networks see (windows, frames, channels), all of about unit size.

    Per point the centred ray over the spread (2) and the confidence; then log spread, the middle's ray (2); and with
    `world_m` also the detector's own 3D (windows, frames, points, 3) about the hips, 0 where it has none.
    """
    flat = (*seen.ray.shape[:2], -1)
    parts = [
        (seen.ray / seen.spread[..., None, None]).clip(-6, 6).reshape(flat),
        confidence.reshape(flat),
        np.log(seen.spread)[..., None] + 1.5,  # about the mean over virtual cameras
        seen.middle,
    ]
    if world_m is not None:
        parts.append(3 * np.nan_to_num(world_m).reshape(flat))
    channels: Array = np.concatenate(parts, axis=-1).astype(np.float32)
    return channels


def channel_count(world_landmarks: bool) -> int:
    """Return how many channels `features` gives."""
    return len(POINTS) * (6 if world_landmarks else 3) + 3


def root_code(root_m: Array, seen: Centred) -> Array:
    """Return the path of the hips as networks give it: (windows, frames, 3) from metres in the centred frame.

    The first two are root x / z and y / z over the spread, the third log (z x spread): a body twice as far away of
    half the size has the same code.
    """
    z = np.maximum(root_m[..., 2], 0.1)
    across = root_m[..., :2] / z[..., None] / seen.spread[..., None]
    code: Array = np.concatenate([across, np.log(z * seen.spread)[..., None]], axis=-1)
    return code


def root_from_code(code: Array, seen: Centred) -> Array:
    """Return the hips (windows, frames, 3), metres in the camera's frame: the inverse of `root_code`, turned back."""
    z = np.exp(code[..., 2]) / seen.spread
    root = np.concatenate([code[..., :2] * (seen.spread * z)[..., None], z[..., None]], axis=-1)
    turned: Array = np.einsum("...ji,...j->...i", seen.turn, root)
    return turned
