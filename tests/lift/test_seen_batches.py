"""Batches of what a detector really saw: the truth goes with what was seen, mirrored and rolled alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lift.batches import Sampler, WindowSettings
from lift.cameras import CameraSettings
from lift.geometry import root_from_code
from lift.mocap.archives import Motions
from lift.noise import load_noise
from lift.points import POINTS, STATURE_M, root, stature
from lift.seen import SeenClip, SeenClips
from lift.seen_batches import MixedSampler, SeenSampler

WINDOWS = WindowSettings(windows=8, frames=40, world_share=1.0, seen_share=0.25)
CAMERAS = CameraSettings(guessed_share=0.0)


@pytest.fixture
def clips(motions: Motions) -> SeenClips:
    """Return clips that were seen without errors, 5 m before the camera, one shorter than a window."""
    made = []
    for k, frames in enumerate((96, 60, 30)):
        body = np.nan_to_num(motions.xyz_m[motions.frames(k)][:frames])
        truth = np.stack([body[..., 0], -body[..., 2] + 1, body[..., 1] + 5], axis=-1).astype(np.float32)
        ray = truth[..., :2] / truth[..., 2:]
        world = truth - root(truth)[:, None]
        half = np.array([0.5, 0.9], np.float32)
        sure = np.ones(ray.shape[:2], np.float32)
        made.append(SeenClip(ray, sure, world, truth, half, 30.0, str(k), "train", "walk", "walk"))
    return SeenClips(tuple(made))


def test_what_is_seen_without_errors_leads_to_the_truth(clips: SeenClips):
    from lift.geometry import Centred

    batch = SeenSampler(clips, WINDOWS, CAMERAS, True).batch(np.random.default_rng(0), 16)
    points = len(POINTS)
    assert batch.joints_m.shape == (16, 40, points, 3)
    assert (batch.contact == -1).all()
    np.testing.assert_allclose(np.median(stature(batch.joints_m), axis=1), STATURE_M, rtol=0.05)
    spread = np.exp(batch.features[..., 3 * points] - 1.5)
    straight = np.zeros((*spread.shape, 2), np.float32)
    turn = np.broadcast_to(np.eye(3, dtype=np.float32), (*spread.shape, 3, 3))
    hips = root_from_code(batch.root_code, Centred(straight, turn, straight, spread))
    place = batch.joints_m + hips[..., None, :]
    ray = batch.features[..., : 2 * points].reshape(*spread.shape, points, 2)
    np.testing.assert_allclose(place[..., :2] / place[..., 2:] / spread[..., None, None], ray, atol=5e-3)
    told = batch.features[..., 3 * points + 3 :].reshape(*spread.shape, points, 3) / 3
    size = np.linalg.norm(batch.joints_m, axis=-1).mean() / np.linalg.norm(told, axis=-1).mean()
    error = np.linalg.norm(
        told * size - batch.joints_m, axis=-1
    )  # seen along the axis, not along the ray: some degrees
    assert error.mean() < 0.1


def test_some_windows_of_a_batch_are_seen_and_batches_repeat(clips: SeenClips, motions: Motions):
    virtual = Sampler(motions, "train", WINDOWS, CAMERAS, load_noise(), True, 3)
    mixed = MixedSampler(virtual, SeenSampler(clips, WINDOWS, CAMERAS, True), WINDOWS.seen_share)
    first, again = mixed.batch(5), mixed.batch(5)
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.features[:6], virtual.batch(5).features[:6])
    assert first.features.shape[0] == 8
    assert (first.contact[6:] == -1).all()
    none = MixedSampler(virtual, mixed.seen, 0.0)
    np.testing.assert_array_equal(none.batch(5).joints_m, virtual.batch(5).joints_m)


def test_a_guessed_focal_length_makes_bodies_larger_or_smaller_in_the_picture(clips: SeenClips):
    guessing = replace(CAMERAS, guessed_share=1.0, focal_error=0.3, roll_deg=0.0)
    one, other = (
        SeenSampler(clips, replace(WINDOWS, mirror=0.0), cameras, False).batch(np.random.default_rng(2), 6)
        for cameras in (guessing, replace(guessing, focal_error=0.0))
    )
    log_spread = [batch.features[..., 3 * len(POINTS)] for batch in (one, other)]
    apart = (log_spread[0] - log_spread[1]).mean(axis=1)
    assert np.std(apart) > 0.1
    # The root is where such a camera sees a body of this size: the code, depth times spread, hardly changes.
    np.testing.assert_allclose(one.root_code[..., 2], other.root_code[..., 2], atol=0.15)
