"""How much later or earlier each camera's clock would have to be for its view of moving points to fit the others'.

A view whose clock is late by d shows a point where it was d earlier: its reprojection error changes by the point's
velocity in the picture times d, d (u(t)) = J V dt. The point itself is unknown, and so is by how many pixels this
camera's detector sees this joint elsewhere than the others do, which is no time: both are eliminated from the linear
least-squares problem first (the variable projection of G. Golub, V. Pereyra, 1973), which leaves one unknown, or two
with the rate, per camera. A joint at rest then says nothing of time, nor does an offset that stays while it moves.

Errors of a detector last for some tenths of a second, and move several joints together, so that the inverse of the
normal matrix would promise far too much. The covariance comes from the scores of whole moments, correlated over time
(W. Newey, K. West, "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance
matrix", Econometrica 55, 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.refine import project_with_jacobian

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The velocity of a point is that of the straight line through its places in this time to both sides: long enough for
# the noise of a detector, short enough for a hand that turns round twice a second.
VELOCITY_S = 0.05
# Standard deviation of a camera's constant disagreement with the others about a joint, in deviations of its noise:
# so loose that only what stays constant is taken out.
BIAS_DEVIATIONS = 10.0
# Errors of MediaPipe are correlated for about 0.1 s (rendered dance), the wrong side of a body for longer.
CORRELATED_S = 0.4
# Deviations at which Huber's loss turns linear.
HUBER_SCALE = 1.345


@dataclass(frozen=True, eq=False)
class TimeInformation:
    """What moving points say of the clocks: a linear least-squares problem.

    Attributes
    ----------
    H
        (parameters, parameters): the normal matrix.
    g
        (parameters,): the right-hand side.
    S
        (parameters, parameters): covariance of the right-hand side under noise that is correlated over time.
    """

    H: Array
    g: Array
    S: Array


def velocities(xyz_m: Array, interval_s: float) -> Array:
    """Return the velocity of points (frames, points, 3) in metres per second; NaN within `VELOCITY_S` of a gap.

    The slope of the least-squares line through the neighbouring frames (A. Savitzky, M. Golay, 1964).
    """
    reach = max(1, round(VELOCITY_S / interval_s))
    steps = np.arange(-reach, reach + 1)
    slope = steps / (steps @ steps) / interval_s
    velocity = np.full(xyz_m.shape, np.nan)
    if len(xyz_m) > 2 * reach:
        windows = np.lib.stride_tricks.sliding_window_view(xyz_m, 2 * reach + 1, axis=0)
        velocity[reach:-reach] = windows @ slope
    return velocity


def time_information(
    cameras: CameraGroup,
    xyz_m: Array,
    residual_px: Array,
    sigma_px: Array,
    velocity_m_per_s: Array,
    away_s: Array,
    interval_s: float,
) -> TimeInformation:
    """Return what one stretch of a take says of all cameras' clocks.

    Parameters
    ----------
    cameras
        The views.
    xyz_m
        (frames, points, 3): where the points are, by the clocks as they are; NaN: not known.
    residual_px
        (cameras, frames, points, 2): projection minus observation.
    sigma_px
        (cameras, frames, points): standard deviation of an observation's coordinates; infinity: not used.
    velocity_m_per_s
        (frames, points, 3): of the points.
    away_s
        (frames,): time from where shift and rate are independent.
    interval_s
        Time between frames.

    Returns
    -------
    TimeInformation
        Its parameters: the shift of each camera in seconds (what to add to its session time), then the change of each
        camera's rate.
    """
    count, (frames, points) = len(cameras), xyz_m.shape[:2]
    known = np.isfinite(xyz_m).all(axis=-1) & np.isfinite(velocity_m_per_s).all(axis=-1)
    used = np.isfinite(sigma_px) & np.isfinite(residual_px).all(axis=-1) & known
    used &= used.sum(axis=0) >= 2
    weight = np.where(used, 1 / sigma_px, 0.0)
    rows = np.zeros((frames, points, count, 2))
    J = np.zeros((frames, points, count, 2, 3))
    for c, camera in enumerate(cameras):
        _, by_point = project_with_jacobian(camera, xyz_m.reshape(-1, 3))
        by_point = by_point.reshape(frames, points, 2, 3)
        J[:, :, c] = np.where(used[c, ..., None, None], by_point, 0.0) * weight[c, ..., None, None]
        rows[:, :, c] = np.where(used[c, ..., None], residual_px[c], 0.0) * weight[c, ..., None]
    distance = np.linalg.norm(rows, axis=-1)
    root = np.sqrt(HUBER_SCALE / np.maximum(distance, HUBER_SCALE))[..., None]
    rows *= root
    J *= root[..., None]
    # If a clock is late, its session time has to grow: the point is compared with where it is later.
    v = np.where(known[..., None], velocity_m_per_s, 0.0)
    by_time = np.einsum("fpcij,fpj->fpci", J, v)

    # What the point can follow is no evidence: each point's rows are projected onto what is left of them.
    flat = J.reshape(frames, points, 2 * count, 3)
    basis = _orthonormal(flat)
    rows = rows.reshape(frames, points, 2 * count)
    rows -= np.einsum("fpik,fpk->fpi", basis, np.einsum("fpik,fpi->fpk", basis, rows))
    D = np.zeros((frames, points, 2 * count, count))
    for c in range(count):
        D[..., 2 * c : 2 * c + 2, c] = by_time[:, :, c]
    D -= np.einsum("fpik,fpkc->fpic", basis, np.einsum("fpik,fpic->fpkc", basis, D))

    # The same for a constant disagreement of each camera about each joint: B = (1 - basis basis') root.
    seen = (weight > 0).transpose(1, 2, 0)  # frames, points, cameras
    constant = np.where(seen, root[..., 0], 0.0).repeat(2, axis=-1)
    outer = np.einsum("fpik,fpjk->fpij", basis, basis)
    B = (np.eye(2 * count) - outer) * constant[..., None, :]
    BB = np.einsum("fpia,fpib->pab", B, B) + np.eye(2 * count) / BIAS_DEVIATIONS**2
    BD = np.einsum("fpia,fpic->pac", B, D)
    Br = np.einsum("fpia,fpi->pa", B, rows)
    D -= np.einsum("fpia,pac->fpic", B, np.linalg.solve(BB, BD))
    rows -= np.einsum("fpia,pa->fpi", B, np.linalg.solve(BB, Br[..., None])[..., 0])

    D = np.concatenate([D, D * away_s[:, None, None, None]], axis=-1)
    H = np.einsum("fpia,fpib->ab", D, D)
    score = -np.einsum("fpia,fpi->fa", D, rows)
    return TimeInformation(H, score.sum(axis=0), _correlated(score, interval_s))


def _orthonormal(columns: Array) -> Array:
    """Return an orthonormal basis (..., rows, 3) of the span of columns (..., rows, 3); zero where there is less."""
    norm = np.linalg.norm(columns, axis=(-2, -1), keepdims=True)
    filled = np.where(norm > 0, columns, 0.0)
    basis, triangle = np.linalg.qr(filled)
    diagonal = np.abs(np.diagonal(triangle, axis1=-2, axis2=-1))
    solid = diagonal > 1e-9 * np.maximum(norm[..., 0], 1e-300)
    return np.asarray(np.where(solid[..., None, :], basis, 0.0))


def _correlated(score: Array, interval_s: float) -> Array:
    """Return the covariance of the sum of scores (frames, parameters) that are correlated over time."""
    reach = min(max(1, round(CORRELATED_S / interval_s)), len(score) - 1)
    total = score.T @ score
    for lag in range(1, reach + 1):
        at_lag = score[lag:].T @ score[:-lag]
        total += (1 - lag / (reach + 1)) * (at_lag + at_lag.T)
    return np.asarray(total)
