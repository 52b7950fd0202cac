from dataclasses import replace

import numpy as np
import pytest

from calib.lenses import brown
from calib.solve.noise import ViewNoise, estimate_noise, independent_noise, residual_alone, view_basis
from calib.solve.reprojection import Views

GRID = np.stack(np.meshgrid(np.arange(6.0), np.arange(4.0)), axis=-1).reshape(-1, 2)


def make_views(cameras, moments, rng):
    """The same grid of 24 corners in every view, each view somewhere else."""
    camera, moment = (index.ravel() for index in np.indices((cameras, moments)))
    xy = 30 * GRID + rng.uniform(0, 1000, (cameras * moments, 1, 2))
    return Views(camera, moment, xy, np.zeros(len(camera)), (brown.LENS,) * cameras, np.full(len(camera), np.nan))


def test_whitening_by_hand():
    """Two corners 10 px apart, each off by 1, together by 2 more: their sum has the variance 2 (1 + 2 * 4)."""
    basis = np.full((1, 2, 3), 0.0)
    basis[0, :, 0] = np.sqrt(0.5)
    variance = np.array([[2 * 2.0**2, 0, 0]])
    noise = ViewNoise(np.ones(1), 2.0, 0.0, np.ones(1), basis, variance)
    together = noise.whiten(np.array([[[3.0, 0], [3.0, 0]]]))
    np.testing.assert_allclose(together[0, :, 0], 3 / np.sqrt(9))  # sqrt(1 + 2 * 4) per direction
    apart = noise.whiten(np.array([[[1.0, 0], [-1.0, 0]]]))
    np.testing.assert_allclose(apart, [[[1, 0], [-1, 0]]])


def test_the_basis_is_orthonormal_over_the_corners_in_use():
    rng = np.random.default_rng(1)
    views = make_views(2, 3, rng)
    use = rng.random((6, 24)) < 0.7
    basis = view_basis(views.xy_px, use)
    np.testing.assert_allclose(np.swapaxes(basis, 1, 2) @ basis, np.tile(np.eye(3), (6, 1, 1)), atol=1e-12)
    assert not basis[~use].any()


def test_noise_is_told_apart():
    """Corners are off by 0.1 px, whole views by 0.5 px, and stretched by 0.2 px at the typical corner."""
    rng = np.random.default_rng(2)
    views = make_views(3, 400, rng)
    use = np.ones((len(views.camera), 24), dtype=bool)
    basis = view_basis(views.xy_px, use)
    coefficient = rng.normal(0, np.sqrt(24) * np.array([0.5, 0.2, 0.2])[:, None], (len(use), 3, 2))
    residual = rng.normal(0, 0.1, views.xy_px.shape) + basis @ coefficient
    noise = estimate_noise(views, residual, use, 400)
    # The moments' poses have followed nothing here: what is left of views is taken for (k - 1) / k = 2 / 3 of it.
    assert np.median(noise.corner_px) == pytest.approx(0.1, rel=0.05)
    assert noise.shift_px == pytest.approx(0.5 * np.sqrt(1.5), rel=0.1)
    assert noise.stretch_px == pytest.approx(0.2 * np.sqrt(1.5), rel=0.1)
    white = noise.whiten(residual)
    assert white.std() == pytest.approx(1, rel=0.1)


def test_what_the_picture_tells_of_views_counts():
    """Half of the views are blurred: two corners more or less say little of their noise, the picture says it."""
    rng = np.random.default_rng(6)
    views = make_views(2, 500, rng)
    blurred = np.arange(1000) % 2 == 0
    views = replace(views, sigma_px=np.where(blurred, 0.2, 0.05))
    use = np.zeros((1000, 24), dtype=bool)
    use[:, [0, 5, 18, 23, 9]] = True
    residual = rng.normal(0, 2 * views.sigma_px[:, None, None], views.xy_px.shape)  # the told noise is half of it
    noise = estimate_noise(views, residual, use, 500)
    assert np.median(noise.corner_px[blurred]) == pytest.approx(0.4, rel=0.2)
    assert np.median(noise.corner_px[~blurred]) == pytest.approx(0.1, rel=0.2)


def test_independent_noise_only_scales():
    views = make_views(2, 2, np.random.default_rng(3))
    use = np.ones((4, 24), dtype=bool)
    values = np.random.default_rng(4).normal(0, 1, (4, 24, 2, 5))
    np.testing.assert_allclose(independent_noise(views, use, 0.5, 2).whiten(values), values / 0.5)


def test_a_stray_corner_stands_out_of_a_shifted_view():
    views = make_views(1, 1, np.random.default_rng(5))
    residual = np.full((1, 24, 2), 3.0) + 0.01 * views.xy_px
    residual[0, 7] += [0, 4]
    use = np.ones((1, 24), dtype=bool)
    use[0, 7] = False
    alone = residual_alone(views.xy_px, residual, use)
    np.testing.assert_allclose(alone[0, 7], [0, 4], atol=1e-9)
    np.testing.assert_allclose(np.delete(alone, 7, axis=1), 0, atol=1e-9)
