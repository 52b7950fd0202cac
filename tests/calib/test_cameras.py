import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib import brown
from calib.cameras import Camera, CameraGroup


def camera(name="a", T=None, distortion=(0, 0, 0, 0, 0)):
    matrix = [[100, 0, 50], [0, 100, 40], [0, 0, 1]]
    return Camera(name, (101, 81), np.array(matrix), np.array(distortion), np.eye(4) if T is None else T)


def test_a_3_4_5_triangle_projects_as_by_hand():
    # x / z = 3 / 5, y / z = 4 / 5, times 100, plus the principal point.
    np.testing.assert_allclose(camera().project(np.array([3.0, 4.0, 5.0])), [110, 120])


def test_radial_distortion_by_hand():
    # r^2 = 0.25: 0.5 * (1 + 0.2 * 0.25) = 0.525.
    pixel = camera(distortion=(0.2, 0, 0, 0, 0)).project(np.array([0.5, 0.0, 1.0]))
    np.testing.assert_allclose(pixel, [50 + 52.5, 40])


def test_behind_the_camera_is_no_picture():
    assert np.isnan(camera().project(np.array([0.0, 0.0, -1.0]))).all()


def test_the_center_is_where_the_camera_stands():
    T = np.array([[0, 1, 0, 1], [0, 0, -1, 2], [-1, 0, 0, 3], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(T[:3, :3] @ camera(T=T).center_m + T[:3, 3], 0, atol=1e-12)


@given(
    st.floats(-0.3, 0.3), st.floats(-0.1, 0.1), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01),
    st.floats(-0.4, 0.4), st.floats(-0.4, 0.4),
)  # fmt: skip
def test_undistort_inverts_distort(k1, k2, p1, p2, x, y):
    distortion = np.array([k1, k2, p1, p2, 0.02])
    xy = np.array([x, y])
    np.testing.assert_allclose(brown.undistort(brown.distort(xy, distortion), distortion), xy, atol=1e-9)


def test_a_reflection_is_no_camera():
    with pytest.raises(ValueError, match="no rotation"):
        camera(T=np.diag([1.0, 1.0, -1.0, 1.0]))


def test_names_are_unique():
    with pytest.raises(ValueError, match="repeat"):
        CameraGroup((camera("a"), camera("a")))
