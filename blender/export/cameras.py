"""The calibrated cameras in the scene, each with a scene of its own: its picture size, its pixels, its video behind.

A Blender camera is a pinhole with square or evenly stretched pixels; its picture size and the stretch belong to the
scene. The lens's distortion is noted in the camera's properties, and the video behind is expected to be undistorted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calib.cameras import Camera

SENSOR_WIDTH_MM = 36.0

DISPLAY_M = 0.3
"""How large a camera is drawn."""

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
"""From Blender's camera (y up, looking along -z) to OpenCV's (y down, looking along z)."""


def add_camera(bpy: Any, camera: Camera, background: Path | None, folder: Path) -> Any:
    """Add a camera object, and a scene that looks through it and holds what the present scene holds; return the object.

    Parameters
    ----------
    bpy
        Blender's module.
    camera
        The calibrated camera.
    background
        The video to show behind, one frame a frame of the scene from frame 1 on, without distortion; None: none.
    folder
        Where the scene will be saved: videos in it are named relative to it, so that both can be moved together.
    """
    import mathutils

    lens = bpy.data.cameras.new(camera.name)
    width, height = camera.size_px
    fx, fy = float(camera.matrix[0, 0]), float(camera.matrix[1, 1])
    cx, cy = float(camera.matrix[0, 2]), float(camera.matrix[1, 2])
    lens.sensor_fit = "HORIZONTAL"
    lens.sensor_width = SENSOR_WIDTH_MM
    lens.lens = fx * SENSOR_WIDTH_MM / width
    # In widths of the picture; (0, 0) is the centre of the top-left pixel, so the picture's middle is (w - 1) / 2.
    lens.shift_x = ((width - 1) / 2 - cx) / width
    lens.shift_y = (cy - (height - 1) / 2) * (fx / fy) / width
    lens.display_size = DISPLAY_M
    lens.clip_end = 1000.0
    lens["distortion"] = [float(value) for value in camera.distortion]
    lens["lens model"] = camera.lens.name
    lens["matrix"] = [float(value) for value in camera.matrix.ravel()]
    placed = bpy.data.objects.new(camera.name, lens)
    placed.matrix_world = mathutils.Matrix((np.linalg.inv(camera.T_cam_world) @ FLIP).tolist())
    if background is not None:
        clip = bpy.data.movieclips.load(str(background))
        clip.frame_start = 1
        if background.is_relative_to(folder):
            clip.filepath = f"//{background.relative_to(folder).as_posix()}"
        behind = lens.background_images.new()
        behind.source, behind.clip = "MOVIE_CLIP", clip
        behind.alpha, behind.display_depth, behind.frame_method = 0.8, "BACK", "STRETCH"
        lens.show_background_images = True
    whole = bpy.context.scene
    whole.collection.objects.link(placed)
    scene = bpy.data.scenes.new(f"through {camera.name}")
    for linked in whole.collection.objects:
        scene.collection.objects.link(linked)
    scene.camera = placed
    scene.frame_start, scene.frame_end = whole.frame_start, whole.frame_end
    render = scene.render
    render.fps, render.fps_base = whole.render.fps, whole.render.fps_base
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    # Pixels as wide as high, but for the lens's own difference between fx and fy.
    stretch = fy / fx
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, stretch), max(1.0, 1 / stretch)
    return placed
