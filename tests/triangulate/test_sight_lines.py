import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from calib.lenses import fisheye
from triangulate.linear import inverse3, solve3
from triangulate.losses import SQUARES
from triangulate.sight_lines import (
    descend,
    inverse_planes,
    matrices,
    shared_trace,
    sight_lines,
    solve_planes,
    solve_with_spread,
    summed,
)

CHEST = np.array([0.0, 0.0, 0.9])


def test_a_cross_of_two_rays_by_hand():
    """Cameras at (0, 0, 0) and (3, 0, 0) m look along +z at (0, 0, 4): a triangle of 3, 4 and 5."""
    matrix = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    aside = np.eye(4)
    aside[0, 3] = -3.0
    cameras = CameraGroup(
        tuple(Camera(f"cam{i}", (100, 100), matrix, np.zeros(5), T) for i, T in enumerate((np.eye(4), aside)))
    )
    # 100 px times 0 / 4, and 100 px times -3 / 4, from the middle.
    lines = sight_lines(cameras, np.array([[[50.0, 50.0]], [[-25.0, 50.0]]]))
    np.testing.assert_allclose(lines.xy[0, :, 0], [0, -0.75], atol=1e-12)
    np.testing.assert_allclose(lines.factor[:, 0, 0], [100, 0, 100], atol=1e-9)
    np.testing.assert_allclose(solve_planes(summed(lines.equations(), np.ones((2, 1))))[:, 0], [0, 0, 4], atol=1e-9)
    # A millimetre to the right at 4 m is 0.025 px.
    x, y, inverse_depth = lines.project(np.array([[0.001], [0.0], [4.0]]))
    assert np.sqrt(lines.squared_px(x, y)[0, 0]) == pytest.approx(0.025)
    assert inverse_depth[0, 0] == pytest.approx(0.25)


@pytest.mark.parametrize("beside_px", [0.0, 300.0])
def test_undistortion_is_the_cameras_own(ring, rng, beside_px):
    cameras = ring(3)
    xy = rng.uniform(-beside_px, 720 + beside_px, size=(3, 500, 2))
    xy[1, 7] = np.nan
    lines = sight_lines(cameras, xy)
    for c, camera in enumerate(cameras):
        expected = camera.undistort(xy[c])
        seen = np.isfinite(expected).all(axis=-1)
        np.testing.assert_array_equal(lines.seen[c], seen)
        # A hundredth of a thousandth of a pixel at a focal length of 900.
        np.testing.assert_allclose(lines.xy[:, c].T[seen], expected[seen], atol=1e-8)


def test_undistortion_of_a_fisheye(rng):
    matrix = np.array([[300.0, 0, 640], [0, 300, 360], [0, 0, 1]])
    camera = Camera("cam", (1280, 720), matrix, np.array([0.05, -0.01, 0.002, 0.0]), np.eye(4), fisheye.LENS)
    # All of the picture whose rays are within 63 degrees of the axis: tan(63 degrees) is 2.
    ahead = rng.uniform(-1.4, 1.4, size=(400, 2))
    lines = sight_lines(CameraGroup((camera,)), camera.project(np.c_[ahead, np.ones(400)])[None])
    # 3e-5 at the edge, where a unit is 40 px: a thousandth of a pixel.
    np.testing.assert_allclose(lines.xy[:, 0].T, ahead, atol=3e-5)


def test_errors_are_pixels_to_first_order(ring, rng):
    cameras = ring(3)
    xyz = rng.uniform(-0.8, 0.8, size=(200, 3)) + CHEST
    exact = cameras.project(xyz)
    noise = rng.normal(scale=4.0, size=exact.shape)
    lines = sight_lines(cameras, exact + noise)
    x, y, _ = lines.project(xyz.T)
    # 4 px apart, the lens bends by a hundredth of a pixel more or less.
    np.testing.assert_allclose(np.sqrt(lines.squared_px(x, y)), np.linalg.norm(noise, axis=-1), atol=0.05)


def test_planes_solve_what_matrices_solve(rng):
    A = rng.normal(size=(100, 5, 3))
    H, g = np.swapaxes(A, 1, 2) @ A, rng.normal(size=(100, 3))
    planes = np.stack([H[:, i, j] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))])
    np.testing.assert_allclose(solve_planes(np.concatenate([planes, g.T])).T, solve3(H, g))
    np.testing.assert_allclose(matrices(inverse_planes(planes)), inverse3(H))
    solution, inverse = solve_with_spread(np.concatenate([planes, g.T]))
    np.testing.assert_allclose(solution.T, solve3(H, g))
    # The trace of a matrix times its inverse is 3.
    np.testing.assert_allclose(shared_trace(planes, inverse), 3)


def test_a_prior_counts_like_a_view(ring):
    """One view knows two coordinates; a prior with a millimetre's deviation gives the third."""
    cameras = ring(3)
    truth = np.array([0.1, 0.2, 1.0])
    xy = cameras.project(truth[None])
    lines = sight_lines(cameras, xy)
    weight = np.array([[1.0], [0.0], [0.0]])
    start = truth[:, None] + 0.01
    found = descend(lines, lines.equations(), weight, start, SQUARES, 20, (start, np.array([1e6])))
    toward = cameras.cameras[0].center_m - truth
    toward /= np.linalg.norm(toward)
    # Along the ray nothing but the prior speaks; across it, a pixel (4 mm) against a millimetre: 1 : 16.
    assert (found[:, 0] - start[:, 0]) @ toward == pytest.approx(0, abs=1e-4)
    across = found[:, 0] - truth - ((found[:, 0] - truth) @ toward) * toward
    before = start[:, 0] - truth - ((start[:, 0] - truth) @ toward) * toward
    assert np.linalg.norm(across) == pytest.approx(16 / 17 * np.linalg.norm(before), rel=0.03)
