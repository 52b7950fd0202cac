"""Contact with the ground as a term of the whole-take fit: feet that stand stay where they are, none sinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.kinematics import Placed, attached
from retarget.landmark_terms import LandmarkTerms

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ground:
    """Points of the feet, where they stand while they do, and the floor below which none goes.

    Attributes
    ----------
    joint, offset_m
        (points,) and (points, 3): where each point sits, in its joint's axes, metres.
    target_m
        (frames, points, 3), where the point stands, world; any number where it does not.
    weight
        (frames, points, 3), 1 / variance of each coordinate, per square metre; zero where the point does not stand.
    floor_m
        (points,), the height that a point does not go below; minus infinity without a floor.
    floor_weight
        1 / variance of a height below.
    """

    joint: Indices
    offset_m: Array
    target_m: Array
    weight: Array
    floor_m: Array
    floor_weight: float

    def __getitem__(self, frames: slice | Indices) -> Ground:
        """Return the ground of some of the frames."""
        return Ground(
            self.joint, self.offset_m, self.target_m[frames], self.weight[frames], self.floor_m, self.floor_weight
        )

    def place(self, placed: Placed) -> Array:
        """Return the points (frames, points, 3) in the world."""
        return attached(placed.joint_m, placed.matrix, self.joint, self.offset_m)

    def terms(self, points: Array) -> LandmarkTerms:
        """Weigh the points' places (frames, points, 3)."""
        difference = np.where(self.weight > 0, points - self.target_m, 0.0)
        gradient = self.weight * difference
        information = self.weight[..., None] * np.eye(3)
        below = np.minimum(points[..., 2] - self.floor_m, 0.0)
        gradient[..., 2] += self.floor_weight * below
        information[..., 2, 2] += np.where(below < 0, self.floor_weight, 0.0)
        cost = (self.weight * difference**2).sum(axis=(1, 2)) + self.floor_weight * (below * below).sum(axis=1)
        return LandmarkTerms(0.5 * cost, gradient, information)
