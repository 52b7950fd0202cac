"""The fit of the noise model finds the parameters that detections were made with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.lifter_noise import fit, fit_edge, swaps, write
from benchmarks.lifter_pairs import Pair
from lift.cameras import CameraSettings, draw_cameras
from lift.geometry import turn_ahead
from lift.mocap.archives import Motions
from lift.noise import NoiseModel, detect, load_noise
from lift.points import HIPS, POINTS, STATURE_M, root, stature

VIEWS = 16


WHOLE = CameraSettings(guessed_share=0.0, fill=(0.3, 0.6), off_centre=0.0, roll_deg=0.0)


def pairs(motions: Motions, model: NoiseModel, settings: CameraSettings = WHOLE) -> list[Pair]:
    """Return cameras around the recorded people, with every point recorded and no lens guessed."""
    body = motions.xyz_m.reshape(4, 240, len(POINTS), 3).copy()
    body[:, :, :2] = (body[:, :, 2:4].mean(axis=2) + np.array([0, 0, 0.2]))[:, :, None]  # a head above the shoulders
    body = np.tile(body, (VIEWS // 4, 1, 1, 1))
    body *= (STATURE_M / np.median(stature(body), axis=1)).astype(np.float32)[:, None, None, None]
    rng = np.random.default_rng(4)
    cameras = draw_cameras(rng, root(body), settings, STATURE_M)
    cam = cameras.to_camera(body).astype(float)
    hips = root(cam)
    turn = turn_ahead((hips[..., :2] / hips[..., 2:]).astype(np.float32))
    seen = detect(rng, body, cameras, model, turn)
    assert seen.world_m is not None
    pose = np.einsum("bfij,bfpj->bfpi", turn, cam - hips[..., None, :])
    made = []
    beyond = (np.abs(cam[..., :2] / cam[..., 2:]) / cameras.half_size[:, None, None]).max(axis=-1) - 1
    for k in range(VIEWS):
        error = seen.ray[k] * cam[k, ..., 2:] - cam[k, ..., :2]
        made.append(
            Pair(
                str(k), 60.0, cam[k], seen.ray[k], error, seen.confidence[k], pose[k], seen.world_m[k], beyond[k], True
            )
        )
    return made


@pytest.fixture
def known() -> NoiseModel:
    bias = np.zeros((len(POINTS), 3), np.float32)
    bias[HIPS] = [0.01, 0.03, -0.02]
    same = np.ones(len(POINTS), np.float32)
    return replace(
        load_noise(),
        **{
            "bias_m": bias,
            "bias_spread": 0.0,
            "clip_m": 0.015 * same,
            "clip_tail": 0.0,
            "world_clip_tail": 0.0,
            "sigma_m": 0.012 * same,
        },
        **{"correlation_s": 0.1, "tail": 0.5, "tail_s": 0.3, "lag_s": 0.0, "dropouts_per_s": 0.0},
        **{f"{part}_swaps_per_s": 0.0 for part in ("arm", "leg", "body")},
        **{"confidence": 0.7 * same, "confidence_slope": 0.05, "confidence_spread": 0.03, "lost_outside": 100.0},
        **{"world_lateral_m": 0.02 * same, "world_depth_m": 0.06 * same, "outside": 1.0},
        **{"world_clip_lateral_m": 0.01 * same, "world_clip_depth_m": 0.03 * same, "world_shoulders": 0.6},
        **{"world_scale": 0.95, "world_scale_spread": 0.02, "world_depth": 0.8, "world_depth_spread": 0.05},
    )


def test_the_fit_finds_what_the_detections_were_made_with(motions: Motions, known: NoiseModel, tmp_path):
    scalars, tables = fit(pairs(motions, known))
    write(tmp_path / "noise.toml", scalars, tables)
    found = load_noise(tmp_path / "noise.toml")
    hip = HIPS[0]
    # 16 offsets of 15 mm, of two sides, seen across: the bias is known to 15 / sqrt(16) = 4 mm, twice that for three
    # deviations.
    np.testing.assert_allclose(found.bias_m[hip], known.bias_m[hip], atol=0.012)
    assert found.clip_m[hip] == pytest.approx(0.015, rel=0.35)
    assert np.median(found.sigma_m) == pytest.approx(0.012, rel=0.2)
    assert found.correlation_s == pytest.approx(0.1, rel=0.35)
    assert found.tail == pytest.approx(0.5, abs=0.15)
    assert found.clip_tail < 0.35
    assert found.confidence[hip] == pytest.approx(0.7, abs=0.03)
    assert np.median(found.world_depth_m) == pytest.approx(0.06, rel=0.25)
    assert np.median(found.world_lateral_m) == pytest.approx(0.02, rel=0.25)
    assert np.median(found.world_clip_depth_m) == pytest.approx(0.03, rel=0.35)
    assert found.world_scale == pytest.approx(0.95, rel=0.02)
    assert found.world_depth == pytest.approx(0.8, abs=0.1)  # errors along the ray are as large as bodies are deep
    assert found.world_shoulders == pytest.approx(0.6, abs=0.15)
    assert found.body_swaps_per_s < 0.05


@pytest.mark.parametrize("part", ["arm", "leg", "body"])
def test_sides_that_are_exchanged_are_seen(motions: Motions, known: NoiseModel, part: str):
    quiet = replace(known, tail=0.0, sigma_m=0.002 * np.ones(len(POINTS), np.float32))
    swapping = replace(quiet, **{f"{part}_swaps_per_s": 3.0}, swap_s=0.5)
    seen = [np.mean([swaps(p)[part].mean() for p in pairs(motions, model)]) for model in (quiet, swapping)]
    assert seen[0] < 0.01
    assert seen[1] > 0.1


def test_points_outside_of_the_picture_are_lost_and_worse(motions: Motions, known: NoiseModel):
    cut = replace(known, outside=3.0, lost_outside=0.1, tail=0.0)
    worse, lost = fit_edge(pairs(motions, cut, CameraSettings(guessed_share=0.0, fill=(1.2, 1.4), off_centre=0.1)))
    assert worse == pytest.approx(2.3, abs=0.8)  # the offset that stays is not larger there
    assert lost == pytest.approx(0.1, abs=0.021)
