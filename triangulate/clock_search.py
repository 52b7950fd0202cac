"""Clocks of calibrated cameras found from a moving person, with nothing known of them before.

With known cameras, a joint in one picture lies on a known line in the other: at the right lag its distance from that
line stays the same (a detector may put a hip elsewhere in every view), at others it wanders with the motion. That holds
for a few seconds of careful movement, and for a person who walks on, where speeds alone repeat with every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from clapcap.progress import Progress, silent
from skeleton.keypoints import Keypoints2D
from sync.motion import PairLag, time_map_of
from sync.motion_tracks import FACE, LEAST_CONFIDENCE
from sync.resample import resample_keypoints
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]

# Lags are tried in steps in which nobody moves far, then at the finer rate about the best.
COARSE_HZ, FINE_HZ = 20.0, 120.0
# Of the one camera, the most moving stretch of this length is laid over all of the other.
EXCERPT_S = 20.0
LEAST_OVERLAP_S = 1.0
# A distance counts up to this share of the person's size in the picture: an arm's disagreement is no more wrong.
FURTHEST = 0.05
# Another lag is another alignment from here on: walk4's distances rise to half of their usual within 0.15 s.
LOBE_S = 0.2
# Seconds of overlap times the logarithm of how much closer the joints stay to their lines than at a usual lag. walk4's
# 1.7 s give 1.1 to 2.5. Of 63 pairs of cameras on motion capture (walks, turns, skips; a detector's noise, outliers and
# swaps) 54 are found with these, to 3 ms in the median, and none wrongly: wrong ones have 0.6, or ratios above 0.8.
NEEDED_EVIDENCE = 1.0
NEEDED_PEAK_RATIO = 0.7
# A start for `triangulate.clocks`, which tells how sure it is: lines say nothing of motion along them.
STD_S = 0.01


def search_clocks(views: Mapping[str, Keypoints2D], cameras: CameraGroup, *, progress: Progress = silent) -> TimeMap:
    """Find every camera's clock from one moving person and the calibration.

    Parameters
    ----------
    views
        By camera: the keypoints, `time_s` on the camera's own clock.
    cameras
        The calibration, fitted to the pictures.
    progress
        Told pairs.

    Returns
    -------
    TimeMap
        Good to some hundredths of a second; cameras that cannot be aligned, or in several ways, have the reason as
        their verdict.
    """
    pairs: dict[tuple[str, str], PairLag] = {}
    every = list(combinations(views, 2))
    for done, (first, second) in enumerate(every):
        lag = epipolar_lag(views[first], views[second], cameras[first], cameras[second])
        if lag is not None:
            pairs[first, second] = lag
        progress(done + 1, len(every))
    return time_map_of(views, pairs, NEEDED_EVIDENCE, NEEDED_PEAK_RATIO)


def epipolar_lag(first: Keypoints2D, second: Keypoints2D, camera: Camera, other: Camera) -> PairLag | None:
    """Return the lag at which joints keep their distance from each other's epipolar lines; None without overlap."""
    second = _most_moving(second)
    lags_s, distance, overlap_s = _distances(first, second, camera, other, COARSE_HZ, None)
    allowed = np.isfinite(distance) & (overlap_s >= LEAST_OVERLAP_S)
    if allowed.sum() < 3:
        return None
    usual = float(np.median(distance[allowed]))
    evidence = np.where(allowed, overlap_s * np.log(usual / np.where(allowed, distance, 1.0)), -np.inf)
    best = int(evidence.argmax())
    away = np.abs(lags_s - lags_s[best]) > LOBE_S
    second_best = int(np.where(away, evidence, -np.inf).argmax())
    fine_s, fine, fine_overlap_s = _distances(first, second, camera, other, FINE_HZ, float(lags_s[best]))
    usable = np.isfinite(fine) & (fine_overlap_s >= 0.9 * LEAST_OVERLAP_S)
    lag_s = float(fine_s[usable][fine[usable].argmin()]) if usable.any() else float(lags_s[best])
    found = max(float(evidence[best]), 0.0)
    elsewhere = max(float(evidence[second_best]), 0.0) if away.any() else 0.0
    return PairLag(
        lag_s=lag_s,
        std_s=STD_S,
        evidence=found,
        peak_ratio=elsewhere / found if found > 0 else 1.0,
        second_s=float(lags_s[second_best]),
        correlation=float(1 - np.exp(evidence[best] / -max(overlap_s[best], 1e-9))),
    )


