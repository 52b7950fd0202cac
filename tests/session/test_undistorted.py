"""Undistorted pictures: each pixel comes from where the lens put it."""

import numpy as np
import pytest

from benchmarks.synthetic_take import ring_of_cameras
from session.undistorted import LONGEST_PX, small_size, source_pixels


def test_a_point_is_where_a_pinhole_would_see_it():
    camera = ring_of_cameras(1)["cam1"]
    size = small_size(camera.size_px)
    assert max(size) == LONGEST_PX
    source = source_pixels(camera, size)
    scale = camera.size_px[0] / size[0]
    for column, row in ((10, 20), (480, 270), (900, 500)):
        pinhole = (np.array([column, row]) + 0.5) * scale - 0.5
        ray = np.linalg.solve(camera.matrix, [*pinhole, 1.0])
        world = np.linalg.inv(camera.T_cam_world) @ [*(3.0 * ray), 1.0]
        assert source[row, column] == pytest.approx(camera.project(world[None, :3])[0], abs=1e-6)


def test_small_pictures_stay_and_sides_are_even():
    assert small_size((641, 360)) == (640, 360)
    assert small_size((1080, 1920)) == (540, 960)
