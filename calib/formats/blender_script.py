"""A Python script that puts the cameras into a Blender scene; written only.

Blender's camera is a pinhole: it matches the picture after the lens's distortion was removed with the same intrinsics.
The distortion is kept as custom properties. Blender has one resolution and one pixel aspect a scene, not a camera:
`look_through("front")` in the script sets the camera, and both.

A camera of focal lengths fx, fy and principal point cx, cy, on a picture of W x H pixels whose centres are whole
numbers, is in Blender (sensor fit "horizontal", sensor of S mm across): lens = S fx / W; shift_x = ((W - 1) / 2 - cx) /
W; shift_y = (cy - (H - 1) / 2) / W fx / fy; pixel aspect y : x = fx : fy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from calib.cameras import Camera, CameraGroup
from calib.formats.contract import Codec, Writing

SENSOR_MM = 36.0
"""Any width would do: only lens / sensor counts. 36 mm makes the lens the equivalent that photographers know."""

BLENDER_FROM_CAM = np.diag([1.0, -1.0, -1.0, 1.0])
"""From x right, y down, z forwards to Blender's x right, y up, z backwards; its own inverse."""

SCRIPT = '''\
"""Cameras of a clapcap calibration. In Blender: Scripting, open this file, Run Script.

Blender has no lens distortion: undistort the videos (each camera's custom properties hold the coefficients) before you
put them behind the scene. `look_through("NAME")` renders as that camera: its resolution and pixel aspect are the
scene's.
"""

import json

import bpy
from mathutils import Matrix

CAMERAS = json.loads(r"""
@CAMERAS@
""")


def add_camera(name, entry, collection):
    data = bpy.data.cameras.new(name)
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = entry["sensor_mm"]
    data.lens_unit = "MILLIMETERS"
    data.lens = entry["lens_mm"]
    data.shift_x, data.shift_y = entry["shift"]
    data.display_size = 0.2
    camera = bpy.data.objects.new(name, data)
    camera.matrix_world = Matrix(entry["T_world_blendercam"])
    camera["clapcap_name"] = name
    camera["resolution_px"] = entry["resolution_px"]
    camera["pixel_aspect"] = entry["pixel_aspect"]
    camera["lens_model"] = entry["lens_model"]
    camera["distortion"] = entry["distortion"]
    camera["matrix"] = entry["matrix"]
    collection.objects.link(camera)
    return camera


def look_through(name):
    """Render as this camera: it becomes the scene's, with its resolution and pixel aspect."""
    scene = bpy.context.scene
    camera = next(one for one in bpy.data.collections["clapcap cameras"].objects if one.get("clapcap_name") == name)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = camera["resolution_px"]
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = camera["pixel_aspect"]
    return camera


collection = bpy.data.collections.get("clapcap cameras") or bpy.data.collections.new("clapcap cameras")
if collection.name not in bpy.context.scene.collection.children:
    bpy.context.scene.collection.children.link(collection)
for old in list(collection.objects):
    if "clapcap_name" in old:  # of an earlier run of this script
        bpy.data.objects.remove(old)
for name, entry in CAMERAS.items():
    add_camera(name, entry, collection)
look_through(next(iter(CAMERAS)))
'''


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    # JSON in ASCII cannot end r"""...""" early: each quote of a name has a backslash before it, in a raw string too.
    listed = json.dumps({camera.name: _entry(camera) for camera in cameras}, indent=1)
    script = SCRIPT.replace("@CAMERAS@", listed)
    distorted = [camera.name for camera in cameras if camera.distortion.any() or camera.lens.name != "brown"]
    notes = ("Blender has no lens distortion: undistort the videos before you put them behind the scene.",)
    return Writing({CODEC.output: script.encode()}, notes if distorted else ())


def _entry(camera: Camera) -> dict[str, object]:
    (fx, _, cx), (_, fy, cy), _ = camera.matrix.tolist()
    width, height = camera.size_px
    T_world_cam = np.linalg.inv(camera.T_cam_world)
    return {
        "sensor_mm": SENSOR_MM,
        "lens_mm": SENSOR_MM * fx / width,
        "shift": [((width - 1) / 2 - cx) / width, (cy - (height - 1) / 2) / width * fx / fy],
        "resolution_px": [width, height],
        # Blender takes no aspect below 1.
        "pixel_aspect": [max(1.0, fy / fx), max(1.0, fx / fy)],
        "T_world_blendercam": (T_world_cam @ BLENDER_FROM_CAM).tolist(),
        "lens_model": camera.lens.name,
        "distortion": camera.distortion.tolist(),
        "matrix": camera.matrix.ravel().tolist(),
    }


CODEC = Codec("blender", "a script for Blender", "cameras_in_blender.py", False, None, None, _write)
