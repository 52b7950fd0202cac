"""Which points of the feet stand on the ground, when and where: found in a first fit, held in the second.

A point stands while it hardly moves and lies at the height of the ground. Both are judged with hysteresis, and a
stretch counts only if the point stays in one place: a foot that slides, or a belt that carries it, is no contact, and
in a turn on the ball the heel is none. Above the floor, on a box or a step, a point stands if it keeps still for longer
and nothing of the body is lower: the feet of a jump keep still too briefly, those of a handstand are not lowest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from retarget.ground import Ground

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_SMOOTH_S = 0.03
_SPEED_BELOW, _SPEED_ABOVE = 0.12, 0.3
"""Metres a second: a contact has a moment slower than the one and none faster than the other. Detected feet that stand
(the rendered example) wander at up to 0.1 m/s; a walker's lift off above 0.5 m/s."""

_HEIGHT_BELOW, _HEIGHT_ABOVE = 0.035, 0.06
"""Metres above the ground, likewise: heels lift by more than 0.06 m before they leave."""

_FEWEST_FRAMES = 3
_SHORTEST_S = 0.1
"""Of a run, the shortest contact of a foot is about so long."""

_ROOM_M = 0.035
"""A standing point is seen within so much of its place: twice the wander of detected feet that stand."""

_MOMENT_S = 0.2
"""Two contacts of a point nearer in time than this, and in space than `_ROOM_M`, are one: no foot lifts, moves and
stands again in less."""

_DRIFT_M_S, _DRIFT_M = 0.05, 0.006
"""It drifts slower than the first plus the second per duration: the slope that noise leaves in a short contact."""

_STILL_M_S, _STILL_S, _LOWEST_M = 0.08, 0.4, 0.06
"""Above the floor: slower than this for so long, and so near to the height of the lowest joint."""

_LEVEL_M = 0.05
"""Detected feet hover or sink by up to so much (ankles are seen 2 cm too high in the rendered example): the height of
the ground is first read from points that stand."""

_ANCHOR_STD_M, _END_STD_M = 0.001, 0.005
"""How firmly a standing point is held, and in the first and last frame of a contact."""

_BUMP_M = 0.008
"""Where only feet tell the floor, a point of the sole may stand so far off it."""

_SINK_STD_M = 0.001

_FLAT_STD_M = 0.005
"""How flat floors and soles are."""

_FLOOR_SHARE = 0.15
"""The floor is the lowest height at which so much of all standing takes place."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Contacts with the ground.

    Attributes
    ----------
    names
        The points, as the skeleton calls them.
    standing
        (frames, points) of bool.
    place_m
        (frames, points, 3), where each stands, world; zero where it does not.
    floor_m
        The floor's height; None: none was found.
    floor_from
        What told the floor.
    """

    names: tuple[str, ...]
    standing: Mask
    place_m: Array
    floor_m: float | None
    floor_from: Literal["calibration", "feet", "nothing"]

    def spans_s(self, time_s: Array) -> dict[str, tuple[tuple[float, float], ...]]:
        """Return by point the times from and to which it stands."""
        return {
            name: tuple((float(time_s[begin]), float(time_s[end - 1])) for begin, end in self._contacts(point))
            for point, name in enumerate(self.names)
        }

    def held(self, points: Array) -> tuple[float, float]:
        """Return how far standing points (frames, points, 3) stray from their places, and how far any sinks."""
        strayed = [
            float(np.linalg.norm(points[begin:end, point] - self.place_m[begin:end, point], axis=1).max())
            for point in range(len(self.names))
            for begin, end in self._contacts(point)
        ]
        sunk = 0.0 if self.floor_m is None or not points.size else self.floor_m - float(points[..., 2].min())
        return max(strayed, default=0.0), max(sunk, 0.0)

    def at(self, points: Array) -> Contacts:
        """Return the same contacts at the mean places of points (frames, points, 3); on the floor, heights stay."""
        place = self.place_m.copy()
        for point in range(len(self.names)):
            for begin, end in self._contacts(point):
                place[begin:end, point, :2] = points[begin:end, point, :2].mean(axis=0)
        return replace(self, place_m=place)

    def kept(self, points: Array, room_m: float) -> Contacts:
        """Return the contacts without the frames in which a point (frames, points, 3) is not held within a distance.

        Points of one foot that contradict each other cannot all be held: one of them does not stand.
        """
        strayed = np.linalg.norm(points - self.place_m, axis=-1) > room_m
        standing = self.standing & ~strayed
        for point in range(len(self.names)):
            for begin, end in runs(standing[:, point]):
                if end - begin < _FEWEST_FRAMES:
                    standing[begin:end, point] = False
        return replace(self, standing=standing, place_m=np.where(standing[..., None], self.place_m, 0.0))

    def _contacts(self, point: int) -> Iterator[tuple[int, int]]:
        """Yield the contacts (begin, end) of a point: neighbours at different places are two."""
        for begin, end in runs(self.standing[:, point]):
            moves = np.flatnonzero(np.any(np.diff(self.place_m[begin:end, point], axis=0) != 0, axis=1)) + 1
            yield from pairwise([begin, *(begin + moves).tolist(), end])

    def ground(self, joint: Indices, offset_m: Array) -> Ground:
        """Return the term that holds the points, each at an offset (points, 3) from its joint (points,)."""
        std = np.full(self.standing.shape, _ANCHOR_STD_M)
        for point in range(len(self.names)):
            for begin, end in self._contacts(point):
                std[[begin, end - 1], point] = _END_STD_M
        weight = np.where(self.standing, 1.0 / std**2, 0.0)
        floor = np.full(len(self.names), -np.inf if self.floor_m is None else self.floor_m)
        return Ground(
            joint, offset_m, self.place_m, np.repeat(weight[..., None], 3, axis=2), floor, 1.0 / _SINK_STD_M**2
        )

    def levels(self, ground: Ground) -> Ground:
        """Return what standing tells of heights alone, as sure as floors and soles are flat."""
        weight = np.zeros_like(ground.weight)
        weight[..., 2] = np.where(self.standing, 1.0 / _FLAT_STD_M**2, 0.0)
        return replace(ground, weight=weight, floor_m=np.full(len(self.names), -np.inf))


