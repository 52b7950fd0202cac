"""Run in a Python that has bpy: install the extension, import a motion, retarget it onto rigs, bake, and measure.

Arguments: the extension's zip, motion.npz, motion.bvh, keypoints3d.npz, results.npz.
"""

import json
import os
import sys

import bpy
import numpy as np


def head(armature, bone):
    return np.array(armature.matrix_world @ armature.pose.bones[bone].head)


def sample(armature, bones, frames):
    heads = np.empty((len(frames), len(bones), 3))
    for place, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        for k, bone in enumerate(bones):
            heads[place, k] = head(armature, bone)
    return heads


def select(thing):
    bpy.context.view_layer.update()
    for other in bpy.context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing


def rename_to_mixamo(armature, names):
    for ours, theirs in names.items():
        armature.data.bones[ours].name = f"mixamorig:{theirs}"


def main() -> None:
    package, motion, bvh, points, target = sys.argv[1:6]
    notes = {"version": bpy.app.version_string}
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    modules = [name for name in list(bpy.context.preferences.addons.keys()) if name.endswith(".clapcap")]
    notes["enabled"] = modules
    operators = ("import_take", "connect", "bake", "disconnect")
    notes["operators"] = [hasattr(bpy.ops.clapcap, name) for name in operators]
    notes["global modules"] = [
        name for name in sys.modules if name.split(".")[0] in ("retarget", "skeleton", "clapcap")
    ]

    def import_file(path):
        before = set(bpy.data.objects)
        notes.setdefault("imported", []).append(list(bpy.ops.clapcap.import_take(filepath=path)))
        return [thing for thing in bpy.data.objects if thing not in before]

    source = next(thing for thing in import_file(motion) if thing.type == "ARMATURE")
    scene = bpy.context.scene
    frames = np.arange(scene.frame_start, scene.frame_end + 1)
    notes["rate_hz"] = float(scene.render.fps / scene.render.fps_base)
    bones = [bone.name for bone in source.data.bones]
    found = {"frames": frames, "source": sample(source, bones, frames)}
    notes["source"] = bones
    # BVH by the same operator: the same figure.
    other = next(thing for thing in import_file(bvh) if thing.type == "ARMATURE")
    shared = [bone.name for bone in other.data.bones]
    found["bvh"] = sample(other, shared, frames)
    notes["bvh"] = shared
    markers = import_file(points)
    notes["markers"] = sorted(thing.name for thing in markers)
    bpy.data.objects.remove(other)

    # A Mixamo-named rig: longer shins, an A-pose, its object turned and scaled as FBX files come.
    made = json.loads(os.environ["CLAPCAP_TEST_RIGS"])
    for name, rig in made.items():
        data = bpy.data.armatures.new(name)
        armature = bpy.data.objects.new(name, data)
        scene.collection.objects.link(armature)
        select(armature)
        bpy.ops.object.mode_set(mode="EDIT")
        for bone, entry in rig["bones"].items():
            new = data.edit_bones.new(bone)
            new.head, new.tail = entry["head"], entry["tail"]
            new.roll = entry["roll"]
            if entry["parent"]:
                new.parent = data.edit_bones[entry["parent"]]
        bpy.ops.object.mode_set(mode="OBJECT")
        armature.scale = [rig["scale"]] * 3
        armature.rotation_euler = rig["turn"]
        bpy.context.view_layer.update()
        measure(name, armature, source, list(rig["bones"]), frames, found, notes)
    if "rigify" not in os.environ.get("CLAPCAP_TEST_SKIP", ""):
        import addon_utils  # found once bpy is there

        addon_utils.enable("rigify", default_set=True)
        bpy.ops.object.armature_human_metarig_add()
        meta = bpy.context.object
        # Without the face: a fifth of the time.
        bpy.ops.object.mode_set(mode="EDIT")
        face = meta.data.edit_bones.get("face")
        for bone in [face, *face.children_recursive] if face else []:
            meta.data.edit_bones.remove(bone)
        bpy.ops.object.mode_set(mode="OBJECT")
        measure("metarig", meta, source, [bone.name for bone in meta.data.bones], frames, found, notes)
        meta.animation_data_clear()
        bpy.ops.object.mode_set(mode="POSE")
        bpy.ops.pose.transforms_clear()
        bpy.ops.object.mode_set(mode="OBJECT")
        select(meta)
        bpy.ops.pose.rigify_generate()
        generated = bpy.context.object
        deforming = [bone.name for bone in generated.data.bones if bone.name.startswith("DEF-")]
        measure("rigify", generated, source, deforming, frames, found, notes, preset="rigify_controls")
    np.savez(target, notes=json.dumps(notes), **found)


def measure(name, armature, source, bones, frames, found, notes, preset="auto"):
    settings = bpy.context.scene.clapcap
    settings.source, settings.target, settings.preset = source, armature, preset
    rest = [head(armature, bone).tolist() for bone in bones]
    result = bpy.ops.clapcap.connect()
    if "FINISHED" not in result:
        raise RuntimeError(f"{name}: {result}")
    found[f"{name} connected"] = sample(armature, bones, frames)
    bpy.ops.clapcap.bake()
    found[f"{name} baked"] = sample(armature, bones, frames)
    turned = np.empty((len(frames), len(bones), 3, 3))
    for place, frame in enumerate(frames):
        bpy.context.scene.frame_set(int(frame))
        for k, bone in enumerate(bones):
            turned[place, k] = np.array(
                (armature.matrix_world @ armature.pose.bones[bone].matrix).to_3x3().normalized()
            )
    found[f"{name} turned"] = turned
    notes[name] = {
        "bones": bones,
        "rest": rest,
        "constraints": sum(c.name.startswith("clapcap") for b in armature.pose.bones for c in b.constraints),
        "helpers": [thing.name for thing in bpy.data.objects if "helpers" in thing.name],
    }


try:
    main()
except BaseException:
    import traceback

    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
os._exit(0)
