from itertools import combinations

import numpy as np
import pytest

from triangulate.robust import (
    DISAGREEING_STEPS,
    FIRST_STEPS,
    LAST_STEPS,
    SEED_VIEWS,
    best_start,
    triangulate_robust,
)
from triangulate.sight_lines import SightLines, sight_lines

CHEST = np.array([0.0, 0.0, 0.9])


def scene(cameras, rng, points=400, noise=1.0):
    xyz = rng.uniform(-0.8, 0.8, size=(points, 3)) + CHEST
    xy = cameras.project(xyz)
    return xyz, xy + rng.normal(scale=noise, size=xy.shape)


def test_clean_views_are_as_good_as_their_covariance(ring, rng):
    cameras = ring(4)
    xyz, xy = scene(cameras, rng, points=3000)
    found = triangulate_robust(cameras, xy, np.ones(xy.shape[:2]))
    error = found.points.xyz_m - xyz
    whitened = np.einsum("ni,nij,nj->n", error, np.linalg.inv(found.points.covariance_m2), error)
    # Huber's loss at 1.345 gives away 5 % of efficiency, and its weights make the stated covariance a little larger
    # than that of squares; mean of chi squared with 3 degrees of freedom is 3, over 3000 points within 5 x 0.045.
    assert 2.6 < whitened.mean() < 3.25
    assert found.used.mean() > 0.99


@pytest.mark.parametrize("cameras_count", [4, 5, 8])
def test_one_gross_outlier_a_point_is_found(ring, rng, cameras_count):
    cameras = ring(cameras_count)
    xyz, xy = scene(cameras, rng)
    wrong = rng.integers(cameras_count, size=len(xyz))
    every = np.arange(len(xyz))
    angle = rng.uniform(0, 2 * np.pi, len(xyz))
    xy[wrong, every] += rng.uniform(60, 300, len(xyz))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = triangulate_robust(cameras, xy, np.ones(xy.shape[:2]))
    others = np.ones(xy.shape[:2])
    others[wrong, every] = np.inf
    informed = triangulate_robust(cameras, xy, others)
    error, least = (np.linalg.norm(f.points.xyz_m - xyz, axis=-1) for f in (found, informed))
    # An outlier that happens to lie along the epipolar lines of the others can hide with four cameras; not more than a
    # few in a hundred do.
    assert (~found.used[wrong, every]).mean() > 0.97
    assert np.median(error) < 1.05 * np.median(least)
    # The rest is as good as when one knows which view is wrong.
    same = ~found.used[wrong, every]
    assert error[same].mean() < 1.1 * least[same].mean()


def test_two_outliers_of_five_views(ring, rng):
    cameras = ring(5)
    xyz, xy = scene(cameras, rng)
    xy[1] += rng.uniform(50, 200, size=xy[1].shape)
    xy[3] -= rng.uniform(50, 200, size=xy[3].shape)
    found = triangulate_robust(cameras, xy, np.ones(xy.shape[:2]))
    assert (np.linalg.norm(found.points.xyz_m - xyz, axis=-1) < 0.05).mean() > 0.97


def test_two_views_that_contradict_each_other_give_no_point(ring):
    cameras = ring(3)
    xy = cameras.project(np.array([[0.0, 0.0, 1.0]]))
    xy[0, 0, 1] += 200  # up and down, across the epipolar lines of cameras at one height
    xy[2] = np.nan
    found = triangulate_robust(cameras, xy, np.ones((3, 1)))
    assert np.isnan(found.points.xyz_m).all()
    assert not found.used.any()


def test_best_start_takes_the_pair_that_agrees(ring, rng):
    cameras = ring(4)
    xyz, xy = scene(cameras, rng, points=50, noise=0.0)
    xy[0] += 400
    lines = sight_lines(cameras, xy)
    start = best_start(lines, lines.equations(), np.ones(xy.shape[:2]))
    np.testing.assert_allclose(start.T, xyz, atol=1e-6)


def test_a_guess_decides_between_views_and_has_no_say_in_the_place(ring, rng):
    cameras = ring(3)
    xyz, xy = scene(cameras, rng, points=200)
    # One wrong view of three, along the others' epipolar lines for some: two pairs may agree about as well.
    xy[0, :, 0] += 40
    weight = np.ones(xy.shape[:2])
    guess = xyz + rng.normal(scale=0.02, size=xyz.shape), np.full(len(xyz), 0.02)
    found = triangulate_robust(cameras, xy, weight, guess)
    informed = triangulate_robust(cameras, xy, np.where(np.arange(3)[:, None] == 0, np.inf, weight))
    assert (~found.used[0]).all()
    assert found.used[1:].all()
    apart = np.linalg.norm(found.points.xyz_m - informed.points.xyz_m, axis=-1)
    # But for points both of whose views lie beyond the limit of Huber's loss: any place between them is as good.
    assert np.quantile(apart, 0.98) < 1e-5


def test_cost_is_linear_in_cameras(ring, rng, monkeypatch):
    """By counting projections of points into views: few for points whose views agree, a bounded number for others."""
    counted = []
    original = SightLines.project

    def count(self, xyz_m):
        counted.append(len(self.T_cam_world) * xyz_m.shape[1])
        return original(self, xyz_m)

    monkeypatch.setattr(SightLines, "project", count)
    for cameras_count in (4, 8, 16, 32):
        cameras = ring(cameras_count)
        _, xy = scene(cameras, rng, points=50)
        counted.clear()
        triangulate_robust(cameras, xy, np.ones(xy.shape[:2]))
        assert sum(counted) <= (FIRST_STEPS + 1 + LAST_STEPS + 5) * 50 * cameras_count
        xy[0] += 300
        counted.clear()
        triangulate_robust(cameras, xy, np.ones(xy.shape[:2]))
        starts = 1 + len(list(combinations(range(SEED_VIEWS), 2)))
        steps = FIRST_STEPS + DISAGREEING_STEPS + LAST_STEPS
        assert sum(counted) <= (steps + starts + 2) * 50 * cameras_count
