"""Spikes: frames in which a point leaps away and comes back, faster than people move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retarget.cleanup.stretches import flattened, runs

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WINDOW_S = 0.1
"""How far to either side neighbours are looked at: three frames at 30 a second."""

LEAST_NEIGHBOURS, MOST_NEIGHBOURS = 3, 5
"""On either side; at high rates they are spread over the window."""

THRESHOLD = 4.0
"""How many times the neighbours' own distance from their line a frame must be off; see `MOST_ACCELERATION`."""

MOST_ACCELERATION = 100.0
"""m/s2 that leaping away and back would take; what people can do is no spike.

Measured with both on 68 recordings of ACCAD and three of CMU's dances. With noise of 9 mm added, none of 250,000 joints
at 30 frames a second is called a spike, 21 of 500,000 at 60 and 77 of 1,000,000 at 120, of which 19 and 71 lie in the
first frames of dances, which the archive itself lists as glitches; without noise and deviations, when anything stands
out, 1, 56 and 190. Of spikes of one or two frames put in (`python -m benchmarks.filters`), three of four are found from
0.1 m on and nine of ten from 0.2 m on; at 30 frames a second, what these 100 m/s2 can do in one frame is 55 mm and in
two 125 mm, and smaller spikes stay.
"""

_MEDIAN_DISTANCE = 1.538
"""Median distance from the mean, in deviations of a coordinate, of a normal distribution in space."""


def find_spikes(values: Array, time_s: Array, sigma: Array | None = None) -> Bools:
    """Find the frames that are spikes.

    After F. R. Hampel ("The influence curve and its role in robust estimation", Journal of the American Statistical
    Association 69, 1974), on a time axis and for points that move: the neighbours within `WINDOW_S` give a line by
    medians (slope and level; after H. Theil 1950), so up to two wrong ones of them do no harm. A frame is a spike if it
    lies off that line by more than `THRESHOLD` times the median distance of its neighbours (or what their `sigma`
    expects, if that is more), and if, seen from the nearest frames before and after that are none, to go there and come
    back would have taken more than `MOST_ACCELERATION`. So a landing or a blow, after which the point goes on
    elsewhere, is none; nor is a leap without return, nor the first and the last frame of a track.

    Parameters
    ----------
    values
        (frames, ..., k), metres, NaN where there is nothing.
    time_s
        (frames,), strictly increasing.
    sigma
        (frames, ...), deviation of a coordinate, metres; NaN where unknown. That of the neighbours counts: a frame that
        calls itself uncertain is no better for it than what lies between its neighbours.

    Returns
    -------
    array
        (frames, ...) of bool.
    """
    tracks = flattened(values)
    frames, count, _ = tracks.shape
    spikes = np.zeros((frames, count), dtype=bool)
    if frames < 2 * LEAST_NEIGHBOURS + 1:
        return spikes.reshape(values.shape[:-1])
    known = np.full((frames, count), np.nan) if sigma is None else sigma.reshape(frames, count)
    for track in range(count):
        at = np.flatnonzero(np.isfinite(tracks[:, track]).all(axis=-1))
        if len(at) < 2 * LEAST_NEIGHBOURS + 1:
            continue
        points, seconds = tracks[at, track], time_s[at]
        suspect = _off_the_line(points, seconds, known[at, track])
        for first, after in runs(suspect):
            if first == 0 or after == len(at):
                continue
            if _acceleration(points, seconds, first, after) > MOST_ACCELERATION:
                spikes[at[first:after], track] = True
    return spikes.reshape(values.shape[:-1])


def _off_the_line(points: Array, time_s: Array, sigma: Array) -> Bools:
    """Return which of the points (n, k) lie off the line of their neighbours."""
    frames, step_s = np.arange(len(points)), float(np.median(np.diff(time_s)))
    reach = min(max(LEAST_NEIGHBOURS, round(WINDOW_S / step_s)), (len(points) - 1) // 2)
    # Near the ends the window is shifted until it lies inside; the frame itself is none of its neighbours.
    first = np.clip(frames - reach, 0, len(points) - 1 - 2 * reach)
    half = min(reach, MOST_NEIGHBOURS)
    near = first[:, None] + np.linspace(0, 2 * reach - 1, 2 * half).round().astype(int)
    near += near >= frames[:, None]
    span_s = time_s[near] - time_s[:, None]
    low, high = near[:, :half], near[:, half:]
    slope = np.median((points[high] - points[low]) / (time_s[high] - time_s[low])[..., None], axis=1)
    level = np.median(points[near] - slope[:, None] * span_s[..., None], axis=1)
    distance = np.linalg.norm(points[near] - level[:, None] - slope[:, None] * span_s[..., None], axis=-1)
    expected = _MEDIAN_DISTANCE * np.nan_to_num(np.median(sigma[near], axis=1))
    scale = np.maximum(np.median(distance, axis=1), expected)
    off: Bools = np.linalg.norm(points - level, axis=-1) > THRESHOLD * np.maximum(scale, 1e-6)
    return off


def _acceleration(points: Array, time_s: Array, first: int, after: int) -> float:
    """Return the least acceleration that takes a point out to where it was seen and back, m/s2.

    Between the frame before and the one after a run, those who accelerate by a, then brake by it, get
    a T^2 / 8 away from the straight way between them.
    """
    start, end = first - 1, after
    share = ((time_s[first:after] - time_s[start]) / (time_s[end] - time_s[start]))[:, None]
    away = np.linalg.norm(points[first:after] - (1 - share) * points[start] - share * points[end], axis=-1).max()
    return float(8 * away / (time_s[end] - time_s[start]) ** 2)
