"""Bundle adjustment of all cameras and all board poses, robust against wrong corners and against fast moments.

A first adjustment by the Cauchy loss learns the noise from the data. Then every moment gets a noise of its own: while
the board moves fast, blur, rolling shutters and uncertain time stamps move all corners of a moment at once, so that
such a moment says less than its number of corners makes believe. Corners that stand out of their moment's noise are
outliers: dropped, and reported. What is left is weighted least squares, whose covariance is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.least_squares import CAUCHY, SQUARED, LensPrior, Problem, covariance, minimise
from calib.reprojection import CAMERA, LENS, Scene, Views, predict

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OUTLIER_SIGMA = 5.0
"""A corner further from its prediction, in its moment's standard deviations, is an outlier. Normal noise in the plane
goes that far 4 times in a million; blur has heavier tails, which is why it is not 3."""

LOST_MOMENT = 6.0
"""A moment this many times as noisy as the median moment is left out as a whole: the board was dropped, turned over or
swung too fast for the cameras' time stamps."""

NOISE_FLOOR_PX = 0.02
"""No corner detector is better. Keeps the weights finite on exact, synthetic corners."""

PRIOR_COORDINATES = 8
"""As many coordinates of the common noise are mixed into a moment's own: a moment of few corners is not believed when
it claims to be much better than the others."""


@dataclass(frozen=True, eq=False)
class BundleResult:
    """What the bundle adjustment found.

    Attributes
    ----------
    scene
        The cameras and the board poses.
    residual_px
        (views, corners, 2): seen minus predicted, outliers too; NaN where not seen.
    inlier
        (views, corners): the corners that decided the result.
    noise_px
        Standard deviation of a corner's coordinate in the median moment.
    moment_noise_px
        (moments,): the same in each moment.
    covariance
        (cameras, 16, cameras, 16) of the camera parameters, in the frame in which the anchor camera stands still.
    iterations
        Steps taken in all.
    """

    scene: Scene
    residual_px: Array
    inlier: Mask
    noise_px: float
    moment_noise_px: Array
    covariance: Array
    iterations: int


def adjust(scene: Scene, corners_m: Array, views: Views, prior: LensPrior, anchor: int = 0) -> BundleResult:
    """Move cameras and board poses until the corners fall where they were seen.

    Parameters
    ----------
    scene
        Where to start: within some ten degrees and some tenths of the board's distance.
    corners_m
        (corners, 3) in the board frame.
    views
        What was seen. Every moment needs at least one view of four corners.
    prior
        Of the lenses.
    anchor
        The camera whose pose and lag are held: moving everything together in space or time changes no picture.

    Returns
    -------
    BundleResult
        Always: whether the residuals are good enough is for the caller to say.
    """
    free = np.ones((len(scene.lens), CAMERA), dtype=bool)
    free[:, : len(LENS)] = prior.std > 0
    free[anchor, LENS.index("lag")] = False
    free[anchor, len(LENS) :] = False
    problem = Problem(corners_m, views, prior, free.ravel())
    seen = np.isfinite(views.xy_px).all(axis=-1)

    noise_px = np.inf
    iterations = 0
    for _ in range(10):
        previous, noise_px = noise_px, _noise_px(problem, scene, seen)
        if noise_px > 0.95 * previous:
            break
        sigma = np.full(seen.shape, noise_px)
        scene, steps = minimise(problem, scene, seen, sigma, CAUCHY)
        iterations += steps

    for _ in range(4):
        moment_noise_px = _moment_noise_px(problem, scene, seen, noise_px)
        noise_px = float(np.median(moment_noise_px))
        sigma = np.repeat(moment_noise_px[views.moment][:, None], seen.shape[1], axis=1)
        distance = np.linalg.norm(views.xy_px - predict(scene, views, corners_m), axis=-1)
        inlier = seen & (np.nan_to_num(distance, nan=np.inf) < OUTLIER_SIGMA * sigma) & (sigma < LOST_MOMENT * noise_px)
        scene, steps = minimise(problem, scene, inlier, sigma, SQUARED)
        iterations += steps
    return BundleResult(
        scene=scene,
        residual_px=views.xy_px - predict(scene, views, corners_m),
        inlier=inlier,
        noise_px=noise_px,
        moment_noise_px=moment_noise_px,
        covariance=covariance(problem, scene, inlier, sigma),
        iterations=iterations,
    )


def _noise_px(problem: Problem, scene: Scene, use: Mask) -> float:
    """Estimate the standard deviation of a coordinate; the median distance in the plane is 1.1774 of it (Rayleigh)."""
    distance = np.linalg.norm(problem.views.xy_px - predict(scene, problem.views, problem.corners_m), axis=-1)[use]
    return max(NOISE_FLOOR_PX, float(np.median(np.nan_to_num(distance, nan=np.inf))) / 1.1774)


def _moment_noise_px(problem: Problem, scene: Scene, use: Mask, noise_px: float) -> Array:
    """Estimate (moments,) the noise of each moment from its median distance, mixed with the common noise.

    The board's pose has taken up six of the moment's coordinates, so that the rest looks smaller than the noise.
    """
    views = problem.views
    distance = np.linalg.norm(views.xy_px - predict(scene, views, problem.corners_m), axis=-1)
    moments = len(scene.T_world_board)
    moment = np.broadcast_to(views.moment[:, None], use.shape)[use]
    distance = np.nan_to_num(distance[use], nan=np.inf)
    order = np.lexsort((distance, moment))
    coordinates = 2 * np.bincount(moment, minlength=moments)
    first = np.concatenate([[0], np.cumsum(coordinates // 2)[:-1]])
    middle = np.minimum(first + coordinates // 4, len(order) - 1)
    own = np.where(coordinates > 0, distance[order][middle] / 1.1774, noise_px)
    left = np.maximum(coordinates - 6, 0)
    own_square = np.minimum(own, 1e3) ** 2 * coordinates / np.maximum(left, 1)
    mixed = np.sqrt((PRIOR_COORDINATES * noise_px**2 + left * own_square) / (PRIOR_COORDINATES + left))
    noise: Array = np.maximum(NOISE_FLOOR_PX, mixed)
    return noise
