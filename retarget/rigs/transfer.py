"""The same pose on another rig: every part points and is rolled as the source's, whatever either rests like.

With F_s and F_t a part's axes at rest by the body's own sense (`Rig.frame`), and W_s the source's rotation in the
world, the target's is W_s F_s F_t^T: it brings what the target calls along and aside to where the source has them.
Joints that play no part keep their angle to their parent; those between two parts of the trunk share the bend.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from retarget.rigs.rig import SIDES, TRUNK, Rig
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]


def world_rotations(motion: Motion, source: Rig, target: Rig) -> list[Rotation]:
    """Return the target's joints' rotations in the world, one Rotation (frames,) a joint; at rest they are identities.

    Parameters
    ----------
    motion
        Of the source.
    source, target
        The rigs; parts that either lacks follow their parents.
    """
    of_source = motion.world_rotations()
    frames = len(motion.time_s)
    place = {joint: role for role, joint in target.role.items() if role in source.role and not _is_finger(role)}
    found: list[Rotation | None] = [None] * len(target.joint_names)
    for joint, role in place.items():
        turn = Rotation.from_matrix(source.frame(role) @ target.frame(role).T)
        found[joint] = of_source[source.role[role]] * turn
    _share_bends(found, target)
    whole: list[Rotation] = []
    for joint, parent in enumerate(target.parents):
        rotation = found[joint]
        if rotation is None:
            rotation = whole[parent] if parent >= 0 else Rotation.identity(frames)
        whole.append(rotation)
    return whole


def to_motion(target: Rig, rotations: list[Rotation], root_m: Array, rest_offset_m: Array, time_s: Array) -> Motion:
    """Return the motion of a rig whose joints are turned so in the world, its root at `root_m` (frames, 3)."""
    local = np.empty((len(time_s), len(rotations), 4))
    for joint, parent in enumerate(target.parents):
        turned = rotations[joint] if parent < 0 else rotations[parent].inv() * rotations[joint]
        local[:, joint] = turned.as_quat()
    return Motion(target.joint_names, target.parents, rest_offset_m, local, root_m, time_s)


def scaled_root(motion: Motion, source: Rig, target: Rig, rotations: list[Rotation]) -> Array:
    """Return the path of the target's root (frames, 3), metres: the middle of its hips goes the source's way, scaled.

    The scale is that of the legs, so that steps fit and feet come to the floor as the source's do.
    """
    position = motion.world_positions()
    hips = (position[:, source.role["left_thigh"]] + position[:, source.role["right_thigh"]]) / 2
    middle = target.leg_m() / source.leg_m() * hips
    root = int(np.flatnonzero(target.parents < 0)[0])
    # From the root to the middle of the hips, through the joints between: they may turn.
    away = np.zeros_like(middle)
    for side in SIDES:
        away += _reach(target, rotations, root, target.role[f"{side}_thigh"]) / 2
    path: Array = middle - away
    return path


def _reach(rig: Rig, rotations: list[Rotation], start: int, end: int) -> Array:
    """Return the vector (frames, 3) from a joint to one below it."""
    total = np.zeros((len(rotations[0]), 3))
    while end != start:
        parent = int(rig.parents[end])
        total += rotations[parent].apply(rig.rest_m[end] - rig.rest_m[parent])
        end = parent
    return total


def reach(rig: Rig, rotations: list[Rotation], joint: int) -> Array:
    """Return the vector (frames, 3), metres, from the rig's root to a joint."""
    return _reach(rig, rotations, int(np.flatnonzero(rig.parents < 0)[0]), joint)


def _is_finger(role: str) -> bool:
    return role.endswith(("_index", "_pinky"))


def _share_bends(found: list[Rotation | None], target: Rig) -> None:
    """Turn the joints between two parts of the trunk by their share of the way from the lower to the upper."""
    trunk = [target.role[role] for role in TRUNK if role in target.role]
    for lower, upper in pairwise(trunk):
        between = []
        joint = int(target.parents[upper])
        while joint >= 0 and joint != lower:
            between.append(joint)
            joint = int(target.parents[joint])
        low, high = found[lower], found[upper]
        if joint != lower or not between or low is None or high is None:
            continue
        for place, joint in enumerate(reversed(between), 1):
            if found[joint] is None:
                found[joint] = _between(low, high, place / (len(between) + 1))


def _between(first: Rotation, second: Rotation, share: float) -> Rotation:
    """Return the rotations that are `share` of the way from the first to the second."""
    return first * Rotation.from_rotvec(share * (first.inv() * second).as_rotvec())
