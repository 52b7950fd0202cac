"""Blender's side of the shoot: the scene, its light, and one picture at a time.

Everything here needs `bpy`, and Blender's state is global to the process: make one `Stage` a process, in a process of
its own, and leave it by `os._exit`, because Blender crashes at a normal interpreter exit.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blender.lens import Lens, Picture, PinholePicture
from blender.mesh import Mesh
from calib.cameras import Camera
from clapcap.errors import ClapcapError

Array = npt.NDArray[np.float64]

SENSOR_WIDTH_MM = 36.0
LIGHT_FROM = (-0.35, -0.55, 0.76)
"""Where the sun stands, in the world: in front of the person and to cam1's side."""
SHADOW_INTENSITY = 0.45
EXPOSURE_STOPS = 1.3


def import_bpy() -> Any:
    """Return Blender's Python module.

    Raises
    ------
    ClapcapError
        If it is not installed.
    """
    # Blender writes its preferences there; without it, into the user's home.
    os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="clapcap-blender-"))
    try:
        import bpy
    except ImportError as error:
        raise ClapcapError(
            f"Blender's Python module cannot be loaded ({error}). It is needed for Blender's files and for rendering, "
            'not for anything else: install it with `pip install "clapcap[blender]"` under Python 3.11.'
        ) from error
    return bpy


class Stage:
    """A Blender scene that draws coloured meshes from any camera.

    Workbench draws it: no ray tracing, but shading and shadows in a fraction of a second on a processor alone.
    """

    def __init__(self) -> None:
        self._bpy = import_bpy()
        self._bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = self._scene = self._bpy.context.scene
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.render.use_compositing = False
        scene.render.use_sequencer = False
        scene.render.image_settings.file_format = "BMP"  # lossless, and costs no compression
        scene.render.image_settings.color_mode = "RGB"
        scene.view_settings.view_transform = "Standard"
        scene.view_settings.exposure = EXPOSURE_STOPS
        scene.display.render_aa = "OFF"  # `blender.lens` averages many samples a pixel
        x, y, z = LIGHT_FROM
        scene.display.light_direction = (x, z, -y)  # Workbench's axes for it: y up, z towards -y
        shading = scene.display.shading
        shading.light = "STUDIO"
        shading.color_type = "VERTEX"
        shading.show_specular_highlight = False
        shading.show_shadows = True
        shading.shadow_intensity = SHADOW_INTENSITY
        lens = self._bpy.data.cameras.new("camera")
        lens.sensor_fit = "HORIZONTAL"
        lens.sensor_width = SENSOR_WIDTH_MM
        lens.clip_start, lens.clip_end = 0.2, 40.0
        self._camera = self._bpy.data.objects.new("camera", lens)
        scene.collection.objects.link(self._camera)
        scene.camera = self._camera
        self._lens: Lens | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="clapcap-render-"))

    def add(self, name: str, mesh: Mesh, casts_shadow: bool = True) -> Any:
        """Put a mesh into the scene and return its object."""
        data = self._bpy.data.meshes.new(name)
        count, sides = mesh.faces.shape
        data.vertices.add(len(mesh.vertices_m))
        data.vertices.foreach_set("co", mesh.vertices_m.astype(np.float32).ravel())
        data.loops.add(count * sides)
        data.loops.foreach_set("vertex_index", mesh.faces.astype(np.int32).ravel())
        data.polygons.add(count)
        data.polygons.foreach_set("loop_start", np.arange(0, count * sides, sides, dtype=np.int32))
        data.polygons.foreach_set("use_smooth", np.full(count, mesh.smooth))
        data.update(calc_edges=True)
        colors = data.color_attributes.new("color", "BYTE_COLOR", "CORNER")
        rgba = np.concatenate([mesh.corner_colors, np.ones((count * sides, 1))], axis=1)
        colors.data.foreach_set("color_srgb", rgba.astype(np.float32).ravel())
        placed = self._bpy.data.objects.new(name, data)
        placed.display.show_shadows = casts_shadow
        self._scene.collection.objects.link(placed)
        return placed

    @staticmethod
    def place(placed: Any, T_world_object: Array) -> None:
        """Move an object: (4, 4), its frame to the world, metres."""
        from mathutils import Matrix

        placed.matrix_world = Matrix(T_world_object.tolist())

    @staticmethod
    def deform(placed: Any, vertices_m: Array) -> None:
        """Move an object's vertices (vertices, 3), metres in its own frame."""
        placed.data.vertices.foreach_set("co", vertices_m.astype(np.float32).ravel())
        placed.data.update()

    def photograph(self, camera: Camera) -> Picture:
        """Draw what the camera sees, lens and all: (height, width, 3), BGR."""
        from mathutils import Matrix

        if self._lens is None or self._lens.camera is not camera:
            self._lens = Lens(camera)
        T_world_cam = np.linalg.inv(camera.T_cam_world)
        # Blender's camera looks along -z with y up.
        self._camera.matrix_world = Matrix((T_world_cam @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())
        return self._lens.take(self._draw(self._lens.ideal))

    def _draw(self, picture: PinholePicture) -> Picture:
        """Render the ideal picture: (height, width, 3), BGR."""
        import cv2

        width, height = picture.size_px
        self._camera.data.lens = picture.focal_px * SENSOR_WIDTH_MM / width
        render = self._scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        path = self._folder / "ideal.bmp"
        render.filepath = str(path)
        self._bpy.ops.render.render(write_still=True)
        drawn = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if drawn is None or drawn.shape[:2] != (height, width):
            raise ClapcapError(
                f"Blender rendered no picture of {width} x {height} pixels to {path}. Workbench needs OpenGL: on a "
                "machine without a display install Debian's libegl1 and libgl1."
            )
        return np.asarray(drawn, dtype=np.uint8)
