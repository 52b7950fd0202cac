"""Rotations as the inverse kinematics needs them: many at once, with derivatives.

Formulae: J. Solà, J. Deray, D. Atchuthan, "A micro Lie theory for state estimation in robotics" (arXiv:1812.01537),
appendix B (the rotation group SO(3)).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]

_IDENTITY: Array = np.eye(3)

# Below this angle (radians) the series are used: the next term is below 1e-16 of the first.
_SMALL_RAD = 1e-4


def cross_matrix(v: Array) -> Array:
    """Return [v]x of vectors (..., 3), as (..., 3, 3), so that [v]x w = v cross w."""
    m = np.zeros((*v.shape[:-1], 3, 3))
    m[..., 2, 1], m[..., 0, 2], m[..., 1, 0] = v[..., 0], v[..., 1], v[..., 2]
    m[..., 1, 2], m[..., 2, 0], m[..., 0, 1] = -v[..., 0], -v[..., 1], -v[..., 2]
    return m


def _coefficients(v: Array) -> tuple[Array, Array, Array]:
    """Return sin(a)/a, (1 - cos a)/a^2 and (a - sin a)/a^3 for a = |v|, each (..., 1, 1)."""
    square: Array = (v * v).sum(axis=-1)
    small = square < _SMALL_RAD**2
    angle = np.sqrt(np.where(small, 1.0, square))
    a = np.where(small, 1 - square / 6, np.sin(angle) / angle)
    b = np.where(small, 0.5 - square / 24, (1 - np.cos(angle)) / angle**2)
    c = np.where(small, 1 / 6 - square / 120, (angle - np.sin(angle)) / angle**3)
    return a[..., None, None], b[..., None, None], c[..., None, None]


def exp_and_jacobian(v: Array) -> tuple[Array, Array]:
    """Return the rotation matrices of rotation vectors (..., 3) and their left Jacobians, both (..., 3, 3).

    The left Jacobian J tells how the rotation turns when its vector changes: Exp(v + dv) = Exp(J dv) Exp(v).
    """
    a, b, c = _coefficients(v)
    m = cross_matrix(v)
    mm: Array = m @ m
    return _IDENTITY + a * m + b * mm, _IDENTITY + b * m + c * mm


def inverse_left_jacobian(v: Array) -> Array:
    """Return the inverse of the left Jacobian at rotation vectors (..., 3), shorter than 2 pi: (..., 3, 3)."""
    square: Array = (v * v).sum(axis=-1)
    small = square < _SMALL_RAD**2
    half = np.sqrt(np.where(small, 1.0, square)) / 2
    # 1/a^2 - (1 + cos a)/(2 a sin a), with (1 + cos a)/sin a = cot(a/2), finite at a = pi
    d = np.where(small, 1 / 12 + square / 720, (1 - half / np.tan(half)) / (4 * half**2))
    m = cross_matrix(v)
    inverse: Array = np.eye(3) - m / 2 + d[..., None, None] * (m @ m)
    return inverse


def log(matrices: Array) -> Array:
    """Return the rotation vectors (n, 3), of length up to pi, of matrices (n, 3, 3)."""
    vectors: Array = Rotation.from_matrix(matrices).as_rotvec()
    return vectors


def swing_twist_matrix(q: Array) -> Array:
    """Return the rotations (..., 3, 3) in bone axes of angles (..., 3): swing x, twist about y, swing z (radians)."""
    swing, _ = exp_and_jacobian(q * (1.0, 0.0, 1.0))
    twist, _ = exp_and_jacobian(q * (0.0, 1.0, 0.0))
    product: Array = swing @ twist
    return product


def to_swing_twist(rotation: Rotation) -> Array:
    """Return the angles (n, 3), swing x, twist, swing z (radians), of n rotations in bone axes.

    The twist lies in (-pi, pi], the swing is shorter than pi. At a swing of exactly pi the twist is not determined; 0
    is returned.
    """
    # Contiguous: numpy 1.26's arctan2 of strided arrays now and then differs in the last bit from run to run.
    _, y, _, w = np.ascontiguousarray(np.atleast_2d(rotation.as_quat()).T)
    norm = np.hypot(w, y)
    determined = norm > 1e-12
    half = np.where(determined, np.arctan2(np.where(w < 0, -y, y), np.abs(w)), 0.0)
    twist = Rotation.from_rotvec(np.stack([0 * half, 2 * half, 0 * half], axis=1))
    swing = (rotation * twist.inv()).as_rotvec().reshape(-1, 3)
    return np.stack([swing[:, 0], 2 * half, swing[:, 2]], axis=1)
