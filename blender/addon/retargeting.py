"""A moving armature onto a rig, in Blender: helper bones that move as the rig's own shall, copied and baked.

The helpers are an armature of loose bones with the rest axes of the rig's; `retarget.rigs` says how each is turned in
the world. Constraints copy them onto the rig's bones, whatever these hang on, so generated rigs (Rigify's controls)
follow as plain skeletons do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blender.export.actions import Action
from blender.export.armature import continuous
from clapcap.errors import ClapcapError
from retarget.rigs.planting import find_contacts, plant_feet, plant_root
from retarget.rigs.presets import load_preset, preset_names, propose
from retarget.rigs.reaching import join_hands
from retarget.rigs.rig import Rig
from retarget.rigs.transfer import reach, scaled_root, world_rotations
from retarget.rigs.turns import quaternions
from skeleton.motion import Motion

CONNECTED = "clapcap_helpers"
"""The rig's property that names the armature of helpers."""

CONSTRAINT = "clapcap"
AUTOMATIC = "auto"
ORIGIN = "clapcap origin"
"""The joint on which all bones hang that have no parent."""

IK_SWITCH = "IK_FK"
"""Rigify's property: 0 follows the IK handles, 1 the keyframes of the bones."""

_items: list[tuple[str, str, str]] = []


def preset_items(_self: Any, _context: Any) -> list[tuple[str, str, str]]:
    """Return the presets as Blender's menu holds them; the list must outlive the call."""
    if not _items:
        _items.append((AUTOMATIC, "Propose", "By the names of the bones, else by the shape of the rest pose"))
        _items.extend((name, name, f"The bone map of {name}") for name in preset_names())
    return _items


def rest_of(armature: Any) -> tuple[Motion, dict[str, Any]]:
    """Return an armature at rest, as a motion of one frame in the world, and by bone its rest axes (3, 3) there."""
    world = np.array(armature.matrix_world)
    turn, scale = _turn_and_scale(world)
    names, parents, heads, axes = [ORIGIN], [-1], [world[:3, 3]], {}
    for bone in armature.data.bones:  # parents come first
        names.append(bone.name)
        parents.append(names.index(bone.parent.name) if bone.parent else 0)
        heads.append(world[:3, 3] + scale * (turn @ np.array(bone.head_local)))
        axes[bone.name] = turn @ np.array(bone.matrix_local)[:3, :3]
    head = np.array(heads)
    offset = head - head[np.maximum(parents, 0)]
    still = np.tile([0.0, 0.0, 0.0, 1.0], (1, len(names), 1))
    return Motion(tuple(names), np.array(parents), offset, still, head[:1], np.zeros(1)), axes


def _turn_and_scale(world: Any) -> tuple[Any, float]:
    scale = float(np.cbrt(abs(np.linalg.det(world[:3, :3])))) or 1.0
    return world[:3, :3] / scale, scale


def sample(context: Any, armature: Any, frames: list[int]) -> Motion:
    """Return how an armature moves in some frames of the scene, in the world, metres."""
    rest, axes = rest_of(armature)
    scene = context.scene
    bones = rest.joint_names[1:]
    turned = np.empty((len(frames), len(bones) + 1, 3, 3))
    turned[:, 0] = np.eye(3)
    root = np.empty((len(frames), 3))
    now = scene.frame_current
    for place, frame in enumerate(frames):
        scene.frame_set(frame)
        world = np.array(armature.matrix_world)
        turn, scale = _turn_and_scale(world)
        for k, name in enumerate(bones, 1):
            pose = np.array(armature.pose.bones[name].matrix)[:3, :3]
            pose = pose / np.cbrt(abs(np.linalg.det(pose)))
            turned[place, k] = turn @ pose @ axes[name].T
        root[place] = world[:3, 3] + scale * (turn @ np.array(armature.pose.bones[bones[0]].head))
    scene.frame_set(now)
    # The first bone carries the body through space: it becomes the root.
    local = np.empty((len(frames), len(bones), 4))
    parents = rest.parents[1:] - 1
    for k in range(len(bones)):
        above = parents[k]
        local[:, k] = quaternions(
            turned[:, k + 1] if above < 0 else turned[:, above + 1].swapaxes(1, 2) @ turned[:, k + 1]
        )
    if (parents[1:] < 0).any():
        keep = _below_first(parents)
        index = {old: new for new, old in enumerate(keep)}
        parents = np.array([index.get(int(parents[old]), -1) for old in keep])
        local, bones = local[:, keep], tuple(bones[old] for old in keep)
        offset = rest.rest_offset_m[1:][keep]
    else:
        offset = rest.rest_offset_m[1:]
    offset = np.concatenate([np.zeros((1, 3)), offset[1:]])
    rate_hz = scene.render.fps / scene.render.fps_base
    return Motion(bones, parents, offset, local, root, np.array(frames) / rate_hz)


def _below_first(parents: Any) -> list[int]:
    """Return the bones that hang on the first one, itself among them: handles and poles do not."""
    kept = [0]
    for k in range(1, len(parents)):
        if parents[k] in kept:
            kept.append(k)
    return kept


