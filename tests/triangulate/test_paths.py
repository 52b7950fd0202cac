import numpy as np
import pytest

from triangulate.paths import LEAST_SIGMA_M, Paths
from triangulate.triangulate import TriangulationOptions, triangulate

POINTS_ALONE = TriangulationOptions(refine=False)


def test_a_path_is_the_median_of_its_neighbours():
    time_s = np.arange(9) / 30
    xyz = np.zeros((9, 1, 3))
    xyz[:, 0, 0] = np.arange(9) * 0.01
    xyz[4, 0] = 5.0
    paths = Paths.of(xyz, time_s)
    # At 30 Hz it looks two frames ahead and back: of x at 2, 3, 5, 6 and the wrong one, the middle is 5.
    np.testing.assert_allclose(paths.xyz_m[4, 0], [0.05, 0, 0])
    np.testing.assert_allclose(paths.xyz_m[2, 0], [0.02, 0, 0])
    assert paths.sigma_m[0] == LEAST_SIGMA_M
    suspicious = paths.suspicious(xyz, np.ones((2, 9, 1), dtype=bool))
    assert np.flatnonzero(suspicious).tolist() == [4]
    # Three of five frames are the least.
    assert np.isfinite(paths.xyz_m[:, 0, 0]).tolist() == [True] * 9
    assert np.isnan(Paths.of(xyz[:2], time_s[:2]).xyz_m).all()


@pytest.fixture
def pair_and_third(ring, walk, rng):
    """Four cameras, of which the fourth sees nothing: few views, so that chance agreement is common."""
    cameras = ring(4)
    xyz, time_s = walk(60)
    xy = cameras.project(xyz)
    xy += 4.0 * rng.normal(size=xy.shape)
    xy[3] = np.nan
    return cameras, xyz, xy, time_s


def test_one_of_two_views_that_jumps_is_found_by_the_path(pair_and_third, views, rng):
    cameras, _, xy, time_s = pair_and_third
    xy[2, ::2] = np.nan  # two views in every second frame
    jumps = np.zeros((60, 33), dtype=bool)
    jumps[10:50:4] = rng.random((10, 33)) < 0.3
    xy[1][jumps] += np.array([150.0, 0.0])  # about along the epipolar lines of cameras at one height
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    off = ~np.isfinite(result.observations.sigma_px)
    assert off[1][jumps].mean() > 0.98
    # The other view of those points is right, and stays believed although no point rests on it.
    assert (~off[0][jumps]).mean() > 0.98
    assert np.isnan(result.keypoints.xyz_m[jumps]).all(axis=-1).mean() > 0.98
    assert (~off[:2][:, ~jumps]).mean() > 0.995


def test_single_views_on_the_path_are_kept_for_solvers_that_know_more(pair_and_third, views):
    cameras, _, xy, time_s = pair_and_third
    xy[1:3, 20:22] = np.nan
    xy[0, 21, 5] += 200.0
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    kept = np.isfinite(result.observations.sigma_px)
    assert kept[0, 20:22].mean() > 0.95
    assert not kept[0, 21, 5]
    assert not result.used[:, 20:22].any()
