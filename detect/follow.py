"""Following the main person through one camera's picture, where a detector sees several."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

GATE = 0.35
"""A figure goes on as the one that is nearest, if the median of its points has moved by less than this share of its
size since it was last seen; somebody who runs through the picture moves by 0.1 of it from frame to frame at 30 fps."""

LOST_S = 0.7
"""A figure not seen for so long has ended."""

OVERLAP = 0.1
"""Of a figure's frames, at most: another one there for more is somebody else, not the same person come back."""


@dataclass(eq=False)
class _Figure:
    """A figure over time: the frames that show it, its row in each (0: the detector's first), and its last place."""

    xy_px: Array
    time_s: float
    weight: float = 0.0
    frames: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def follow_main(keypoints: Keypoints2D) -> Keypoints2D:
    """Return the keypoints of one person: who is largest in the picture for longest.

    A detector puts whoever is largest in a frame first, which may be another one from frame to frame. Where nobody else
    is seen, nothing is changed. The detector's own 3D is known of its first figure only, NaN elsewhere.
    """
    if keypoints.others_xy_px is None or keypoints.others_confidence is None:
        return keypoints
    xy_px = np.concatenate([keypoints.xy_px[:, None], keypoints.others_xy_px], axis=1)
    confidence = np.concatenate([keypoints.confidence[:, None], keypoints.others_confidence], axis=1)
    chosen = np.full(len(xy_px), -1)
    taken = np.zeros(len(xy_px), dtype=bool)
    for figure in sorted(_figures(xy_px, confidence, keypoints.time_s), key=lambda one: -one.weight):
        frames = np.array(figure.frames)
        if taken[frames].mean() <= OVERLAP:
            free = frames[~taken[frames]]
            chosen[free] = np.array(figure.rows)[~taken[frames]]
            taken[figure.frames[0] : figure.frames[-1] + 1] = True  # also where it is not found: nobody else is it
    at = np.arange(len(xy_px)), np.maximum(chosen, 0)
    nobody = chosen < 0
    world = None
    if keypoints.world_m is not None:
        world = np.where((chosen == 0)[:, None, None], keypoints.world_m, np.nan)
    return replace(
        keypoints,
        xy_px=np.where(nobody[:, None, None], np.nan, xy_px[at]),
        confidence=np.where(nobody[:, None], 0.0, confidence[at]),
        world_m=world,
        others_xy_px=None,
        others_confidence=None,
    )


def _figures(xy_px: Array, confidence: Array, time_s: Array) -> list[_Figure]:
    """Link (frames, rows, points, 2) from frame to frame, the nearest pairs first."""
    there = (confidence > 0).any(axis=-1)
    ended: list[_Figure] = []
    alive: list[_Figure] = []
    for frame in range(len(xy_px)):  # a recursion over time
        now_s = float(time_s[frame])
        ended += [figure for figure in alive if now_s - figure.time_s > LOST_S]
        alive = [figure for figure in alive if now_s - figure.time_s <= LOST_S]
        rows = np.flatnonzero(there[frame]).tolist()
        pairs = [(_moved(figure.xy_px, xy_px[frame, row]), k, row) for k, figure in enumerate(alive) for row in rows]
        linked: set[int] = set()
        for moved, k, row in sorted(pairs):
            if moved <= GATE and row in rows and k not in linked:
                linked.add(k)
                rows.remove(row)
                _go_on(alive[k], frame, row, xy_px[frame, row], now_s)
        for row in rows:
            alive.append(_Figure(xy_px[frame, row], now_s))
            _go_on(alive[-1], frame, row, xy_px[frame, row], now_s)
    return ended + alive


def _go_on(figure: _Figure, frame: int, row: int, xy_px: Array, time_s: float) -> None:
    figure.frames.append(frame)
    figure.rows.append(row)
    figure.weight += _size(xy_px)
    figure.xy_px, figure.time_s = xy_px, time_s


def _size(xy_px: Array) -> float:
    seen = xy_px[np.isfinite(xy_px).all(axis=-1)]
    return float(np.hypot(*np.ptp(seen, axis=0))) if len(seen) else 0.0


def _moved(before: Array, after: Array) -> float:
    """Return how far a figure's points have moved, median, as a share of its size; infinite if none is in both."""
    gap = np.linalg.norm(after - before, axis=-1)
    known = np.isfinite(gap)
    size = _size(before)
    return float(np.median(gap[known])) / size if known.any() and size > 0 else float("inf")
