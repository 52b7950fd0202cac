"""Reading a take into Blender: an armature that moves, or markers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from blender.export.actions import Action
from blender.export.armature import animate, bones_of, build_armature
from blender.export.handles import add_handles
from clapcap.errors import ClapcapError
from skeleton.motion import Motion

SUFFIXES = (".npz", ".json", ".bvh")
MARKER_M = 0.015


def import_take(bpy: Any, context: Any, path: str) -> Any:
    """Import a file, and return what was made: an armature, or the empty that all markers hang on.

    Raises
    ------
    ClapcapError
        If it is no file of a take.
    """
    source = Path(path)
    if source.suffix.lower() == ".bvh":
        return _import_bvh(bpy, context, source)
    arrays = _read(source)
    name = source.parent.name if source.stem in ("motion", "keypoints3d") else source.stem
    try:
        if "rotation_xyzw" in arrays:
            motion = Motion(
                tuple(str(n) for n in arrays["joint_names"]),
                *(arrays[key] for key in ("parents", "rest_offset_m", "rotation_xyzw", "root_m", "time_s")),
            )
            return add_motion(bpy, context, motion, name)
        if "xyz_m" in arrays:
            return _add_markers(
                bpy, context, [str(n) for n in arrays["names"]], arrays["xyz_m"], arrays["time_s"], name
            )
    except (KeyError, ValueError, TypeError) as error:
        raise ClapcapError(f"{source.name} is no take: {error}. Make it again with clapcap.") from error
    raise ClapcapError(
        f"{source.name} holds neither a motion nor keypoints in space. Choose motion.npz, keypoints3d.npz or the BVH."
    )


def _read(source: Path) -> dict[str, Any]:
    try:
        if source.suffix.lower() == ".npz":
            with np.load(source, allow_pickle=False) as file:
                return {key: file[key] for key in file}
        document = json.loads(source.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("it is no table")
        return _from_json(document)
    except (OSError, ValueError, EOFError) as error:
        raise ClapcapError(f"{source.name} cannot be read: {error}") from error


def _from_json(document: dict[str, Any]) -> dict[str, Any]:
    """Return the arrays of a JSON of clapcap: null stands for what was not observed."""
    if "frames" in document:
        frames = document["frames"]
        points = document.get("points") or document.get("names")
        xyz = [frame["xyz_m"] for frame in frames]
        document = {"names": points, "xyz_m": xyz, "time_s": [frame["time_s"] for frame in frames]}
    return {
        key: np.array(_numbers(value)) if key not in ("names", "joint_names") else value
        for key, value in document.items()
        if isinstance(value, list)
    }


def _numbers(value: Any) -> Any:
    if value is None:
        return float("nan")
    return [_numbers(entry) for entry in value] if isinstance(value, list) else value


def add_motion(bpy: Any, context: Any, motion: Motion, name: str) -> Any:
    """Add an armature with a motion and IK handles, at the scene's first frame on."""
    bones = bones_of(motion, {})
    armature = build_armature(bpy, bones, name)
    action = Action(bpy, armature, name)
    frames = _set_rate(context.scene, motion.time_s)
    animate(armature, action, motion, bones, frames)
    add_handles(bpy, armature, action, motion, bones, frames)
    return armature


def _set_rate(scene: Any, time_s: Any) -> Any:
    """Take over the take's frame rate where nothing is animated yet; return the frame of each time."""
    rate_hz = 1 / float(np.median(np.diff(time_s))) if len(time_s) > 1 else 30.0
    scene.render.fps = max(1, round(rate_hz))
    scene.render.fps_base = scene.render.fps / rate_hz
    scene.frame_start = 1
    scene.frame_end = max(2, 1 + round((time_s[-1] - time_s[0]) * rate_hz))
    return 1 + (time_s - time_s[0]) * rate_hz


def _add_markers(bpy: Any, context: Any, names: list[str], xyz_m: Any, time_s: Any, name: str) -> Any:
    """Add an empty a keypoint, each with its path, under one that bears the take's name."""
    frames = _set_rate(context.scene, time_s)
    parent = bpy.data.objects.new(name, None)
    context.scene.collection.objects.link(parent)
    for k, point in enumerate(names):
        seen = np.isfinite(xyz_m[:, k]).all(axis=-1)
        if not seen.any():
            continue
        marker = bpy.data.objects.new(point, None)
        marker.empty_display_type, marker.empty_display_size = "SPHERE", MARKER_M
        marker.parent = parent
        context.scene.collection.objects.link(marker)
        Action(bpy, marker, f"{name} {point}").key("location", frames[seen], xyz_m[seen, k])
    return parent


def _import_bvh(bpy: Any, context: Any, source: Path) -> Any:
    """Import by Blender's own importer, as a user would, with the file's frame rate."""
    before = set(bpy.data.objects)
    try:
        bpy.ops.import_anim.bvh(filepath=str(source), update_scene_fps=True, update_scene_duration=True)
    except RuntimeError as error:
        raise ClapcapError(f"{source.name} cannot be read as BVH: {error}") from error
    made = [thing for thing in bpy.data.objects if thing not in before and thing.type == "ARMATURE"]
    if not made:
        raise ClapcapError(f"{source.name} holds no skeleton.")
    context.view_layer.objects.active = made[0]
    return made[0]
