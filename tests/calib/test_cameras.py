import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from calib.lenses import fisheye


def camera(name="a", T=None, distortion=(0, 0, 0, 0, 0), **others):
    matrix = [[100, 0, 50], [0, 100, 40], [0, 0, 1]]
    return Camera(name, (101, 81), np.array(matrix), np.array(distortion), np.eye(4) if T is None else T, **others)


def test_a_3_4_5_triangle_projects_as_by_hand():
    # x / z = 3 / 5, y / z = 4 / 5, times 100, plus the principal point.
    np.testing.assert_allclose(camera().project(np.array([3.0, 4.0, 5.0])), [110, 120])


def test_radial_distortion_by_hand():
    # r^2 = 0.25: 0.5 * (1 + 0.2 * 0.25) = 0.525.
    pixel = camera(distortion=(0.2, 0, 0, 0, 0)).project(np.array([0.5, 0.0, 1.0]))
    np.testing.assert_allclose(pixel, [50 + 52.5, 40])


def test_a_fisheye_sees_45_degrees_at_a_quarter_of_pi():
    looking = camera(distortion=(0, 0, 0, 0), lens=fisheye.LENS)
    pixel = looking.project(np.array([2.0, 0.0, 2.0]))
    np.testing.assert_allclose(pixel, [50 + 100 * np.pi / 4, 40])
    np.testing.assert_allclose(looking.undistort(pixel), [1, 0])


def test_a_lens_has_as_many_distortions_as_parameters():
    with pytest.raises(ValueError, match=r"distortion must be finite and of shape \(4,\)"):
        camera(lens=fisheye.LENS)


def test_aniposelib_projects_fisheyes_alike():
    looking = camera(distortion=(0.02, -0.01, 0.003, 0.001), lens=fisheye.LENS)
    xyz = np.array([[0.5, -0.3, 1.0], [-2.0, 1.0, 1.5]])
    theirs = CameraGroup((looking,)).to_anipose()
    np.testing.assert_allclose(theirs.project(xyz).reshape(2, 2), looking.project(xyz), atol=1e-9)


def test_behind_the_camera_is_no_picture():
    assert np.isnan(camera().project(np.array([0.0, 0.0, -1.0]))).all()


def test_the_center_is_where_the_camera_stands():
    T = np.array([[0, 1, 0, 1], [0, 0, -1, 2], [-1, 0, 0, 3], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(T[:3, :3] @ camera(T=T).center_m + T[:3, 3], 0, atol=1e-12)


def test_a_reflection_is_no_camera():
    with pytest.raises(ValueError, match="no rotation"):
        camera(T=np.diag([1.0, 1.0, -1.0, 1.0]))


def test_names_are_unique():
    with pytest.raises(ValueError, match="repeat"):
        CameraGroup((camera("a"), camera("a")))
