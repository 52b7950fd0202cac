"""Levenberg-Marquardt for bundle adjustment, on the Schur complement.

Every view touches one camera's parameters, one board's, and the board's shape. The normal equations therefore have
blocks, and the boards are eliminated first (B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000, section
6.1): what is left to solve is as large as the cameras, and cost and memory grow linearly with the moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.solve.noise import ViewNoise
from calib.solve.path import Path
from calib.solve.reprojection import CAMERA, LENS, POSE, SHAPE, Scene, Views, predict, predict_with_jacobians

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CAUCHY_SCALE = 3.0
"""In standard deviations: where the Cauchy loss turns from squared to logarithmic."""

CHUNK = 5_000
"""Corners differentiated at a time: their Jacobians fit into the processor's cache, 2 MB."""


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known before looking: independent normal distributions. A standard deviation of 0 holds the parameter.

    Attributes
    ----------
    lens, lens_std
        (cameras, 10) in the order of `reprojection.LENS`.
    shape_std
        (4,) in the order of `reprojection.SHAPE`, around 0.
    """

    lens: Array
    lens_std: Array
    shape_std: Array


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
        Of lenses and shape.
    path
        How the board moves around each moment.
    anchor
        The camera whose pose and lag are held: moving everything together in space or time changes no picture.
    """

    corners_m: Array
    views: Views
    prior: Prior
    path: Path
    anchor: int

    @property
    def free(self) -> Mask:
        """(cameras * 16 + 4,): the parameters of the cameras and of the shape that move."""
        cameras = np.ones((len(self.prior.lens), CAMERA), dtype=bool)
        cameras[:, : len(LENS)] = self.prior.lens_std > 0
        cameras[self.anchor, LENS.index("lag")] = False
        cameras[self.anchor, len(LENS) :] = False
        return np.concatenate([cameras.ravel(), self.prior.shape_std > 0])

    def prior_cost(self, scene: Scene) -> float:
        """Return the squared distance from the priors, in standard deviations."""
        return float(
            (_scaled(scene.lens - self.prior.lens, self.prior.lens_std) ** 2).sum()
            + (_scaled(scene.shape, self.prior.shape_std) ** 2).sum()
        )


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
    problem: Problem, scene: Scene, use: Mask, noise: ViewNoise, loss: Loss, most: int = 60, tolerance: float = 1e-6
) -> tuple[Scene, int]:
    """Minimise the loss of the corners in use plus the squared distance from the priors.

    Parameters
    ----------
    problem, scene
        What to adjust, and where to start.
    use
        (views, corners): the corners that count.
    noise
        Of the views.
    loss
        Of the squared distance in standard deviations.
    most
        The most steps, refused ones included.
    tolerance
        It stops when a step gains less than this share of the cost.

    Returns
    -------
    tuple
        The scene, and the number of steps.
    """
    cost = _cost(problem, scene, use, noise, loss)
    damping = 1e-4
    steps = 0
    while steps < most:
        normal = normal_equations(problem, scene, use, noise, loss)
        moved_cost = np.inf
        while steps < most and damping < 1e8:
            steps += 1
            moved = _moved(problem, scene, normal, damping)
            moved_cost = _cost(problem, moved, use, noise, loss)
            if moved_cost <= cost:
                break
            damping *= 10
        if not moved_cost <= cost:
            break
        gain = cost - moved_cost
        scene, cost = moved, moved_cost
        damping = max(damping / 10, 1e-12)
        if gain <= tolerance * cost:
            break
    return scene, steps


def covariance(problem: Problem, scene: Scene, use: Mask, noise: ViewNoise) -> Array:
    """Return the covariance of the parameters of cameras and shape, (cameras * 16 + 4,) twice; 0 for what was held.

    The inverse of their part of the normal matrix after the boards were eliminated.
    """
    normal = normal_equations(problem, scene, use, noise, SQUARED)
    matrix, _, _ = reduced(normal, 0.0)
    free = problem.free
    full = np.zeros((len(free), len(free)))
    full[np.ix_(free, free)] = np.linalg.pinv(matrix[np.ix_(free, free)], hermitian=True)
    return full


def _scaled(offset: Array, std: Array) -> Array:
    """Return offsets in standard deviations; 0 where held."""
    held = std <= 0
    return np.asarray(np.where(held, 0.0, offset / np.where(held, 1.0, std)))


