"""Levenberg-Marquardt for bundle adjustment, on the Schur complement.

Every view touches one camera's 16 parameters and one board's 6. The normal equations therefore have blocks, and the
boards are eliminated first (B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000, section 6.1): what is left
to solve is as large as the cameras, and cost and memory grow linearly with the moments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.reprojection import CAMERA, LENS, POSE, Scene, Views, predict, predict_with_jacobians

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CAUCHY_SCALE = 3.0
"""In standard deviations: where the Cauchy loss turns from squared to logarithmic."""


@dataclass(frozen=True, eq=False)
class LensPrior:
    """What is known of the lenses before looking: independent normal distributions.

    Attributes
    ----------
    mean, std
        (cameras, 10) in the order of `reprojection.LENS`; a std of 0 holds the parameter.
    """

    mean: Array
    std: Array

    def offset(self, lens: Array) -> Array:
        """Return how far lenses are from the mean, in standard deviations; 0 where held."""
        held = self.std <= 0
        distance: Array = np.where(held, 0.0, (lens - self.mean) / np.where(held, 1.0, self.std))
        return distance


@dataclass(frozen=True, eq=False)
class Problem:
    """What is adjusted to what.

    Attributes
    ----------
    corners_m
        (corners, 3) in the board frame.
    views
        What was seen.
    prior
        Of the lenses.
    free
        (cameras * 16,): the camera parameters that move.
    """

    corners_m: Array
    views: Views
    prior: LensPrior
    free: Mask


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss on the squared distance in standard deviations, and its slope, which is the weight of a corner."""

    cost: Callable[[Array], Array]
    weight: Callable[[Array], Array]


SQUARED = Loss(cost=lambda s: s, weight=np.ones_like)
CAUCHY = Loss(
    cost=lambda s: CAUCHY_SCALE**2 * np.log1p(s / CAUCHY_SCALE**2),
    weight=lambda s: 1 / (1 + s / CAUCHY_SCALE**2),
)


def minimise(
    problem: Problem, scene: Scene, use: Mask, sigma_px: Array, loss: Loss, most: int = 60
) -> tuple[Scene, int]:
    """Minimise the loss of the corners in use plus the squared distance from the prior.

    Parameters
    ----------
    problem, scene
        What to adjust, and where to start.
    use, sigma_px
        (views, corners): the corners that count, and the standard deviation of their coordinates.
    loss
        Of the squared distance in standard deviations.
    most
        The most steps, refused ones included.

    Returns
    -------
    tuple
        The scene, and the number of steps. It stops when a step gains less than a millionth of the cost.
    """
    cost = _cost(problem, scene, use, sigma_px, loss)
    damping = 1e-4
    steps = 0
    while steps < most:
        normal = _normal_equations(problem, scene, use, sigma_px, loss)
        moved_cost = np.inf
        while steps < most and damping < 1e8:
            steps += 1
            moved = scene.moved(*_step(normal, problem.free, damping))
            moved_cost = _cost(problem, moved, use, sigma_px, loss)
            if moved_cost <= cost:
                break
            damping *= 10
        if not moved_cost <= cost:
            break
        gain = cost - moved_cost
        scene, cost = moved, moved_cost
        damping = max(damping / 10, 1e-12)
        if gain <= 1e-6 * cost:
            break
    return scene, steps


def covariance(problem: Problem, scene: Scene, use: Mask, sigma_px: Array) -> Array:
    """Return the covariance of the camera parameters, (cameras, 16, cameras, 16); 0 for what was held.

    The inverse of the cameras' part of the normal matrix after the boards were eliminated.
    """
    normal = _normal_equations(problem, scene, use, sigma_px, SQUARED)
    matrix, _, _ = _reduced(normal, 0.0)
    free = problem.free
    full = np.zeros((len(free), len(free)))
    full[np.ix_(free, free)] = np.linalg.pinv(matrix[np.ix_(free, free)], hermitian=True)
    cameras = len(scene.lens)
    return full.reshape(cameras, CAMERA, cameras, CAMERA)


def _cost(problem: Problem, scene: Scene, use: Mask, sigma_px: Array, loss: Loss) -> float:
    residual = (problem.views.xy_px - predict(scene, problem.views, problem.corners_m))[use] / sigma_px[use][:, None]
    if not np.isfinite(residual).all() or (scene.lens[:, 0] <= 0).any():
        return np.inf
    data = loss.cost((residual**2).sum(axis=-1)).sum()
    return float(data + (problem.prior.offset(scene.lens) ** 2).sum())