def connect(bpy: Any, context: Any, source: Any, target: Any, preset: str) -> str:
    """Make the rig follow, and return in words what was done.

    Raises
    ------
    ClapcapError
        If either armature lacks parts of a body, or the source does not move.
    """
    disconnect(bpy, target)
    first, last = (round(value) for value in _range(source))
    motion = sample(context, source, list(range(first, last + 1)))
    rest, axes = rest_of(target)
    _, source_names = propose(motion)
    if preset == AUTOMATIC:
        preset, target_names = propose(rest)
    else:
        target_names = load_preset(preset).match(rest.joint_names)
    source_rig, rig = Rig.of(motion, source_names), Rig.of(rest, target_names)
    rotations = world_rotations(motion, source_rig, rig)
    root_m = scaled_root(motion, source_rig, rig, rotations)
    root_m, stands = plant_root(rig, rotations, root_m, find_contacts(motion, source_rig), motion.time_s)
    rotations = plant_feet(rig, rotations, root_m, stands, motion.time_s)
    rotations = join_hands(motion, source_rig, rig, rotations, root_m)
    hips = rest.joint_names[rig.role["hips"]]
    path = root_m + reach(rig, rotations, rig.role["hips"])
    moved = [rest.joint_names[joint] for role, joint in rig.role.items() if role in source_rig.role]
    helpers = _add_helpers(bpy, context, target, moved, axes)
    action = Action(bpy, helpers, helpers.name)
    frames = np.arange(first, last + 1, dtype=np.float64)
    for name in moved:
        local = quaternions(axes[name].T @ rotations[rest.joint_names.index(name)] @ axes[name])
        action.key(f'pose.bones["{name}"].rotation_quaternion', frames, continuous(local)[:, [3, 0, 1, 2]])
    head = (
        rest.root_m[0] + reach(rig, np.broadcast_to(np.eye(3), (len(rest.joint_names), 1, 3, 3)), rig.role["hips"])[0]
    )
    action.key(f'pose.bones["{hips}"].location', frames, (path - head) @ axes[hips])
    for bone in target.pose.bones:
        if IK_SWITCH in bone:
            bone[IK_SWITCH] = 1.0
    for name in moved:
        turn = target.pose.bones[name].constraints.new("COPY_ROTATION")
        turn.name, turn.target, turn.subtarget = CONSTRAINT, helpers, name
    move = target.pose.bones[hips].constraints.new("COPY_LOCATION")
    move.name, move.target, move.subtarget = CONSTRAINT, helpers, hips
    target[CONNECTED] = helpers.name
    context.scene.frame_start, context.scene.frame_end = first, last
    return f"{len(moved)} bones of {target.name} follow {source.name} by {preset}; {len(stands)} stands of the feet"


def _range(source: Any) -> tuple[float, float]:
    action = source.animation_data.action if source.animation_data else None
    if action is None:
        raise ClapcapError(f"{source.name} does not move: it has no action. Choose the armature of a take.")
    first, last = action.frame_range
    return float(first), float(last)


def _add_helpers(bpy: Any, context: Any, target: Any, names: list[str], axes: dict[str, Any]) -> Any:
    """Add an armature of loose bones where the rig's rest, hidden."""
    import mathutils

    data = bpy.data.armatures.new(f"{target.name} helpers")
    helpers = bpy.data.objects.new(data.name, data)
    context.scene.collection.objects.link(helpers)
    context.view_layer.objects.active = helpers
    bpy.ops.object.mode_set(mode="EDIT")
    world = np.array(target.matrix_world)
    turn, scale = _turn_and_scale(world)
    for name in names:
        bone = data.edit_bones.new(name)
        head = world[:3, 3] + scale * (turn @ np.array(target.data.bones[name].head_local))
        length = max(scale * target.data.bones[name].length, 0.01)
        bone.head, bone.tail = head.tolist(), (head + length * axes[name][:, 1]).tolist()
        bone.align_roll(mathutils.Vector(axes[name][:, 2].tolist()))
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in helpers.pose.bones:
        bone.rotation_mode = "QUATERNION"
    helpers.hide_viewport = helpers.hide_render = True
    context.view_layer.objects.active = target
    return helpers


def connected(target: Any) -> bool:
    """Tell whether a rig follows helpers."""
    return CONNECTED in target


def disconnect(bpy: Any, target: Any) -> None:
    """Take helpers and constraints away."""
    for bone in target.pose.bones:
        for constraint in [c for c in bone.constraints if c.name.split(".")[0] == CONSTRAINT]:
            bone.constraints.remove(constraint)
    helpers = bpy.data.objects.get(target.get(CONNECTED, ""))
    if helpers is not None:
        data = helpers.data
        bpy.data.objects.remove(helpers)
        bpy.data.armatures.remove(data)
    if CONNECTED in target:
        del target[CONNECTED]


def bake(bpy: Any, context: Any, target: Any) -> None:
    """Write what the constraints do as keyframes of the rig's own bones, and take them away."""
    scene = context.scene
    driven = [b for b in target.pose.bones if any(c.name.split(".")[0] == CONSTRAINT for c in b.constraints)]
    for thing in context.selected_objects:
        thing.select_set(False)
    target.select_set(True)
    context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="POSE")
    for bone in target.pose.bones:
        chosen = bone if hasattr(bone, "select") else bone.bone  # Blender 5.0 and later, and before
        chosen.select = bone in driven
    bpy.ops.nla.bake(
        frame_start=scene.frame_start,
        frame_end=scene.frame_end,
        step=1,
        only_selected=True,
        visual_keying=True,
        clear_constraints=False,
        use_current_action=True,
        bake_types={"POSE"},
    )
    bpy.ops.object.mode_set(mode="OBJECT")
    disconnect(bpy, target)
