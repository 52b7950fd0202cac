"""The lengths of the bones, from stretches spread over the take: solved together with all points of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triangulate.whole_take.stretch import Stretch

Array = npt.NDArray[np.float64]

# A person's left and right bones differ by less than 1 %, a detector's idea of them by about this share.
TWIN_SHARE = 0.02
MAX_STEPS = 12
# A tenth of a millimetre: a length is known to a millimetre or so.
CONVERGED_M = 1e-4


@dataclass(frozen=True, eq=False)
class Lengths:
    """Lengths (bones,) with their deviations (bones,), as if errors were independent from frame to frame; metres."""

    length_m: Array
    deviation_m: Array


def solve_lengths(
    stretches: Sequence[Stretch], starts: Sequence[Array], length_m: Array
) -> tuple[Lengths, list[Array]]:
    """Minimise over the points of all stretches and the lengths that they share.

    The points are eliminated stretch by stretch (Schur's complement), so that what is left has a bone's length an
    unknown. Twins are drawn towards each other.

    Parameters
    ----------
    stretches
        Under one model.
    starts
        The points of each, (frames, points, 3).
    length_m
        (bones,): where to start.

    Returns
    -------
    tuple
        The lengths, and the points of each stretch.
    """
    model = stretches[0].model
    count = len(model.bones)
    if not count:
        return Lengths(np.zeros(0), np.zeros(0)), list(starts)
    points = list(starts)
    information = np.zeros((count, count))
    for stretch, xyz in zip(stretches, starts, strict=True):
        stretch.views.linearise_lenses(xyz)
    for _ in range(MAX_STEPS):
        information, gradient = _twin_terms(length_m, model.bones.twin)
        kept = []
        for stretch, xyz in zip(stretches, points, strict=True):
            at = stretch.linearise(xyz, length_m, full=False)
            frames = len(xyz)
            step, by_length = np.empty(xyz.shape), []
            gradient -= (stretch.weight * at.bones.residual_m).sum(axis=0)
            for group, factor in zip(model.groups, stretch.factorised(at), strict=True):
                bones = group.bones
                right = np.zeros((frames, len(group.points), 3, len(bones) + 1))
                right[..., -1] = -at.gradient[:, group.points]
                for place, (first, second) in enumerate(group.ends):
                    pull = stretch.weight[bones[place]] * at.bones.direction[:, bones[place]]
                    right[:, first, :, place] += pull
                    right[:, second, :, place] -= pull
                solved = factor.solve(right)
                rows = frames * len(group.points) * 3
                flat = right[..., :-1].reshape(rows, len(bones))
                across = flat.T @ solved.reshape(rows, len(bones) + 1)
                information[bones[:, None], bones] += np.diag(frames * stretch.weight[bones]) - across[:, :-1]
                gradient[bones] += across[:, -1]
                step[:, group.points] = solved[..., -1]
                by_length.append(solved[..., :-1])
            kept.append((step, by_length))
        change = -np.linalg.solve(information, gradient)
        length_m = length_m + change
        for place, (step, by_length) in enumerate(kept):
            for group, solved in zip(model.groups, by_length, strict=True):
                step[:, group.points] -= solved @ change[group.bones]
            points[place] = points[place] + step
        if np.abs(change).max() < CONVERGED_M:
            break
    deviation = np.sqrt(np.diag(np.linalg.inv(information)))
    return Lengths(length_m, deviation), points


def _twin_terms(length_m: Array, twin: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Return second derivatives (bones, bones) and gradient (bones,) of what draws twins towards each other."""
    count = len(length_m)
    information, gradient = np.zeros((count, count)), np.zeros(count)
    bones = np.flatnonzero(twin > np.arange(count))
    other = twin[bones]
    weight = 1 / (TWIN_SHARE * (length_m[bones] + length_m[other]) / 2) ** 2
    information[bones, bones] += weight
    information[other, other] += weight
    information[bones, other] -= weight
    information[other, bones] -= weight
    gradient[bones] += weight * (length_m[bones] - length_m[other])
    gradient[other] -= weight * (length_m[bones] - length_m[other])
    return information, gradient
