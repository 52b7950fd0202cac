"""Motions, cleaned up: rotations and the root's path, with the filters that points have. Bones keep their lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from retarget.cleanup.filters import FILTERS, NONE
from retarget.cleanup.points import Changes, CleanUp
from retarget.cleanup.spikes import find_spikes
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEVER_M = 0.3
"""Turns are measured by the path of a point this far from the joint, about a forearm: so parameters in metres hold."""


@dataclass(frozen=True, eq=False)
class CleanedMotion:
    """A motion after clean-up, and what it did: `moved_m` is how far each joint moved in the world."""

    motion: Motion
    changes: Changes


def clean_motion(motion: Motion, wanted: CleanUp) -> CleanedMotion:
    """Take spikes out of rotations and of the root's path, and filter both.

    A spike is replaced by what lies between its neighbours, however long `max_gap_s` is: a motion has no gaps.

    Raises
    ------
    CleanupError
        If the filter cannot be had at this frame rate.
    """
    time_s = motion.time_s
    rotation, root = motion.rotation_xyzw, motion.root_m[:, None]
    spikes, root_spikes = np.zeros(rotation.shape[:2], dtype=bool), np.zeros(root.shape[:2], dtype=bool)
    if wanted.spikes:
        spikes, root_spikes = find_turn_spikes(rotation, time_s), find_spikes(root, time_s)
        rotation = _over_spikes(rotation, time_s, spikes, turns=True)
        root = _over_spikes(root, time_s, root_spikes)
    if wanted.filter != NONE:
        apply = FILTERS[wanted.filter]
        rotation = filter_rotations(rotation, lambda path: apply(path, time_s, None, **wanted.parameters))
        root = apply(root, time_s, None, **wanted.parameters)
    cleaned = replace(motion, rotation_xyzw=rotation, root_m=root[:, 0])
    spikes[:, 0] |= root_spikes[:, 0]
    moved = np.linalg.norm(cleaned.world_positions() - motion.world_positions(), axis=-1)
    nothing = np.zeros(spikes.shape, dtype=bool)
    return CleanedMotion(cleaned, Changes(motion.joint_names, spikes, spikes, nothing, moved))


def find_turn_spikes(rotation_xyzw: Array, time_s: Array) -> Bools:
    """Find spikes in unit quaternions (frames, joints, 4): (frames, joints) of bool.

    They are looked for in the rotation matrices, in which a quaternion and its negative are the same, and which differ
    by sqrt(2) times a small angle between them.
    """
    shape = rotation_xyzw.shape[:2]
    matrices = Rotation.from_quat(rotation_xyzw.reshape(-1, 4)).as_matrix().reshape(*shape, 9)
    return find_spikes(LEVER_M / np.sqrt(2) * matrices, time_s)


def filter_rotations(rotation_xyzw: Array, apply: Callable[[Array], Array]) -> Array:
    """Filter unit quaternions (frames, joints, 4) as paths on their sphere.

    Of each quaternion and its negative, which are the same rotation, the one nearer to the frame before is taken; the
    components are filtered, and brought back to length 1: to second order of the angles within a filter's window, the
    same as filtering in the tangent space (C. Gramkow, "On averaging rotations", International Journal of Computer
    Vision 42, 2001). A small turn moves a quaternion by half of its angle, so the paths that `apply` gets are scaled by
    2 `LEVER_M`, to metres.
    """
    filtered = apply(2 * LEVER_M * continuous(rotation_xyzw))
    unit: Array = filtered / np.linalg.norm(filtered, axis=-1, keepdims=True)
    return unit


def continuous(rotation_xyzw: Array) -> Array:
    """Return quaternions (frames, ..., 4), or their negatives, so that none is further than needed from the last."""
    turned = (rotation_xyzw[1:] * rotation_xyzw[:-1]).sum(axis=-1, keepdims=True) < 0
    sign = np.cumprod(np.where(turned, -1.0, 1.0), axis=0)
    return np.concatenate([rotation_xyzw[:1], sign * rotation_xyzw[1:]])


def _over_spikes(values: Array, time_s: Array, spikes: Bools, turns: bool = False) -> Array:
    """Interpolate (frames, tracks, k) over frames that are spikes; unit quaternions if `turns`."""
    result = values.copy()
    for track in np.flatnonzero(spikes.any(axis=0)):  # each track has spikes of its own
        good = ~spikes[:, track]
        kept = continuous(values[good, track]) if turns else values[good, track]
        between = PchipInterpolator(time_s[good], kept)(time_s[~good])
        result[~good, track] = between / np.linalg.norm(between, axis=-1, keepdims=True) if turns else between
    return result
