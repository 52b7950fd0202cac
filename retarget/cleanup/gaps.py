"""Short gaps filled by interpolation, marked as filled, with the uncertainty that interpolation has in this take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DEFAULT_MAX_GAP_S = 0.25


def fill_gaps(keypoints: Keypoints3D, max_gap_s: float = DEFAULT_MAX_GAP_S) -> Keypoints3D:
    """Fill the gaps of each point that are no longer than `max_gap_s`.

    A gap's length is the time from the last frame with the point before it to the first after it. Longer gaps, and
    those at the ends of the take, stay NaN: nothing is extrapolated. Filled positions lie on a piecewise cubic that
    does not overshoot (F. Fritsch, J. Butland, "A method for constructing local monotone piecewise cubic interpolants",
    1984), are marked in `filled`, and rest on no view: `reprojection_px` stays NaN.

    Their `sigma_m` is grown by the error that interpolating makes: the mid-point of an interval of the gap's length,
    interpolated from its ends, misses the point where it was observed by so much (root mean square over the take, each
    point for itself); from there it falls to nothing at the gap's ends, as 4 s (1 - s) with s from 0 to 1 through the
    gap. Where the take is too short to tell, the largest speed between neighbouring frames times a quarter of the gap
    stands in.

    Parameters
    ----------
    keypoints
        The points as triangulated.
    max_gap_s
        Seconds; 0 fills nothing.
    """
    time_s = keypoints.time_s
    xyz = keypoints.xyz_m.copy()
    sigma = keypoints.sigma_m.copy()
    filled = keypoints.filled.copy()
    for point in range(len(keypoints.names)):  # every point has gaps of its own
        observed = np.isfinite(keypoints.xyz_m[:, point]).all(axis=-1)
        gaps = _short_gaps(observed, time_s, max_gap_s)
        if not gaps:
            continue
        at = np.flatnonzero(observed)
        curve = PchipInterpolator(time_s[at], keypoints.xyz_m[at, point])
        variance = np.interp(time_s, time_s[at], keypoints.sigma_m[at, point] ** 2)
        for before, after in gaps:
            inside = slice(before + 1, after)
            length_s = time_s[after] - time_s[before]
            s = (time_s[inside] - time_s[before]) / length_s
            middle = _error_at_middle(keypoints.xyz_m[:, point], time_s, length_s)
            xyz[inside, point] = curve(time_s[inside])
            sigma[inside, point] = np.sqrt(variance[inside] + (4 * s * (1 - s) * middle) ** 2)
            filled[inside, point] = True
    return replace(keypoints, xyz_m=xyz, sigma_m=sigma, filled=filled)


def _short_gaps(observed: Bools, time_s: Array, max_gap_s: float) -> list[tuple[int, int]]:
    """Return the frames before and after each gap that is short enough."""
    at = np.flatnonzero(observed)
    before, after = at[:-1], at[1:]
    # A billionth of a second for the rounding of time stamps.
    short = (after - before > 1) & (time_s[after] - time_s[before] <= max_gap_s + 1e-9)
    return list(zip(before[short].tolist(), after[short].tolist(), strict=True))


def _error_at_middle(xyz_m: Array, time_s: Array, length_s: float) -> float:
    """Return the root mean square error, a coordinate, in the middle of an interpolated interval of this length."""
    half = length_s / 2
    inside = (time_s - half >= time_s[0]) & (time_s + half <= time_s[-1])
    # NaN wherever one of the three is not observed.
    ends = _linear(xyz_m, time_s, time_s[inside] - half) + _linear(xyz_m, time_s, time_s[inside] + half)
    error = xyz_m[inside] - ends / 2
    if np.isfinite(error).any():
        return float(np.sqrt(np.nanmean(error**2)))
    observed = np.isfinite(xyz_m).all(axis=-1)
    speed = np.linalg.norm(np.diff(xyz_m[observed], axis=0), axis=-1) / np.diff(time_s[observed])
    return float(speed.max() * length_s / 4)


def _linear(xyz_m: Array, time_s: Array, wanted_s: Array) -> Array:
    """Interpolate (frames, 3) linearly; NaN beside an unobserved frame."""
    right = np.clip(np.searchsorted(time_s, wanted_s - 1e-9), 1, len(time_s) - 1)
    left = right - 1
    s = ((wanted_s - time_s[left]) / (time_s[right] - time_s[left]))[:, None]
    # A frame that is met exactly does not need its neighbour.
    near_left, near_right = s < 1e-6, s > 1 - 1e-6
    between = (1 - s) * xyz_m[left] + s * xyz_m[right]
    return np.where(near_left, xyz_m[left], np.where(near_right, xyz_m[right], between))
