"""Cameras drawn by hypothesis for tests of calibration files, and how they are compared."""

import string

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.lenses.catalogue import lens_named

PLAIN_NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8)
ANY_NAMES = st.text(min_size=1, max_size=8)


def numbers(count, limit):
    return arrays(np.float64, count, elements=st.floats(-limit, limit, allow_subnormal=False))


@st.composite
def groups(draw, names=ANY_NAMES, lenses=("brown",)):
    """Draw up to six cameras that differ in everything."""
    cameras = []
    for name in draw(st.lists(names, min_size=1, max_size=6, unique_by=str.casefold)):
        T = np.eye(4)
        T[:3, :3] = Rotation.from_rotvec(draw(numbers(3, 1.8))).as_matrix()
        T[:3, 3] = draw(numbers(3, 40))
        fx, fy = draw(st.floats(10, 1e4)), draw(st.floats(10, 1e4))
        matrix = np.array([[fx, 0, draw(st.floats(-500, 4000))], [0, fy, draw(st.floats(-500, 4000))], [0, 0, 1]])
        lens = lens_named(draw(st.sampled_from(lenses)))
        size = (draw(st.integers(1, 8000)), draw(st.integers(1, 8000)))
        cameras.append(Camera(name, size, matrix, draw(numbers(len(lens.parameters), 0.5)), T, lens))
    return CameraGroup(tuple(cameras))


def points_before(camera):
    """Return points of the world (200, 3) that the camera sees, within 40 degrees of its axis, at 0.5 to 10 m."""
    rng = np.random.default_rng(1)
    xy, depth = rng.uniform(-0.6, 0.6, (200, 2)), rng.uniform(0.5, 10, (200, 1))
    in_camera = np.concatenate([xy * depth, depth], axis=1)
    T_world_cam = np.linalg.inv(camera.T_cam_world)
    return in_camera @ T_world_cam[:3, :3].T + T_world_cam[:3, 3]


def assert_same_pictures(one, other, atol_px=1e-6):
    """Both groups have the same cameras by name, and these take the same pictures of the same points."""
    assert sorted(one.names) == sorted(other.names)
    for camera in one:
        twin = other[camera.name]
        assert twin.size_px == camera.size_px
        assert twin.lens.name == camera.lens.name
        points = points_before(camera)
        np.testing.assert_allclose(twin.project(points), camera.project(points), rtol=0, atol=atol_px)
