"""Keypoints of cameras that record at different moments, brought onto one timeline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from clapcap.errors import SyncError
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

# A frame stands for a moment of the timeline as it is when the two differ by less than this share of its interval:
# a hand at 5 m/s moves 0.2 mm in it at 30 fps.
COINCIDENCE = 1e-3
# One dropped frame is bridged, two are not: over 0.1 s a limb at 30 fps does not move in a straight line.
MAX_GAP_FRAMES = 2.5
# Intervals count as even within this share of the usual one: time stamps in whole milliseconds are, at 240 fps too.
EVEN_SHARE = 0.3
# A cubic leaves the line by this share of the picture's longer side (three deviations) from the detector's noise alone:
# 2 to 4 px at 1920, of which an eighth goes into the difference of the two.
BEND_NOISE = 0.0006


def common_timeline(camera_times_s: Mapping[str, Array], rate_hz: float | None = None) -> Array:
    """Return the moments at which cameras are looked at together.

    Parameters
    ----------
    camera_times_s
        By camera: session times (frames,) of its frames, strictly increasing.
    rate_hz
        Moments per second; None or NaN: the rate of the fastest camera.

    Returns
    -------
    timeline
        (moments,), session time, at a constant rate over the span in which at least two cameras record, in step with
        the frames of the fastest camera. Cameras that all have the very same times keep them.

    Raises
    ------
    SyncError
        If no two cameras record at the same time.
    """
    for name, times in camera_times_s.items():
        if len(times) < 2:
            raise SyncError(f"{name} has {len(times)} frames with a time, needed at least 2. Is its video complete?")
    spans = sorted((float(times[0]), float(times[-1]), name) for name, times in camera_times_s.items())
    starts = sorted(start for start, _, _ in spans)
    ends = sorted(end for _, end, _ in spans)
    # The second camera starts the span, the last but one ends it.
    if len(spans) < 2 or starts[1] >= ends[-2]:
        listed = ", ".join(f"{name} {start:.2f} to {end:.2f} s" for start, end, name in spans)
        raise SyncError(
            f"No two cameras record at the same time (session time: {listed}). Check the offsets: clapcap sync "
            "--offset NAME=SECONDS"
        )
    start, end = starts[1], ends[-2]
    rates = {name: 1 / nominal_interval_s(times) for name, times in camera_times_s.items()}
    fastest = max(rates.values())
    # The first of the cameras that run at the highest rate, so that tiny differences of clocks do not choose.
    anchor = next(name for name, rate in rates.items() if rate > 0.99 * fastest)
    times = camera_times_s[anchor]
    if rate_hz is None or math.isnan(rate_hz):
        if all(np.array_equal(times, other) for other in camera_times_s.values()):
            return times.copy()
        rate_hz = rates[anchor]
    elif not rate_hz > 0:
        raise ValueError(f"rate_hz is {rate_hz}, needed more than 0")
    zero = float(times[0])
    slack = COINCIDENCE
    first = math.ceil((start - zero) * rate_hz - slack)
    last = math.floor((end - zero) * rate_hz + slack)
    return zero + np.arange(first, last + 1) / rate_hz


def nominal_interval_s(times_s: Array) -> float:
    """Return the usual time between frames: the mean of the intervals without those that a gap or a hitch changed.

    The median alone would be off where time stamps are rounded (33, 33, 34 ms at 30 fps).
    """
    intervals = np.diff(times_s)
    # The lower of two middle values, not their mean, which may be far from every interval.
    middle = float(np.sort(intervals)[(len(intervals) - 1) // 2])
    return float(intervals[np.abs(intervals - middle) < 0.5 * middle].mean())


NO_CONFIDENCE = 1e-12
"""Stands for 0, whose deviation would be infinite."""


def resample_keypoints(keypoints: Keypoints2D, timeline_s: Array, *, max_gap_s: float | None = None) -> Keypoints2D:
    """Interpolate the keypoints of a camera at other moments.

    A position between two frames lies on the line between them, if both saw it and they are at most `max_gap_s` apart;
    where it moves fast, on the cubic through the four frames around, if all saw it at even intervals: the way from the
    line to the cubic is gone as far as it stands out of the detector's noise. The
    detector's own 3D is interpolated on the line. A moment that coincides with a frame takes it as it is. Everything
    else is not observed: nothing is extrapolated, and no gap of the detector is filled here.

    Parameters
    ----------
    keypoints
        With `time_s` in session time.
    timeline_s
        (moments,), session time, strictly increasing.
    max_gap_s
        None: `MAX_GAP_FRAMES` of the camera's usual intervals.

    Returns
    -------
    keypoints
        With `time_s` equal to `timeline_s`. The confidence is that of the interpolated deviation, which goes with
        1 / sqrt(confidence) (`triangulate.pixel_noise`): a detector errs alike in neighbouring frames, so the two
        deviations are averaged, and a poor position is not made good by its neighbour.
    """
    times = keypoints.time_s
    if len(times) < 2:
        raise ValueError(f"{len(times)} frames, needed at least 2 to interpolate between")
    interval_s = nominal_interval_s(times)
    gap_s = MAX_GAP_FRAMES * interval_s if max_gap_s is None else max_gap_s
    timeline_s = np.asarray(timeline_s, dtype=np.float64)
    tolerance_s = COINCIDENCE * interval_s

    after = np.clip(np.searchsorted(times, timeline_s), 1, len(times) - 1)
    before = after - 1
    span = times[after] - times[before]
    weight = (timeline_s - times[before]) / span
    at_before = np.abs(timeline_s - times[before]) <= tolerance_s
    at_after = np.abs(timeline_s - times[after]) <= tolerance_s
    between = (weight > 0) & (weight < 1) & (span <= gap_s)
    four, four_weights = _cubic(times, before, timeline_s, interval_s)
    # Where a moment coincides with a frame, both neighbours are that frame, and what the other one saw does not matter.
    after = np.where(at_before, before, after)
    before = np.where(at_after & ~at_before, after, before)
    known = at_before | at_after | between

    def interpolate(values: Array) -> Array:
        shape = (-1,) + (1,) * (values.ndim - 1)
        first, second, share = values[before], values[after], weight.reshape(shape)
        mixed = np.where((before == after).reshape(shape), first, (1 - share) * first + share * second)
        mixed[~known] = np.nan
        return mixed

    xy = interpolate(keypoints.xy_px)
    bend = np.einsum("mk,mkpc->mpc", four_weights, keypoints.xy_px[four]) - xy
    usual_px = BEND_NOISE * float(keypoints.image_size_px.max())
    # Wiener's filter: what noise alone makes is taken off the square.
    square = np.square(bend).sum(axis=-1, keepdims=True)
    use = (known & (before != after))[:, None, None] & (square > usual_px**2)
    xy = xy + np.where(use, (1 - usual_px**2 / np.where(use, square, 1.0)) * bend, 0.0)
    deviation = interpolate(1 / np.sqrt(np.maximum(keypoints.confidence, NO_CONFIDENCE)))
    confidence = np.clip(np.nan_to_num(1 / np.square(deviation)), 0, 1)
    confidence[confidence <= 1e3 * NO_CONFIDENCE] = 0  # next to a frame of none, there is none
    exact = (before == after) & known
    confidence[exact] = keypoints.confidence[before[exact]]
    confidence[np.isnan(xy).any(axis=-1)] = 0
    world = None if keypoints.world_m is None else interpolate(keypoints.world_m)
    # The others' rows are not one person each, so that there is nothing between two frames of them.
    return replace(
        keypoints,
        xy_px=xy,
        confidence=confidence,
        time_s=timeline_s,
        world_m=world,
        others_xy_px=None,
        others_confidence=None,
    )


def _cubic(
    times: Array, before: npt.NDArray[np.int64], at_s: Array, interval_s: float
) -> tuple[npt.NDArray[np.int64], Array]:
    """Return the four frames (moments, 4) around each moment and their Lagrange weights; NaN where they are uneven.

    A hand at 5 m/s on an arc of 0.3 m leaves a line between frames at 30 fps by 12 mm, and the cubic by 0.7 mm. Noise
    grows by a seventh at most, against the line: the weights of the outer two are at most 1/16.
    """
    four = before[:, None] + np.arange(-1, 3)
    inside = (four[:, 0] >= 0) & (four[:, -1] < len(times))
    four = np.clip(four, 0, len(times) - 1)
    nodes = times[four]
    even = inside & (np.abs(np.diff(nodes, axis=1) - interval_s) <= EVEN_SHARE * interval_s).all(axis=1)
    weights = np.full(nodes.shape, np.nan)
    chosen, moment = nodes[even], at_s[even]
    for k in range(4):
        others = [j for j in range(4) if j != k]
        weights[even, k] = np.prod((moment[:, None] - chosen[:, others]) / (chosen[:, [k]] - chosen[:, others]), axis=1)
    return four, weights
