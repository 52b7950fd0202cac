"""Rotations in numpy alone against scipy's, and the banded solver against a dense one."""

import numpy as np
from scipy.spatial.transform import Rotation

from retarget.rigs.planting import solve_banded
from retarget.rigs.turns import from_vectors, matrices, quaternions, shortest, to_vectors, turned


def test_rotations_are_those_of_scipy():
    rng = np.random.default_rng(3)
    vectors = np.concatenate([rng.normal(size=(50, 3)), 1e-9 * rng.normal(size=(3, 3)), np.zeros((1, 3))])
    vectors = np.concatenate([vectors, [[np.pi, 0, 0], [0, 0, -np.pi + 1e-7]]])
    theirs = Rotation.from_rotvec(vectors)
    assert np.allclose(from_vectors(vectors), theirs.as_matrix(), atol=1e-12)
    assert np.allclose(matrices(theirs.as_quat()), theirs.as_matrix(), atol=1e-12)
    back = Rotation.from_quat(quaternions(theirs.as_matrix()))
    assert (back * theirs.inv()).magnitude().max() < 1e-7
    assert np.allclose(from_vectors(to_vectors(theirs.as_matrix())), theirs.as_matrix(), atol=1e-7)


def test_the_shortest_rotation_takes_one_direction_to_the_other():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 20, 3))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    turns = shortest(a, b)
    assert np.allclose(turned(turns, a), b)
    angle = np.linalg.norm(to_vectors(turns), axis=1)
    assert np.allclose(angle, np.arccos((a * b).sum(axis=1)))


def test_the_band_is_solved_as_the_whole_matrix_is():
    rng = np.random.default_rng(5)
    n = 40
    band = np.array([np.full(n, 6.0), rng.uniform(-1, 1, n), rng.uniform(-1, 1, n)])
    dense = np.diag(band[0])
    for k in (1, 2):
        dense += np.diag(band[k, : n - k], -k) + np.diag(band[k, : n - k], k)
    right = rng.normal(size=(n, 3))
    assert np.allclose(solve_banded(band, right), np.linalg.solve(dense, right))
