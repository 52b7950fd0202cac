"""Robust losses: how much an error of so many standard deviations counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """A robust loss rho(s) of the squared error in standard deviations s, with its weight d rho / d s."""

    rho: Callable[[Array], Array]
    weight: Callable[[Array], Array]


SQUARES = Loss(rho=lambda s: s, weight=np.ones_like)


def geman_mcclure(scale: float) -> Loss:
    """Return the redescending loss s / (1 + s / scale^2): an error far above `scale` deviations costs scale^2.

    Source: S. Geman, D. McClure, "Statistical methods for tomographic image reconstruction", 1987.
    """

    def weight(s: Array) -> Array:
        root = 1 / (1 + s * (1 / scale**2))
        root *= root
        return root

    return Loss(rho=lambda s: s / (1 + s * (1 / scale**2)), weight=weight)


def huber(scale: float) -> Loss:
    """Return Huber's loss: squares up to `scale` deviations, linear beyond."""
    return Loss(
        rho=lambda s: np.where(s <= scale**2, s, 2 * scale * np.sqrt(s) - scale**2),
        weight=lambda s: scale / np.maximum(np.sqrt(s), scale),
    )
