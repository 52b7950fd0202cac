"""Bundle adjustment of all cameras and all board poses, robust against wrong corners and against fast moments.

A first adjustment by the Cauchy loss learns the noise from the data. Then every view gets a noise of its own, and every
moment: while the board moves fast, blur, rolling shutters and uncertain time stamps move all corners of a view at once,
so that it says less than its number of corners makes believe (`calib.solve.noise`). Corners that stand out of their
view's noise are outliers: dropped, and reported. What is left is weighted least squares, whose covariance is known.

As the poses become known, so does the board's path between them, and by it where the board was when each camera exposed
(`calib.solve.path`). Last, the board is allowed to bend, if that explains the moments better
(`calib.solve.board_shape`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calib.solve.board_shape import is_bent
from calib.solve.least_squares import CAUCHY, SQUARED, Loss, Prior, Problem, covariance, minimise
from calib.solve.noise import FLOOR_PX, RAYLEIGH, ViewNoise, estimate_noise, independent_noise, residual_alone
from calib.solve.path import Path, path_through
from calib.solve.reprojection import CAMERA, LAG, SHAPE, Scene, Views, predict

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OUTLIER_SIGMA = 5.0
"""A corner further from its prediction than its view as a whole, in standard deviations of a corner, is an outlier.
Normal noise in the plane goes that far 4 times in a million; blur has heavier tails, which is why it is not 3."""

LEAST_OUTLIER_PX = 0.5
"""No corner closer than this to its prediction is called an outlier: in clean pictures of a board at rest the noise
falls to 0.02 px, and views that are off by 0.2 px as a whole, while it is carried, would be dropped before their common
error is known."""

LOST_MOMENT = 6.0
"""A moment this many times as noisy as the median moment is left out as a whole: the board was dropped, turned over or
swung too fast for the cameras' time stamps."""
MOST_ROUNDS, SETTLED = 6, 1e-3
"""Noise and outliers are judged anew until less than a thousandth of the corners changes sides: within four rounds."""

ENOUGH_MOMENTS = 200
"""So many tell the cameras well enough to start the rest from."""


@dataclass(frozen=True, eq=False)
class BundleResult:
    """What the bundle adjustment found.

    Attributes
    ----------
    scene
        The cameras, the board poses, and the board's shape.
    views
        What was seen, with the delays after the moments that the poses are given for.
    residual_px
        (views, corners, 2): seen minus predicted, outliers too; NaN where not seen.
    inlier
        (views, corners): the corners that decided the result.
    noise
        Of the views.
    covariance
        (cameras * 16 + 4,) twice, of the parameters of cameras and shape, in the frame in which the anchor camera
        stands still.
    iterations
        Steps taken in all.
    """

    scene: Scene
    views: Views
    residual_px: Array
    inlier: Mask
    noise: ViewNoise
    covariance: Array
    iterations: int


def adjust(scene: Scene, corners_m: Array, views: Views, time_s: Array, prior: Prior, anchor: int = 0) -> BundleResult:
    """Move cameras and board poses until the corners fall where they were seen.

    Parameters
    ----------
    scene
        Where to start: within some ten degrees and some tenths of the board's distance.
    corners_m
        (corners, 3) in the board frame.
    views
        What was seen. Every moment needs at least one view of four corners.
    time_s
        (moments,), increasing.
    prior
        Of the lenses and of the board's shape.
    anchor
        The camera whose pose and lag are held: moving everything together in space or time changes no picture.

    Returns
    -------
    BundleResult
        Always: whether the residuals are good enough is for the caller to say.
    """
    flat = replace(prior, shape_std=np.zeros(len(SHAPE)))
    problem = Problem(corners_m, views, flat, Path.unknown(len(time_s)), anchor)
    seen = np.isfinite(views.xy_px).all(axis=-1)
    state = _started(_State(problem, scene, time_s, seen, 0))
    state, noise = _refined(state, seen)
    bent = replace(state.problem, prior=prior)
    if prior.shape_std.all() and is_bent(bent, state.scene, state.inlier, noise):
        state, noise = _refined(replace(state, problem=bent), seen)
    return BundleResult(
        scene=state.scene,
        views=state.problem.views,
        residual_px=state.residual_px,
        inlier=state.inlier,
        noise=noise,
        covariance=covariance(state.problem, state.scene, state.inlier, noise),
        iterations=state.iterations,
    )


