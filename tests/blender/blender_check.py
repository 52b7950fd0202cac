"""Run in a Python that has bpy: open what was exported and measure it. Arguments: file, results.npz, frame rate."""

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np

CAMERA_FRAMES = 10


def look(armature, scene, frames, joint_names):
    """Return the bones' heads in every frame: (frames, bones, 3)."""
    heads = np.empty((len(frames), len(joint_names), 3))
    for place, frame in enumerate(frames):
        scene.frame_set(int(frame))
        for k, name in enumerate(joint_names):
            heads[place, k] = armature.matrix_world @ armature.pose.bones[name].head
    return heads


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    kind = source.suffix[1:]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = int(sys.argv[3])  # glTF holds seconds: they are read at the scene's own rate
    if kind == "blend":
        bpy.ops.wm.open_mainfile(filepath=str(source))
    elif kind == "fbx":
        bpy.ops.import_scene.fbx(filepath=str(source))
    elif kind == "glb":
        bpy.ops.import_scene.gltf(filepath=str(source))
    else:
        bpy.ops.wm.usd_import(filepath=str(source))
    scene = bpy.context.scene
    armature = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    action = armature.animation_data.action
    first, last = (round(value) for value in action.frame_range)
    names = [bone.name for bone in armature.data.bones]
    frames = np.arange(first, last + 1)
    found = {
        "bones": names,
        "heads": look(armature, scene, frames, names),
        "axes": np.array([np.array(bone.matrix_local)[:3, :3] for bone in armature.data.bones]),
        "rate_hz": scene.render.fps / scene.render.fps_base,
    }
    notes = {"action": action.name, "armature": armature.name, "scene": scene.name}
    if kind == "blend":
        handles = [bone for bone in armature.pose.bones if "ik" in bone]
        notes["handles"] = [bone.name for bone in handles]
        notes["shapes"] = [bone.name for bone in armature.pose.bones if bone.custom_shape is not None]
        for bone in handles:
            bone["ik"] = 1.0
        armature.update_tag()
        found["led"] = look(armature, scene, frames, names)
        from bpy_extras.object_utils import world_to_camera_view

        notes["cameras"] = []
        for through in bpy.data.scenes:
            if not through.name.startswith("through "):
                continue
            camera = through.camera
            width, height = through.render.resolution_x, through.render.resolution_y
            xy = np.empty((CAMERA_FRAMES, len(names), 2))
            for place in range(CAMERA_FRAMES):
                for k in range(len(names)):
                    from mathutils import Vector

                    x, y, _ = world_to_camera_view(through, camera, Vector(found["heads"][place, k].tolist()))
                    xy[place, k] = x * width - 0.5, (1 - y) * height - 0.5
            found[f"xy {camera.name}"] = xy
            behind = camera.data.background_images
            clip = behind[0].clip if len(behind) else None
            notes["cameras"].append([camera.name, width, height, clip.frame_duration if clip else 0])
    np.savez(target, notes=json.dumps(notes), **found)


try:
    main()
except BaseException:
    import traceback

    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
os._exit(0)
