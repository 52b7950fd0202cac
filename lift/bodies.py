"""One recorded body as many: mirrored, faster or slower, of other proportions, its feet put back on the ground."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lift.points import CHAIN, FEET, HIPS, MIRROR, POINTS, SHOULDERS, STATURE_M, root, stature

Array = npt.NDArray[np.float32]

GROUPS = ("trunk", "shoulders", "hips", "upper_arm", "forearm", "thigh", "shin", "foot", "head")
"""Bones that have one factor of length, both sides alike."""

UPPER = [k for k, name in enumerate(POINTS) if name.endswith(("head", "nose", "elbow", "wrist"))]
SHOULDER_OF = {
    k: int(SHOULDERS[int(POINTS[k].startswith("right"))]) for k in UPPER if POINTS[k].endswith(("elbow", "wrist"))
}
"""Points of arms and head, and the shoulder that an arm's point hangs on."""


def mirrored(xyz_m: Array, contact: npt.NDArray[np.int8]) -> tuple[Array, npt.NDArray[np.int8]]:
    """Return the mirror image (left and right exchanged, x turned round) of (..., frames, points, 3)."""
    flipped = xyz_m[..., MIRROR, :] * np.array([-1, 1, 1], dtype=xyz_m.dtype)
    return flipped, contact[..., ::-1]


def proportioned(xyz_m: Array, factor: Array) -> Array:
    """Return bodies with other bone lengths in the same pose.

    The path of the hips grows with the legs, and each frame is lifted or lowered so that its lowest point of the feet
    has the recorded height, scaled like the legs: feet that stood on the ground stand on it again.

    Parameters
    ----------
    xyz_m
        (windows, frames, points, 3): metres, Z up, the floor near 0; NaN: not recorded.
    factor
        (windows, len(GROUPS)): each group's new length over its old one.
    """
    scale = {group: factor[:, None, k, None] for k, group in enumerate(GROUPS)}
    hips, shoulders = root(xyz_m), xyz_m[..., SHOULDERS, :].mean(axis=-2)
    old = {name: xyz_m[..., k, :] for k, name in enumerate(POINTS)} | {"shoulders": shoulders}
    legs = (scale["thigh"] + scale["shin"]) / 2
    new = {"root": hips * legs}
    new["shoulders"] = new["root"] + scale["trunk"] * (shoulders - hips)
    for side in ("left", "right"):
        new[f"{side}_hip"] = new["root"] + scale["hips"] * (old[f"{side}_hip"] - hips)
        new[f"{side}_shoulder"] = new["shoulders"] + scale["shoulders"] * (old[f"{side}_shoulder"] - shoulders)
    for point, parent, group in CHAIN:
        new[point] = new[parent] + scale[group] * (old[point] - old[parent])
    body = np.stack([new[name] for name in POINTS], axis=-2)
    lowest_old = np.min(np.nan_to_num(xyz_m[..., FEET, 2], nan=np.inf), axis=-1)
    lowest_new = np.min(np.nan_to_num(body[..., FEET, 2], nan=np.inf), axis=-1)
    known = np.isfinite(lowest_old) & np.isfinite(lowest_new)
    lift = np.where(known, legs[..., 0] * np.where(known, lowest_old, 0) - np.where(known, lowest_new, 0), 0)
    body[..., 2] += lift[..., None]
    result: Array = body.astype(xyz_m.dtype)
    return result


def with_other_arms(xyz_m: Array, giver: npt.NDArray[np.int64]) -> Array:
    """Return bodies that hold arms and head, towards their trunks, as other windows' bodies do.

    Recorded people do not do all that one can do at once: legs of one and arms of another make poses that nobody was
    recorded in, and which are as possible.

    Parameters
    ----------
    xyz_m
        (windows, frames, points, 3): metres, bodies of about one height.
    giver
        (windows,): the window that each one takes arms and head from; its own number: it keeps them.
    """
    here, there = torso_axes(xyz_m), torso_axes(xyz_m)[giver]
    turn = (here @ np.swapaxes(there, -1, -2)).astype(xyz_m.dtype)
    other = xyz_m[giver]
    shoulders, others = xyz_m[..., SHOULDERS, :].mean(axis=-2), other[..., SHOULDERS, :].mean(axis=-2)
    result = xyz_m.copy()
    for point in UPPER:
        side = SHOULDER_OF.get(point)
        hangs, hung = (shoulders, others) if side is None else (xyz_m[..., side, :], other[..., side, :])
        result[..., point, :] = hangs + np.einsum("...ij,...j->...i", turn, other[..., point, :] - hung)
    # Where either trunk was not recorded, nothing tells how to turn.
    known = (np.abs(here).sum(axis=(-1, -2)) > 0) & (np.abs(there).sum(axis=(-1, -2)) > 0)
    keep = (giver == np.arange(len(giver)))[:, None] | ~known.all(axis=1, keepdims=True)
    mixed: Array = np.where(keep[..., None, None], xyz_m, result)
    return mixed


def of_stature(xyz_m: Array) -> tuple[Array, Array]:
    """Return windows scaled to the standard body's height, and each window's scale: standard over recorded.

    A window without any frame that tells the height keeps its size.
    """
    heights = stature(xyz_m)
    known = np.isfinite(heights)
    total = np.where(known, heights, 0).sum(axis=1)
    height = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), STATURE_M)
    scale = (STATURE_M / height).astype(xyz_m.dtype)
    return xyz_m * scale[:, None, None, None], scale


def random_factors(rng: np.random.Generator, windows: int, deviation: float) -> Array:
    """Return factors (windows, len(GROUPS)), log-normal: people's proportions about the recorded ones.

    A deviation of 0.06 is that of adults' segment lengths over their height (Gordon et al., 2012 Anthropometric
    Survey of U.S. Army Personnel: 4 to 7 % by segment).
    """
    factors: Array = np.exp(deviation * rng.standard_normal((windows, len(GROUPS)))).astype(np.float32)
    return factors


def torso_axes(xyz_m: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return (..., 3, 3), columns: the subject's left, up along the trunk, and front, square to each other.

    Zeros where the trunk is not recorded.
    """
    left = xyz_m[..., HIPS[0], :] - xyz_m[..., HIPS[1], :] + xyz_m[..., SHOULDERS[0], :] - xyz_m[..., SHOULDERS[1], :]
    up = xyz_m[..., SHOULDERS, :].mean(axis=-2) - root(xyz_m)
    up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    left = left - (left * up).sum(axis=-1, keepdims=True) * up
    left = left / np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), 1e-6)
    axes: npt.NDArray[np.floating[Any]] = np.nan_to_num(np.stack([left, up, np.cross(left, up)], axis=-1))
    return axes
