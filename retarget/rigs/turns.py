"""Rotations as matrices, in numpy alone: Blender's own Python, in which the add-on runs this folder, has no scipy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SMALL_RAD = 1e-6


def matrices(quaternions: Array) -> Array:
    """Return the rotation matrices (..., 3, 3) of unit quaternions (..., 4), x, y, z, w."""
    x, y, z, w = np.moveaxis(quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternions(turns: Array) -> Array:
    """Return the unit quaternions (n, 4), x, y, z, w, of rotation matrices (n, 3, 3).

    By the largest of the four, so that nothing is divided by a small number. Source: S. W. Shepperd, "Quaternion from
    rotation matrix", Journal of Guidance and Control 1 (1978).
    """
    trace = np.trace(turns, axis1=1, axis2=2)
    diagonal = np.diagonal(turns, axis1=1, axis2=2)
    squares = np.concatenate([1 + 2 * diagonal - trace[:, None], 1 + trace[:, None]], axis=1) / 4
    xy, xz, yz = ((turns[:, a, b] + turns[:, b, a]) / 4 for a, b in ((0, 1), (0, 2), (1, 2)))
    xw, yw, zw = ((turns[:, a, b] - turns[:, b, a]) / 4 for a, b in ((2, 1), (0, 2), (1, 0)))
    products = np.stack(
        [
            np.stack([squares[:, 0], xy, xz, xw], axis=1),
            np.stack([xy, squares[:, 1], yz, yw], axis=1),
            np.stack([xz, yz, squares[:, 2], zw], axis=1),
            np.stack([xw, yw, zw, squares[:, 3]], axis=1),
        ],
        axis=1,
    )
    found = products[np.arange(len(turns)), squares.argmax(axis=1)]
    unit: Array = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def from_vectors(vectors: Array) -> Array:
    """Return the rotations (n, 3, 3) about vectors (n, 3) by their lengths in radians: Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None]
    small = angle < SMALL_RAD
    safe = np.where(small, 1.0, angle)
    cross = np.zeros((len(vectors), 3, 3))
    cross[:, 2, 1], cross[:, 0, 2], cross[:, 1, 0] = vectors.T
    cross[:, 1, 2], cross[:, 2, 0], cross[:, 0, 1] = -vectors.T
    sine = np.where(small, 1.0, np.sin(safe) / safe)
    cosine = np.where(small, 0.5, (1 - np.cos(safe)) / safe**2)
    turns: Array = np.eye(3) + sine * cross + cosine * (cross @ cross)
    return turns


def to_vectors(turns: Array) -> Array:
    """Return the rotation vectors (n, 3), no longer than pi, of rotations (n, 3, 3)."""
    q = quaternions(turns)
    q = np.where(q[:, 3:] < 0, -q, q)
    sine = np.linalg.norm(q[:, :3], axis=1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[:, 3:])
    vectors: Array = np.where(sine < SMALL_RAD, 2.0, angle / np.maximum(sine, SMALL_RAD)) * q[:, :3]
    return vectors


def turned(turns: Array, vector: Array) -> Array:
    """Return a vector (3,) or vectors (n, 3) turned by rotations (n, 3, 3): (n, 3)."""
    moved: Array = (turns @ np.broadcast_to(vector, (len(turns), 3))[..., None])[..., 0]
    return moved


def shortest(first: Array, second: Array) -> Array:
    """Return the shortest rotations (n, 3, 3) from unit vectors (n, 3) to others."""
    cross = np.cross(first, second)
    sine = np.linalg.norm(cross, axis=1, keepdims=True)
    angle = np.arctan2(sine, (first * second).sum(axis=1, keepdims=True))
    return from_vectors(np.where(sine > 1e-12, cross / np.maximum(sine, 1e-12) * angle, 0.0))
