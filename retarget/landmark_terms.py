"""What a data term tells a solver about landmarks, whatever was observed of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LandmarkTerms:
    """A robust cost and its derivatives by the landmarks' positions in the world.

    Attributes
    ----------
    cost
        (frames,), half the sum of the loss over the frame's observations, which are in standard deviations.
    gradient
        (frames, landmarks, 3), the cost's derivative, per metre.
    information
        (frames, landmarks, 3, 3), its Gauss-Newton second derivative, per square metre.
    """

    cost: Array
    gradient: Array
    information: Array

    def plus(self, other: LandmarkTerms) -> LandmarkTerms:
        """Return the sum of two terms."""
        return LandmarkTerms(
            self.cost + other.cost, self.gradient + other.gradient, self.information + other.information
        )

    def beside(self, other: LandmarkTerms) -> LandmarkTerms:
        """Return the terms of these points and of others, one after the other."""
        return LandmarkTerms(
            self.cost + other.cost,
            np.concatenate([self.gradient, other.gradient], axis=1),
            np.concatenate([self.information, other.information], axis=1),
        )

    def scaled(self, share: float) -> LandmarkTerms:
        """Return the terms of observations that count less, or more."""
        if share == 1.0:
            return self
        return LandmarkTerms(share * self.cost, share * self.gradient, share * self.information)
