"""How certain the points of a stretch are: the blocks of the inverse that belong to each point and to each bone.

The factors of the banded equations are gone through backwards (K. Takahashi, J. Fagan, M. Chin, "Formation of a sparse
bus impedance matrix", 1973; for block bands A. Asif, J. Moura, "Block matrices with L-block-banded inverse", IEEE
Transactions on Signal Processing 53(2), 2005): exact, with everything that bones and smoothness add to the views.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from triangulate.whole_take.banded import BandedGroup, Group
from triangulate.whole_take.stretch import LOSS, Linearised, Stretch
from triangulate.whole_take.terms import UPPER, Smoothness

Array = npt.NDArray[np.float64]

# Frames closer than this are taken together: what is known of a moment is the sum of what some neighbours know, and the
# deviations of a 60 Hz take come out within 2 % of those of single frames.
TOGETHER_S = 1 / 30
# Information of a moment on what nothing determines: a hundred metres of deviation.
UNKNOWN = 1e-4


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
        factor = BandedGroup(group, views, (same, next_, after_next), spring)
        covariance[:, group.points], length_variance[:, group.bones] = _blocks_of_inverse(factor, group, along)
    moment = np.repeat(np.arange(len(starts)), count)
    return Certainty(covariance[moment], length_variance[moment])


def _blocks_of_inverse(factor: BandedGroup, group: Group, direction: Array) -> tuple[Array, Array]:
    """Return each point's block (frames, points, 3, 3) and each bone's variance along it (frames, bones)."""
    frames, points = factor.shape[:2]
    n = 3 * points
    diagonal, below = factor.panels()
    inverse = np.empty((n, n))
    beyond = np.zeros((2 * n, 2 * n))  # of the next two frames; nothing follows the last
    covariance = np.empty((frames, points, 3, 3))
    along = np.empty((frames, len(group.bones)))
    square = inverse.reshape(points, 3, points, 3)
    each = np.arange(points)
    first, second = group.ends[:, 0], group.ends[:, 1]
    for frame in range(frames - 1, -1, -1):  # each frame's block follows from those of the next two
        root, _ = lapack.dtrtri(diagonal[frame].T, lower=0)  # upper: the transpose of the inverse factor
        link = below[frame] @ root.T
        across = beyond @ link
        inverse[:] = root @ root.T + link.T @ across
        covariance[frame] = square[each, :, each, :]
        d = direction[frame]
        joint = square[first, :, second, :]
        ends = covariance[frame, first] + covariance[frame, second] - joint - joint.swapaxes(1, 2)
        along[frame] = np.einsum("bi,bij,bj->b", d, ends, d)
        beyond[n:, n:] = beyond[:n, :n]
        beyond[:n, n:] = -across[:n].T
        beyond[n:, :n] = -across[:n]
        beyond[:n, :n] = inverse
    return covariance, along
