import numpy as np
import pytest

from skeleton.joint_sets import load_joint_set
from triangulate.confidence import MIN_CONFIDENCE, relative_deviation
from triangulate.pixel_noise import (
    estimate_noise_px,
    measure_noise,
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


def test_what_scores_say_is_scaled_to_the_take(ring, walk, rng):
    """Errors as large as measured, their root, and errors that scores tell nothing of; wrists three times as noisy."""
    names = load_joint_set("blazepose33").points
    cameras = ring(4)
    xyz, _ = walk(100)
    exact = cameras.project(xyz)
    confidence = rng.uniform(0.3, 1.0, size=exact.shape[:3])
    relative = relative_deviation(confidence, names)
    wrists = [names.index("left_wrist"), names.index("right_wrist")]
    factor = np.where(np.isin(np.arange(33), wrists), 3.0, 1.0)
    for power in (1.0, 0.5, 0.0):
        sigma = 3.0 * factor * relative**power
        noise = measure_noise(cameras, exact + sigma[..., None] * rng.normal(size=exact.shape), relative, names)
        # 26,400 coordinates tell the power to 0.01; it is cut at 0.25.
        assert noise.power == pytest.approx(max(power, 0.25), abs=0.07)
        np.testing.assert_allclose(noise.camera_px, 3.0, rtol=0.2)
        # Of 1,600 coordinates; shrunk towards 1 by the 400 of before: 3 ** 0.8 = 2.4.
        np.testing.assert_allclose(noise.point[wrists], 2.4, rtol=0.15)
        if power >= 0.25:
            ratio = np.median(noise.sigma_px(relative) / sigma, axis=(0, 1))
            np.testing.assert_allclose(ratio, 1.0, rtol=0.25)


def test_a_camera_that_is_known_to_be_off_is_as_noisy_as_that(ring, walk, rng):
    cameras = ring(3)
    xyz, _ = walk(60)
    xy = cameras.project(xyz) + 4.0 * rng.normal(size=(3, 60, 33, 2))
    noise = measure_noise(cameras, xy, np.ones(xy.shape[:3]), least_px=np.array([0.0, 30.0, 0.0]))
    assert noise.camera_px[1] == 30.0
    assert (noise.camera_px[[0, 2]] < 6.0).all()