def _most_moving(view: Keypoints2D) -> Keypoints2D:
    """Return the stretch of `EXCERPT_S` in which most moves."""
    times = view.time_s
    if times[-1] - times[0] <= EXCERPT_S:
        return view
    step = np.linalg.norm(np.diff(view.xy_px, axis=0), axis=-1)
    size = np.nanmedian(step) + 1e-9
    moved = np.concatenate([[0.0], np.where(np.isfinite(step), np.minimum(step, 10 * size), 0.0).sum(axis=1)]).cumsum()
    last = np.searchsorted(times, times + EXCERPT_S, side="right") - 1
    whole = np.flatnonzero(times + EXCERPT_S <= times[-1])
    start = int(whole[(moved[last] - moved)[whole].argmax()])
    part = slice(start, int(last[start]) + 1)
    return Keypoints2D(view.names, view.xy_px[part], view.confidence[part], times[part], view.image_size_px)


def _distances(
    first: Keypoints2D, second: Keypoints2D, camera: Camera, other: Camera, rate_hz: float, near_s: float | None
) -> tuple[Array, Array, Array]:
    """Return lags in seconds, the mean wandering of joints about their lines in pixels, and the overlap in seconds.

    `near_s`: only lags within 0.1 s of this one; None: all.
    """
    a, b = _on_grid(first, camera, rate_hz), _on_grid(second, other, rate_hz)
    T = other.T_cam_world @ np.linalg.inv(camera.T_cam_world)
    x, y, z = T[:3, 3]
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ T[:3, :3]
    line_in_b, line_in_a = a @ essential.T, b @ essential
    # Sampson's distance (Hartley, Zisserman, 11.4.3): the algebraic one over its gradient, here by pixels.
    slope_b = (line_in_b[..., :2] ** 2).sum(axis=-1) / other.matrix[0, 0] ** 2
    slope_a = (line_in_a[..., :2] ** 2).sum(axis=-1) / camera.matrix[0, 0] ** 2
    furthest = FURTHEST * _size_px(second)
    zero_s = float(first.time_s[0] - second.time_s[0])
    steps = np.arange(-len(b) + 1, len(a))
    if near_s is not None:
        steps = steps[np.abs(zero_s + steps / rate_hz - near_s) <= 0.1]
    least = int(0.9 * LEAST_OVERLAP_S * rate_hz)
    distance, overlap_s = np.full(len(steps), np.nan), np.zeros(len(steps))
    for place, step in enumerate(steps):  # each lag has an overlap of its own
        start, stop = max(0, step), min(len(a), len(b) + step)
        if stop - start < least:
            continue
        now, then = slice(start, stop), slice(start - step, stop - step)
        off = (b[then] * line_in_b[now]).sum(axis=-1) / np.sqrt(slope_b[now] + slope_a[then])
        known = np.isfinite(off)
        enough = known.sum(axis=0) >= least / 2
        if not enough.any():
            continue
        off, known = off[:, enough], known[:, enough]
        wander = np.minimum(np.abs(off - np.nanmedian(off, axis=0)), furthest)
        distance[place] = wander[known].mean()
        overlap_s[place] = known.mean() * (stop - start) / rate_hz
    return zero_s + steps / rate_hz, distance, overlap_s


def _on_grid(view: Keypoints2D, camera: Camera, rate_hz: float) -> Array:
    """Return the joints' rays (moments, joints, 3) in the camera's frame, z = 1; NaN where not seen."""
    joints = [i for i, name in enumerate(view.names) if not any(part in name for part in FACE)]
    times_s = np.arange(view.time_s[0], view.time_s[-1] + 1e-9, 1 / rate_hz)
    sampled = resample_keypoints(view, times_s)
    sure = (sampled.confidence >= LEAST_CONFIDENCE)[..., None]
    xy = camera.undistort(np.where(sure, sampled.xy_px, np.nan)[:, joints])
    return np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], axis=-1)


def _size_px(view: Keypoints2D) -> float:
    seen = np.isfinite(view.xy_px).all(axis=-1).sum(axis=1) >= 2
    if not seen.any():
        return 1.0
    extent = np.nanmax(view.xy_px[seen], axis=1) - np.nanmin(view.xy_px[seen], axis=1)
    return float(np.median(np.linalg.norm(extent, axis=-1)))
