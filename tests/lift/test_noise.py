"""The detector's errors: each part does what its parameter says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from lift.cameras import Cameras, rays
from lift.geometry import turn_ahead
from lift.noise import NoiseModel, detect, load_noise
from lift.points import LEGS_TOLD, MIRROR, POINTS, root

WINDOWS, FRAMES, DEPTH_M = 40, 120, 4.0
PLACE = {name: k for k, name in enumerate(POINTS)}


def standing() -> np.ndarray:
    """Return a body that stands 4 m before the camera, all points recorded; world axes are the camera's."""
    body = np.zeros((len(POINTS), 3))
    heights = {"head": -0.7, "nose": -0.7, "shoulder": -0.5, "elbow": -0.2, "wrist": 0.0, "hip": 0.0, "knee": 0.4}
    for name, place in PLACE.items():
        part = name.removeprefix("left_").removeprefix("right_")
        body[place, 1] = heights.get(part, 0.8)
        body[place, 0] = 0.2 if name.startswith("left") else -0.2 if name.startswith("right") else 0
    return np.tile(body + np.array([0, 0, DEPTH_M]), (WINDOWS, FRAMES, 1, 1)).astype(np.float32)


def camera(half: float = 5.0) -> Cameras:
    one = np.ones(WINDOWS, np.float32)
    return Cameras(
        np.tile(np.eye(3, dtype=np.float32), (WINDOWS, 1, 1)),
        np.zeros((WINDOWS, 3), np.float32),
        half * np.ones((WINDOWS, 2)),
        one,
    )


@pytest.fixture
def silent() -> NoiseModel:
    points = np.zeros(len(POINTS), np.float32)
    return replace(
        load_noise(),
        **{name: points for name in ("clip_m", "sigma_m", "world_lateral_m", "world_depth_m")},
        **{name: points for name in ("world_clip_lateral_m", "world_clip_depth_m")},
        **{"bias_m": np.zeros((len(POINTS), 3), np.float32), "lag_s": 0.0, "dropouts_per_s": 0.0},
        **{f"{part}_swaps_per_s": 0.0 for part in ("arm", "leg", "body")},
        **{
            "tail": 0.0,
            "clip_tail": 0.0,
            "world_clip_tail": 0.0,
            "confidence_spread": 0.0,
            "bias_spread": 0.0,
            "world_shoulders": 0.0,
        },
        **{"world_scale": 1.0, "world_scale_spread": 0.0, "world_depth": 1.0, "world_depth_spread": 0.0},
    )


def error_m(model: NoiseModel, seed: int = 0) -> np.ndarray:
    body = standing()
    seen = detect(np.random.default_rng(seed), body, camera(), model)
    return (seen.ray - rays(body)) * DEPTH_M


def test_without_errors_the_rays_are_the_truth(silent: NoiseModel):
    np.testing.assert_allclose(error_m(silent), 0, atol=1e-6)


def test_bias_is_outwards_on_both_sides(silent: NoiseModel):
    bias = silent.bias_m.copy()
    bias[[PLACE["left_hip"], PLACE["right_hip"]], 0] = 0.03
    error = error_m(replace(silent, bias_m=bias))
    # The body faces the camera: its left is at +x of the picture.
    np.testing.assert_allclose(error[..., PLACE["left_hip"], 0], 0.03, atol=1e-4)
    np.testing.assert_allclose(error[..., PLACE["right_hip"], 0], -0.03, atol=1e-4)


def test_what_comes_and_goes_has_its_size_and_duration(silent: NoiseModel):
    sigma = np.full(len(POINTS), 0.02, np.float32)
    error = error_m(replace(silent, sigma_m=sigma, correlation_s=0.1))
    # 172,800 values, each 12 frames about one: 3 deviations of the deviation are 3 / sqrt(2 * 14400) = 1.8 %.
    assert error.std() == pytest.approx(0.02, rel=0.03)
    lagged = (error[:, 6:] * error[:, :-6]).mean() / error.var()
    assert lagged == pytest.approx(np.exp(-0.1 / 0.1), abs=0.03)


def test_a_wandering_size_gives_heavy_tails(silent: NoiseModel):
    sigma = np.full(len(POINTS), 0.02, np.float32)

    def kurtosis(tail: float) -> float:
        error = error_m(replace(silent, sigma_m=sigma, tail=tail, tail_s=0.2))
        return float((error**4).mean() / (error**2).mean() ** 2)

    assert kurtosis(0.0) == pytest.approx(3, abs=0.3)
    # Of a normal times exp(s g): 3 exp(4 s^2).
    assert kurtosis(0.4) == pytest.approx(3 * np.exp(4 * 0.4**2), rel=0.2)


def test_a_still_body_does_not_lag_and_a_moving_one_trails_by_the_time_constant(silent: NoiseModel):
    body = standing()
    speed = 1.5
    body[..., 0] += (speed * np.arange(FRAMES) / 60)[None, :, None]
    seen = detect(np.random.default_rng(0), body, camera(), replace(silent, lag_s=0.05))
    behind = (rays(body) - seen.ray)[:, 60:, :, 0] * DEPTH_M
    # A low pass of first order trails a ramp by its time constant; sampled, by k / (1 - k) steps: 0.042 s here.
    keep = np.exp(-1 / 3)
    np.testing.assert_allclose(behind, speed * keep / (1 - keep) / 60, rtol=1e-3)


