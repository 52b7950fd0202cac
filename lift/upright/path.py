"""The hips' path of a lifted body: what the picture says across the ray, and standing feet along it.

One view tells direction well and distance badly: the lifted depth wavers, and with it a body that stands seems to
slide and sink. A linear problem over the whole take puts that right. Unknown are the hips in every frame; known are the
joints about them. Its terms: the lifted path, sure across the ray and doubtful along it; standing feet do not move, and
lie on the floor once there is one; no foot is below it; accelerations are white noise. Robust by reweighting: a foot
that is said to stand but moves in the picture, on a belt say, is let go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

Array = npt.NDArray[np.float64]

ACROSS_SHARE, ALONG_SHARE = 0.006, 0.015
"""Deviation of the lifted path across and along the ray, as shares of the distance. Of the validation subjects' paths,
half are off by less than 0.35 and 1.7 %."""

LASTING_S = 0.2
"""Its errors last about so long: so many frames count as one."""

_DRIFT_M2_S = 4e-3
"""How far a standing foot seems to stray, as a walk of chance: 4.5 cm in half a second. Lifted strides are too short by
a tenth or so, so that feet held harder (4e-4) make walkers too slow, and paths worse than they were."""

_FLOOR_STD_M = 0.03
_SINK_STD_M = 0.01
"""How far a standing foot is off the floor, and how hard it is to go below."""

_DENSITY = 10.0
"""(m/s^2)^2 / Hz of the acceleration, as bones are fitted with (`retarget.smoothness`)."""

_CAUCHY = 2.4
_ROUNDS = 5

_LEAST_SURE = 1e-3
"""What the path counts where nobody is seen."""

_SLIDES_M_S = 0.15
"""A stand over which a foot moves faster than this, in the lifted path, is believed half."""

_BANDS = 9


@dataclass(frozen=True, eq=False)
class Floor:
    """A floor: points with `up` (3,) @ point = `height_m`."""

    up: Array
    height_m: float


def steady_path(
    root_m: Array,
    feet_m: Array,
    contact: Array,
    time_s: Array,
    floor: Floor | None = None,
    sure: Array | None = None,
) -> Array:
    """Return the path of the hips (frames, 3) that fits picture, contacts, and floor best.

    Parameters
    ----------
    root_m
        (frames, 3): the lifted path, metres, camera's frame.
    feet_m
        (frames, feet, 3): about the hips, camera's axes: the point of each foot that touches the ground.
    contact
        (frames, feet): in [0, 1], how probably each stands.
    time_s
        (frames,): seconds.
    floor
        In the camera's frame; None: not known yet.
    sure
        (frames,): in [0, 1], how well the trunk is seen; None: well.
    """
    frames = len(root_m)
    if frames < 3:
        return root_m.copy()
    step = np.diff(time_s)
    width = np.convolve(np.concatenate([step[:1], step, step[-1:]]), [0.5, 0.5], "valid")
    distance = np.maximum(np.linalg.norm(root_m, axis=1), 1e-3)
    ray = root_m / distance[:, None]
    outer = ray[:, :, None] * ray[:, None, :]
    look = np.minimum(width / LASTING_S, 1.0) / distance**2
    if sure is not None:
        look = look * np.maximum(sure, _LEAST_SURE)
    before, after = step[:-1], step[1:]
    bend = np.stack([2 / (before * (before + after)), -2 / (before * after), 2 / (after * (before + after))], axis=1)
    smooth = width[1:-1] / _DENSITY
    both = np.minimum(contact[1:], contact[:-1]) * _believed(root_m[:, None] + feet_m, contact, time_s)[1:]
    hold = both / (_DRIFT_M2_S * step[:, None])
    moved = np.diff(feet_m, axis=0)
    path = root_m
    for _ in range(_ROUNDS):
        # Where a detector fails for a moment, the depth leaps.
        leap = ((path - root_m) * ray).sum(axis=1) / (ALONG_SHARE * distance)
        along = (ALONG_SHARE**-2 / (1.0 + leap**2 / _CAUCHY**2))[:, None, None]
        data = look[:, None, None] * ((np.eye(3) - outer) / ACROSS_SHARE**2 + outer * along)
        slip = np.diff(path, axis=0)[:, None] + moved
        slide = hold / (1.0 + (slip**2).sum(axis=-1) / (_DRIFT_M2_S * step[:, None]) / _CAUCHY**2)
        right = (data @ root_m[..., None])[..., 0]
        same = data
        for k in range(2):  # this frame's share in the step after it, and in the one before
            frames_of = slice(k, frames - 1 + k)
            same[frames_of] += slide.sum(axis=1)[:, None, None] * np.eye(3)
            right[frames_of] += (1 if k == 0 else -1) * (slide[..., None] * moved).sum(axis=1)
        if floor is not None:
            _add_floor(same, right, path, feet_m, contact, width, floor)
        path = _solve(same, right, slide.sum(axis=1), smooth, bend)
    return path


def _believed(feet_m: Array, contact: Array, time_s: Array) -> Array:
    """Return (frames, feet), how far a contact is believed, by how slowly the foot moves over the whole of it."""
    believed = np.ones_like(contact)
    for foot in range(contact.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (contact[:, foot] > 0.5).astype(np.int8), [0]])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if end - begin < 3:
                continue
            t = time_s[begin:end] - time_s[begin:end].mean()
            slope = t @ feet_m[begin:end, foot] / (t @ t)
            # Along the ray, what moves slowly is as much the depth's error as the foot.
            ray = feet_m[begin:end, foot].mean(axis=0)
            ray = ray / np.linalg.norm(ray)
            along = float(slope @ ray)
            across = float(np.linalg.norm(slope - along * ray))
            wander = (
                ALONG_SHARE * np.linalg.norm(feet_m[begin:end, foot].mean(axis=0)) / (time_s[end - 1] - time_s[begin])
            )
            speed2 = (across / _SLIDES_M_S) ** 2 + (along / (_SLIDES_M_S + 2 * wander)) ** 2
            believed[begin:end, foot] = 1.0 / (1.0 + speed2**2)
    return believed


def _add_floor(
    same: Array, right: Array, path: Array, feet_m: Array, contact: Array, width: Array, floor: Floor
) -> None:
    """Add the terms of a floor to the normal equations, in place."""
    wanted = floor.height_m - feet_m @ floor.up  # (frames, feet): the height of the hips with which a foot is on it
    off = path @ floor.up - wanted.T
    weight = (np.minimum(width / LASTING_S, 1.0)[:, None] * contact).T / _FLOOR_STD_M**2
    weight = weight / (1.0 + (off / _FLOOR_STD_M) ** 2 / _CAUCHY**2)
    weight += np.where(off < 0, 1.0 / _SINK_STD_M**2, 0.0) * np.minimum(width / LASTING_S, 1.0)
    same += weight.sum(axis=0)[:, None, None] * np.outer(floor.up, floor.up)
    right += (weight * wanted.T).sum(axis=0)[:, None] * floor.up


def _solve(same: Array, right: Array, slide: Array, smooth: Array, bend: Array) -> Array:
    """Solve the banded normal equations: unknown the path (frames, 3)."""
    frames = len(same)
    banded = np.zeros((frames, 3, _BANDS))
    for row in range(3):
        for column in range(row + 1):
            banded[:, column, row - column] = same[:, row, column]
    weighted = smooth[:, None] * bend
    for k in range(3):
        banded[k : frames - 2 + k, :, 0] += (weighted[:, k] * bend[:, k])[:, None]
    banded[:-1, :, 3] -= slide[:, None]
    banded[:-2, :, 3] += (weighted[:, 0] * bend[:, 1])[:, None]
    banded[1:-1, :, 3] += (weighted[:, 1] * bend[:, 2])[:, None]
    banded[:-2, :, 6] += (weighted[:, 0] * bend[:, 2])[:, None]
    path: Array = solveh_banded(banded.reshape(-1, _BANDS).T, right.ravel(), lower=True).reshape(-1, 3)
    return path
