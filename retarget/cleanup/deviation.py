"""What is left of a point's deviation after a filter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from retarget.cleanup.stretches import flattened

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

AROUND_S = 0.5
"""Deviation of the Gaussian window over which errors are averaged: some fifty coordinates at 30 frames a second."""

PROBES = 4
"""Sets of noise sent through the filter to see what it does to them: three coordinates each, and means over frames."""


def deviation_after(
    values: Array,
    filtered: Array,
    time_s: Array,
    sigma: Array,
    observed: Bools,
    apply: Callable[[Array], Array],
    rng: np.random.Generator,
) -> Array:
    """Return the deviation of a coordinate after filtering.

    Three numbers, each a mean over the observed frames within some `AROUND_S`, tell: m, the mean square of what the
    filter took off; g, the share of the variance of white noise that passes it; and c, the share of that variance that
    it takes off. g and c are seen on noise of the given deviation that is sent through the same filter.

    - m below c sigma^2: less was taken off than would be if the errors were white, so the rest of them is slow, as a
      detector's are, and passes. With w = m / (c sigma^2) for the share that is white, sigma^2 (1 - w (1 - g)) is left.
    - m above c sigma^2: more was taken off than noise, so it was motion (or sigma was too small). What is left is
      g sigma^2 + m - c sigma^2, C. M. Stein's unbiased estimate of the risk ("Estimation of the mean of a multivariate
      normal distribution", Annals of Statistics 9, 1981; by probes as in S. Ramani, T. Blu, M. Unser, "Monte-Carlo
      SURE", IEEE Transactions on Image Processing 17, 2008).

    So slow errors are not said to vanish, and too low a cutoff shows in the deviation. Where nothing was observed the
    deviation stays: a filled path is smooth, and a filter does not make it truer.

    Parameters
    ----------
    values, filtered
        (frames, ..., k), before and after; a filter that is linear in the values. Of one that is not, g and c are those
        around these values.
    time_s
        (frames,).
    sigma
        (frames, ...), before; NaN stays NaN.
    observed
        (frames, ...) of bool: seen, rather than filled or missing.
    apply
        The filter.
    rng
        Makes the probes.
    """
    tracks, after = flattened(values), flattened(filtered)
    before, seen = sigma.reshape(tracks.shape[:2]), observed.reshape(tracks.shape[:2])
    passed, taken = np.zeros_like(before), np.zeros_like(before)
    for _ in range(PROBES):
        noise = np.nan_to_num(before)[..., None] * rng.standard_normal(tracks.shape)
        through = flattened(apply((tracks + noise).reshape(values.shape))) - after
        passed += (through**2).mean(axis=-1) / PROBES
        taken += ((noise - through) ** 2).mean(axis=-1) / PROBES
    removed = ((after - tracks) ** 2).mean(axis=-1)
    mean = _Around(time_s, seen & np.isfinite(before))
    variance, g_variance, c_variance, m = (mean(a) for a in (before**2, passed, taken, removed))
    with np.errstate(invalid="ignore", divide="ignore"):
        white = np.where(c_variance > 0, m / c_variance, 0.0)
        slow = variance - np.minimum(white, 1.0) * (variance - g_variance)
        risk = np.where(white > 1, g_variance + m - c_variance, slow)
        # Around a frame the mean tells; from frame to frame, what the frame said of itself.
        ratio = np.where(variance > 0, before**2 / variance, 1.0)
    left = np.where(white > 1, risk - g_variance + ratio * g_variance, ratio * risk)
    return np.where(seen, np.sqrt(np.maximum(left, 0.0)), before).reshape(sigma.shape)


class _Around:
    """Means around each frame, weighted by a Gaussian in time, of what counts (frames, tracks)."""

    def __init__(self, time_s: Array, counts: Bools) -> None:
        step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
        self._frames = AROUND_S / step_s
        self._counts = counts
        self._weight = self._sum(counts.astype(np.float64))

    def _sum(self, values: Array) -> Array:
        total: Array = gaussian_filter1d(values, self._frames, axis=0, mode="constant", truncate=3.0)
        return total

    def __call__(self, values: Array) -> Array:
        """Return the means of (frames, tracks); NaN where nothing near counts."""
        total = self._sum(np.where(self._counts, values, 0.0))
        means: Array = np.divide(total, self._weight, out=np.full_like(total, np.nan), where=self._weight > 1e-9)
        return means