def test_swaps_exchange_sides_for_their_share_of_the_time(silent: NoiseModel):
    body = standing()
    seen = detect(
        np.random.default_rng(3), body, camera(), replace(silent, leg_swaps_per_s=0.2, body_swaps_per_s=0.2, swap_s=0.2)
    )
    exchanged = np.abs(seen.ray - rays(body)[..., MIRROR, :]).max(axis=-1)[..., LEGS_TOLD].max(axis=-1) < 1e-5
    # Legs are swapped alone and with the whole body: each 0.2 a second for 0.2 s, in 80 s.
    assert exchanged.mean() == pytest.approx(0.08, abs=0.05)


def test_what_lies_far_outside_the_picture_is_lost_and_what_lies_just_outside_is_less_sure(silent: NoiseModel):
    body = standing()
    half = 0.19  # feet at 0.8 m of 4 m: 5 % outside
    seen = detect(np.random.default_rng(0), body, camera(half), silent)
    assert (seen.confidence[..., PLACE["left_ankle"]] < seen.confidence[..., PLACE["left_knee"]]).all()
    far = detect(np.random.default_rng(0), body, camera(0.14), silent)
    assert np.isnan(far.ray[..., PLACE["left_ankle"], :]).all()
    assert (far.confidence[..., PLACE["left_ankle"]] == 0).all()


def test_points_that_were_not_recorded_are_not_seen(silent: NoiseModel):
    body = standing()
    body[..., PLACE["left_heel"], :] = np.nan
    seen = detect(np.random.default_rng(0), body, camera(), load_noise())
    assert np.isnan(seen.ray[..., PLACE["left_heel"], :]).all()
    assert (seen.confidence[..., PLACE["left_heel"]] == 0).all()


def test_the_detectors_own_3d_errs_more_along_the_ray_than_across(silent: NoiseModel):
    body = standing()
    turn = turn_ahead(np.zeros((WINDOWS, FRAMES, 2), np.float32))
    lateral, depth = np.full(len(POINTS), 0.02, np.float32), np.full(len(POINTS), 0.08, np.float32)
    model = replace(silent, world_lateral_m=lateral, world_depth_m=depth)
    seen = detect(np.random.default_rng(0), body, camera(), model, turn)
    assert seen.world_m is not None
    error = seen.world_m - (body - root(body)[..., None, :])
    shoulder, wrist = (error[..., PLACE[f"left_{name}"], :] for name in ("shoulder", "wrist"))
    assert shoulder[..., 0].std() == pytest.approx(0.02, rel=0.1)
    assert shoulder[..., 2].std() == pytest.approx(0.08, rel=0.1)
    # The wrist's error is on top of the elbow's, that on top of the shoulder's.
    assert wrist[..., 2].std() == pytest.approx(np.sqrt(3) * 0.08, rel=0.1)
    np.testing.assert_allclose(error[..., PLACE["left_hip"], :], -error[..., PLACE["right_hip"], :], atol=1e-5)


def test_where_sides_are_swapped_the_detectors_own_3d_is_too(silent: NoiseModel):
    body = standing()
    turn = turn_ahead(np.zeros((WINDOWS, FRAMES, 2), np.float32))
    model = replace(silent, body_swaps_per_s=50.0, swap_s=100.0)
    seen = detect(np.random.default_rng(0), body, camera(), model, turn)
    assert seen.world_m is not None
    pose = body - root(body)[..., None, :]
    # Episodes are uneven: where none goes on, nothing is swapped.
    exchanged = seen.ray[..., PLACE["left_wrist"], 0] < 0
    assert exchanged.mean() > 0.5
    np.testing.assert_allclose(seen.world_m[exchanged], pose[..., MIRROR, :][exchanged], atol=1e-5)


def test_bodies_of_the_detectors_own_3d_are_flat(silent: NoiseModel):
    body = standing()
    body[..., PLACE["left_wrist"], 2] -= 0.5
    turn = turn_ahead(np.zeros((WINDOWS, FRAMES, 2), np.float32))
    seen = detect(np.random.default_rng(0), body, camera(), replace(silent, world_scale=0.9, world_depth=0.8), turn)
    assert seen.world_m is not None
    np.testing.assert_allclose(seen.world_m[..., PLACE["left_wrist"], 2], -0.5 * 0.9 * 0.8, atol=1e-5)


def test_the_same_chance_gives_the_same_detections():
    body = standing()
    a, b = (detect(np.random.default_rng(9), body, camera(), load_noise()) for _ in range(2))
    np.testing.assert_array_equal(a.ray, b.ray)
    np.testing.assert_array_equal(a.confidence, b.confidence)


def test_a_file_that_lacks_a_number_is_refused(tmp_path: Path):
    path = tmp_path / "noise.toml"
    path.write_text("tail = 1.0\n")
    with pytest.raises(FileFormatError, match=r"noise\.toml is no noise model"):
        load_noise(path)
