"""IK handles for hands and feet: bones that follow the motion, and lead the limb when they are switched on.

Each handle has a property `ik`, 0 to 1: at 0 the keyframes move the limb, at 1 the handle and its pole do. They have
keyframes of their own, along the motion, so switching changes (almost) nothing, and from there on the limb can be
moved by the handle. Pose > Animation > Bake Action makes keyframes of the limb's bones again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blender.export.actions import Action
from blender.export.armature import Bones, continuous
from retarget.rigs.transfer import placed
from retarget.rigs.turns import quaternions, turned
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

POLE_M = 0.5
"""How far the pole stands from the elbow or knee."""

STRAIGHT_M = 0.01
"""Off the line by less than this, an elbow or knee does not tell where the pole is: the bone's roll does."""

HANDLES, DEFORMING = "IK handles", "Bones"
"""The armature's bone collections."""


@dataclass(frozen=True)
class Limb:
    """A limb that gets a handle: its two bones, the one at its end, and to which side (of the upper bone's z) it bends.

    `bends` is +1 where the middle joint points along the upper bone's z axis when the limb is bent, as knees do.
    """

    upper: str
    lower: str
    end: str
    bends: float


LIMBS = tuple(
    Limb(f"{side}_{upper}", f"{side}_{lower}", f"{side}_{end}", bends)
    for side in ("left", "right")
    for upper, lower, end, bends in (("upper_arm", "forearm", "hand", -1.0), ("thigh", "shin", "foot", 1.0))
)
"""The limbs of clapcap's own skeleton; a motion that lacks the bones has no handles."""


def add_handles(bpy: Any, armature: Any, action: Action, motion: Motion, bones: Bones, frames: Array) -> list[str]:
    """Add a handle and a pole for every limb that the motion has, with keyframes; return the handles' names."""
    limbs = [limb for limb in LIMBS if {limb.upper, limb.lower, limb.end} <= set(bones.joint)]
    if not limbs:
        return []
    data = armature.data
    bpy.ops.object.mode_set(mode="EDIT")
    for limb in limbs:
        handle = data.edit_bones.new(_handle(limb))
        end = data.edit_bones[limb.end]
        handle.head, handle.tail, handle.roll = end.head, end.tail, end.roll
        pole = data.edit_bones.new(_pole(limb))
        at = bones.head_m[limb.lower] + limb.bends * POLE_M * bones.axes[limb.upper][:, 2]
        pole.head, pole.tail = at.tolist(), (at + np.array([0.0, 0.0, 0.08])).tolist()
        pole.roll = 0.0
        handle.use_deform = pole.use_deform = False
    bpy.ops.object.mode_set(mode="OBJECT")
    handles, deforming = (data.collections.new(name) for name in (HANDLES, DEFORMING))
    for bone in data.bones:
        (deforming if bone.name in bones.joint else handles).assign(bone)
    position, rotation = placed(motion)
    for limb in limbs:
        _follow(armature, action, limb, bones, position, rotation, frames)
        _lead(armature, limb)
    return [_handle(limb) for limb in limbs]


def _handle(limb: Limb) -> str:
    return f"{limb.end}_ik"


def _pole(limb: Limb) -> str:
    return f"{limb.lower}_pole"


def _follow(
    armature: Any,
    action: Action,
    limb: Limb,
    bones: Bones,
    position: Array,
    rotation: Array,
    frames: Array,
) -> None:
    """Key the handle and the pole along the motion."""
    for name in (_handle(limb), _pole(limb)):
        armature.pose.bones[name].rotation_mode = "QUATERNION"
    root, middle, end = (position[bones.joint[bone]] for bone in (limb.upper, limb.lower, limb.end))
    axes = bones.axes[limb.end]
    local = quaternions(axes.T @ rotation[bones.joint[limb.end]] @ axes)
    path = f'pose.bones["{_handle(limb)}"]'
    action.key(f"{path}.location", frames, (end - bones.head_m[limb.end]) @ axes)
    action.key(f"{path}.rotation_quaternion", frames, continuous(local)[:, [3, 0, 1, 2]])
    pole = middle + POLE_M * pole_directions(limb, bones, root, middle, end, rotation)
    bone = armature.data.bones[_pole(limb)]
    axes = np.array(bone.matrix_local)[:3, :3]
    action.key(f'pose.bones["{_pole(limb)}"].location', frames, (pole - np.array(bone.head_local)) @ axes)


def pole_directions(limb: Limb, bones: Bones, root: Array, middle: Array, end: Array, rotation: Array) -> Array:
    """Return where the middle joint points, (frames, 3) unit vectors in the world.

    Off the line from the limb's root to its end, as far as the limb is bent; when it is straight, as the upper bone
    is rolled.
    """
    line = (end - root) / np.linalg.norm(end - root, axis=1, keepdims=True)
    off = middle - root
    off = off - (off * line).sum(axis=1, keepdims=True) * line
    rolled = limb.bends * turned(rotation[bones.joint[limb.upper]], bones.axes[limb.upper][:, 2])
    rolled = rolled - (rolled * line).sum(axis=1, keepdims=True) * line
    share = np.clip(np.linalg.norm(off, axis=1, keepdims=True) / STRAIGHT_M, 0, 1)
    # Bent the wrong way, as limits allow by a few degrees, the pole stays where it belongs.
    share = share * ((off * rolled).sum(axis=1, keepdims=True) > 0)
    unit = off / np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-9)
    mixed = share * unit + (1 - share) * rolled
    directions: Array = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return directions


def _lead(armature: Any, limb: Limb) -> None:
    """Let the handle lead the limb as far as its property `ik` says."""
    handle = armature.pose.bones[_handle(limb)]
    handle["ik"] = 0.0
    handle.id_properties_ui("ik").update(min=0.0, max=1.0, description="0: the keyframes move the limb, 1: the handle")
    reach = armature.pose.bones[limb.lower].constraints.new("IK")
    reach.target = reach.pole_target = armature
    reach.subtarget, reach.pole_subtarget = _handle(limb), _pole(limb)
    reach.chain_count, reach.use_stretch = 2, False
    reach.pole_angle = _pole_angle(armature, limb)
    turn = armature.pose.bones[limb.end].constraints.new("COPY_ROTATION")
    turn.target, turn.subtarget = armature, _handle(limb)
    for constraint in (reach, turn):
        driver = constraint.driver_add("influence").driver
        driver.type = "AVERAGE"
        variable = driver.variables.new()
        variable.targets[0].id = armature
        variable.targets[0].data_path = f'pose.bones["{_handle(limb)}"]["ik"]'


def _pole_angle(armature: Any, limb: Limb) -> float:
    """Return the angle about the upper bone from its x axis to the pole, at rest."""
    upper, pole = armature.data.bones[limb.upper], armature.data.bones[_pole(limb)]
    axes = np.array(upper.matrix_local)[:3, :3]
    to_pole = np.array(pole.head_local) - np.array(upper.head_local)
    local = axes.T @ to_pole
    # Blender measures from x towards z.
    return float(np.arctan2(local[2], local[0]))
