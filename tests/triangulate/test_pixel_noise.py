import numpy as np
import pytest

from triangulate.confidence import MIN_CONFIDENCE
from triangulate.pixel_noise import (
    estimate_noise_px,
    observation_sigma_px,
    person_size_px,
)


def test_person_size_is_the_median_diagonal():
    xy = np.full((2, 3, 2, 2), np.nan)
    xy[0] = [[[0, 0], [30, 40]], [[0, 0], [60, 80]], [[5, 5], [305, 405]]]  # 50, 100, 500 px
    assert person_size_px(xy)[0] == 100
    assert np.isnan(person_size_px(xy)[1])


def test_sigma_makes_the_confidence_the_weight():
    confidence = np.array([[1.0, 0.25, MIN_CONFIDENCE / 2, 0.0]])
    np.testing.assert_allclose(observation_sigma_px(confidence, np.array([3.0])), [[3.0, 6.0, np.inf, np.inf]])


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_noise_of_each_camera_is_found(ring, walk, rng, count):
    cameras = ring(count)
    xyz, _ = walk(100)
    true_px = np.array([4.0, 6.0, 8.0, 5.0, 7.0, 4.0])[:count]
    xy = cameras.project(xyz)
    xy += true_px[:, None, None, None] * rng.normal(size=xy.shape)
    noise = estimate_noise_px(cameras, xy, np.ones(xy.shape[:3]))
    if count == 2:
        # Residuals of two views are equal and opposite: whose they are cannot be told, how large they are can.
        assert np.sqrt((noise**2).mean()) == pytest.approx(np.sqrt((true_px**2).mean()), rel=0.05)
    else:
        # Sampling is 1 % here; the rounds stop at 15 % with three cameras, closer with more.
        np.testing.assert_allclose(noise, true_px, rtol=0.2 if count == 3 else 0.12)


def test_gross_errors_and_gaps_do_not_raise_it(ring, walk, rng):
    cameras = ring(5)
    xyz, _ = walk(100)
    xy = cameras.project(xyz)
    xy += 5.0 * rng.normal(size=xy.shape)
    bad = rng.random(xy.shape[:3]) < 0.05
    xy[bad] += rng.uniform(-400, 400, size=(bad.sum(), 2))
    xy[rng.random(xy.shape[:3]) < 0.2] = np.nan
    noise = estimate_noise_px(cameras, xy, np.isfinite(xy).all(axis=-1).astype(float))
    np.testing.assert_allclose(noise, 5.0, rtol=0.2)


def test_exact_observations_have_the_least_noise_there_is(ring, walk):
    cameras = ring(3)
    xyz, _ = walk(5)
    noise = estimate_noise_px(cameras, cameras.project(xyz), np.ones((3, 5, 33)))
    np.testing.assert_allclose(noise, 1 / 16)


def test_nobody_anywhere_is_no_crash(ring):
    noise = estimate_noise_px(ring(3), np.full((3, 5, 33, 2), np.nan), np.zeros((3, 5, 33)))
    assert np.isfinite(noise).all()
