"""Skinning by dual quaternions."""

import numpy as np
from scipy.spatial.transform import Rotation

from blender.skin import blend, smooth_weights

POINTS = np.array([[1.0, 0.0, 0.0], [0.3, -0.2, 0.7]])


def test_one_bone_moves_its_points_rigidly():
    turn = Rotation.from_euler("xyz", [20, -130, 75], degrees=True)
    moved = blend(POINTS, np.ones((2, 1)), Rotation.concatenate([turn]), np.array([[0.5, -2.0, 3.0]]))
    np.testing.assert_allclose(moved, turn.apply(POINTS) + np.array([0.5, -2.0, 3.0]), atol=1e-12)


def test_half_of_a_right_angle_is_45_degrees_without_loss_of_length():
    turns = Rotation.concatenate([Rotation.identity(), Rotation.from_euler("z", 90, degrees=True)])
    moved = blend(POINTS[:1], np.full((1, 2), 0.5), turns, np.zeros((2, 3)))
    np.testing.assert_allclose(moved, [[np.sqrt(0.5), np.sqrt(0.5), 0.0]], atol=1e-12)


def test_the_sign_of_a_quaternion_does_not_matter():
    turn = Rotation.from_euler("z", 170, degrees=True)
    opposite = Rotation.from_quat(-turn.as_quat())
    both = [Rotation.concatenate([turn, second]) for second in (turn, opposite)]
    moved = [blend(POINTS, np.full((2, 2), 0.5), turns, np.ones((2, 3))) for turns in both]
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-12)
    np.testing.assert_allclose(moved[0], turn.apply(POINTS) + 1, atol=1e-12)


def test_smoothing_spreads_weights_along_edges_only():
    faces = np.array([[0, 1, 2], [3, 4, 5]])  # two triangles that do not touch
    weights = np.zeros((6, 2))
    weights[0, 0] = 1.0
    weights[1:, 1] = 1.0
    smoothed = smooth_weights(weights, faces, 1)
    np.testing.assert_allclose(smoothed.sum(axis=1), 1.0)
    np.testing.assert_allclose(smoothed[0], [0.5, 0.5])
    np.testing.assert_allclose(smoothed[1], [0.25, 0.75])
    np.testing.assert_allclose(smoothed[3:], [[0, 1]] * 3)
