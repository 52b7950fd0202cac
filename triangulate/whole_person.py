"""Whole persons across views, before single joints: which views show somebody else, or nonsense, and when.

A camera that follows a bystander for half of a take is wrong in all of its points at once, in a way that no test of
single points survives: two such views of four agree with each other now and then. So each view's person is judged as a
whole, over stretches of time. A few moments a second, the views either agree all, or the largest group that does is
looked for: every pair of cameras (of more than six, pairs far apart) puts the person in space, with left and right as
detected or exchanged in one of the two, and the place that most views agree with wins (the idea of M. Fischler,
R. Bolles, "Random sample consensus", 1981, with all pairs instead of random ones). The views that disagree with it take
no part in mending left and right; that step then judges every frame of every view (`triangulate.left_right`), and the
stretches in which a view is wrong follow from its evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from calib.cameras import CameraGroup
from triangulate.left_right import ERROR_CAP, MAX_SPREAD
from triangulate.sight_lines import SightLines, shared_trace, sight_lines, solve_with_spread, summed
from triangulate.states import most_likely_states

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Moments a second at which the views are compared: who steps in front of whom takes longer than an eighth of a second.
MOMENTS_HZ = 8.0
# A view agrees whose points are off by less than this (mean over the person, in caps of `ERROR_CAP`, 0.15 of the
# person's size). Right views of the walk4 recording have 0.05 to 0.35 (its third camera, 0.8 degrees off, 0.2 to 0.35),
# mirrored ones (against labels as they are) 0.6 to 0.8, other people 0.8 to 1.
WRONG = 0.4
# And by less than so many times the median of the others: where all detect badly, nobody is to blame.
AMONG_OTHERS = 1.7
# What a change from right to wrong costs, in the same unit: a frame whose points are all beyond the cap says 0.6.
SWITCH_COST = 0.4
# Where nobody disagrees by more than this, there is no other group to look for.
DOUBTFUL = 0.3
# Exchanged labels have to fit better by this before they are preferred.
AS_GIVEN = 0.03
# Pairs are chosen over so many seconds together, in which who is right does not change often.
TOGETHER_S = 1.0
# All pairs up to so many cameras; with more, as many pairs as there are cameras, each a quarter of the ring apart.
ALL_PAIRS_OF = 6


@dataclass(frozen=True, eq=False)
class _Moments:
    """The views at some moments: lines of sight (cameras, moments x points) and what they weigh."""

    lines: SightLines
    shares: Array
    weight: Array
    unit: Array  # (cameras,): the weight of a full confidence
    cap_px: Array
    mirror: Ints

    @property
    def points(self) -> int:
        return len(self.mirror)

    def of(self, moments: Ints) -> _Moments:
        """Return some of the moments."""
        columns = (moments[:, None] * self.points + np.arange(self.points)).reshape(-1)
        return _Moments(
            self.lines.of(columns),
            self.shares[..., columns],
            self.weight[:, columns],
            self.unit,
            self.cap_px,
            self.mirror,
        )

    def mirrored(self, values: Array) -> Array:
        """Exchange left and right in values (..., moments x points)."""
        exchanged: Array = values.reshape(*values.shape[:-1], -1, self.points)[..., self.mirror].reshape(values.shape)
        return exchanged

    def disagreement(self, equations: Array) -> tuple[Array, Bools]:
        """Return how far every view is from the points that solve normal equations: (cameras, moments), in caps.

        1: as wrong as can be; NaN where a view sees too little of the points to tell. Also whether labels fit better
        when exchanged.
        """
        xyz, inverse = solve_with_spread(equations)
        x, y, _ = self.lines.project(xyz)
        known = shared_trace(self.shares[:6], inverse[:, None]) * self.unit[:, None] < MAX_SPREAD
        swapped_lines = SightLines(
            self.lines.T_cam_world, self.mirrored(self.lines.xy), self.mirrored(self.lines.factor)
        )
        error = np.stack([self._capped(lines, x, y, known) for lines in (self.lines, swapped_lines)])
        exchanged = error[1] < error[0] - AS_GIVEN
        return np.where(exchanged, error[1], error[0]), exchanged

    def _capped(self, lines: SightLines, x: Array, y: Array, known: Bools) -> Array:
        told = (lines.seen & known).reshape(len(self.cap_px), -1, self.points)
        distance = np.sqrt(lines.squared_px(x, y)) / self.cap_px[:, None]
        distance = np.minimum(np.nan_to_num(distance, nan=1.0), 1.0).reshape(told.shape)
        count = told.sum(axis=-1)
        # At least a quarter of the points, or a few stray ones would speak for the body.
        mean = np.where(told, distance, 0.0).sum(axis=-1) / np.maximum(count, 1)
        return np.where(count * 4 >= self.points, mean, np.nan)


def wrong_at_moments(
    cameras: CameraGroup, xy_px: Array, weight: Array, person_px: Array, mirror: Ints, time_s: Array
) -> Bools:
    """Return the frames, (cameras, frames), around moments at which a view disagrees with the group that agrees.

    Parameters
    ----------
    cameras
        The views, three or more; of two, neither can be called wrong.
    xy_px, weight
        (cameras, frames, points, 2), NaN where not observed, and (cameras, frames, points), 0 where not observed.
    person_px
        (cameras,): size of the person in each picture.
    mirror
        (points,), from `triangulate.left_right.mirror_order`.
    time_s
        (frames,).
    """
    count, frames = weight.shape[:2]
    wrong = np.zeros((count, frames), dtype=bool)
    if count < 3:
        return wrong
    interval_s = float(np.median(np.diff(time_s))) if frames > 1 else 1.0
    step = max(1, round(1 / (MOMENTS_HZ * interval_s)))
    at = np.arange(step // 2 if frames > step else 0, frames, step)
    unit = np.array([camera.matrix[0, 0] for camera in cameras]) ** -2.0
    lines = sight_lines(cameras, xy_px[:, at].reshape(count, -1, 2))
    flat = np.where(lines.seen, weight[:, at].reshape(count, -1), 0.0) * unit[:, None]
    every = _Moments(lines, lines.equations(), flat, unit, ERROR_CAP * person_px, mirror)
    errors = _from_others(every, np.ones((count, len(at)), dtype=bool), np.zeros((count, len(at)), dtype=bool))
    doubtful = np.flatnonzero((errors > DOUBTFUL).any(axis=0))
    if not len(doubtful):
        return wrong
    some = every.of(doubtful)
    members, exchanged = _largest_group(some, round(TOGETHER_S / (step * interval_s)))
    bad = np.zeros((count, len(at)), dtype=bool)
    bad[:, doubtful] = _excess(_from_others(some, members, exchanged)) > 0
    # Also between this moment and the next ones: where exactly it begins and ends, every frame tells later.
    around = maximum_filter1d(bad, 3, axis=1) if bad.shape[1] > 1 else bad
    nearest = np.clip(np.round((np.arange(frames) - at[0]) / step).astype(int), 0, len(at) - 1)
    wrong[:] = around[:, nearest]
    return wrong


def wrong_stretches(disagreement: Array, seen: Bools, allowed: Array) -> Bools:
    """Return the frames in which views are wrong, (cameras, frames), from how far they disagree with the others.

    In no frame are fewer than two views left that see somebody.

    Parameters
    ----------
    disagreement
        (cameras, frames): `triangulate.left_right.LeftRightReport.disagreement`, NaN where nothing is known.
    seen
        (cameras, frames): the view sees somebody.
    allowed
        (cameras,): what is known to be off with each camera all the time, in the same unit.
    """
    evidence = np.nan_to_num(_excess(np.maximum(disagreement - allowed[:, None], 0.0)))
    wrong: Bools = most_likely_states(evidence, np.full(disagreement.shape[1], SWITCH_COST)) & seen
    enough = (seen & ~wrong).sum(axis=0) >= 2
    return np.asarray(wrong & enough)


def _excess(errors: Array) -> Array:
    """Return by how much views (cameras, n) disagree more than right ones may; NaN where nothing is known."""
    limit = np.full(errors.shape, WRONG)
    known = np.isfinite(errors)
    for c in range(len(errors)):
        others = np.sort(np.where(known, errors, np.inf)[np.arange(len(errors)) != c], axis=0)
        # The lower median of those that are known.
        count = np.isfinite(others).sum(axis=0)
        median = others[np.maximum(count - 1, 0) // 2, np.arange(errors.shape[1])]
        limit[c] = np.maximum(WRONG, np.where(count > 0, AMONG_OTHERS * median, 0.0))
    return np.asarray(errors - np.minimum(limit, (1 + WRONG) / 2))


def _from_others(moments: _Moments, members: Bools, exchanged: Bools) -> Array:
    """Return how far views disagree with the other members of a group: (cameras, moments), NaN: unknown."""
    repeated = np.repeat(members, moments.points, axis=1)
    weight = np.where(repeated, moments.weight, 0.0)
    shares = moments.shares
    if exchanged.any():
        where = np.repeat(exchanged, moments.points, axis=1)
        weight = np.where(where, moments.mirrored(weight), weight)
        shares = np.where(where, moments.mirrored(shares), shares)
    total = summed(shares, weight)
    errors = np.full(members.shape, np.nan)
    for c in range(len(members)):
        error, _ = moments.disagreement(total - shares[:, c] * weight[c])
        errors[c] = error[c]
    return errors


def _largest_group(moments: _Moments, together: int) -> tuple[Bools, Bools]:
    """Return the views that agree with the best pair's points, and whether their labels are exchanged against it."""
    count, frames = len(moments.cap_px), moments.weight.shape[1] // moments.points
    mirrored_shares, mirrored_weight = moments.mirrored(moments.shares), moments.mirrored(moments.weight)
    sees = (moments.weight > 0).reshape(count, frames, -1).any(axis=-1)
    costs, errors, labels = [], [], []
    for first, second in _pairs(count):
        options = []
        for shares, weight in ((moments.shares, moments.weight), (mirrored_shares, mirrored_weight)):
            pair = moments.shares[:, first] * moments.weight[first] + shares[:, second] * weight[second]
            error, exchanged = moments.disagreement(pair)
            # Who sees nobody has no say; where the pair sees nobody, everybody disagrees.
            cost = np.where(sees, np.nan_to_num(error, nan=1.0), 0.0).sum(axis=0)
            options.append((cost, error, exchanged))
        better = options[1][0] < options[0][0] - AS_GIVEN
        cost, error, exchanged = (np.where(better, b, a) for a, b in zip(*options, strict=True))
        costs.append(uniform_filter1d(cost, max(1, min(together, frames)), mode="nearest"))
        errors.append(error)
        labels.append(exchanged)
    best = np.argmin(costs, axis=0)
    every = np.arange(frames)
    error = np.moveaxis(np.stack(errors), 0, -1)[:, every, best]
    exchanged = np.moveaxis(np.stack(labels), 0, -1)[:, every, best]
    return error <= WRONG, exchanged


def _pairs(count: int) -> list[tuple[int, int]]:
    if count <= ALL_PAIRS_OF:
        return list(combinations(range(count), 2))
    apart = max(1, round(count / 4))
    return [(first, (first + apart) % count) for first in range(count)]
