"""Errors that last: how much less smoothing takes off than if errors were independent from frame to frame.

A detector that puts an elbow 2 cm too high does so for a while, and the mean of many such frames is as wrong as one.
The smoother, seen as a filter with the response H(f) = h / (h + s(f)) to a detector's errors (h: what a frame knows of
a coordinate, s(f): what smoothness knows of it at frequency f), lets through the spectrum of the errors times H^2; that
spectrum is measured: by how the residuals of points triangulated frame by frame resemble themselves later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup

Array = npt.NDArray[np.float64]

# How far back errors are followed; what lasts longer counts as lasting.
LONGEST_S = 1.0
# Frames looked at, spread over the take in pieces of three times the longest lag.
SAMPLED_FRAMES = 3000
# Residuals beyond so many deviations are gross errors, and not how errors usually last.
ORDINARY_DEVIATIONS = 4.0
# What a frame knows, from 1 m to 0.1 mm of deviation a coordinate.
KNOWN = np.logspace(0, 8, 65)
FREQUENCIES = 2048


@dataclass(frozen=True, eq=False)
class ErrorMemory:
    """How errors resemble themselves later.

    Attributes
    ----------
    correlation
        (lags,), one a frame, from 1 at lag 0.
    step_s
        Seconds of a frame.
    """

    correlation: Array
    step_s: float

    @property
    def duration_s(self) -> float:
        """How long errors last: half the time over which the correlation, summed, equals one error; 0 if white."""
        return float(self.step_s * np.maximum(self.correlation[1:], 0).sum())

    def growth(self, variance_m2: Array, density: float) -> Array:
        """Return by how much variances grow.

        Parameters
        ----------
        variance_m2
            Of any shape: of a coordinate, as if errors were independent.
        density
            Of accelerations, (m/s^2)^2/Hz.
        """
        turn = np.pi * (np.arange(FREQUENCIES) + 0.5) / FREQUENCIES  # radians a frame, 0 to pi
        smooth = (2 - 2 * np.cos(turn)) ** 2 / self.step_s**3 / density
        lags = np.arange(1, len(self.correlation))
        spectrum = 1 + 2 * np.cos(np.outer(turn, lags)) @ (self.correlation[1:] * _taper(len(lags)))
        spectrum = np.maximum(spectrum, 0.0)
        total = KNOWN[:, None] + smooth
        white = (1 / total).mean(axis=1)
        let_through = (KNOWN[:, None] / total**2 * spectrum).mean(axis=1)
        prior = (smooth / total**2).mean(axis=1)
        growth = (let_through + prior) / white
        # What a frame knows is read from the variance that independent errors would leave.
        grown: Array = np.interp(np.log(np.maximum(variance_m2, 1e-12)), np.log(white[::-1]), growth[::-1])
        return np.maximum(grown, 1.0)


def measure_memory(cameras: CameraGroup, xy_px: Array, sigma_px: Array, xyz_m: Array, time_s: Array) -> ErrorMemory:
    """Measure how errors last on points that were triangulated frame by frame.

    Parameters
    ----------
    cameras, xy_px, sigma_px
        The views: (cameras, frames, points, 2) and (cameras, frames, points), infinity where not observed.
    xyz_m
        (frames, points, 3): triangulated without smoothing; NaN: none. Their residuals are what the views disagree
        on, whatever the motion is.
    time_s
        (frames,).
    """
    step_s = float(np.median(np.diff(time_s)))
    lags = int(np.clip(round(LONGEST_S / step_s), 1, max(1, len(time_s) // 4)))
    piece = 3 * lags
    starts = np.unique(np.linspace(0, max(0, len(time_s) - piece), max(1, SAMPLED_FRAMES // piece)).astype(int))
    products, norms = np.zeros(lags + 1), np.zeros(lags + 1)
    for camera, xy, sigma in zip(cameras, xy_px, sigma_px, strict=True):
        for start in starts:
            part = slice(start, start + piece)
            error = (camera.project(xyz_m[part]) - xy[part]) / sigma[part][..., None]
            ordinary = np.isfinite(sigma[part]) & (np.abs(error).max(axis=-1) < ORDINARY_DEVIATIONS)
            error = np.where(ordinary[..., None], error, 0.0)
            power = (error**2).sum(axis=-1)
            for lag in range(lags + 1):
                later = slice(lag, None)
                earlier = slice(None, len(error) - lag)
                both = ordinary[later] & ordinary[earlier]
                products[lag] += (error[later] * error[earlier]).sum()
                norms[lag] += (0.5 * (power[later] + power[earlier]) * both).sum()
    correlation = products / np.maximum(norms, 1e-12)
    return ErrorMemory(np.clip(correlation, -1, 1) / max(correlation[0], 1e-12), step_s)


def _taper(lags: int) -> Array:
    """Return what correlations are multiplied by, so that they end smoothly: 1 up to half the lags, then a cosine."""
    share = np.arange(1, lags + 1) / (lags + 1)
    taper: Array = 0.5 + 0.5 * np.cos(np.pi * np.clip(2 * share - 1, 0, 1))
    return taper
