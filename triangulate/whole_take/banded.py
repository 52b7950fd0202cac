"""The normal equations of a stretch of frames as banded matrices, one for each group of points that bones connect.

Points that no chain of bones connects know nothing of each other, so the equations fall apart: for a body of 33 points
into its upper half, its lower half and its face. With the unknowns of a group ordered by frame, bones link unknowns of
one frame, and smoothness links each unknown with itself in the next two: the half bandwidth is twice the unknowns of a
frame, and Cholesky's factorisation (G. Golub, C. Van Loan, "Matrix Computations", 4th ed., 4.3.5; LAPACK's dpbtrf)
costs frames x unknowns x bandwidth^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from triangulate.whole_take.terms import UPPER

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Group:
    """Points that bones connect.

    Attributes
    ----------
    points
        Their places among all points, increasing.
    bones
        The places of their bones.
    ends
        (bones of the group, 2): the ends' places within the group.
    """

    points: Ints
    bones: Ints
    ends: Ints


def groups_of(points: Ints, ends: Ints) -> list[Group]:
    """Return the connected groups of `points` under bones between the points `ends` (bones, 2)."""
    place = {int(point): i for i, point in enumerate(points)}
    inside = np.array([[place[int(a)], place[int(b)]] for a, b in ends], dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), shape=(len(points), len(points)))
    count, label = connected_components(links, directed=False)
    groups = []
    for which in range(count):
        members = np.flatnonzero(label == which)
        bones = np.flatnonzero(label[inside[:, 0]] == which) if len(inside) else np.zeros(0, dtype=np.int64)
        groups.append(Group(points[members], bones, np.searchsorted(members, inside[bones])))
    return groups


class NotPositiveError(ArithmeticError):
    """The matrix has a direction along which it does not rise: no Cholesky factor."""


class BandedGroup:
    """Normal equations of one group over a stretch of frames, factorised.

    Parameters
    ----------
    group
        The group.
    curvature
        (6, frames, points of the group): what views say of each point, in the order of `UPPER`.
    bands
        Smoothness's three second derivatives, (frames, points of the group) each.
    spring
        (frames, bones of the group, 3, 3): second derivatives by either end; by both, the same with the other sign.
    kind
        Single precision takes half the time, and is enough for a step that the next one mends.

    Raises
    ------
    NotPositiveError
        If the matrix is not positive definite.
    """

    def __init__(
        self, group: Group, curvature: Array, bands: tuple[Array, Array, Array], spring: Array, kind: type = np.float64
    ) -> None:
        frames, points = curvature.shape[1:]
        n = 3 * points
        # Lower band storage, turned: column[t, j, k] is the matrix's element (row j + k, column j) of frame t.
        column: npt.NDArray[Any] = np.zeros((frames, n, 2 * n + 1), dtype=kind)
        same, next_, after_next = bands
        block = curvature.copy()
        for place, (i, j) in enumerate(UPPER):
            if i == j:
                block[place] += same
        for bone, (a, b) in enumerate(group.ends):
            for place, (i, j) in enumerate(UPPER):
                stiff = spring[:, bone, i, j]
                block[place, :, a] += stiff
                block[place, :, b] += stiff
            low, high = min(a, b), max(a, b)
            for row in range(3):
                for of in range(3):
                    column[:, 3 * low + of, 3 * (high - low) + row - of] -= spring[:, bone, row, of]
        for place, (i, j) in enumerate(UPPER):
            column[:, i::3, j - i] = block[place]
        for axis in range(3):
            column[:, axis::3, n] = next_
            column[:, axis::3, 2 * n] = after_next
        self.shape = (frames, points, 3)
        routine = lapack.spbtrf if kind is np.float32 else lapack.dpbtrf
        self.factor, wrong = routine(column.reshape(frames * n, -1).T, lower=1, overwrite_ab=1)
        if wrong:
            raise NotPositiveError(f"unknown {wrong - 1} of {frames * n}")

    def solve(self, right: Array) -> Array:
        """Solve for right-hand sides (frames, points of the group, 3, ...) and return the same shape."""
        flat = right.reshape(self.shape[0] * self.shape[1] * 3, -1)
        routine = lapack.spbtrs if self.factor.dtype == np.float32 else lapack.dpbtrs
        solution, wrong = routine(self.factor, flat, lower=1)
        if wrong:
            raise ValueError(f"LAPACK's pbtrs refused its argument {-wrong}")
        solved: Array = np.asarray(solution, dtype=np.float64).reshape(right.shape)
        return solved

    def panels(self) -> tuple[Array, Array]:
        """Return the factor's blocks: each frame's own (frames, n, n), lower, and those below (frames, 2 n, n)."""
        frames, n = self.shape[0], 3 * self.shape[1]
        column = self.factor.T.reshape(frames, n * (2 * n + 1))
        size = column.itemsize
        # Element (row, of) of a frame's 3 n rows lies at row + 2 n x of; outside the band that is another column's.
        panel = np.lib.stride_tricks.as_strided(
            np.concatenate([column, np.zeros((frames, n), dtype=column.dtype)], axis=1),
            (frames, 3 * n, n),
            ((n * (2 * n + 1) + n) * size, size, 2 * n * size),
            writeable=False,
        )
        below = np.concatenate([panel[:, n : 2 * n], np.triu(panel[:, 2 * n :])], axis=1)
        return np.tril(panel[:, :n]), below
