"""A person's motion in one picture: velocities of the joints at a steady rate, with gaps and wild jumps left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from skeleton.keypoints import Keypoints2D
from sync.resample import nominal_interval_s, resample_keypoints

Array = npt.NDArray[np.float64]

# Points of a face move as one and would outvote the limbs.
FACE = ("eye", "mouth")
LEAST_CONFIDENCE = 0.3
# The velocity is the slope over this time to both sides.
SLOPE_S = 0.05
# Of the body's size: a detection further from the median of its neighbours is wild. A hand that turns round at 30 m/s^2
# is 2 % away from it at 30 frames a second.
SPIKE = 0.05
# Body sizes a second: a hand reaches five; faster are detections that jump, or sides that were exchanged.
FASTEST = 6.0
# A single joint's velocity counts up to so many typical ones of the take, so that one swing does not decide all.
MOST_TYPICAL = 6.0


@dataclass(frozen=True, eq=False)
class MotionTrack:
    """Velocities in one picture.

    Attributes
    ----------
    start_s
        Camera time of the first moment.
    velocity
        (moments, joints, 2): body sizes a second; 0 where not seen.
    seen
        (moments, joints): where it is known.
    """

    start_s: float
    velocity: Array
    seen: npt.NDArray[np.bool_]


def motion_track(view: Keypoints2D, rate_hz: float) -> MotionTrack:
    """Return the velocities of a camera's keypoints, `rate_hz` of them a second."""
    joints = [i for i, name in enumerate(view.names) if not any(part in name for part in FACE)]
    start_s, stop_s = float(view.time_s[0]), float(view.time_s[-1])
    steps = max(1, int((stop_s - start_s) * rate_hz) + 1)
    times_s = start_s + np.arange(steps) / rate_hz
    if len(view.time_s) < 2:
        return MotionTrack(start_s, np.zeros((steps, len(joints), 2)), np.zeros((steps, len(joints)), dtype=bool))
    size_px = _size_px(view)
    sampled = resample_keypoints(replace(view, xy_px=_without_spikes(view.xy_px, SPIKE * size_px)), times_s)
    xy = np.where((sampled.confidence >= LEAST_CONFIDENCE)[..., None], sampled.xy_px, np.nan)[:, joints]
    # Slower cameras need a longer slope, or it is a single step between two frames.
    reach = max(1, round(max(SLOPE_S, nominal_interval_s(view.time_s)) * rate_hz))
    offsets = np.arange(-reach, reach + 1)
    slope = offsets / (offsets @ offsets) * rate_hz / size_px
    velocity = np.full(xy.shape, np.nan)
    if len(xy) > 2 * reach:
        windows = np.lib.stride_tricks.sliding_window_view(xy, 2 * reach + 1, axis=0)
        velocity[reach:-reach] = windows @ slope
    speed = np.linalg.norm(velocity, axis=-1)
    seen = np.isfinite(speed) & (speed < FASTEST)
    if seen.any():
        limit = MOST_TYPICAL * max(float(np.median(speed[seen])), 1e-3)
        velocity = velocity * np.minimum(1.0, limit / np.maximum(speed, 1e-12))[..., None]
    return MotionTrack(start_s, np.where(seen[..., None], velocity, 0.0), seen)


def _without_spikes(xy_px: Array, furthest_px: float) -> Array:
    """Return positions (frames, points, 2) with single wild ones replaced by the median of the five frames around."""
    if len(xy_px) < 5:
        return xy_px
    usual = xy_px.copy()
    # On a steady path the median is the frame's own place.
    usual[2:-2] = np.median(np.lib.stride_tricks.sliding_window_view(xy_px, 5, axis=0), axis=-1)
    wild = np.linalg.norm(xy_px - usual, axis=-1) > furthest_px
    return np.where(wild[..., None], usual, xy_px)


def _size_px(view: Keypoints2D) -> float:
    """Return the person's usual size in the picture: median diagonal of the box around the points."""
    whole = np.isfinite(view.xy_px).all(axis=-1)
    frames = whole.sum(axis=1) >= 2
    if not frames.any():
        return 1.0
    extent = np.nanmax(view.xy_px[frames], axis=1) - np.nanmin(view.xy_px[frames], axis=1)
    return max(float(np.median(np.linalg.norm(extent, axis=-1))), 1.0)