@dataclass(frozen=True, eq=False)
class _State:
    """How far the adjustment has come."""

    problem: Problem
    scene: Scene
    time_s: Array
    inlier: Mask
    iterations: int

    @property
    def residual_px(self) -> Array:
        """(views, corners, 2): seen minus predicted."""
        problem = self.problem
        return np.asarray(problem.views.xy_px - predict(self.scene, problem.views, problem.corners_m, problem.path))

    @property
    def distance_px(self) -> Array:
        """(views, corners): infinite where nothing is predicted."""
        return np.asarray(np.nan_to_num(np.linalg.norm(self.residual_px, axis=-1), nan=np.inf))

    def minimised(self, use: Mask, noise: ViewNoise, loss: Loss, tolerance: float) -> _State:
        """Return the state after the least squares of the corners in use, with the board's path that they say."""
        scene, steps = minimise(self.problem, self.scene, use, noise, loss, tolerance=tolerance)
        return replace(self, scene=scene, inlier=use, iterations=self.iterations + steps)._followed()

    def _followed(self) -> _State:
        """Take up the board's path anew, each moment in the middle of the cameras' lags."""
        problem, views, path = self.problem, self.problem.views, self.problem.path
        middle = float(np.mean(views.delay_s + self.scene.lens[views.camera, LAG])) if path.known.any() else 0.0
        ahead = middle * path.twist + middle**2 / 2 * path.acceleration  # 0 where the path is not known
        scene = self.scene.moved(np.zeros((len(self.scene.lens), CAMERA)), ahead, np.zeros(len(SHAPE)))
        views = replace(views, delay_s=views.delay_s - middle)
        time_s = self.time_s + middle
        path = path_through(scene.T_world_board, time_s)
        return replace(self, problem=replace(problem, views=views, path=path), scene=scene, time_s=time_s)


def _started(state: _State) -> _State:
    """Adjust by the Cauchy loss until the noise falls no more; the cameras first, by some of the moments."""
    moments = len(state.time_s)
    some = np.zeros(moments, dtype=bool)
    some[np.linspace(0, moments - 1, min(moments, ENOUGH_MOMENTS)).astype(int)] = True
    if not some.all():
        few = state.problem.views.of_moments(some)
        scene = replace(state.scene, T_world_board=state.scene.T_world_board[some])
        problem = replace(state.problem, views=few, path=Path.unknown(int(some.sum())))
        cameras = _robust(_State(problem, scene, state.time_s[some], state.inlier[some[state.problem.views.moment]], 0))
        scene = replace(state.scene, lens=cameras.scene.lens, T_cam_world=cameras.scene.T_cam_world)
        state = replace(state, scene=scene, iterations=cameras.iterations)
    return _robust(state)


def _robust(state: _State) -> _State:
    seen, noise_px = state.inlier, np.inf
    for _ in range(10):
        # The median distance in the plane is 1.1774 of a coordinate's standard deviation.
        previous, noise_px = noise_px, max(FLOOR_PX, float(np.median(state.distance_px[seen])) / RAYLEIGH)
        if noise_px > 0.9 * previous:
            break
        noise = independent_noise(state.problem.views, seen, noise_px, len(state.time_s))
        state = state.minimised(seen, noise, CAUCHY, 1e-2)
    return replace(state, inlier=seen & (state.distance_px < max(LEAST_OUTLIER_PX, OUTLIER_SIGMA * noise_px)))


def _refined(state: _State, seen: Mask) -> tuple[_State, ViewNoise]:
    """Adjust by least squares, with noise and outliers judged anew each time, until they stay."""
    for _ in range(MOST_ROUNDS):
        views, moments = state.problem.views, len(state.time_s)
        noise = estimate_noise(views, state.residual_px, state.inlier, moments)
        alone = np.linalg.norm(residual_alone(views.xy_px, state.residual_px, state.inlier), axis=-1)
        inlier = seen & (np.nan_to_num(alone, nan=np.inf) < OUTLIER_SIGMA * noise.corner_px[:, None])
        inlier &= (noise.moment[views.moment] < LOST_MOMENT)[:, None] & (inlier.sum(axis=1, keepdims=True) >= 4)
        noise = estimate_noise(views, state.residual_px, inlier, moments)
        changed = (inlier != state.inlier).sum() > SETTLED * inlier.sum()
        before = state.iterations
        state = state.minimised(inlier, noise, SQUARED, 1e-6)
        if not changed and state.iterations - before <= 2:
            break
    return state, noise
