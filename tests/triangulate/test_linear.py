import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.cameras import Camera, CameraGroup
from triangulate.linear import inverse3, solve3, triangulate_linear, undistort

CHEST = np.array([0.0, 0.0, 0.9])


def pinhole(name, center):
    """Looks along +z of the world, focal length 100 px, principal point at zero."""
    T = np.eye(4)
    T[:3, 3] = -np.asarray(center, dtype=float)
    return Camera(name, (200, 200), np.diag([100.0, 100.0, 1.0]), np.zeros(5), T)


def test_two_cameras_side_by_side_by_hand():
    # Cameras at x = -1 and x = +1 look along z. A point at (0, 0, 4) is seen at 100 * 1/4 = +25 and -25 px.
    cameras = CameraGroup((pinhole("left", (-1, 0, 0)), pinhole("right", (1, 0, 0))))
    xy = undistort(cameras, np.array([[[25.0, 0.0]], [[-25.0, 0.0]]]))
    np.testing.assert_allclose(triangulate_linear(cameras, xy, np.ones((2, 1))), [[0, 0, 4]], atol=1e-12)


def test_weights_decide_between_contradicting_views():
    # The first two say height 0; the third, at the place of the first, says a quarter of the depth.
    cameras = CameraGroup((pinhole("a", (-1, 0, 0)), pinhole("b", (1, 0, 0)), pinhole("c", (-1, 0, 0))))
    xy = undistort(cameras, np.array([[[25.0, 0.0]], [[-25.0, 0.0]], [[25.0, 25.0]]]))
    weak = triangulate_linear(cameras, xy, np.array([[1.0], [1.0], [1e-3]]))[0]
    strong = triangulate_linear(cameras, xy, np.array([[1e-3], [1e-3], [1.0]]))[0]
    assert abs(weak[1] / weak[2]) < 1e-3
    assert abs(strong[1] / strong[2] - 0.25) < 1e-3


def test_one_view_or_parallel_rays_determine_nothing():
    cameras = CameraGroup((pinhole("a", (0, 0, 0)), pinhole("b", (1, 0, 0)), pinhole("a2", (0, 0, -1))))
    xy = np.array([[[0.0, 0.0], [0.1, 0.0], [np.nan, np.nan]], [[0.0, 0.0]] * 3, [[0.0, 0.0]] * 3])
    weight = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    # The same direction from two places; one view only; not observed in one of two.
    assert np.isnan(triangulate_linear(cameras, xy, weight)).all()


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-4, 1e4))
@settings(max_examples=50, deadline=None)
def test_solve3_inverts_any_well_conditioned_system(seed, scale):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(5, 6, 3))
    H = scale * np.swapaxes(a, 1, 2) @ a
    x = rng.normal(size=(5, 3))
    good = np.linalg.cond(H) < 1e3
    np.testing.assert_allclose(solve3(H, np.einsum("nij,nj->ni", H, x))[good], x[good], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(inverse3(H)[good] @ H[good], np.broadcast_to(np.eye(3), (good.sum(), 3, 3)), atol=1e-9)


def test_exact_projections_give_exact_points(ring, rng):
    cameras = ring(5)
    xyz = rng.uniform(-0.8, 0.8, size=(40, 3)) + CHEST
    found = triangulate_linear(cameras, undistort(cameras, cameras.project(xyz)), np.ones((5, 40)))
    np.testing.assert_allclose(found, xyz, atol=1e-9)


def test_shapes_of_frames_and_points_are_kept(ring, walk):
    cameras = ring(3)
    xyz, _ = walk(4)
    xy = cameras.project(xyz)
    assert triangulate_linear(cameras, undistort(cameras, xy), np.ones(xy.shape[:-1])).shape == xyz.shape
    assert triangulate_linear(cameras, undistort(cameras, xy), np.ones(xy.shape[:-1])) == pytest.approx(xyz)
