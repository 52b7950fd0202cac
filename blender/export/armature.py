"""The armature: bones in the rest pose with their rolls, and the motion as keyframes.

A joint's frame in a `Motion` is parallel to the world at rest, a bone's frame in Blender has y along the bone. With B
the bone's axes at rest, the pose that Blender adds to the rest (`matrix_basis`) is B^T R B for the joint's rotation R.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blender.export.actions import Action
from retarget.rigs.turns import matrices, quaternions
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

LEAST_BONE_M = 0.01
"""Blender deletes bones without length; a joint whose tail lies in itself gets one of this length."""


@dataclass(frozen=True, eq=False)
class Bones:
    """The bones of a motion: joints that are more than the end of another's bone.

    Attributes
    ----------
    joint
        By bone's name, which is its joint's: the joint's place in the motion.
    head_m, tail_m
        By bone: (3,) in the rest pose, metres, the lowest point of the figure at z = 0.
    axes
        By bone: (3, 3), columns x, y (along the bone), z at rest.
    parent
        By bone: its parent bone's name, None for the root.
    """

    joint: Mapping[str, int]
    head_m: Mapping[str, Array]
    tail_m: Mapping[str, Array]
    axes: Mapping[str, Array]
    parent: Mapping[str, str | None]


def bones_of(motion: Motion, roll_axis: Mapping[str, Array]) -> Bones:
    """Lay out the bones.

    Parameters
    ----------
    motion
        Its rest pose is what the armature's will be.
    roll_axis
        By joint: the direction at rest to which the bone's z axis points, as nearly as a right angle to it allows;
        for joints that are not named, forward (-y), or up for bones that lie along it.
    """
    joints = len(motion.joint_names)
    rest = np.zeros((joints, 3))
    for joint in range(1, joints):
        rest[joint] = rest[motion.parents[joint]] + motion.rest_offset_m[joint]
    rest[:, 2] -= rest[:, 2].min()
    children = [np.flatnonzero(motion.parents == joint) for joint in range(joints)]
    kept = [joint for joint in range(joints) if len(children[joint]) or not motion.joint_names[joint].endswith("_end")]
    names = motion.joint_names
    head, tail, axes = {}, {}, {}
    for joint in kept:
        name = names[joint]
        head[name] = rest[joint]
        tail[name] = _tail(joint, rest, children, motion)
        axes[name] = _axes(tail[name] - head[name], roll_axis.get(name))
    return Bones(
        {names[joint]: joint for joint in kept},
        head,
        tail,
        axes,
        {names[joint]: names[motion.parents[joint]] if motion.parents[joint] >= 0 else None for joint in kept},
    )


def build_armature(bpy: Any, bones: Bones, name: str) -> Any:
    """Make the armature object, in the rest pose, and return it."""
    import mathutils

    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, parent in bones.parent.items():
        made = data.edit_bones.new(bone)
        made.head, made.tail = bones.head_m[bone].tolist(), bones.tail_m[bone].tolist()
        made.align_roll(mathutils.Vector(bones.axes[bone][:, 2].tolist()))
        if parent is not None:
            made.parent = data.edit_bones[parent]
            made.use_connect = bool(np.allclose(bones.tail_m[parent], bones.head_m[bone], atol=1e-7))
    bpy.ops.object.mode_set(mode="OBJECT")
    data.show_axes = False
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return armature


def animate(armature: Any, action: Action, motion: Motion, bones: Bones, frames: Array) -> None:
    """Set the motion's keyframes, one at each of `frames` (frames,), which may lie between whole frames."""
    for bone, joint in bones.joint.items():
        axes = bones.axes[bone]
        local = quaternions(axes.T @ matrices(motion.rotation_xyzw[:, joint]) @ axes)
        wxyz = continuous(local)[:, [3, 0, 1, 2]]
        action.key(f'pose.bones["{bone}"].rotation_quaternion', frames, wxyz)
        if bones.parent[bone] is None:
            action.key(f'pose.bones["{bone}"].location', frames, (motion.root_m - bones.head_m[bone]) @ axes)


def continuous(quaternions: Array) -> Array:
    """Return quaternions (frames, 4) with the signs that make neighbours alike, so that nothing spins in between."""
    flips = (quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0
    sign = np.concatenate([[1.0], np.where(np.cumsum(flips) % 2, -1.0, 1.0)])
    alike: Array = quaternions * sign[:, None]
    return alike


def _tail(joint: int, rest: Array, children: list[npt.NDArray[np.int64]], motion: Motion) -> Array:
    """Return where a joint's bone ends: at its `*_end`, at its only child, in the direction of its middle child."""
    name = motion.joint_names[joint]
    ends = [child for child in children[joint] if motion.joint_names[child] == f"{name}_end"]
    if ends:
        tail = rest[ends[0]]
    elif len(children[joint]) == 1:
        tail = rest[children[joint][0]]
    elif len(children[joint]):
        # Of several, the one that goes on most nearly through the middle: of hips, the spine.
        middle = min(children[joint], key=lambda child: abs(float(motion.rest_offset_m[child, 0])))
        tail = rest[middle]
    else:
        tail = rest[joint] + 0.5 * motion.rest_offset_m[joint]
    if np.linalg.norm(tail - rest[joint]) < LEAST_BONE_M:
        return np.asarray(rest[joint] + np.array([0.0, 0.0, LEAST_BONE_M]))
    return np.asarray(tail)


def _axes(along: Array, roll_axis: Array | None) -> Array:
    """Return the bone's axes, as Blender's `align_roll` makes them: z as nearly along `roll_axis` as it can be."""
    y = along / np.linalg.norm(along)
    for towards in (roll_axis, np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        if towards is None:
            continue
        z = towards - (towards @ y) * y
        length = np.linalg.norm(z)
        if length > 0.1 * np.linalg.norm(towards):
            z = z / length
            break
    return np.stack([np.cross(y, z), y, z], axis=1)
