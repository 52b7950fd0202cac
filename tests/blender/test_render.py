"""Blender's pictures: what is projected is what is drawn. Needs bpy, each test in a process of its own."""

import importlib.util
import json
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest

from blender import board, reel, stage
from blender.shoot import CALIBRATION
from calib.cameras import Camera
from clapcap.errors import ClapcapError

needs_bpy = pytest.mark.skipif(
    importlib.util.find_spec("bpy") is None, reason='bpy is not installed: pip install "clapcap[blender]"'
)

# OpenCV's ChArUco detector calls the outer edge of the first pixel 0; here its centre is 0.
DETECTOR_SHIFT_PX = 0.5


def small_camera() -> tuple[Camera, np.ndarray]:
    """A quarter-size camera with a lens of its own, and a board 1.1 m ahead of it, tilted: T_world_board."""
    from scipy.spatial.transform import Rotation

    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = Rotation.from_euler("xyz", [100, 15, -20], degrees=True).as_matrix()
    T_cam_world[:3, 3] = [0.3, 0.2, 1.0]
    matrix = np.array([[290.0, 0, 163.0], [0, 290.0, 86.0], [0, 0, 1]])
    camera = Camera("small", (320, 180), matrix, np.array([-0.07, 0.02, 3e-4, -2e-4, 0.0]), T_cam_world)
    T_cam_board = np.eye(4)
    T_cam_board[:3, :3] = Rotation.from_euler("xyz", [15, -20, 6], degrees=True).as_matrix()
    T_cam_board[:3, 3] = np.array([0.02, -0.01, 1.1]) - T_cam_board[:3, :3] @ [0.35, 0.25, 0.0]
    return camera, np.linalg.inv(T_cam_world) @ T_cam_board


@pytest.mark.bpy
@needs_bpy
def test_the_boards_corners_are_drawn_where_the_camera_projects_them(tmp_path):
    camera, T_world_board = small_camera()
    picture_file = tmp_path / "picture.png"
    np.savez(tmp_path / "job.npz", T_cam_world=camera.T_cam_world, T_world_board=T_world_board)
    script = f"""
        import os
        import cv2
        import numpy as np
        from blender import board
        from blender.stage import Stage
        from calib.cameras import Camera

        job = np.load({str(tmp_path / "job.npz")!r})
        camera = Camera("small", {camera.size_px}, np.array({camera.matrix.tolist()}),
                        np.array({camera.distortion.tolist()}), job["T_cam_world"])
        stage = Stage()
        stage.place(stage.add("board", board.mesh()), job["T_world_board"])
        cv2.imwrite({str(picture_file)!r}, stage.photograph(camera))
        os._exit(0)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    picture = cv2.imread(str(picture_file))
    assert picture.shape == (180, 320, 3)
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco_board()).detectBoard(picture)
    assert len(ids) >= 20
    in_board = board.corners_m()[ids.ravel()]
    truth = camera.project(in_board @ T_world_board[:3, :3].T + T_world_board[:3, 3])
    error = corners[:, 0] - DETECTOR_SHIFT_PX - truth
    assert np.abs(error.mean(axis=0)).max() < 0.06  # no shift, so the pixel convention holds
    assert np.sqrt((error**2).sum(axis=1).mean()) < 0.3


def test_without_bpy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bpy", None)
    with pytest.raises(ClapcapError, match=r'pip install "clapcap\[blender\]"'):
        stage.import_bpy()


def put_bpy(tmp_path, monkeypatch, code: str) -> None:
    """Put a module called bpy before any other one, for child processes."""
    (tmp_path / "bpy.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_renderer_without_blender_says_what_to_install(tmp_path, monkeypatch):
    put_bpy(tmp_path, monkeypatch, "raise ImportError('no Blender here')")
    with pytest.raises(ClapcapError, match=r"^Blender's Python module .*no Blender here.*clapcap\[blender\]"):
        reel.render(CALIBRATION, tmp_path / "frames")


def test_a_renderer_that_crashes_is_reported_with_its_last_words(tmp_path, monkeypatch):
    put_bpy(tmp_path, monkeypatch, "import os; print('out of memory', flush=True); os._exit(139)")
    with pytest.raises(ClapcapError, match=r"code 139 while it rendered `calibration`: out of memory .*start again"):
        reel.render(CALIBRATION, tmp_path / "frames")


def test_frames_that_are_there_are_not_drawn_again(tmp_path, monkeypatch):
    put_bpy(tmp_path, monkeypatch, "raise ImportError")  # so that any renderer would fail
    for name, frame in reel.frames_of(CALIBRATION):
        path = reel.frame_path(tmp_path, CALIBRATION, name, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    reel.render(CALIBRATION, tmp_path)


def test_importing_the_package_does_not_load_blender():
    script = "import sys, json, blender.example; print(json.dumps([m for m in ('bpy', 'skimage') if m in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == []
