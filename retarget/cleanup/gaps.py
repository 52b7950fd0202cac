"""Short gaps filled from both sides, marked as filled, with the uncertainty that filling has in this take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from retarget.cleanup.kalman import kalman_smoother
from retarget.cleanup.stretches import runs
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DEFAULT_MAX_GAP_S = 0.2

JERK = 100.0
"""m/s3 / sqrt(Hz), of the smoother that bridges gaps.

Gaps of 0.15 s cut into recordings with noise as measured (`python -m benchmarks.filters`) are filled as well as by a
piecewise cubic that does not overshoot where people walk, and 10 to 40 % better where they run or dance. Flat from 50
to 200.
"""

AROUND_S = 0.5
"""How far from a gap frames can matter to it: the smoother forgets within some 0.2 s."""

_SLOPE_S = 0.1
"""Over which the speed at a gap's ends is seen, when the error of filling is estimated."""


def fill_gaps(keypoints: Keypoints3D, max_gap_s: float = DEFAULT_MAX_GAP_S) -> Keypoints3D:
    """Fill the gaps of each point that are no longer than `max_gap_s`.

    A gap's length is the time from the last frame with the point before it to the first after it. Longer gaps, and
    those at the ends of the take, stay NaN: nothing is extrapolated. Filled positions are the likeliest by the frames
    on both sides, each by its own deviation (`kalman.kalman_smoother`), shifted to meet the last frame before and the
    first after. They are marked in `filled`, and rest on no view: `reprojection_px` stays NaN. Nothing else is changed.

    Their `sigma_m` is grown by the error that filling makes, as seen where the point was observed: the middle of an
    interval of the gap's length, interpolated from its ends, or from its ends and their speeds if that is better,
    misses the observation by so much (root mean square over the take, each point for itself); from there it falls to
    nothing at the gap's ends, as 4 s (1 - s) with s from 0 to 1 through the gap. Where the take is too short to tell,
    the largest speed between neighbouring frames times a quarter of the gap stands in.

    Parameters
    ----------
    keypoints
        The points as triangulated.
    max_gap_s
        Seconds; 0 fills nothing.
    """
    time_s = keypoints.time_s
    observed = np.isfinite(keypoints.xyz_m).all(axis=-1)
    gaps = {
        point: found
        for point in range(len(keypoints.names))  # every point has gaps of its own
        if (found := _short_gaps(observed[:, point], time_s, max_gap_s))
    }
    path = _paths(keypoints, gaps, max_gap_s)
    xyz, sigma, filled = keypoints.xyz_m.copy(), keypoints.sigma_m.copy(), keypoints.filled.copy()
    for point, found in gaps.items():
        at = np.flatnonzero(observed[:, point])
        variance = np.interp(time_s, time_s[at], keypoints.sigma_m[at, point] ** 2)
        misses: dict[float, float] = {}
        for before, after in found:
            inside = slice(before + 1, after)
            length_s = float(time_s[after] - time_s[before])
            s = ((time_s[inside] - time_s[before]) / length_s)[:, None]
            start, end = (keypoints.xyz_m[frame, point] - path[frame, point] for frame in (before, after))
            xyz[inside, point] = path[inside, point] + (1 - s) * start + s * end
            key = round(length_s, 4)
            if key not in misses:
                misses[key] = _error_at_middle(keypoints.xyz_m[:, point], time_s, length_s)
            sigma[inside, point] = np.sqrt(variance[inside] + (4 * s[:, 0] * (1 - s[:, 0]) * misses[key]) ** 2)
            filled[inside, point] = True
    return replace(keypoints, xyz_m=xyz, sigma_m=sigma, filled=filled)


def _paths(keypoints: Keypoints3D, gaps: dict[int, list[tuple[int, int]]], max_gap_s: float) -> Array:
    """Return the smoothed points around gaps, (frames, points, 3), elsewhere NaN."""
    time_s = keypoints.time_s
    path = np.full_like(keypoints.xyz_m, np.nan)
    near = np.zeros((len(time_s), len(keypoints.names)), dtype=bool)
    for point, found in gaps.items():
        for before, after in found:
            first, last = np.searchsorted(time_s, [time_s[before] - AROUND_S, time_s[after] + AROUND_S])
            near[min(first, before) : max(last, after + 1), point] = True
    for first, after in runs(near.any(axis=1)):
        block = slice(first, after)
        points = np.flatnonzero(near[block].any(axis=0))
        xyz, sigma = keypoints.xyz_m[block, points], keypoints.sigma_m[block, points]
        smoothed = kalman_smoother(xyz, time_s[block], sigma, jerk=JERK, max_gap_s=max_gap_s)
        path[block, points] = smoothed.values
    return path


def _short_gaps(observed: Bools, time_s: Array, max_gap_s: float) -> list[tuple[int, int]]:
    """Return the frames before and after each gap that is short enough."""
    at = np.flatnonzero(observed)
    before, after = at[:-1], at[1:]
    # A billionth of a second for the rounding of time stamps.
    short = (after - before > 1) & (time_s[after] - time_s[before] <= max_gap_s + 1e-9)
    return list(zip(before[short].tolist(), after[short].tolist(), strict=True))


def _error_at_middle(xyz_m: Array, time_s: Array, length_s: float) -> float:
    """Return the root mean square error, a coordinate, in the middle of an interpolated interval of this length."""
    near, far = length_s / 2, length_s / 2 + _SLOPE_S
    # The cubic through two points on either side, in its middle (Lagrange).
    weight = far**2 / (far**2 - near**2)
    errors = []
    for reach, outer in ((near, 0.0), (far, 1.0 - weight)):
        inside = (time_s - reach >= time_s[0]) & (time_s + reach <= time_s[-1])
        inner = _mean_of_both(xyz_m, time_s, time_s[inside], near)
        guess = inner if not outer else weight * inner + outer * _mean_of_both(xyz_m, time_s, time_s[inside], far)
        error = xyz_m[inside] - guess
        if np.isfinite(error).any():
            errors.append(float(np.sqrt(np.nanmean(error**2))))
    if errors:
        return min(errors)
    observed = np.isfinite(xyz_m).all(axis=-1)
    speed = np.linalg.norm(np.diff(xyz_m[observed], axis=0), axis=-1) / np.diff(time_s[observed])
    return float(speed.max() * length_s / 4)


def _mean_of_both(xyz_m: Array, time_s: Array, wanted_s: Array, away_s: float) -> Array:
    """Return the mean of where a point (frames, 3) was `away_s` before and after; NaN where either is not observed."""
    mean: Array = (_linear(xyz_m, time_s, wanted_s - away_s) + _linear(xyz_m, time_s, wanted_s + away_s)) / 2
    return mean


def _linear(xyz_m: Array, time_s: Array, wanted_s: Array) -> Array:
    """Interpolate (frames, 3) linearly; NaN beside an unobserved frame."""
    right = np.clip(np.searchsorted(time_s, wanted_s - 1e-9), 1, len(time_s) - 1)
    left = right - 1
    s = ((wanted_s - time_s[left]) / (time_s[right] - time_s[left]))[:, None]
    # A frame that is met exactly does not need its neighbour.
    near_left, near_right = s < 1e-6, s > 1 - 1e-6
    between = (1 - s) * xyz_m[left] + s * xyz_m[right]
    return np.where(near_left, xyz_m[left], np.where(near_right, xyz_m[right], between))
