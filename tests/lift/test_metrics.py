"""The measures, on errors that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lift.metrics import aligned, errors, mean_errors
from lift.points import POINTS

PLACE = {name: k for k, name in enumerate(POINTS)}


@pytest.fixture
def body() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.4, (30, len(POINTS), 3))


def test_a_body_elsewhere_turned_and_scaled_has_no_procrustes_error(body: np.ndarray):
    turn = Rotation.from_euler("xyz", [20, 50, -10], degrees=True)
    moved = 1.3 * turn.apply(body.reshape(-1, 3)).reshape(body.shape) + [1, 2, 3]
    found = errors(moved, body)
    assert found.pa_mpjpe_mm == pytest.approx(0, abs=1e-6)
    assert found.angle_deg == pytest.approx(0, abs=1e-6)
    assert found.mpjpe_mm > 100


def test_a_reflection_is_not_aligned(body: np.ndarray):
    assert errors(body * [-1, 1, 1], body).pa_mpjpe_mm > 50
    np.testing.assert_allclose(aligned(body, body), body, atol=1e-9)


def test_a_scaled_body_has_no_error_but_its_scale(body: np.ndarray):
    found = errors(1.1 * body, body)
    assert found.n_mpjpe_mm == pytest.approx(0, abs=1e-9)
    hips = body[:, [PLACE["left_hip"], PLACE["right_hip"]]].mean(axis=1, keepdims=True)
    joints = [
        k
        for k, name in enumerate(POINTS)
        if name.split("_")[-1] in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    ]
    assert found.mpjpe_mm == pytest.approx(100 * np.linalg.norm(body - hips, axis=-1)[:, joints].mean())


def test_one_joint_that_is_12_mm_off_in_every_other_frame(body: np.ndarray):
    still = np.tile(body[:1], (30, 1, 1))
    off = still.copy()
    off[::2, PLACE["left_wrist"], 2] += 0.012
    found = errors(off, still)
    assert found.mpjpe_mm == pytest.approx(0.5)  # 12 mm of one of 12 joints in half of the frames
    assert found.acceleration_mm == pytest.approx(2)  # second differences of 24 mm, of one of 12 joints


def test_an_elbow_that_is_straight_instead_of_square():
    body = np.random.default_rng(1).normal(0, 0.4, (3, len(POINTS), 3))
    shoulder, elbow, wrist = (PLACE[f"left_{name}"] for name in ("shoulder", "elbow", "wrist"))
    body[:, shoulder], body[:, elbow], body[:, wrist] = [0, 0, 0.3], [0, 0, 0], [0.3, 0, 0]
    straight = body.copy()
    straight[:, wrist] = [0, 0, -0.3]
    assert errors(straight, body).angle_deg == pytest.approx(90 / 8)  # one of eight angles


def test_frames_that_are_not_known_are_left_out(body: np.ndarray):
    off = body + 0.0
    off[10:] += np.random.default_rng(2).normal(0, 1, off[10:].shape)
    gaps = body.copy()
    gaps[10:, PLACE["right_knee"]] = np.nan
    found = errors(off, gaps)
    assert found.frames == 10
    assert found.mpjpe_mm == pytest.approx(0, abs=1e-9)


def test_a_mean_counts_frames(body: np.ndarray):
    few, many = errors(1.1 * body[:10], body[:10]), errors(body, body)
    whole = mean_errors([few, many])
    assert whole.frames == 40
    assert whole.mpjpe_mm == pytest.approx(few.mpjpe_mm / 4)
