"""Costs and derivatives: on cases that a hand can check, and against differences."""

import numpy as np
import pytest

from triangulate.refine import project_with_jacobian
from triangulate.whole_take.redescending import Redescending
from triangulate.whole_take.stretch import LOSS
from triangulate.whole_take.terms import UPPER, Reprojection, Smoothness, bone_terms


def test_a_bone_of_three_four_five():
    ends = np.array([[0, 1]])
    terms = bone_terms(np.array([[[0.0, 0, 0], [3, 0, 4]]]), ends, np.array([4.0]), True)
    assert terms.residual_m[0, 0] == pytest.approx(1.0)
    np.testing.assert_allclose(terms.direction[0, 0], [0.6, 0, 0.8])
    # An end that moves by x square to the bone makes it x^2 / 10 longer, half the square of the residual x^2 / 10 more.
    assert terms.bend[0, 0] == pytest.approx(0.2)


def test_smoothness_counts_acceleration_over_time_whatever_the_frames():
    """x = t^2 accelerates by 2: half of 2^2 / density, a second; uneven frames see the same parabola."""
    rng = np.random.default_rng(0)
    for time_s in (np.linspace(0, 10, 301), np.linspace(0, 10, 1201), np.sort(rng.uniform(0, 10, 600))):
        xyz = np.zeros((len(time_s), 1, 3))
        xyz[:, 0, 0] = time_s**2
        smoothness = Smoothness(time_s, np.array([5.0]))
        np.testing.assert_allclose(smoothness.acceleration(xyz)[:, 0], np.tile([2.0, 0, 0], (len(time_s) - 2, 1)))
        cost, _ = smoothness.cost_and_gradient(xyz)
        assert cost == pytest.approx(0.5 * 4 / 5 * (time_s[-1] - time_s[0]), rel=0.01)


def test_smoothness_bands_are_the_gradients_derivatives():
    rng = np.random.default_rng(1)
    time_s = np.cumsum(rng.uniform(0.01, 0.03, 7))
    smoothness = Smoothness(time_s, np.array([3.0, 8.0]))
    same, next_, after_next = smoothness.bands()
    for frame in range(7):
        moved = np.zeros((7, 2, 3))
        moved[frame, 1, 2] = 1.0
        gradient = smoothness.cost_and_gradient(moved)[1][:, 1, 2]
        assert gradient[frame] == pytest.approx(same[frame, 1])
        for later, band in ((1, next_), (2, after_next)):
            if frame + later < 7:
                assert gradient[frame + later] == pytest.approx(band[frame, 1])


@pytest.fixture
def seen(ring, walk, rng):
    """Cameras, points, and observations 3 px off with some gross errors and some missing."""
    cameras = ring(3)
    xyz, _ = walk(5)
    xy = cameras.project(xyz) + rng.normal(0, 3, (3, *xyz.shape[:2], 2))
    xy[0, 0, :5] += 80
    sigma = np.full(xy.shape[:3], 3.0)
    sigma[1, 2] = np.inf
    xy[1, 2] = np.nan
    return cameras, xyz, xy, sigma


def test_reprojection_is_that_of_the_exact_projection(seen):
    cameras, xyz, xy, sigma = seen
    views = Reprojection(cameras, xy, sigma, LOSS)
    views.linearise_lenses(xyz)
    terms = views.terms(xyz, full=False)
    cost, gradient, H = 0.0, np.zeros((xyz.shape[0] * 33, 3)), np.zeros((xyz.shape[0] * 33, 3, 3))
    for camera, observed, deviation in zip(cameras, xy, sigma, strict=True):
        used = np.isfinite(deviation).ravel()
        pixels, J = project_with_jacobian(camera, xyz.reshape(-1, 3))
        error = np.where(used[:, None], (pixels - observed.reshape(-1, 2)) / 3, 0.0)
        J = np.where(used[:, None, None], J / 3, 0.0)
        s = (error**2).sum(axis=1)
        weight = (1 + s / LOSS.scale**2) ** -2
        cost += 0.5 * (s / (1 + s / LOSS.scale**2)).sum()
        gradient += weight[:, None] * np.einsum("nki,nk->ni", J, error)
        H += weight[:, None, None] * np.einsum("nki,nkj->nij", J, J)
    assert terms.cost == pytest.approx(cost)
    np.testing.assert_allclose(terms.gradient.reshape(-1, 3), gradient, rtol=1e-9, atol=1e-6)
    for place, (i, j) in enumerate(UPPER):
        np.testing.assert_allclose(terms.curvature[place].ravel(), H[:, i, j], rtol=1e-9, atol=1e-6)