def runs(mask: Mask) -> Iterator[tuple[int, int]]:
    """Yield the stretches (begin, end) in which a mask (frames,) holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def find_contacts(
    names: tuple[str, ...],
    points: Array,
    lowest_m: Array,
    shown: Mask,
    time_s: Array,
    floor_m: float | None,
    likely: Array | None = None,
) -> Contacts:
    """Find the contacts in a first fit.

    Parameters
    ----------
    names, points
        The points and their places (frames, points, 3), world, metres.
    lowest_m
        (frames,), height of the lowest joint.
    shown
        (frames, points) of bool: something of the foot was seen. A foot that is not seen stands nowhere.
    time_s
        (frames,), seconds.
    floor_m
        The floor's height if the calibration knows it; otherwise it is found.
    likely
        (frames, points), in [0, 1]: how probably each stands by other evidence, 0.5 where that says nothing. What is
        likely to stand may move twice as fast, what is not must keep still.
    """
    ease = np.ones(points.shape[:2]) if likely is None else 2 * likely
    nothing = np.zeros(points.shape[:2], dtype=bool)
    if len(time_s) < 3 or not len(names):
        return Contacts(names, nothing, np.zeros_like(points), floor_m, "nothing" if floor_m is None else "calibration")
    width = _SMOOTH_S / float(np.median(np.diff(time_s)))
    smooth = gaussian_filter1d(points, width, axis=0, mode="nearest")
    speed = np.linalg.norm(np.gradient(smooth, time_s, axis=0), axis=-1)
    found = floor_m if floor_m is not None else _floor(smooth[..., 2], speed, shown, time_s)
    standing, place = nothing.copy(), np.zeros_like(points)
    for point in range(len(names)):
        path, height = smooth[:, point], smooth[:, point, 2]
        still = shown[:, point] & (speed[:, point] < _STILL_M_S) & (height < lowest_m + _LOWEST_M)
        above = [run for run in runs(still) if time_s[run[1] - 1] - time_s[run[0]] >= _STILL_S]
        low: list[tuple[int, int]] = []
        if found is not None:
            level = _level(height, speed[:, point], shown[:, point], found)
            slowness = speed[:, point] / np.maximum(ease[:, point], 1e-9)
            strict = (slowness < _SPEED_BELOW) & (np.abs(height - level) < _HEIGHT_BELOW)
            loose = (slowness < _SPEED_ABOVE) & (height - level < _HEIGHT_ABOVE) & shown[:, point]
            low = [run for run in runs(loose) if strict[run[0] : run[1]].any()]
        for begin, end in (*low, *above):
            for first, last in _settled(path, begin, end, ease[:, point]):
                if standing[first:last, point].any() or not _stays(path, time_s, first, last, ease[:, point]):
                    continue
                standing[first:last, point] = True
                place[first:last, point] = points[first:last, point].mean(axis=0)
        _join(standing[:, point], place[:, point], points[:, point], time_s)
        if found is not None:
            near = np.abs(place[:, point, 2] - found) < _LEVEL_M + _HEIGHT_ABOVE
            # A floor that feet told is as flat as feet are seen to be.
            level = _level(smooth[:, point, 2], speed[:, point], shown[:, point], found)
            bump = 0.0 if floor_m is not None else float(np.clip(level - found, -_BUMP_M, _BUMP_M))
            place[standing[:, point] & near, point, 2] = found + bump
    source: Literal["calibration", "feet", "nothing"] = "nothing" if found is None else "feet"
    return Contacts(names, standing, place, found, "calibration" if floor_m is not None else source)


def _join(standing: Mask, place: Array, points: Array, time_s: Array) -> None:
    """Make one contact of neighbours that are but a moment and a step of noise apart, in place."""
    parts = list(runs(standing))
    merged = parts[:1]
    for begin, end in parts[1:]:
        first, last = merged[-1]
        apart = np.linalg.norm(points[begin:end].mean(axis=0) - points[first:last].mean(axis=0))
        if time_s[begin] - time_s[last - 1] < _MOMENT_S and apart < _ROOM_M:
            merged[-1] = (first, end)
        else:
            merged.append((begin, end))
    for begin, end in merged:
        standing[begin:end] = True
        place[begin:end] = points[begin:end].mean(axis=0)


def _floor(height: Array, speed: Array, shown: Mask, time_s: Array) -> float | None:
    """Return the lowest height at which a share of all standing takes place; None if nobody stands for long."""
    rest = shown & (speed < _SPEED_BELOW)
    if (rest.any(axis=1).mean() * (time_s[-1] - time_s[0])) < _STILL_S:
        return None
    heights = np.sort(height[rest])
    within = np.searchsorted(heights, heights + _HEIGHT_BELOW, side="right") - np.arange(len(heights))
    often = np.flatnonzero(within >= _FLOOR_SHARE * len(heights))
    if not len(often):
        return None
    first = int(often[0])
    return float(np.median(heights[first : first + within[first]]))


def _level(height: Array, speed: Array, shown: Mask, floor_m: float) -> float:
    """Return the height at which this point is seen when it stands on the floor."""
    rest = shown & (speed < _SPEED_BELOW) & (np.abs(height - floor_m) < _LEVEL_M)
    return float(np.median(height[rest])) if rest.any() else floor_m


def _settled(path: Array, begin: int, end: int, ease: Array) -> Iterator[tuple[int, int]]:
    """Yield the parts of a stretch in which the point stays within `_ROOM_M` of its place there, the longest first."""
    if begin >= end:
        return
    room = _ROOM_M * max(float(ease[begin:end].mean()), 1.0)
    near = np.linalg.norm(path[begin:end] - np.median(path[begin:end], axis=0), axis=1) < room
    parts = list(runs(near))
    if not parts:
        middle = (begin + end) // 2
        if end - begin > 2:
            yield from _settled(path, begin, middle, ease)
            yield from _settled(path, middle, end, ease)
        return
    first, last = max(parts, key=lambda part: part[1] - part[0])
    # Noise takes a standing point away and back; one that ends away from its place has begun to leave it.
    home = np.median(path[begin + first : begin + last], axis=0)
    inner = np.flatnonzero(np.linalg.norm(path[begin + first : begin + last] - home, axis=1) < room / 2)
    if len(inner):
        first, last = first + int(inner[0]), first + int(inner[-1]) + 1
    yield begin + first, begin + last
    yield from _settled(path, begin, begin + first, ease)
    yield from _settled(path, begin + last, end, ease)


def _stays(path: Array, time_s: Array, first: int, last: int, ease: Array) -> bool:
    """Return whether a stretch is long enough for a contact, and its point does not drift."""
    duration = float(time_s[last - 1] - time_s[first])
    if last - first < _FEWEST_FRAMES or duration < _SHORTEST_S:
        return False
    t = time_s[first:last] - time_s[first:last].mean()
    slope = (t[:, None] * path[first:last]).sum(axis=0) / (t * t).sum()
    room = max(float(ease[first:last].mean()), 1.0)
    return bool(np.linalg.norm(slope[:2]) < room * (_DRIFT_M_S + _DRIFT_M / duration))
