"""How certain the points of a stretch are: the blocks of the inverse that belong to each point and to each bone.

Exact, with everything that bones and smoothness add to the views: the blocks come from two factorisations, from the
first frame on and from the last one back (the two-filter smoother: D. Fraser, J. Potter, "The optimum linear smoother
as a combination of two optimum linear filters", IEEE Transactions on Automatic Control 14(4), 1969). Going through one
of them backwards (K. Takahashi et al., 1973) is a little quicker, but where bones hold what no view sees for seconds,
rounding errors grow from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triangulate.whole_take.banded import BandedGroup, Group
from triangulate.whole_take.stretch import LOSS, Linearised, Stretch
from triangulate.whole_take.terms import UPPER, Smoothness

Array = npt.NDArray[np.float64]

# Frames closer than this are taken together: what is known of a moment is the sum of what some neighbours know, and the
# deviations of a 60 Hz take come out within 2 % of those of single frames.
TOGETHER_S = 1 / 30
# Information of a moment on what nothing determines: five metres of deviation, of which smoothing leaves a metre, too
# much for any position to be kept.
UNKNOWN = 0.04


@dataclass(frozen=True, eq=False)
class Certainty:
    """Covariances of the points (frames, points, 3, 3) and variances of the bones' lengths (frames, bones), m^2."""

    covariance_m2: Array
    length_variance_m2: Array


def certainty(stretch: Stretch, at: Linearised) -> Certainty:
    """Return how certain the points are at the solution `at` of a stretch, errors taken for independent."""
    model = stretch.model
    frames, points = at.curvature.shape[1:]
    together = max(1, round(TOGETHER_S / float(np.median(np.diff(stretch.time_s)))))
    together = min(together, max(1, frames // 3))
    starts = np.arange(0, frames - together + 1, together)  # the last moment takes the frames that are left over
    count = np.diff(np.append(starts, frames))
    time_s = np.add.reduceat(stretch.time_s, starts) / count
    curvature = np.add.reduceat(at.curvature, starts, axis=1) * LOSS.information()
    direction = np.add.reduceat(at.bones.direction, starts)
    direction /= np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-9)
    bands = Smoothness(time_s, model.density).bands()
    covariance = np.empty((len(starts), points, 3, 3))
    length_variance = np.empty((len(starts), len(model.bones)))
    # The mean number of frames stands for all: only the last moment may have more.
    weight = stretch.weight * frames / len(starts)
    for group in model.groups:
        along = direction[:, group.bones]
        spring = weight[group.bones, None, None] * (along[..., :, None] * along[..., None, :])
        same, next_, after_next = (band[:, group.points] for band in bands)
        views = curvature[:, :, group.points]
        for place, (i, j) in enumerate(UPPER):
            if i == j:
                views[place] += UNKNOWN
        factors = _factorised(group, views, (same, next_, after_next), spring)
        covariance[:, group.points], length_variance[:, group.bones] = _blocks_of_inverse(*factors, group, along)
    moment = np.repeat(np.arange(len(starts)), count)
    return Certainty(covariance[moment], length_variance[moment])


def _factorised(
    group: Group, curvature: Array, bands: tuple[Array, Array, Array], spring: Array
) -> tuple[BandedGroup, BandedGroup]:
    """Return the equations factorised from the first frame on, and from the last frame back."""
    same, next_, after_next = bands
    turned = same[::-1], np.roll(next_[::-1], -1, axis=0), np.roll(after_next[::-1], -2, axis=0)
    onward = BandedGroup(group, curvature, bands, spring)
    return onward, BandedGroup(group, curvature[:, ::-1], turned, spring[::-1])


def _blocks_of_inverse(onward: BandedGroup, back: BandedGroup, group: Group, direction: Array) -> tuple[Array, Array]:
    """Return each point's block (frames, points, 3, 3) and each bone's variance along it (frames, bones).

    Two frames that follow each other know of what came before by the first factor, and of what comes after by the
    second. What is left is their own matrix, to be inverted.
    """
    frames, points = onward.shape[:2]
    n = 3 * points
    diagonal, below = onward.panels()
    _, beyond = back.panels()
    beyond = beyond[::-1]  # of frame t: what it tells of frame t - 1, then of t - 2
    start = np.append(np.arange(0, frames - 1, 2), frames - 2)
    pair = np.zeros((len(start), 2 * n, 2 * n))
    root = np.zeros_like(pair)
    root[:, :n, :n] = diagonal[start]
    root[:, n:, :n] = below[start, :n]
    root[:, n:, n:] = diagonal[start + 1]
    np.matmul(root, root.swapaxes(1, 2), out=pair)
    one = np.flatnonzero(start + 2 < frames)
    told = np.concatenate([beyond[start[one] + 2, n:], beyond[start[one] + 2, :n]], axis=1)
    pair[one] -= told @ told.swapaxes(1, 2)
    two = np.flatnonzero(start + 3 < frames)
    told = beyond[start[two] + 3, n:]
    pair[two, n:, n:] -= told @ told.swapaxes(1, 2)
    inverse = np.linalg.inv(pair).reshape(len(start), 2, points, 3, 2, points, 3)
    covariance = np.empty((frames, points, 3, 3))
    along = np.empty((frames, len(group.bones)))
    first, second = group.ends[:, 0], group.ends[:, 1]
    each = np.arange(points)
    for later in (0, 1):
        square = inverse[:, later, :, :, later]
        # Places that stand apart come first: (points, pairs, 3, 3).
        covariance[start + later] = square[:, each, :, each].swapaxes(0, 1)
        joint = square[:, first, :, second].swapaxes(0, 1)
        ends = covariance[start + later][:, first] + covariance[start + later][:, second] - joint
        ends -= joint.swapaxes(2, 3)
        d = direction[start + later]
        along[start + later] = np.einsum("fbi,fbij,fbj->fb", d, ends, d)
    return covariance, along
