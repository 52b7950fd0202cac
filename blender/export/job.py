"""One export, in a process of its own: Blender's state is global, and its module may crash when a process ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blender.export.actions import Action
from blender.export.armature import Bones, animate, bones_of, build_armature
from blender.export.cameras import add_camera
from blender.export.handles import add_handles
from blender.export.shapes import build_body, dress
from blender.stage import import_bpy
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

FORMATS = ("blend", "fbx", "glb", "usd")


@dataclass(frozen=True)
class ExportJob:
    """What to make of a motion.

    Attributes
    ----------
    name
        The take's: of the armature, its action and the scene.
    motion
        The motion, .npz or .bvh.
    target
        The file to write.
    format
        One of `FORMATS`.
    skeleton
        The definition whose rolls the bones have; bones that it lacks point forward.
    cameras
        A cameras.toml, or None.
    backgrounds
        By camera: a video without distortion, a frame a frame of the scene.
    """

    name: str
    motion: str
    target: str
    format: str
    skeleton: str = "humanoid"
    cameras: str | None = None
    backgrounds: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the job as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ExportJob:
        """Read a job from text."""
        return cls(**json.loads(text))


def run(job: ExportJob) -> None:
    """Build the scene in this process's Blender, and write it.

    Raises
    ------
    ClapcapError
        If Blender's module is not installed, or a file cannot be read.
    """
    from retarget.motion_file import load_motion_file

    bpy = import_bpy()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    motion = load_motion_file(Path(job.motion))
    frames = set_up_scene(bpy, job.name, motion.time_s)
    armature, bones = add_motion(bpy, job.name, motion, job.skeleton, handles=job.format == "blend")
    if job.format == "blend":
        dress(bpy, armature)
        if job.cameras is not None:
            _add_cameras(bpy, job)
    else:
        build_body(bpy, armature, bones, f"{job.name} body")
    bpy.context.scene.frame_set(int(frames[0]))
    _write(bpy, Path(job.target), job.format)


def set_up_scene(bpy: Any, name: str, time_s: Array) -> Array:
    """Name the scene, set metres, its frame rate and its range; return the frame of each time (frames,), from 1 on."""
    rate_hz = 1.0 / float(np.median(np.diff(time_s))) if len(time_s) > 1 else 30.0
    scene = bpy.context.scene
    scene.name = name
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 1.0
    scene.render.fps = max(1, round(rate_hz))
    scene.render.fps_base = scene.render.fps / rate_hz
    frames: Array = 1 + (time_s - time_s[0]) * rate_hz
    # Even time stamps get whole numbers: rounding leaves 1e-9 or so.
    nearest = np.round(frames)
    frames = np.where(np.abs(frames - nearest) < 1e-3, nearest, frames)
    scene.frame_start, scene.frame_end = 1, round(float(frames[-1]))
    return frames


def add_motion(bpy: Any, name: str, motion: Motion, skeleton: str, *, handles: bool) -> tuple[Any, Bones]:
    """Add the armature with its motion to the scene; return it and its bones."""
    bones = bones_of(motion, _roll_axes(skeleton))
    armature = build_armature(bpy, bones, name)
    action = Action(bpy, armature, name)
    frames = set_up_scene(bpy, name, motion.time_s)
    animate(armature, action, motion, bones, frames)
    if handles:
        add_handles(bpy, armature, action, motion, bones, frames)
    return armature, bones


def _roll_axes(skeleton: str) -> dict[str, Array]:
    from skeleton.hierarchy_file import load_skeleton

    return {joint.name: np.array(joint.roll_axis) for joint in load_skeleton(skeleton).joints if joint.tail}


def _add_cameras(bpy: Any, job: ExportJob) -> None:
    from calib.interchange import load_cameras

    assert job.cameras is not None
    for camera in load_cameras(Path(job.cameras)):
        background = job.backgrounds.get(camera.name)
        add_camera(bpy, camera, Path(background) if background else None, Path(job.target).parent)


def _write(bpy: Any, target: Path, kind: str) -> None:
    path = str(target)
    if kind == "blend":
        bpy.ops.wm.save_as_mainfile(filepath=path, compress=True, copy=True)
    elif kind == "fbx":
        bpy.ops.export_scene.fbx(
            filepath=path,
            object_types={"ARMATURE", "MESH"},
            add_leaf_bones=False,
            bake_anim_use_all_bones=True,
            bake_anim_use_nla_strips=False,
            bake_anim_use_all_actions=False,
            bake_anim_simplify_factor=0.0,
        )
    elif kind == "glb":
        bpy.ops.export_scene.gltf(
            filepath=path, export_format="GLB", export_animation_mode="ACTIONS", export_anim_slide_to_zero=True
        )
    else:
        bpy.ops.wm.usd_export(filepath=path, export_animation=True, export_armatures=True)


def main() -> None:
    """Run the job that standard input holds; leave at once, before Blender's module can crash."""
    import os
    import traceback

    from clapcap.errors import ClapcapError

    code = 0
    try:
        run(ExportJob.from_json(sys.stdin.read()))
    except ClapcapError as error:
        print(error, file=sys.stderr)
        code = 2
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