def _cost(problem: Problem, scene: Scene, use: Mask, noise: ViewNoise, loss: Loss) -> float:
    pixels = predict(scene, problem.views, problem.corners_m, problem.path)
    residual = np.where(use[..., None], problem.views.xy_px - pixels, 0.0)
    if not np.isfinite(residual).all() or (scene.lens[:, 0] <= 0).any():
        return np.inf
    return float(loss.cost((noise.whiten(residual) ** 2).sum(axis=-1)).sum()) + problem.prior_cost(scene)


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal equations in blocks, priors included.

    Attributes
    ----------
    U
        (common, common), common = cameras * 16 + 4: of cameras and shape.
    V
        (moments, 6, 6): of the boards.
    W
        (moments, common, 6): between them.
    common_side, board_side
        (common,) and (moments, 6): the right-hand sides.
    """

    U: Array
    V: Array
    W: Array
    common_side: Array
    board_side: Array


def normal_equations(problem: Problem, scene: Scene, use: Mask, noise: ViewNoise, loss: Loss) -> Normal:
    """Linearise the problem around a scene."""
    views = problem.views
    cameras, moments = len(scene.lens), len(scene.T_world_board)
    common = cameras * CAMERA + len(SHAPE)
    shape = np.arange(cameras * CAMERA, common)
    U, common_side = np.zeros((common, common)), np.zeros(common)
    V, board_side = np.zeros((moments, POSE, POSE)), np.zeros((moments, POSE))
    W = np.zeros((moments, common, POSE))
    for camera, own in _chunks(views, use.any(axis=1)):
        moment, here = views.moment[own], np.arange(camera * CAMERA, (camera + 1) * CAMERA)
        part = views.chosen(own)
        pixels, *by = predict_with_jacobians(scene, part, problem.corners_m, problem.path)
        counted = use[own][..., None]
        residual = noise.whiten(np.where(counted, part.xy_px - pixels, 0.0), own)
        root = np.sqrt(loss.weight((residual**2).sum(axis=-1)))[..., None]
        J = np.concatenate(by, axis=-1)
        J[~use[own]] = 0.0
        J = noise.whiten(J, own)
        J *= root[..., None]
        J = J.reshape(len(own), -1, CAMERA + POSE + len(SHAPE))
        H = np.swapaxes(J, 1, 2) @ J
        side = (np.swapaxes(J, 1, 2) @ (residual * root).reshape(len(own), -1, 1))[..., 0]
        c, b, s = slice(CAMERA), slice(CAMERA, CAMERA + POSE), slice(CAMERA + POSE, None)
        U[np.ix_(here, here)] += H[:, c, c].sum(axis=0)
        U[np.ix_(here, shape)] += H[:, c, s].sum(axis=0)
        U[np.ix_(shape, here)] += H[:, s, c].sum(axis=0)
        U[np.ix_(shape, shape)] += H[:, s, s].sum(axis=0)
        common_side[here] += side[:, c].sum(axis=0)
        common_side[shape] += side[:, s].sum(axis=0)
        V[moment] += H[:, b, b]  # within a camera every moment occurs once
        W[moment, camera * CAMERA : (camera + 1) * CAMERA] += H[:, c, b]
        W[moment, cameras * CAMERA :] += H[:, s, b]
        board_side[moment] += side[:, b]
    _add_priors(problem, scene, U, common_side)
    return Normal(U, V, W, common_side, board_side)


def _chunks(views: Views, counted: Mask) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Yield the views (views,) that count, of one camera, a bounded number at a time."""
    most = max(1, CHUNK // views.xy_px.shape[1])
    for camera in np.unique(views.camera):
        own = np.flatnonzero((views.camera == camera) & counted)
        for start in range(0, len(own), most):
            yield int(camera), own[start : start + most]


def _add_priors(problem: Problem, scene: Scene, U: Array, side: Array) -> None:
    prior = problem.prior
    cameras = len(scene.lens)
    lens = (np.arange(cameras)[:, None] * CAMERA + np.arange(len(LENS))).ravel()
    shape = np.arange(cameras * CAMERA, len(side))
    for place, offset, std in (
        (lens, (scene.lens - prior.lens).ravel(), prior.lens_std.ravel()),
        (shape, scene.shape, prior.shape_std),
    ):
        precision = _scaled(np.ones(len(std)), std) ** 2
        U[place, place] += precision
        side[place] -= precision * offset


def _damped(H: Array, damping: float) -> Array:
    """Enlarge the diagonal in proportion (Marquardt); what nothing speaks of stays put."""
    diagonal = np.diagonal(H, axis1=-2, axis2=-1)
    extra = damping * diagonal + np.where(diagonal > 0, 0.0, 1.0)
    damped: Array = H + extra[..., None] * np.eye(H.shape[-1])
    return damped


def reduced(normal: Normal, damping: float) -> tuple[Array, Array, Array]:
    """Eliminate the boards: the common matrix, its right-hand side, and the damped V."""
    V = _damped(normal.V, damping)
    VW = np.linalg.solve(V, np.swapaxes(normal.W, 1, 2))
    flat = np.swapaxes(normal.W, 1, 2).reshape(-1, normal.W.shape[1])
    matrix = _damped(normal.U, damping) - flat.T @ VW.reshape(flat.shape)
    side = normal.common_side - VW.reshape(flat.shape).T @ normal.board_side.ravel()
    return matrix, side, V


def _moved(problem: Problem, scene: Scene, normal: Normal, damping: float) -> Scene:
    """Solve for the step, and take it."""
    free = problem.free
    matrix, side, V = reduced(normal, damping)
    step = np.zeros(len(free))
    step[free] = np.linalg.solve(matrix[np.ix_(free, free)], side[free])
    right = normal.board_side - np.einsum("mci,c->mi", normal.W, step)
    board_step = np.linalg.solve(V, right[..., None])[..., 0]
    cameras = len(scene.lens) * CAMERA
    return scene.moved(step[:cameras].reshape(-1, CAMERA), board_step, step[cameras:])
