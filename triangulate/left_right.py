"""Views that take the person's left for right: found by asking the other views, and mended.

Detectors that look at one picture confuse a person's sides when the person is seen from behind or the side, usually
all of the body and for many frames on end. Each view is judged as a whole against the point that the *other* views
triangulate, labels as they are against labels exchanged. All leave-one-out triangulations come from the sum of the
normal equations minus one view's share, so a round costs as much as triangulating: linear in cameras. Rounds after the
first look only at frames in which something was exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.refine import POINTS_IN_CACHE
from triangulate.sight_lines import SightLines, shared_trace, sight_lines, solve_planes, solve_with_spread, summed
from triangulate.states import most_likely_states

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Errors count up to this share of the person's size in the picture: about an arm's length of disagreement (a shoulder
# breadth is 0.2 of the body's height) says no more than that something is wrong.
ERROR_CAP = 0.15
# Where the other views place the point across this view's picture with more than this variance, in units of an
# observation's (its two coordinates together have 2), they cannot judge it: two cameras that face each other, say.
MAX_SPREAD = 8.0
# By how much (in caps, mean over the pairs) exchanged labels must agree better than the given ones before a view is
# flipped. walk4, cam02: swapped frames score 0.53 to 0.57, right ones -0.41 to -0.69, three half-swapped ones between.
MIN_GAIN = 0.05
# What a change of state from one frame to the next costs, in the same unit: a single frame must score this twice to
# stand alone, weak evidence has to last.
SWITCH_COST = 0.1
# What a person who turns round within one frame costs, in shares of the views: as much as two frames with all swapped.
CONTINUITY = 2.0
# Judging a view by others of which some are swapped themselves needs repeating; each round flips at most one view a
# frame for good.
MAX_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class LeftRightReport:
    """Which views were swapped.

    Attributes
    ----------
    swapped
        (cameras, frames): the labels of this view were exchanged.
    tested
        (cameras, frames): enough other views (two) saw the person to judge this one.
    disagreement
        (cameras, frames): how far the mended view is from where the others see the person, mean over the points that
        have a left and a right, in caps of `ERROR_CAP` of the person's size: 1 is as wrong as can be; NaN: not tested.
    """

    swapped: Bools
    tested: Bools
    disagreement: Array


def mirror_order(names: tuple[str, ...]) -> Ints:
    """Return the order of points that exchanges left and right: (points,) of int.

    A pair differs by the word: `left_hip` and `right_hip`, `mouth_left` and `mouth_right`.
    """
    order = np.arange(len(names))
    place = {name: i for i, name in enumerate(names)}
    for name, i in place.items():
        words = name.split("_")
        other = place.get("_".join("right" if word == "left" else word for word in words))
        if "left" in words and other is not None:
            order[i], order[other] = other, i
    return order


def exchange(values: Array, swapped: Bools, mirror: Ints) -> Array:
    """Exchange left and right where a view is swapped.

    Parameters
    ----------
    values
        (cameras, frames, points, ...).
    swapped
        (cameras, frames).
    mirror
        (points,), from `mirror_order`.
    """
    where = swapped.reshape(*swapped.shape, *(1,) * (values.ndim - 2))
    return np.where(where, values[:, :, mirror], values)


def find_swaps(cameras: CameraGroup, xy_px: Array, weight: Array, person_px: Array, mirror: Ints) -> LeftRightReport:
    """Find the frames in which a view has left and right exchanged.

    Assumes that over each stretch in which the person is seen without a break, fewer views are swapped than right: in
    single frames it may be otherwise, as the person does not turn round from one frame to the next. Judges the whole
    body; a view that exchanges the legs only is left to the outlier test of single points.

    Parameters
    ----------
    cameras
        The views.
    xy_px
        (cameras, frames, points, 2), pixels, NaN where not observed.
    weight
        (cameras, frames, points), 0 where not observed.
    person_px
        (cameras,): size of the person in each picture.
    mirror
        (points,), from `mirror_order`; points that are their own mirror do not vote.
    """
    paired = mirror != np.arange(len(mirror))
    swapped = np.zeros(xy_px.shape[:2], dtype=bool)
    if len(cameras) < 3 or not paired.any():
        return LeftRightReport(swapped, np.zeros_like(swapped), np.full(swapped.shape, np.nan))
    order = np.searchsorted(np.flatnonzero(paired), mirror[paired])  # the mirror among the paired points alone
    gain, apart = np.full(swapped.shape, np.nan), np.full(swapped.shape, np.nan)
    points = np.full((swapped.shape[1], len(order), 3), np.nan)
    at_once = max(1, POINTS_IN_CACHE // len(order))
    for start in range(0, swapped.shape[1], at_once):
        part = slice(start, start + at_once)
        people = _People.of(cameras, xy_px[:, part][:, :, paired], weight[:, part][:, :, paired])
        swapped[:, part], gain[:, part], apart[:, part], points[part] = _agreed(people, ERROR_CAP * person_px, order)
    # Now the views of each frame agree, if need be on the wrong side.
    swapped ^= _turned(points, order, swapped, seen=(weight[:, :, paired] > 0).any(axis=2))
    # The states over time, by the evidence that is left when the others are mended. (It is the same whether all views
    # of a frame are exchanged or none.)
    evidence = np.nan_to_num(np.where(swapped, -gain, gain)) - MIN_GAIN
    switch_cost = np.full(swapped.shape[1], SWITCH_COST)
    return LeftRightReport(most_likely_states(evidence, switch_cost), np.isfinite(gain), apart)


@dataclass(frozen=True, eq=False)
class _People:
    """Lines of sight of all views over some frames, (cameras, frames x points), and what they weigh."""

    lines: SightLines
    shares: Array
    weight: Array
    unit: Array  # (cameras,): the weight of a full confidence
    points: int

    @classmethod
    def of(cls, cameras: CameraGroup, xy_px: Array, weight: Array) -> _People:
        """Take the views; errors count as they are in space at equal distance: over the focal length."""
        unit = np.array([camera.matrix[0, 0] for camera in cameras]) ** -2.0
        weight = weight * unit[:, None, None]
        count, frames, points = weight.shape
        lines = sight_lines(cameras, xy_px.reshape(count, frames * points, 2))
        seen_weight = np.where(lines.seen, weight.reshape(count, -1), 0.0)
        return cls(lines, lines.equations(), seen_weight, unit, points)

    def exchanged(self, swapped: Bools, mirror: Ints, frames: Ints) -> _People:
        """Return some frames (n,), left and right exchanged where `swapped` (cameras, n)."""
        columns = (frames[:, None] * self.points + np.arange(self.points)).reshape(-1)
        mirrored = (frames[:, None] * self.points + mirror).reshape(-1)
        place = np.where(np.repeat(swapped, self.points, axis=1), mirrored, columns)
        camera = np.arange(len(swapped))[:, None]
        lines = SightLines(self.lines.T_cam_world, self.lines.xy[:, camera, place], self.lines.factor[:, camera, place])
        return _People(lines, self.shares[:, camera, place], self.weight[camera, place], self.unit, self.points)


def _agreed(people: _People, cap_px: Array, mirror: Ints) -> tuple[Bools, Array, Array, Array]:
    """Flip views until those of each frame agree.

    Return what was flipped (cameras, frames), the gains and the disagreement that are left, and the points (frames,
    points, 3).
    """
    count, frames = len(people.weight), people.weight.shape[1] // people.points
    swapped = np.zeros((count, frames), dtype=bool)
    gain, apart = np.full((count, frames), np.nan), np.full((count, frames), np.nan)
    points = np.full((frames, people.points, 3), np.nan)
    open_ = np.arange(frames)
    for turn in range(MAX_ROUNDS + 1):
        now = people if turn == 0 else people.exchanged(swapped[:, open_], mirror, open_)
        gain[:, open_], apart[:, open_], points[open_] = _gains(now, cap_px, mirror)
        known = np.nan_to_num(gain[:, open_])
        worst = known.argmax(axis=0)
        flip = known[worst, np.arange(len(open_))] > MIN_GAIN
        if turn == MAX_ROUNDS or not flip.any():
            break
        open_ = open_[flip]
        swapped[worst[flip], open_] ^= True
    return swapped, gain, apart, points


def _turned(points_m: Array, mirror: Ints, swapped: Bools, seen: Bools) -> Bools:
    """Return the frames (frames,) in which all views have to be exchanged.

    Few swapped views speak for a frame's choice; that its lines from right to left go on as in the frame before, for
    both being right or both wrong.
    """
    across = points_m - points_m[:, mirror]
    length = np.linalg.norm(across, axis=-1)
    dot = (across[1:] * across[:-1]).sum(axis=-1)
    known = np.isfinite(dot)
    going_on = np.where(known, dot, 0.0).sum(axis=1)
    going_on /= np.maximum(np.where(known, length[1:] * length[:-1], 0.0).sum(axis=1), 1e-12)
    votes = np.where(seen, np.where(swapped, 1.0, -1.0), 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    switch_cost = np.concatenate([[0.0], CONTINUITY * going_on])
    turned: Bools = most_likely_states(votes[None], switch_cost)[0]
    return turned


def _gains(people: _People, cap_px: Array, mirror: Ints) -> tuple[Array, Array, Array]:
    """Return by how much each view would agree better if exchanged: (cameras, frames), in caps, NaN: cannot tell.

    Also return how far each view is off, in caps, with the labels that fit better, and where all views together see
    the points: (frames, points, 3).
    """
    lines, weight = people.lines, people.weight
    total = summed(people.shares, weight)
    points = np.moveaxis(solve_planes(total).reshape(3, -1, people.points), 0, -1)
    gain = np.full((len(weight), len(points)), np.nan)
    apart = np.full(gain.shape, np.nan)
    across = (np.arange(len(points))[:, None] * people.points + mirror).reshape(-1)
    for c in range(len(weight)):
        alone = SightLines(lines.T_cam_world[c : c + 1], lines.xy[:, c : c + 1], lines.factor[:, c : c + 1])
        expected, inverse = solve_with_spread(total - people.shares[:, c] * weight[c])
        x, y, _ = alone.project(expected)
        known = shared_trace(people.shares[:6, c], inverse) * people.unit[c] < MAX_SPREAD
        given = np.minimum(_distance_px(alone, x, y) / cap_px[c], 1.0).reshape(-1, people.points)
        exchanged = np.minimum(_distance_px(alone.of(across), x, y) / cap_px[c], 1.0).reshape(given.shape)
        told = np.isfinite(given) & np.isfinite(exchanged)
        gain[c] = _mean(given - exchanged, told)
        told &= known.reshape(given.shape)
        apart[c] = np.fmin(_mean(given, told), _mean(exchanged, told))
    return gain, apart, points


def _mean(values: Array, told: Bools) -> Array:
    """Return the mean (frames,) of values (frames, points) that are told."""
    count = told.sum(axis=-1)
    # At least a quarter of the pairs, or a few stray points would speak for the body.
    count = np.where(count * 4 >= told.shape[-1], np.maximum(count, 1), np.nan)
    mean: Array = np.where(told, values, 0.0).sum(axis=-1) / count
    return mean


def _distance_px(lines: SightLines, x: Array, y: Array) -> Array:
    """Return how far one view's observations are from x, y (1, points): (points,), NaN where not observed."""
    distance: Array = np.where(lines.seen, np.sqrt(lines.squared_px(x, y)), np.nan)[0]
    return distance