def test_linearised_lenses_are_good_for_centimetres(seen):
    """Points moved by 3 cm (7 px at 4 m): the cost differs from the exact one by what 0.02 px make."""
    cameras, xyz, xy, sigma = seen
    moved = xyz + 0.03 / np.sqrt(3)
    near, exact = Reprojection(cameras, xy, sigma, LOSS), Reprojection(cameras, xy, sigma, LOSS)
    near.linearise_lenses(xyz)
    exact.linearise_lenses(moved)
    # A residual of some 9 px (3 deviations) and 0.02 px more: 3 x 0.007 of half its square, for each of 400 or so.
    assert near.terms(moved, True).cost == pytest.approx(exact.terms(moved, True).cost, rel=2e-3)


def test_second_derivatives_are_the_gradients(seen):
    """Points near the minimum, where nothing is clipped: the derivative of the gradient but for the lens's own bend."""
    cameras, xyz, xy, sigma = seen
    xy[0, 0, :5] -= 80
    views = Reprojection(cameras, xy, sigma, Redescending(30.0))
    views.linearise_lenses(xyz)
    terms = views.terms(xyz, full=True)
    step = 1e-5
    for axis in range(3):
        moved = xyz.copy()
        moved[..., axis] += step
        numeric = (views.terms(moved, True).gradient - terms.gradient) / step
        for other in range(3):
            place = UPPER.index((min(axis, other), max(axis, other)))
            np.testing.assert_allclose(
                numeric[..., other], terms.curvature[place], atol=0.02 * float(np.abs(terms.curvature).max())
            )


def test_the_loss_and_its_derivatives():
    loss = Redescending(4.5)
    s = np.array([0.0, 2.0, 20.25, 400.0])
    assert loss.rho(s)[2] == pytest.approx(20.25 / 2)  # at its scale an error counts half
    weight, bend = loss.weight_and_bend(s)
    step = 1e-6
    np.testing.assert_allclose(weight, (loss.rho(s + step) - loss.rho(s)) / step, rtol=1e-5)
    # Along the error the second derivative is weight + bend s, never below zero.
    assert bend[1] == pytest.approx(2 * (loss.weight_and_bend(s + step)[0][1] - weight[1]) / step, rel=1e-4)
    assert (weight + bend * s >= -1e-12).all()


def test_what_an_estimate_by_the_loss_is_worth():
    """The mean of Gaussian errors by the loss has the variance that `information` states."""
    rng = np.random.default_rng(0)
    loss = Redescending(4.5)
    draws, each = 4000, 40
    error = rng.standard_normal((draws, each, 2))
    place = np.zeros((draws, 2))
    for _ in range(30):
        difference = place[:, None] - error
        weight, _ = loss.weight_and_bend((difference**2).sum(axis=-1))
        place -= (weight[..., None] * difference).sum(axis=1) / weight.sum(axis=1)[:, None]
    weight, bend = loss.weight_and_bend(((place[:, None] - error) ** 2).sum(axis=-1))
    second = (weight + 0.5 * bend * ((place[:, None] - error) ** 2).sum(axis=-1)).sum(axis=1).mean()
    # 8000 numbers know their variance to 1.6 %.
    assert place.var() == pytest.approx(1 / (second * loss.information()), rel=0.05)
