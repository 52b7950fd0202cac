import numpy as np
import pytest

from triangulate.losses import SQUARES, geman_mcclure, huber
from triangulate.refine import evaluate_points, project_with_jacobian, refine_points

CHEST = np.array([0.0, 0.0, 0.9])
TRUTH = np.array([0.2, -0.1, 1.1])


def test_losses_by_hand():
    s = np.array([0.0, 4.0, 100.0])
    # s / (1 + s / 4): 0, 4 / 2, 100 / 26.
    np.testing.assert_allclose(geman_mcclure(2.0).rho(s), [0, 2, 100 / 26])
    # Squares up to 2 deviations, then 2 * 2 * 10 - 4.
    np.testing.assert_allclose(huber(2.0).rho(s), [0, 4, 36])


@pytest.mark.parametrize("loss", [SQUARES, huber(1.3), geman_mcclure(3.0)])
def test_weight_is_the_derivative_of_the_loss(loss):
    s = np.array([0.3, 1.0, 5.0, 40.0])
    step = 1e-6
    slope = (loss.rho(s + step) - loss.rho(s - step)) / (2 * step)
    np.testing.assert_allclose(loss.weight(s), slope, rtol=1e-6)


def test_jacobian_is_the_derivative_of_the_projection(ring, rng):
    camera = ring(3).cameras[1]
    xyz = rng.uniform(-0.8, 0.8, size=(20, 3)) + CHEST
    projected, J = project_with_jacobian(camera, xyz)
    np.testing.assert_allclose(projected, camera.project(xyz), atol=1e-9)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        slope = (camera.project(xyz + step) - camera.project(xyz - step)) / 2e-6
        np.testing.assert_allclose(J[:, :, axis], slope, rtol=1e-5, atol=1e-4)


def test_exact_observations_are_met_from_a_bad_start(ring, rng):
    cameras = ring(4)
    xyz = rng.uniform(-0.8, 0.8, size=(50, 3)) + CHEST
    start = xyz + rng.normal(scale=0.3, size=xyz.shape)
    found = refine_points(cameras, cameras.project(xyz), np.ones((4, 50)), start)
    np.testing.assert_allclose(found.xyz_m, xyz, atol=1e-6)
    assert np.nanmax(found.error_px) < 1e-3


def test_covariance_matches_the_spread_of_solutions_to_sampled_noise(ring, rng):
    """The claim about uncertainty, tested by sampling: solve again with fresh noise 4000 times."""
    cameras = ring(3)
    samples = 4000
    sigma = np.array([1.0, 2.0, 0.5])[:, None] * np.ones(samples)
    exact = cameras.project(np.broadcast_to(TRUTH, (samples, 3)))
    noisy = exact + sigma[..., None] * rng.normal(size=exact.shape)
    found = refine_points(cameras, noisy, sigma, np.broadcast_to(TRUTH, (samples, 3)))
    error = found.xyz_m - TRUTH
    analytic = found.covariance_m2.mean(axis=0)
    # Each error in its own deviations: chi squared with 3 degrees of freedom, mean 3, variance 6. The mean over 4000
    # has deviation sqrt(6 / 4000) = 0.039; five of these.
    whitened = np.einsum("ni,nij,nj->n", error, np.linalg.inv(found.covariance_m2), error)
    assert whitened.mean() == pytest.approx(3.0, abs=0.2)
    # Every entry, in deviations of its two axes: a sampled covariance has deviation sqrt(2 / 4000) = 0.022 at most.
    scale = np.sqrt(np.diag(analytic))
    assert np.abs((np.cov(error.T) - analytic) / np.outer(scale, scale)).max() < 0.11


def test_leverage_is_what_residuals_lose(ring, rng):
    """Residual variance = (1 - leverage) x the observation's variance, and leverages sum to 3 unknowns."""
    cameras = ring(4)
    samples = 4000
    sigma = np.array([1.0, 3.0, 1.0, 0.7])[:, None] * np.ones(samples)
    exact = cameras.project(np.broadcast_to(TRUTH, (samples, 3)))
    noisy = exact + sigma[..., None] * rng.normal(size=exact.shape)
    found = refine_points(cameras, noisy, sigma, np.broadcast_to(TRUTH, (samples, 3)))
    np.testing.assert_allclose(found.leverage.sum(axis=(0, 2)), 3, rtol=1e-6)
    measured = (found.residual_px**2).mean(axis=1) / sigma[:, :1] ** 2
    # 4000 samples: relative deviation sqrt(2 / 4000) = 0.022; five of these.
    np.testing.assert_allclose(measured, 1 - found.leverage.mean(axis=1), rtol=0.11)


def test_a_view_of_infinite_sigma_has_no_say(ring):
    cameras = ring(3)
    xy = cameras.project(TRUTH[None])
    xy[2] += 500
    sigma = np.array([[1.0], [1.0], [np.inf]])
    found = refine_points(cameras, xy, sigma, TRUTH[None] + 0.05)
    np.testing.assert_allclose(found.xyz_m, TRUTH[None], atol=1e-6)
    assert (found.leverage[2] == 0).all()
    assert found.error_px[2, 0] == pytest.approx(500 * np.sqrt(2))


def test_redescending_loss_forgets_a_gross_error(ring):
    cameras = ring(5)
    xy = cameras.project(TRUTH[None])
    xy[0] += [300, -200]
    found = refine_points(cameras, xy, np.ones((5, 1)), TRUTH[None] + 0.01, geman_mcclure(3.0))
    # What pull is left: weight (1 + s / 9)^-2 of s = 130000 is 5e-9, times 360 px is 2e-6 px.
    np.testing.assert_allclose(found.xyz_m, TRUTH[None], atol=1e-6)


def test_points_without_a_start_or_behind_a_camera_are_nan(ring):
    cameras = ring(2)
    behind = cameras.cameras[0].center_m * 2
    xy = np.stack([cameras.project(np.stack([TRUTH, TRUTH]))[c] for c in range(2)])
    found = refine_points(cameras, xy, np.ones((2, 2)), np.stack([np.full(3, np.nan), TRUTH]))
    assert np.isnan(found.xyz_m[0]).all()
    assert np.isnan(found.covariance_m2[0]).all()
    assert np.isfinite(found.xyz_m[1]).all()
    assert np.isnan(evaluate_points(cameras, xy[:, :1], np.ones((2, 1)), behind[None], SQUARES).xyz_m).all()
