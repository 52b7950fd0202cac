"""How far observations lie from the truth, in pixels: estimated from the take itself.

The standard deviation of an observation's coordinates is a product of three: what its score says
(`triangulate.confidence`, to a power that the take tells), its camera's noise, and how noisy its point is in this take
beside what was measured elsewhere. All but the first come from the residuals, each divided by root(1 - leverage)
because the point has followed the observation (without that, the camera that is believed most seems ever better), as
the median absolute deviation, which gross errors do not move. Residuals count from where the points are, not from their
mean: a camera whose pose is off is noisy by as much, and its weight is an honest one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.confidence import relative_deviation
from triangulate.left_right import mirror_order
from triangulate.losses import SQUARES
from triangulate.robust import believed_views
from triangulate.sight_lines import PLACE, SightLines, descend, inverse_planes, sight_lines, summed

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# MediaPipe's error on the body's joints is 1.5 to 1.7 % of the person's height at any size of picture (measured on
# rendered people whose joints are known): where the estimate starts.
INITIAL_NOISE = 0.015
# A camera counts as at most this many times less noisy than the typical camera, and as this many times noisier where
# there are three at most, or four and more: with few cameras the residuals cannot tell exactly whose fault they are.
MOST_BETTER, MOST_WORSE_OF_FEW, MOST_WORSE_OF_MANY = 2.0, 2.0, 8.0
# Coordinates (of a point, left and right) that weigh as much as what was measured elsewhere. Errors last for several
# frames: 400 coordinates of four cameras are about 50 independent ones, which tell a deviation to 10 %; landmarks
# differ between recordings by 30 % or so.
PRIOR_COORDINATES = 400
# How strongly scores tell deviations, a power of the measured curves: 0.8 in the rendered dance, of which they are made
# in part, 0.3 in made-up takes whose errors grow with one over the root of the score. Logarithms of standardised errors
# are cut to the third; the fourth is the usual spread of the logarithms of what scores say.
LEAST_POWER, MOST_POWER, CLIPPED_LOG, SCORE_SPREAD = 0.25, 1.5, (-3.0, 1.5), 0.4
# Detections are never better than this, even in a noiseless test: a sixteenth of a pixel.
MIN_NOISE_PX = 1 / 16
# Rounds of finding the wrong views, and in each, steps of telling the cameras' noise apart: three cameras of 4, 6 and
# 8 px then come within 10 %.
ROUNDS = 2
STEPS = 8
# Enough to know a standard deviation to a few percent (each frame has a body full of points).
SAMPLED_FRAMES = 100
# And to know how large the person is.
SIZED_FRAMES = 1000
# A residual that follows its observation this closely tells nothing.
MAX_LEVERAGE = 0.95
# Median absolute deviation of a Gaussian of deviation one.
MAD_OF_GAUSSIAN = 0.6745


@dataclass(frozen=True, eq=False)
class PixelNoise:
    """How noisy the cameras and the points of a take are.

    Attributes
    ----------
    camera_px
        (cameras,): standard deviation of a coordinate of a typical point that is well seen.
    point
        (points,): how many times noisier each point is than its score says.
    power
        Of what the scores say: below 1, they tell less here than where they were measured.
    """

    camera_px: Array
    point: Array
    power: float = 1.0

    def sigma_px(self, relative: Array) -> Array:
        """Return standard deviations (cameras, frames, points) from what the scores say (`relative_deviation`)."""
        sigma: Array = relative**self.power * (self.camera_px[:, None] * self.point)[:, None]
        return sigma


def person_size_px(xy_px: Array) -> Array:
    """Return the size of the person in each picture, (cameras,): median over frames of the keypoints' diagonal.

    Parameters
    ----------
    xy_px
        (cameras, frames, points, 2), NaN where not observed. NaN for a camera that sees nobody.
    """
    every = max(1, xy_px.shape[1] // SIZED_FRAMES)
    lowest, highest = (pick.reduce(xy_px[:, ::every], axis=2) for pick in (np.fmin, np.fmax))  # but for NaN
    diagonal = np.linalg.norm(highest - lowest, axis=-1)
    return np.array([np.median(of[np.isfinite(of)]) if np.isfinite(of).any() else np.nan for of in diagonal])


def observation_sigma_px(confidence: Array, noise_px: Array) -> Array:
    """Return each observation's standard deviation (cameras, ...), infinity below the least confidence.

    By the rule for points whose scores have not been measured: the weight of a squared error is its confidence.

    Parameters
    ----------
    confidence
        (cameras, ...), in [0, 1].
    noise_px
        (cameras,): the deviation of a coordinate at confidence 1.
    """
    noise = noise_px.reshape(-1, *(1,) * (confidence.ndim - 1))
    sigma: Array = noise * relative_deviation(confidence)
    return sigma


def estimate_noise_px(cameras: CameraGroup, xy_px: Array, confidence: Array) -> Array:
    """Estimate each camera's noise at confidence 1, (cameras,), pixels: the level for `observation_sigma_px`.

    Parameters
    ----------
    cameras
        The views.
    xy_px, confidence
        (cameras, frames, points, 2) and (cameras, frames, points): observations, left and right mended.
    """
    return measure_noise(cameras, xy_px, relative_deviation(confidence)).camera_px


def measure_noise(
    cameras: CameraGroup,
    xy_px: Array,
    relative: Array,
    names: tuple[str, ...] | None = None,
    least_px: Array | None = None,
) -> PixelNoise:
    """Measure the noise of each camera, and of each point if they are named.

    Parameters
    ----------
    cameras
        The views.
    xy_px
        (cameras, frames, points, 2): observations, left and right mended.
    relative
        (cameras, frames, points): what the scores say, `relative_deviation`; infinity: not to be used.
    names
        The points; None: all points are as noisy as their scores say.
    least_px
        (cameras,): what is known to be off with each camera; its noise is not less.
    """
    least = np.zeros(len(cameras)) if least_px is None else least_px
    sizes = person_size_px(xy_px)
    count, frames, points = relative.shape
    sample = np.unique(np.linspace(0, frames - 1, min(frames, SAMPLED_FRAMES)).round().astype(int))
    relative = relative[:, sample].reshape(count, -1)
    lines = sight_lines(cameras, xy_px[:, sample].reshape(count, -1, 2))
    of_point = np.tile(np.arange(points), len(sample))
    pairs = np.arange(points) if names is None else mirror_order(names)
    start = np.where(np.isfinite(sizes), INITIAL_NOISE * sizes, np.nanmax(sizes, initial=1.0) * INITIAL_NOISE)
    noise = PixelNoise(np.maximum(start, least), np.ones(points))
    rows, shares = lines.rows(), lines.equations()
    told = relative
    for _ in range(ROUNDS):
        weight = _weight(lines, told, noise, of_point)
        xyz, used = believed_views(lines, shares, weight)
        for step in range(STEPS):
            weight = np.where(used, _weight(lines, told, noise, of_point), 0.0)
            # Least squares on the views that are left: only then is the leverage exact. With weights that depend on the
            # residual, the camera that is believed most comes out better than it is, and better still in each step.
            xyz = descend(lines, shares, weight, xyz, SQUARES, 2)
            deviations = _in_units(lines, rows, shares, weight, xyz, told)
            camera_px = np.maximum(_by_camera(deviations / noise.point[of_point], sizes, noise.camera_px), least)
            point, power = noise.point, noise.power
            if names is not None:
                deviations /= camera_px[:, None]
                point = _by_point(deviations, points, pairs)
                if step in (0, STEPS // 2):
                    power += _slope(deviations / point[of_point], relative)
                    power = min(max(power, LEAST_POWER), MOST_POWER)
                    told = relative**power
            noise = PixelNoise(camera_px, point, power)
    return noise


def _weight(lines: SightLines, told: Array, noise: PixelNoise, of_point: npt.NDArray[np.int64]) -> Array:
    """Return one over the variance of observations (cameras, samples)."""
    sigma = told * (noise.camera_px[:, None] * noise.point[of_point])
    return np.where(lines.seen, 1 / (sigma * sigma), 0.0)


def _slope(deviations: Array, relative: Array) -> float:
    """Return by what power of what the scores say deviations (2, cameras, samples) still grow: a line of logarithms."""
    known = np.isfinite(deviations) & (deviations > 0)
    x = np.log(np.broadcast_to(relative, deviations.shape)[known])
    # Gross errors count as large ones, and what is met by chance as small.
    y = np.clip(np.log(deviations[known]), *CLIPPED_LOG)
    if len(x) < PRIOR_COORDINATES:
        return 0.0
    x = x - x.mean()
    return float(x @ y / (x @ x + PRIOR_COORDINATES * SCORE_SPREAD**2))


def _in_units(lines: SightLines, rows: Array, shares: Array, weight: Array, xyz_m: Array, relative: Array) -> Array:
    """Return how far each coordinate is off beside what its score says, in pixels: (2, cameras, samples), NaN: untold.

    What the point has followed of its observation is put back.
    """
    moved = np.einsum("kicn,in->kcn", rows[:, :3], xyz_m) + rows[:, 3]
    _, _, inverse_depth = lines.project(xyz_m)
    covariance = inverse_planes(summed(shares[:6], weight * inverse_depth * inverse_depth))
    leverage = np.zeros(moved.shape)
    for i in range(3):
        along = sum(covariance[PLACE[i][j]] * rows[:, j] for j in range(3))
        leverage += along * rows[:, i]
    leverage *= weight * inverse_depth * inverse_depth
    told = (weight > 0) & (leverage < MAX_LEVERAGE)
    scale = relative * np.sqrt(1 - np.minimum(leverage, MAX_LEVERAGE))
    with np.errstate(invalid="ignore"):  # what is not told may be infinite
        return np.where(told, np.abs(moved) * inverse_depth / scale, np.nan)


def _by_camera(deviations_px: Array, sizes_px: Array, noise_px: Array) -> Array:
    """Return the noise (cameras,) that deviations (2, cameras, samples) show; `noise_px` where they show nothing."""
    told = np.isfinite(deviations_px)
    if not told.any():
        return noise_px
    measured = np.full(len(sizes_px), np.nan)
    for camera in np.flatnonzero(told.any(axis=(0, 2))):
        measured[camera] = np.median(deviations_px[:, camera][told[:, camera]]) / MAD_OF_GAUSSIAN
    # In shares of the person's size, so that a close camera is not called noisy.
    share = measured / sizes_px
    typical = float(np.nanmedian(share))
    worse = MOST_WORSE_OF_FEW if len(sizes_px) <= 3 else MOST_WORSE_OF_MANY
    share = np.clip(np.where(np.isfinite(share), share, typical), typical / MOST_BETTER, typical * worse)
    noise: Array = share * np.where(np.isfinite(sizes_px), sizes_px, np.nanmedian(sizes_px))
    return np.maximum(noise, MIN_NOISE_PX)


def _by_point(deviations: Array, points: int, pairs: npt.NDArray[np.int64]) -> Array:
    """Return how noisy each point is (points,), a pair of sides together, from deviations (2, cameras, samples)."""
    by_point = np.moveaxis(deviations.reshape(*deviations.shape[:2], -1, points), -1, 0).reshape(points, -1)
    noise = np.ones(points)
    for point in range(points):
        values = by_point[np.unique([point, pairs[point]])].reshape(-1)
        values = values[np.isfinite(values)]
        if len(values):
            share = len(values) / (len(values) + PRIOR_COORDINATES)
            noise[point] = (max(float(np.median(values)), 1e-3) / MAD_OF_GAUSSIAN) ** share
    # The cameras' noise is that of the typical point.
    return np.asarray(noise / np.median(noise))
