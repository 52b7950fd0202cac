"""Left and right of one view, told by how limbs move."""

from __future__ import annotations

import numpy as np

from lift.points import MIRROR, POINTS
from lift.sides import steady_sides

FRAMES = 120
LEGS = [k for k, name in enumerate(POINTS) if name.endswith(("hip", "knee", "ankle", "heel", "foot_index"))]
ARMS = [k for k, name in enumerate(POINTS) if name.endswith(("shoulder", "elbow", "wrist"))]


def striding(apart: float) -> np.ndarray:
    """Return rays of a body whose legs and arms swing past each other; `apart`: how far its sides are, in its sizes."""
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.7, (len(POINTS), 2))
    body[MIRROR] = body  # both sides at one place
    side = np.array([-1.0 if name.startswith("right") else 1.0 if name.startswith("left") else 0.0 for name in POINTS])
    swing = 0.4 * np.sin(2 * np.pi * 0.9 * np.arange(FRAMES) / 60)
    xy = body + np.stack([apart / 2 * side + swing[:, None] * side, np.zeros((FRAMES, len(POINTS)))], axis=-1)
    return (0.1 * xy + 0.0005 * rng.normal(size=xy.shape)).astype(np.float32)[None]


def taken(ray: np.ndarray) -> np.ndarray:
    return steady_sides(ray, np.ones(ray.shape[:-1], np.float32), np.full(ray.shape[:2], 0.1, np.float32))[0]


def test_legs_that_were_exchanged_for_a_while_are_put_right():
    ray = striding(1.2)
    ray[:, 40:70, LEGS] = ray[:, 40:70, MIRROR[LEGS]]
    found = taken(ray)
    exchanged = (found[:, LEGS] != LEGS).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(exchanged), np.arange(40, 70))
    np.testing.assert_array_equal(found[:, ARMS], np.broadcast_to(ARMS, (FRAMES, len(ARMS))))
    np.testing.assert_array_equal(found[50, LEGS], MIRROR[LEGS])


def test_limbs_that_pass_each_other_in_a_side_view_keep_their_sides():
    np.testing.assert_array_equal(taken(striding(0.0)), np.broadcast_to(np.arange(len(POINTS)), (FRAMES, len(POINTS))))


def test_frames_without_anybody_change_nothing():
    ray = striding(1.2)
    ray[:, 30:40] = np.nan
    ray[:, 80:, LEGS] = np.nan
    np.testing.assert_array_equal(taken(ray), np.broadcast_to(np.arange(len(POINTS)), (FRAMES, len(POINTS))))
