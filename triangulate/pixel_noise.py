"""How far observations lie from the truth, in pixels: estimated from the take itself, one number a camera.

The standard deviation of an observation's coordinates is the camera's noise divided by the root of the confidence, so
that the weight of its squared error is its confidence. The noise of each camera comes from the residuals, each divided
by root(1 - leverage) because the point has followed the observation (without that, the camera that is believed most
seems ever better), as the median absolute deviation, which gross errors do not move.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.refine import SQUARES, RefinedPoints, refine_points
from triangulate.robust import triangulate_robust

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# MediaPipe's error on the body's joints is 1.5 to 1.7 % of the person's height at any size of picture (measured on
# rendered people whose joints are known): where the estimate starts.
INITIAL_NOISE = 0.015
# Observations below this confidence say nothing and are not used.
MIN_CONFIDENCE = 0.1
# A camera counts as at most this many times noisier or less noisy than the typical camera: with few cameras the
# residuals cannot tell exactly whose fault they are.
MAX_RATIO = 2.0
# Detections are never better than this, even in a noiseless test: a sixteenth of a pixel.
MIN_NOISE_PX = 1 / 16
# Rounds of finding the wrong views, and in each, steps of telling the cameras' noise apart: three cameras of 4, 6 and
# 8 px then come within 10 %.
ROUNDS = 2
STEPS = 8
# Enough to know a standard deviation to a few percent (each frame has a body full of points).
SAMPLED_FRAMES = 100
# A residual that follows its observation this closely tells nothing.
MAX_LEVERAGE = 0.95
# Median absolute deviation of a Gaussian of deviation one.
MAD_OF_GAUSSIAN = 0.6745


def person_size_px(xy_px: Array) -> Array:
    """Return the size of the person in each picture, (cameras,): median over frames of the keypoints' diagonal.

    Parameters
    ----------
    xy_px
        (cameras, frames, points, 2), NaN where not observed. NaN for a camera that sees nobody.
    """
    sizes = np.full(len(xy_px), np.nan)
    for camera, xy in enumerate(xy_px):
        seen = np.isfinite(xy).all(axis=-1).any(axis=-1)
        if seen.any():
            extent = np.nanmax(xy[seen], axis=1) - np.nanmin(xy[seen], axis=1)
            sizes[camera] = np.median(np.linalg.norm(extent, axis=-1))
    return sizes


def observation_sigma_px(confidence: Array, noise_px: Array) -> Array:
    """Return each observation's standard deviation (cameras, ...), infinity below the least confidence.

    Parameters
    ----------
    confidence
        (cameras, ...), in [0, 1].
    noise_px
        (cameras,): the deviation of a coordinate at confidence 1.
    """
    noise = noise_px.reshape(-1, *(1,) * (confidence.ndim - 1))
    enough = confidence >= MIN_CONFIDENCE
    return np.where(enough, noise / np.sqrt(np.where(enough, confidence, 1.0)), np.inf)


def estimate_noise_px(cameras: CameraGroup, xy_px: Array, confidence: Array) -> Array:
    """Estimate each camera's noise: (cameras,), pixels.

    Parameters
    ----------
    cameras
        The views.
    xy_px, confidence
        (cameras, frames, points, 2) and (cameras, frames, points): observations, left and right mended.
    """
    sizes = person_size_px(xy_px)
    noise = np.where(np.isfinite(sizes), INITIAL_NOISE * sizes, np.nanmax(sizes, initial=1.0) * INITIAL_NOISE)
    frames = xy_px.shape[1]
    sample = np.unique(np.linspace(0, frames - 1, min(frames, SAMPLED_FRAMES)).round().astype(int))
    flat_xy = xy_px[:, sample].reshape(len(cameras), -1, 2)
    flat_confidence = confidence[:, sample].reshape(len(cameras), -1)
    for _ in range(ROUNDS):
        robust = triangulate_robust(cameras, flat_xy, observation_sigma_px(flat_confidence, noise))
        points = robust.points
        for _ in range(STEPS):
            sigma = np.where(robust.used, observation_sigma_px(flat_confidence, noise), np.inf)
            # Least squares on the views that are left: only then is the leverage exact. With weights that depend on the
            # residual, the camera that is believed most comes out better than it is, and better still in each step.
            points = refine_points(cameras, flat_xy, sigma, points.xyz_m, SQUARES)
            noise = _measured(points, robust.used, flat_confidence, sizes, noise)
    return noise


def _measured(points: RefinedPoints, used: Bools, confidence: Array, sizes_px: Array, noise_px: Array) -> Array:
    """Return the noise (cameras,) that the residuals show; `noise_px` where they show nothing."""
    told = used[..., None] & (points.leverage < MAX_LEVERAGE) & np.isfinite(points.residual_px)
    scale = np.sqrt(confidence[..., None] / (1 - np.minimum(points.leverage, MAX_LEVERAGE)))
    standardised = np.abs(points.residual_px) * scale
    if not told.any():
        return noise_px
    measured = np.array(
        [
            np.median(values[enough]) / MAD_OF_GAUSSIAN if enough.any() else np.nan
            for values, enough in zip(standardised, told, strict=True)
        ]
    )
    # In shares of the person's size, so that a close camera is not called noisy.
    share = measured / sizes_px
    typical = float(np.nanmedian(share))
    share = np.clip(np.where(np.isfinite(share), share, typical), typical / MAX_RATIO, typical * MAX_RATIO)
    noise: Array = share * np.where(np.isfinite(sizes_px), sizes_px, np.nanmedian(sizes_px))
    return np.maximum(noise, MIN_NOISE_PX)
