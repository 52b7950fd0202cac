"""The same pose on another rig: every part points and is rolled as the source's, whatever either rests like.

With F_s and F_t a part's axes at rest by the body's own sense (`Rig.frame`), and W_s the source's rotation in the
world, the target's is W_s F_s F_t^T: it brings what the target calls along and aside to where the source has them.
Joints that play no part keep their angle to their parent; those between two parts of the trunk share the bend.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retarget.rigs.rig import SIDES, TRUNK, Rig
from retarget.rigs.turns import from_vectors, matrices, quaternions, to_vectors, turned
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]


def placed(motion: Motion) -> tuple[Array, Array]:
    """Return a motion's joints in the world: positions (joints, frames, 3) in metres, rotations (joints, frames, 3, 3).

    Forward kinematics, as `Motion` has it.
    """
    frames, joints = motion.rotation_xyzw.shape[:2]
    position, rotation = np.empty((joints, frames, 3)), np.empty((joints, frames, 3, 3))
    for joint, parent in enumerate(motion.parents):
        local = matrices(motion.rotation_xyzw[:, joint])
        if parent < 0:
            position[joint], rotation[joint] = motion.root_m, local
        else:
            position[joint] = position[parent] + turned(rotation[parent], motion.rest_offset_m[joint])
            rotation[joint] = rotation[parent] @ local
    return position, rotation


def world_rotations(motion: Motion, source: Rig, target: Rig) -> Array:
    """Return the target's joints' rotations in the world, (joints, frames, 3, 3); at rest they are identities.

    Parameters
    ----------
    motion
        Of the source.
    source, target
        The rigs; parts that either lacks follow their parents.
    """
    _, of_source = placed(motion)
    roles = {joint: role for role, joint in target.role.items() if role in source.role and not _is_finger(role)}
    found: dict[int, Array] = {}
    for joint, role in roles.items():
        found[joint] = of_source[source.role[role]] @ (source.frame(role) @ target.frame(role).T)
    _share_bends(found, target)
    still = np.broadcast_to(np.eye(3), (len(motion.time_s), 3, 3))
    whole = np.empty((len(target.joint_names), *still.shape))
    for joint, parent in enumerate(target.parents):
        whole[joint] = found.get(joint, whole[parent] if parent >= 0 else still)
    return whole


def to_motion(target: Rig, rotations: Array, root_m: Array, rest_offset_m: Array, time_s: Array) -> Motion:
    """Return the motion of a rig whose joints are turned so in the world, its root at `root_m` (frames, 3)."""
    local = np.empty((len(time_s), len(rotations), 4))
    for joint, parent in enumerate(target.parents):
        local[:, joint] = quaternions(
            rotations[joint] if parent < 0 else rotations[parent].swapaxes(1, 2) @ rotations[joint]
        )
    return Motion(target.joint_names, target.parents, rest_offset_m, local, root_m, time_s)


def scaled_root(motion: Motion, source: Rig, target: Rig, rotations: Array) -> Array:
    """Return the path of the target's root (frames, 3), metres: the middle of its hips goes the source's way, scaled.

    The scale is that of the legs, so that steps fit and feet come to the floor as the source's do.
    """
    position, _ = placed(motion)
    hips = (position[source.role["left_thigh"]] + position[source.role["right_thigh"]]) / 2
    path = target.leg_m() / source.leg_m() * hips
    # From the root to the middle of the hips, through the joints between: they may turn.
    for side in SIDES:
        path = path - reach(target, rotations, target.role[f"{side}_thigh"]) / 2
    return np.asarray(path)


def reach(rig: Rig, rotations: Array, joint: int) -> Array:
    """Return the vector (frames, 3), metres, from the rig's root to a joint, its joints turned so in the world."""
    total = np.zeros((rotations.shape[1], 3))
    parent = int(rig.parents[joint])
    while parent >= 0:
        total += turned(rotations[parent], rig.rest_m[joint] - rig.rest_m[parent])
        joint, parent = parent, int(rig.parents[parent])
    return total


def _is_finger(role: str) -> bool:
    return role.endswith(("_index", "_pinky"))


def _share_bends(found: dict[int, Array], target: Rig) -> None:
    """Turn the joints between two parts of the trunk by their share of the way from the lower to the upper."""
    trunk = [target.role[role] for role in TRUNK if role in target.role]
    for lower, upper in pairwise(trunk):
        between: list[int] = []
        joint = int(target.parents[upper])
        while joint >= 0 and joint != lower:
            between.append(joint)
            joint = int(target.parents[joint])
        if joint != lower or lower not in found or upper not in found:
            continue
        way = to_vectors(found[lower].swapaxes(1, 2) @ found[upper])
        for place, joint in enumerate(reversed(between), 1):
            found.setdefault(joint, found[lower] @ from_vectors(place / (len(between) + 1) * way))