@dataclass(frozen=True, eq=False)
class _Normal:
    """The normal equations in blocks: cameras U, boards V, between them W, and the right-hand sides."""

    U: Array  # (cameras * 16, cameras * 16)
    V: Array  # (moments, 6, 6)
    W: Array  # (moments, cameras * 16, 6)
    camera_side: Array  # (cameras * 16,)
    board_side: Array  # (moments, 6)


def _normal_equations(problem: Problem, scene: Scene, use: Mask, sigma_px: Array, loss: Loss) -> _Normal:
    views, prior = problem.views, problem.prior
    pixels, by_camera, by_board = predict_with_jacobians(scene, views, problem.corners_m)
    residual = np.where(use[..., None], (views.xy_px - pixels) / sigma_px[..., None], 0.0)
    root = np.sqrt(loss.weight((residual**2).sum(axis=-1)))[..., None]
    J = np.concatenate([by_camera, by_board], axis=-1) * (root / sigma_px[..., None])[..., None]
    J = np.where(use[..., None, None], J, 0.0).reshape(len(use), -1, CAMERA + POSE)
    H = np.swapaxes(J, 1, 2) @ J
    side = (np.swapaxes(J, 1, 2) @ (residual * root).reshape(len(use), -1, 1))[..., 0]

    cameras, moments = len(scene.lens), len(scene.T_world_board)
    blocks = np.zeros((cameras, CAMERA, CAMERA))
    camera_side = np.zeros((cameras, CAMERA))
    V = np.zeros((moments, POSE, POSE))
    W = np.zeros((moments, cameras, CAMERA, POSE))
    board_side = np.zeros((moments, POSE))
    np.add.at(blocks, views.camera, H[:, :CAMERA, :CAMERA])
    np.add.at(camera_side, views.camera, side[:, :CAMERA])
    np.add.at(V, views.moment, H[:, CAMERA:, CAMERA:])
    np.add.at(board_side, views.moment, side[:, CAMERA:])
    W[views.moment, views.camera] = H[:, :CAMERA, CAMERA:]  # each pair occurs once

    precision = np.where(prior.std > 0, 1 / np.where(prior.std > 0, prior.std, 1.0), 0.0)
    lens = np.arange(len(LENS))
    blocks[:, lens, lens] += precision**2
    camera_side[:, lens] -= precision * prior.offset(scene.lens)
    U = np.zeros((cameras, CAMERA, cameras, CAMERA))
    U[np.arange(cameras), :, np.arange(cameras)] = blocks
    return _Normal(U.reshape(cameras * CAMERA, -1), V, W.reshape(moments, -1, POSE), camera_side.ravel(), board_side)


def _damped(H: Array, damping: float) -> Array:
    """Enlarge the diagonal in proportion (Marquardt); what no corner speaks of stays put."""
    diagonal = np.diagonal(H, axis1=-2, axis2=-1)
    extra = damping * diagonal + np.where(diagonal > 0, 0.0, 1.0)
    damped: Array = H + extra[..., None] * np.eye(H.shape[-1])
    return damped


def _reduced(normal: _Normal, damping: float) -> tuple[Array, Array, Array]:
    """Eliminate the boards: the cameras' matrix, their right-hand side, and the damped V."""
    V = _damped(normal.V, damping)
    WV = np.swapaxes(np.linalg.solve(V, np.swapaxes(normal.W, 1, 2)), 1, 2)
    matrix = _damped(normal.U, damping) - np.tensordot(WV, normal.W, axes=([0, 2], [0, 2]))
    side = normal.camera_side - np.tensordot(WV, normal.board_side, axes=([0, 2], [0, 1]))
    return matrix, side, V


def _step(normal: _Normal, free: Mask, damping: float) -> tuple[Array, Array]:
    """Solve for the step of the cameras (cameras, 16) and of the boards (moments, 6)."""
    matrix, side, V = _reduced(normal, damping)
    camera_step = np.zeros(len(free))
    camera_step[free] = np.linalg.solve(matrix[np.ix_(free, free)], side[free])
    right = normal.board_side - np.einsum("mci,c->mi", normal.W, camera_step)
    board_step = np.linalg.solve(V, right[..., None])[..., 0]
    return camera_step.reshape(-1, CAMERA), board_step
