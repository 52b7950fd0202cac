import numpy as np
import pytest

from benchmarks.synthetic_take import detect, make_take
from retarget.kinematics import Kinematics
from retarget.observations import observe
from retarget.persistence import Persistence, persistence
from retarget.pixels import PixelViews
from skeleton.keypoints import Keypoints3D, Observations2D


def seen(kinematics: Kinematics, correlation_s: float, constant_share: float = 0.0):
    """A made-up take with errors of the size that the observations say; a share of their variance never changes."""
    rng = np.random.default_rng(4)
    take = make_take(rng, 360)
    xy = detect(take, rng, correlation_s).xy_px
    noise = xy - take.xy_px
    size = np.sqrt((noise**2).mean())
    constant = size * rng.standard_normal((noise.shape[0], 1, *noise.shape[2:]))
    noise = np.sqrt(1 - constant_share) * noise + np.sqrt(constant_share) * constant
    shape = take.xyz_m.shape[:2]
    keypoints = Keypoints3D(
        take.names,
        take.xyz_m,
        np.full(shape, 0.01),
        take.time_s,
        np.zeros((4, *shape)),
        take.cameras.names,
        np.zeros(shape, dtype=bool),
    )
    sigma = np.full(xy.shape[:3], size)
    observations = Observations2D(take.cameras.names, take.names, take.xy_px + noise, sigma, take.time_s)
    return persistence(observe(keypoints, kinematics, PixelViews(observations, take.cameras)), take.time_s)


def test_errors_that_are_new_in_every_frame_count_fully(kinematics):
    lasts = seen(kinematics, 0.0)
    assert lasts.data_share > 0.85
    assert lasts.lasting < 0.05


def test_errors_that_last_a_tenth_of_a_second_count_less(kinematics):
    # The variance of a mean of 12 frames of an autoregressive process that keeps exp(-1/6) is 5.6 times that of white
    # noise; neighbours share some of their error, so that their difference shows 3.9 times.
    lasts = seen(kinematics, 0.1)
    assert lasts.data_share == pytest.approx(1 / 3.9, rel=0.25)
    assert lasts.lasting < 0.08


def test_errors_that_never_change_are_told_from_those_that_do(kinematics):
    lasts = seen(kinematics, 0.0, constant_share=0.4)
    assert lasts.lasting == pytest.approx(0.4, abs=0.08)


def test_looks_at_something_constant_are_limited_by_what_lasts():
    # 60 s are 30 moments: half the variance averages over these, half over 3600 frames.
    assert Persistence(1.0, 0.5).looks(3600, 60.0) == pytest.approx(1 / (0.5 / 30 + 0.5 / 3600))
    assert Persistence(1.0, 1.0).looks(100, 1.0) == pytest.approx(1.0)
