"""The loss that forgets gross errors, with what Newton's method and honest deviations need to know of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Redescending:
    """Geman and McClure's loss of the squared error s in deviations: s / (1 + s / scale^2).

    Source: S. Geman, D. McClure, "Statistical methods for tomographic image reconstruction", 1987.

    Attributes
    ----------
    scale
        Deviations at which an error counts half of its square.
    """

    scale: float

    def rho(self, s: Array) -> Array:
        """Return the loss."""
        return s / (1 + s / self.scale**2)

    def weight_and_bend(self, s: Array) -> tuple[Array, Array]:
        """Return the first derivative by s, and twice the second, which is negative.

        With the error e and its derivative J, half the loss has the gradient weight J'e and the second derivative
        J' (weight 1 + bend e e') J. Along e that would be negative beyond scale / sqrt(3) deviations: there it is kept
        at zero, so that a step always leads downhill.
        """
        root = 1 / (1 + s * (1 / self.scale**2))
        weight = root * root
        bend = (-4 / self.scale**2) * weight * root
        return weight, np.maximum(bend, -weight / np.maximum(s, 1e-12))

    def information(self) -> float:
        """Return what the mean second derivative must be multiplied by to be the inverse of an estimate's covariance.

        For errors that are Gaussian of deviation 1: A^-1 B A^-1 is the covariance of an M-estimate, A being the mean
        second derivative and B the mean square of the gradient (P. Huber, "Robust Statistics", 1981, 6.3), a
        coordinate. So it is A / B.
        """
        s = (np.arange(80_000) + 0.5) / 1000
        share = 0.5 * np.exp(-0.5 * s)  # chi-square of two degrees of freedom
        weight, bend = self.weight_and_bend(s)
        second = (share * (weight + 0.5 * bend * s)).sum()
        square = (share * 0.5 * weight**2 * s).sum()
        return float(second / square)
