"""Lifting frame by frame, as a camera gives them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from lift.answer import answer
from lift.inference import usual_camera
from lift.live import LONGEST_GAP_S, LiveLifter
from lift.model import Lifter, ModelSettings, build_model
from lift.points import POINTS

SIZE = (1080, 1920)


def network(**more: object) -> Lifter:
    torch.manual_seed(3)
    model = build_model(ModelSettings(channels=16, blocks=3, causal=True, **more))  # type: ignore[arg-type]
    with torch.no_grad():
        model.leave.weight.normal_(std=0.1)
    return model.eval()


def pixels(frames: int) -> np.ndarray:
    still = np.random.default_rng(0).uniform([400, 200], [600, 800], (len(POINTS), 2))
    return still + 20 * np.sin(np.arange(frames) / 7)[:, None, None]


def test_frames_one_by_one_give_what_the_recording_gives():
    model, camera, xy = network(world_landmarks=True), usual_camera("a", SIZE), pixels(50)
    xy[20:24] = np.nan  # nobody for a while
    sure = np.ones((50, len(POINTS)))
    world = np.random.default_rng(1).normal(0, 0.3, (50, len(POINTS), 3))
    world -= world[:, 8:10].mean(axis=1, keepdims=True)
    live = LiveLifter(model, camera, height_m=1.4)
    bodies = [live.push(k / 60, xy[k], sure[k], world[k]) for k in range(50)]
    ray = camera.undistort(xy)
    confidence = np.where(np.isfinite(ray).all(axis=-1), sure, 0)
    arrays = [values[None].astype(np.float32) for values in (ray, confidence, world)]
    whole = answer(model, *arrays, recorded=False)
    np.testing.assert_allclose(np.concatenate([b.joints_m for b in bodies]), 0.8 * whole.joints_m[0], atol=1e-4)
    np.testing.assert_allclose(np.concatenate([b.root_m for b in bodies]), 0.8 * whole.root_m[0], rtol=1e-3)
    assert bodies[7].time_s == pytest.approx(7 / 60)


def test_a_camera_of_30_frames_a_second_is_interpolated():
    model, camera, xy = network(), usual_camera("a", SIZE), pixels(41)
    smooth = (xy[::2][:-1] + xy[::2][1:]) / 2
    xy[1::2] = smooth
    fast, slow = LiveLifter(model, camera), LiveLifter(model, camera)
    sure = np.ones(len(POINTS))
    every = [fast.push(k / 60, xy[k], sure).joints_m for k in range(41)]
    second = [slow.push(k / 60, xy[k], sure).joints_m for k in range(0, 41, 2)]
    np.testing.assert_allclose(np.concatenate(second), np.concatenate(every)[::2], atol=1e-3)


def test_after_a_long_gap_the_past_is_forgotten_and_time_must_go_on():
    model, camera, xy = network(), usual_camera("a", SIZE), pixels(30)
    sure = np.ones(len(POINTS))
    live, fresh = LiveLifter(model, camera), LiveLifter(model, camera)
    for k in range(20):
        live.push(k / 60, xy[k], sure)
    later = 19 / 60 + 2 * LONGEST_GAP_S
    np.testing.assert_array_equal(live.push(later, xy[25], sure).joints_m, fresh.push(0.0, xy[25], sure).joints_m)
    with pytest.raises(ValueError, match="came after"):
        live.push(later, xy[25], sure)
    with pytest.raises(ValueError, match="later frames too"):
        LiveLifter(build_model(ModelSettings(channels=16, blocks=1)), camera)


def test_a_frame_is_lifted_within_milliseconds():
    torch.manual_seed(0)
    model = build_model(ModelSettings(channels=256, blocks=6, causal=True, world_landmarks=True)).eval()
    live, xy, sure = LiveLifter(model, usual_camera("a", SIZE)), pixels(80), np.ones(len(POINTS))
    taken = []
    for k in range(80):
        begun = time.process_time()  # of the CPU: other programs may be running
        live.push(k / 60, xy[k], sure)
        taken.append(time.process_time() - begun)
    assert np.median(taken) < 0.005
