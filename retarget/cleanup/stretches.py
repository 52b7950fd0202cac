"""Each stretch of a track between its gaps, filtered for itself; and tracks with uneven time stamps, made even."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HOLE_STEPS = 5.0
"""Neighbouring frames further apart than so many median steps do not belong to one stretch: frames are missing."""

_EVEN_SHARE = 1e-3
"""Time stamps that stray from an even line by less than this share of a step are even (as for BVH files)."""


def flattened(values: Array) -> Array:
    """Return (frames, ..., k) as (frames, tracks, k)."""
    return values.reshape(len(values), -1, values.shape[-1])


def runs(marked: Bools) -> list[tuple[int, int]]:
    """Return the first place of each run of marked ones, and the one after its last."""
    change = np.diff(np.concatenate([[False], marked, [False]]).astype(int))
    return list(zip(np.flatnonzero(change == 1).tolist(), np.flatnonzero(change == -1).tolist(), strict=True))


def stretches(observed: Bools, time_s: Array, max_gap_s: float = 0.0) -> dict[tuple[int, int], list[int]]:
    """Find the stretches of tracks.

    Parameters
    ----------
    observed
        (frames, tracks).
    time_s
        (frames,).
    max_gap_s
        Gaps up to this long do not end a stretch; with 0, every frame that is missing does.

    Returns
    -------
    dict
        By first frame and frame after the last: the tracks that have this stretch. Frames that lie further apart than
        `HOLE_STEPS` median steps are the ends of stretches too.
    """
    hole_s = max(max_gap_s, HOLE_STEPS * float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0)
    found: dict[tuple[int, int], list[int]] = {}
    for track in range(observed.shape[1]):
        at = np.flatnonzero(observed[:, track])
        if not len(at):
            continue
        step_s = np.diff(time_s[at])
        apart = (step_s > max_gap_s + 1e-9) & (np.diff(at) > 1) | (step_s > hole_s + 1e-9)
        ends = np.flatnonzero(apart)
        for first, last in zip(at[np.r_[0, ends + 1]].tolist(), at[np.r_[ends, len(at) - 1]].tolist(), strict=True):
            found.setdefault((first, last + 1), []).append(track)
    return found


def each_stretch(values: Array, time_s: Array, smooth: Callable[[Array, Array], Array]) -> Array:
    """Filter every stretch of values (frames, ..., k) without NaN for itself; what is NaN stays NaN.

    `smooth` gets values (frames, tracks, k), all finite, and their time stamps (frames,), and returns as many values.
    """
    tracks = flattened(values)
    result = np.full_like(tracks, np.nan)
    for (first, after), own in stretches(np.isfinite(tracks).all(axis=-1), time_s).items():
        result[first:after, own] = smooth(tracks[first:after, own], time_s[first:after])
    return result.reshape(values.shape)


def on_even_steps(values: Array, time_s: Array, smooth: Callable[[Array, float], Array]) -> Array:
    """Filter values (frames, ..., k) by a method that needs even steps, given the step in seconds.

    Uneven values are resampled by a cubic spline at the median step and, filtered, brought back by another. Even ones
    are filtered as they are.
    """
    frames = len(time_s)
    if frames < 3:
        return values.copy()
    step_s = float(np.median(np.diff(time_s)))
    mean_s = float(time_s[-1] - time_s[0]) / (frames - 1)
    if np.abs(time_s - (time_s[0] + mean_s * np.arange(frames))).max() <= _EVEN_SHARE * step_s:
        return smooth(values, mean_s)
    count = 1 + max(2, int(np.ceil((time_s[-1] - time_s[0]) / step_s - 1e-6)))
    even_s = np.linspace(time_s[0], time_s[-1], count)
    filtered = smooth(CubicSpline(time_s, values)(even_s), float(even_s[1] - even_s[0]))
    back: Array = CubicSpline(even_s, filtered)(time_s)
    return back


def extended(values: Array, pad: int, end_frames: int) -> Array:
    """Return values (frames, ...) with `pad` frames more at either end, so that a filter meets no edge.

    The track goes on as its own image, turned by half a turn about its end (the odd reflection of
    `scipy.signal.filtfilt`), so position and speed go on too. The end it turns about is not the last frame, whose noise
    would then count double, but that of a parabola through the last `end_frames` frames.
    """
    frames = len(values)
    count = min(end_frames, frames)
    anchored = values.copy()
    if count > 3:
        at = np.arange(count) / count
        row = np.linalg.pinv(np.vander(at, 3, increasing=True))[0]  # the parabola's value at the end
        anchored[0] = np.tensordot(row, values[:count], axes=1)
        anchored[-1] = np.tensordot(row, values[::-1][:count], axes=1)
    around = np.pad(anchored, [(pad, pad)] + [(0, 0)] * (values.ndim - 1), mode="reflect", reflect_type="odd")
    around[pad : pad + frames] = values
    return around
