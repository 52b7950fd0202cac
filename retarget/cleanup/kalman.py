"""The Kalman smoother: each frame by its own deviation, gaps bridged, and a deviation of what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapcap.errors import CleanupError
from retarget.cleanup.stretches import flattened, stretches

Array = npt.NDArray[np.float64]

LEAST_SIGMA_M = 1e-5
"""A deviation of nothing would leave no room for rounding: a hundredth of a millimetre stands for it."""

_START_VARIANCE = np.diag([1e2, 1e2, 1e2])
"""Of position, speed and acceleration before anything is known: 10 m, 10 m/s, 10 m/s2."""


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What the smoother makes of a track.

    Attributes
    ----------
    values
        (frames, ..., k); NaN where nothing was to be bridged.
    sigma
        (frames, ...), the deviation of a coordinate, if the errors of neighbouring frames have nothing to do with each
        other; it grows in gaps.
    """

    values: Array
    sigma: Array


def kalman(
    values: Array, time_s: Array, sigma: Array | None = None, *, jerk: float = 200.0, max_gap_s: float = 0.0
) -> Array:
    """Smooth by `kalman_smoother`, and return the values alone."""
    return kalman_smoother(values, time_s, sigma, jerk=jerk, max_gap_s=max_gap_s).values


def kalman_smoother(
    values: Array, time_s: Array, sigma: Array | None = None, *, jerk: float = 200.0, max_gap_s: float = 0.0
) -> Smoothed:
    """Find the likeliest path of points whose acceleration is constant but for white jerk.

    R. E. Kalman 1960, backwards H. E. Rauch, F. Tung, C. T. Striebel, "Maximum likelihood estimates of linear dynamic
    systems", AIAA Journal 3, 1965. The state is position, speed and acceleration; between frames it is driven by white
    jerk (Y. Bar-Shalom, X. R. Li, T. Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001,
    section 6.2.3), so uneven time stamps and gaps need no care.

    Parameters
    ----------
    values
        (frames, ..., k), NaN where there is nothing.
    time_s
        (frames,), strictly increasing.
    sigma
        (frames, ...), deviation of a coordinate. Where it is NaN, or if there is none, the jitter of the track stands
        in (`jitter`).
    jerk
        m/s3 / sqrt(Hz): the root of the jerk's spectral density. Less is smoother.
    max_gap_s
        Gaps up to this long, from the last frame before to the first after, are bridged; others end a stretch.

    Raises
    ------
    CleanupError
        For a jerk that is not positive.
    """
    if jerk <= 0:
        raise CleanupError(f"kalman: the jerk is {jerk:g}, needed more than 0.")
    tracks = flattened(values)
    observed = np.isfinite(tracks).all(axis=-1)
    given = np.full(observed.shape, np.nan) if sigma is None else sigma.reshape(observed.shape)
    variance = np.maximum(np.where(np.isfinite(given), given, jitter(tracks)), LEAST_SIGMA_M) ** 2
    result, deviation = np.full_like(tracks, np.nan), np.full(observed.shape, np.nan)
    for (first, after), own in stretches(observed, time_s, max_gap_s).items():
        inside = slice(first, after)
        weighed = np.where(observed[inside, own], variance[inside, own], np.inf)
        result[inside, own], deviation[inside, own] = _smooth(tracks[inside, own], time_s[inside], weighed, jerk**2)
    return Smoothed(result.reshape(values.shape), deviation.reshape(values.shape[:-1]))


def jitter(tracks: Array) -> Array:
    """Return (tracks,): the deviation of the errors that change from frame to frame, from (frames, tracks, k).

    Third differences of a smooth path are small; those of white noise have 20 times its variance. By their median, so
    that neither spikes nor quick moments count.
    """
    third = np.diff(tracks, 3, axis=0)
    found = np.zeros(tracks.shape[1])
    for track in range(tracks.shape[1]):
        finite = np.abs(third[:, track][np.isfinite(third[:, track])])
        found[track] = 1.4826 * float(np.median(finite)) / np.sqrt(20) if len(finite) else 0.0
    return found


def _smooth(values: Array, time_s: Array, variance: Array, density: float) -> tuple[Array, Array]:
    """Smooth (frames, tracks, k), with variances (frames, tracks): infinite where not observed."""
    frames, tracks, k = values.shape
    middle = np.nanmean(values, axis=0)
    values = np.nan_to_num(values - middle)
    states, covariances = np.empty((frames, tracks, 3, k)), np.empty((frames, tracks, 3, 3))
    before_states, before_covariances = np.empty_like(states), np.empty_like(covariances)
    state = np.zeros((tracks, 3, k))
    state[:, 0] = values[0]
    covariance = np.broadcast_to(_START_VARIANCE, (tracks, 3, 3))
    steps = [_step(dt, density) for dt in np.diff(time_s).tolist()]
    for frame in range(frames):  # each frame depends on the one before
        if frame:
            carry, noise = steps[frame - 1]
            state, covariance = carry @ state, carry @ covariance @ carry.T + noise
        before_states[frame], before_covariances[frame] = state, covariance
        gain = covariance[:, :, 0] / (covariance[:, :1, 0] + variance[frame][:, None])  # 0 where not observed
        state = state + gain[:, :, None] * (values[frame] - state[:, 0])[:, None]
        # Joseph's form, which stays symmetric and positive.
        rest = np.eye(3) - gain[:, :, None] * np.array([1.0, 0.0, 0.0])
        seen = np.where(np.isfinite(variance[frame]), variance[frame], 0.0)
        covariance = rest @ covariance @ rest.swapaxes(1, 2) + seen[:, None, None] * gain[:, :, None] * gain[:, None, :]
        states[frame], covariances[frame] = state, covariance
    for frame in range(frames - 2, -1, -1):
        carry, _ = steps[frame]
        back = np.linalg.solve(before_covariances[frame + 1], carry @ covariances[frame]).swapaxes(1, 2)
        states[frame] += back @ (states[frame + 1] - before_states[frame + 1])
        covariances[frame] += back @ (covariances[frame + 1] - before_covariances[frame + 1]) @ back.swapaxes(1, 2)
    return states[:, :, 0] + middle, np.sqrt(np.maximum(covariances[:, :, 0, 0], 0.0))


def _step(dt: float, density: float) -> tuple[Array, Array]:
    """Return the transition over `dt` seconds and the covariance that the white jerk adds, both (3, 3)."""
    carry = np.array([[1.0, dt, dt**2 / 2], [0.0, 1.0, dt], [0.0, 0.0, 1.0]])
    noise = density * np.array(
        [
            [dt**5 / 20, dt**4 / 8, dt**3 / 6],
            [dt**4 / 8, dt**3 / 3, dt**2 / 2],
            [dt**3 / 6, dt**2 / 2, dt],
        ]
    )
    return carry, noise
