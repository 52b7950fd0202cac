"""Views that take the person's left for right: found by asking the other views, and mended.

Detectors that look at one picture confuse a person's sides when the person is seen from behind or the side, usually
all of the body and for many frames on end. Each view is judged as a whole against the point that the *other* views
triangulate, labels as they are against labels exchanged. All leave-one-out triangulations come from the sum of the
normal equations minus one view's share, so a round costs as much as triangulating: linear in cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.linear import normal_equations, solve3, triangulate_linear, undistort

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Errors count up to this share of the person's size in the picture: about an arm's length of disagreement (a shoulder
# breadth is 0.2 of the body's height) says no more than that something is wrong.
ERROR_CAP = 0.15
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
    """

    swapped: Bools
    tested: Bools


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
        return LeftRightReport(swapped=swapped, tested=np.zeros_like(swapped))
    order = np.searchsorted(np.flatnonzero(paired), mirror[paired])  # the mirror among the paired points alone
    observed_px, weight = xy_px[:, :, paired], weight[:, :, paired]
    observed = undistort(cameras, observed_px)
    cap_px = ERROR_CAP * person_px

    def gains() -> Array:
        return _gains(
            cameras,
            exchange(observed_px, swapped, order),
            exchange(observed, swapped, order),
            exchange(weight, swapped, order),
            cap_px,
            order,
        )

    frames = np.arange(swapped.shape[1])
    for _ in range(MAX_ROUNDS):
        gain = np.nan_to_num(gains())
        worst = gain.argmax(axis=0)
        flip = gain[worst, frames] > MIN_GAIN
        if not flip.any():
            break
        swapped[worst[flip], frames[flip]] ^= True
    # Now the views of each frame agree, if need be on the wrong side.
    mended, mended_weight = exchange(observed, swapped, order), exchange(weight, swapped, order)
    points = triangulate_linear(cameras, mended, mended_weight)
    swapped ^= _turned(points, order, swapped, seen=(weight > 0).any(axis=2))
    # The states over time, by the evidence that is left when the others are mended.
    gain = gains()
    evidence = np.nan_to_num(np.where(swapped, -gain, gain)) - MIN_GAIN
    switch_cost = np.full(swapped.shape[1], SWITCH_COST)
    return LeftRightReport(swapped=_most_likely_states(evidence, switch_cost), tested=np.isfinite(gain))


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
    turned: Bools = _most_likely_states(votes[None], switch_cost)[0]
    return turned


def _gains(cameras: CameraGroup, xy_px: Array, xy: Array, weight: Array, cap_px: Array, mirror: Ints) -> Array:
    """Return by how much each view would agree better if exchanged: (cameras, frames), in caps, NaN: cannot tell."""
    shares = [normal_equations(*view) for view in zip(cameras, xy, weight, strict=True)]
    H_all = sum(H for H, _ in shares)
    g_all = sum(g for _, g in shares)
    gain = np.full(weight.shape[:2], np.nan)
    for c, (camera, (H, g)) in enumerate(zip(cameras, shares, strict=True)):
        expected = camera.project(solve3(H_all - H, g_all - g))
        given = np.linalg.norm(expected - xy_px[c], axis=-1)
        exchanged = np.linalg.norm(expected - xy_px[c][:, mirror], axis=-1)
        better = (np.minimum(given, cap_px[c]) - np.minimum(exchanged, cap_px[c])) / cap_px[c]
        told = np.isfinite(better)
        # At least a quarter of the pairs, or a few stray points would speak for the body.
        enough = told.sum(axis=-1) * 4 >= told.shape[-1]
        total = np.where(told, better, 0.0).sum(axis=-1)
        gain[c] = np.where(enough, total / np.maximum(told.sum(axis=-1), 1), np.nan)
    return gain


def _most_likely_states(evidence: Array, switch_cost: Array) -> Bools:
    """Return the states that gather most evidence less the cost of changes: Viterbi's algorithm.

    Parameters
    ----------
    evidence
        (sequences, frames): speaks for state True where positive.
    switch_cost
        (frames,): what a change from the frame before to this one costs; negative: what staying costs.
    """
    sequences, frames = evidence.shape
    score = np.zeros((sequences, 2))
    stayed = np.zeros((frames, sequences, 2), dtype=bool)
    for frame in range(frames):  # a recursion over time, all sequences at once
        if frame:
            changed = score[:, ::-1] - switch_cost[frame]
            stayed[frame] = score >= changed
            score = np.maximum(score, changed)
        score[:, 1] += evidence[:, frame]
    state = (score[:, 1] > score[:, 0]).astype(np.int64)
    states = np.zeros((sequences, frames), dtype=bool)
    every = np.arange(sequences)
    for frame in reversed(range(frames)):
        states[:, frame] = state == 1
        state = np.where(stayed[frame][every, state], state, 1 - state)
    return states
