"""Which points of a body keep their distance, and how exactly a detector's points do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skeleton.joint_sets import JointSet, available_joint_sets, load_joint_set

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bones:
    """Pairs of points whose distance stays the same.

    Attributes
    ----------
    ends
        (bones, 2): places of the ends among the points.
    twin
        (bones,): the place of the same bone on the other side; its own where there is none.
    """

    ends: Ints
    twin: Ints

    def __len__(self) -> int:
        return len(self.ends)

    def among(self, points: npt.NDArray[np.bool_]) -> Bones:
        """Return the bones whose ends are both among `points` (points,), with places as before."""
        return self.taken(points[self.ends].all(axis=1))

    def taken(self, keep: npt.NDArray[np.bool_]) -> Bones:
        """Return the bones to `keep` (bones,)."""
        new = np.cumsum(keep) - 1
        twin = np.where(keep[self.twin], new[self.twin], new)
        return Bones(self.ends[keep], twin[keep])


def bones_of(names: Sequence[str]) -> Bones:
    """Return the rigid pairs of the joint set whose points these are; no bones where no set has these points.

    A set fits if all its points are among the names; the set of most points is taken, and further names have no bones.
    """
    here = set(names)
    fitting = [one for one in map(load_joint_set, available_joint_sets()) if here.issuperset(one.points)]
    if not fitting:
        return Bones(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64))
    best = max(fitting, key=lambda one: len(one.points))
    pairs = best.rigid_pairs
    place = {name: index for index, name in enumerate(names)}
    ends = np.array([[place[a], place[b]] for a, b in pairs], dtype=np.int64).reshape(-1, 2)
    return Bones(ends, _twins(best, pairs))


def _twins(joints: JointSet, pairs: Sequence[tuple[str, str]]) -> Ints:
    other = dict(joints.left_right) | {right: left for left, right in joints.left_right}
    place = {frozenset(pair): index for index, pair in enumerate(pairs)}
    mirrored = [frozenset(other.get(point, point) for point in pair) for pair in pairs]
    return np.array([place.get(pair, index) for index, pair in enumerate(mirrored)], dtype=np.int64)
