"""The script for Blender, run there: what its cameras see is what ours see, without the lens's distortion."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from calib.interchange import codec_named, write_calibration
from calib.lenses.catalogue import lens_named

needs_bpy = pytest.mark.skipif(
    importlib.util.find_spec("bpy") is None, reason='bpy is not installed: pip install "clapcap[blender]"'
)

POINTS = np.array([[0.0, 0, 0], [0.5, -0.3, 1.8], [-0.7, 0.6, 1.1], [0.2, 0.9, 0.3], [-0.4, -0.8, 1.5]])

ESCAPING = 'x""")\nimport nothing\n("""'

LOOK = """
import json, runpy, sys
import bpy
from mathutils import Vector

script, points = sys.argv[1], json.loads(sys.argv[2])
pixels, kept = {}, {}
for _ in range(2):  # run twice: the cameras are replaced, not doubled
    look_through = runpy.run_path(script)["look_through"]
collection = bpy.data.collections["clapcap cameras"]
for camera in collection.objects:
    name = camera["clapcap_name"]
    assert look_through(name) is camera and bpy.context.scene.camera is camera
    render = bpy.context.scene.render
    bpy.context.view_layer.update()
    projection = camera.calc_matrix_camera(
        bpy.context.evaluated_depsgraph_get(), x=render.resolution_x, y=render.resolution_y,
        scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y)
    view = projection @ camera.matrix_world.inverted()
    seen = [view @ Vector((*point, 1)) for point in points]
    # From -1 at the left and lower edges of the picture to 1: the centre of pixel 0 is half a pixel inside.
    pixels[name] = [((p.x / p.w + 1) / 2 * render.resolution_x - 0.5,
                     (1 - p.y / p.w) / 2 * render.resolution_y - 0.5) for p in seen]
    kept[name] = {"distortion": list(camera["distortion"]), "lens": camera["lens_model"], "mm": camera.data.lens}
print("RESULT" + json.dumps([pixels, kept]))
"""


def stand(name, center, size, fx, fy, cx, cy, distortion, lens="brown"):
    """Return a camera that looks at 1 m above the origin, its picture turned by 10 degrees."""
    forward = np.array([0, 0, 1.0]) - center
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    turn = np.radians(10)
    across = np.cos(turn) * right + np.sin(turn) * np.cross(forward, right)
    T = np.eye(4)
    T[:3, :3] = np.stack([across, np.cross(forward, across), forward])
    T[:3, 3] = -T[:3, :3] @ center
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return Camera(name, size, matrix, np.array(distortion), T, lens_named(lens))


CAMERAS = CameraGroup(
    (
        stand("wide", [3.0, 1, 1.5], (1920, 1080), 1300.0, 1300.0, 959.5, 539.5, [-0.1, 0.02, 0, 0, 0]),
        stand("off the middle", [-3.0, 2, 2.2], (1280, 720), 900.0, 930.0, 600.0, 400.0, [0.0] * 5),
        stand("upright \"phone\" \\", [0.5, -4, 1.7], (1080, 1920), 1700.0, 1650.0, 500.0, 1000.0, [0.0] * 5),
        stand(ESCAPING, [2.0, 3, 1.2], (640, 480), 300.0, 310.0, 320.0, 239.0, [0.1, 0, 0, 0], "fisheye"),
    )
)  # fmt: skip


@pytest.mark.bpy
@needs_bpy
def test_blender_sees_what_the_cameras_see(tmp_path):
    (content,) = write_calibration(CAMERAS, codec_named("blender"), {}).files.values()
    (tmp_path / "cameras.py").write_bytes(content)
    told = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path / "cameras.py"), json.dumps(POINTS.tolist())],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pixels, kept = json.loads(told.split("RESULT")[1])
    assert sorted(pixels) == sorted(CAMERAS.names)
    for camera in CAMERAS:
        seen = camera.to_camera(POINTS)
        expected = camera.to_pixels(seen[:, :2] / seen[:, 2:])
        np.testing.assert_allclose(pixels[camera.name], expected, atol=0.001)
        assert kept[camera.name]["lens"] == camera.lens.name
        np.testing.assert_allclose(kept[camera.name]["distortion"], camera.distortion)
    assert kept["wide"]["mm"] == pytest.approx(36 * 1300 / 1920)


def test_names_stay_data():
    """Taken as text only: the script is Python, and no name gets out of the string that holds it."""
    (content,) = write_calibration(CAMERAS, codec_named("blender"), {}).files.values()
    compile(content, "cameras.py", "exec")
    listed = content.decode().split('r"""\n')[1].split('\n""")')[0]
    assert list(json.loads(listed)) == list(CAMERAS.names)


def test_a_distorting_lens_is_told_of():
    (note,) = write_calibration(CAMERAS, codec_named("blender"), {}).notes
    assert "undistort the videos" in note
    straight = CAMERAS.subset(("off the middle",))
    assert write_calibration(straight, codec_named("blender"), {}).notes == ()
