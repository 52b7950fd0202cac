"""Lifting keypoints of a camera with a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calib.cameras import Camera
from lift import answer as answering
from lift.answer import answer, run_in_pieces
from lift.geometry import channel_count
from lift.inference import at_times, even_times, lift_keypoints, usual_camera
from lift.model import Lifter, ModelSettings, build_model
from lift.points import MIRROR
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D


@pytest.fixture
def model() -> Lifter:
    torch.manual_seed(3)
    network = build_model(ModelSettings(channels=16, blocks=2))
    with torch.no_grad():
        network.leave.weight.normal_(std=0.1)
    return network.eval()


def seen(rate_hz: float, frames: int, shift_px: float = 0.0) -> Keypoints2D:
    names = load_joint_set("blazepose33").points
    time_s = 5 + np.arange(frames) / rate_hz
    rng = np.random.default_rng(0)
    still = rng.uniform([400, 200], [600, 800], (len(names), 2))
    moving = still + 20 * np.sin(time_s)[:, None, None] + shift_px
    return Keypoints2D(names, moving, np.ones((frames, len(names))), time_s, np.array([1080, 1920]))


def test_a_recording_at_another_rate_gives_the_same_body(model: Lifter):
    camera = usual_camera("a", (1080, 1920))
    fast = lift_keypoints(model, seen(60, 121), camera)
    slow = lift_keypoints(model, seen(30, 61), camera)
    assert slow.joints_m.shape == (61, 18, 3)
    np.testing.assert_array_equal(slow.time_s, 5 + np.arange(61) / 30)
    np.testing.assert_allclose(slow.joints_m, fast.joints_m[::2], atol=2e-3)
    assert ((fast.contact > 0) & (fast.contact < 1)).all()


def test_the_height_scales_the_body_and_its_path(model: Lifter):
    camera = usual_camera("a", (1080, 1920))
    usual, small = (lift_keypoints(model, seen(60, 30), camera, height) for height in (1.75, 1.4))
    for name in ("joints_m", "root_m", "sigma_m"):
        np.testing.assert_allclose(getattr(small, name), 0.8 * getattr(usual, name), rtol=1e-6)


def test_who_stands_aside_is_turned_with_the_ray_to_them(model: Lifter):
    """The same rays about another direction: the body is turned by the angle between, not sheared."""
    size = (1080, 1920)
    camera = usual_camera("a", size)
    keypoints = seen(60, 5)
    ray = camera.undistort(keypoints.xy_px)
    turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    turned = np.concatenate([ray, np.ones_like(ray[..., :1])], axis=-1) @ turn.T
    aside = camera.to_pixels(turned[..., :2] / turned[..., 2:])
    ahead = lift_keypoints(model, keypoints, camera)
    there = lift_keypoints(
        model, Keypoints2D(keypoints.names, aside, keypoints.confidence, keypoints.time_s, np.array(size)), camera
    )
    # The middle's direction is an input too: what the network makes of it is small beside the turn, but not nothing.
    lengths = [np.linalg.norm(body.joints_m, axis=-1) for body in (ahead, there)]
    np.testing.assert_allclose(lengths[1], lengths[0], atol=0.15 * lengths[0].max())
    along = (there.root_m @ turn * ahead.root_m).sum(axis=-1)
    cosine = along / np.linalg.norm(there.root_m, axis=-1) / np.linalg.norm(ahead.root_m, axis=-1)
    assert (cosine > 0.995).all()


def test_cutting_a_long_recording_changes_nothing(model: Lifter, monkeypatch: pytest.MonkeyPatch):
    inputs = np.random.default_rng(0).normal(size=(1, 100, channel_count(False))).astype(np.float32)
    whole = run_in_pieces(model, inputs)
    monkeypatch.setattr(answering, "PIECE", 17)
    for a, b in zip(run_in_pieces(model, inputs), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_mirrored_recording_gives_the_mirrored_answer(model: Lifter):
    rng = np.random.default_rng(0)
    ray = rng.normal(0, 0.2, (1, 50, 18, 2)).astype(np.float32)
    confidence = rng.random((1, 50, 18)).astype(np.float32)
    one = answer(model, ray, confidence, None)
    flipped = ray[..., MIRROR, :] * np.float32([-1, 1])
    other = answer(model, flipped, confidence[..., MIRROR], None)
    across = np.float32([-1, 1, 1])
    np.testing.assert_allclose(other.joints_m, one.joints_m[..., MIRROR, :] * across, atol=1e-5)
    np.testing.assert_allclose(other.root_m, one.root_m * across, atol=1e-4)
    np.testing.assert_allclose(other.contact, one.contact[..., ::-1], atol=1e-5)
    assert not np.allclose(answer(model, ray, confidence, None, recorded=False).joints_m, one.joints_m, atol=1e-3)


def test_times_between_frames_are_linear_and_gaps_stay():
    values = np.array([[0.0], [1.0], [np.nan], [3.0]])
    found = at_times(values, np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.5, 1.0, 1.5, 3.0, 4.0]))
    np.testing.assert_allclose(found[:, 0], [0.0, 0.5, 1.0, np.nan, 3.0, 3.0])
    np.testing.assert_allclose(even_times(np.array([2.0, 2.04])), 2 + np.arange(4) / 60)


def test_the_usual_camera_is_a_phones_main_lens():
    camera = usual_camera("a", (1080, 1920))
    assert isinstance(camera, Camera)
    half_view = np.degrees(np.arctan(0.5 * 1920 / camera.matrix[0, 0]))
    assert 60 < 2 * half_view < 70  # degrees along the longer side
