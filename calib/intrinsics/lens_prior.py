"""What is known of a camera's lens before its views of the board are looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.lenses.lens import Lens

Array = npt.NDArray[np.float64]

USUAL_FOCAL = 0.85
"""In larger sides of the picture: the wide lenses of telephones and webcams have 0.7 to 1.0."""

USUAL_FOCAL_SPREAD = 0.5
"""Of the logarithm: one standard deviation reaches from 0.5 (an action camera) to 1.4, two to 2.3 (a telephoto)."""

USUAL_ASPECT_SPREAD = 0.003
"""Of fy / fx around 1: pixels are square; scaling to a multiple of 8 lines changes it by 0.7 % at most."""

USUAL_CENTER_SPREAD = 0.012
"""Of the principal point around the middle of the picture, in larger sides. The four cameras of a studio (Qualisys,
`walk4`) have 0.2 to 1.6 %, four webcams (`charuco4`) 0.3 to 1.3 %."""

USUAL = "what is usual"
"""The source of what is known of a lens of which nothing is known."""


@dataclass(frozen=True, eq=False)
class LensPrior:
    """Independent normal distributions of a lens's parameters.

    Attributes
    ----------
    lens
        The model.
    mean, std
        (4 + distortion,): focal length fx in pixels, fy / fx, cx, cy in pixels, and the distortion. The focal length is
        log-normal: its standard deviation divided by its mean is that of the logarithm. A standard deviation of 0 holds
        the parameter.
    source
        Where it is from, in words.
    """

    lens: Lens
    mean: Array
    std: Array
    source: str

    def __post_init__(self) -> None:
        needed = (4 + len(self.lens.parameters),)
        for what in ("mean", "std"):
            array = np.array(getattr(self, what), dtype=np.float64)
            if array.shape != needed or not np.isfinite(array).all():
                raise ValueError(f"{what} must be finite and of shape {needed}, is {array!r}")
            array.setflags(write=False)
            object.__setattr__(self, what, array)
        if self.mean[0] <= 0 or (self.std < 0).any():
            raise ValueError("the focal length must be positive and no standard deviation negative")

    @property
    def precision(self) -> Array:
        """(4 + n,): one over the variance of the solver's parameters, log(fx) first; 0 where held."""
        std = self.std / np.array([self.mean[0], *np.ones(len(self.mean) - 1)])
        return np.where(std > 0, 1 / np.where(std > 0, std, 1.0) ** 2, 0.0)

    def offset(self, parameters: Array) -> Array:
        """Return parameters of the solver, log(fx) first, minus the mean."""
        offset: Array = parameters - np.array([np.log(self.mean[0]), *self.mean[1:]])
        return offset

    def cost(self, parameters: Array) -> float:
        """Return the squared distance from the mean in standard deviations."""
        return float((self.precision * self.offset(parameters) ** 2).sum())


def usual_prior(lens: Lens, size_px: tuple[int, int]) -> LensPrior:
    """Return what is known of any camera with such a lens and pictures of that size."""
    width, height = size_px
    side = float(max(width, height))
    none = np.zeros(len(lens.parameters))
    return LensPrior(
        lens=lens,
        mean=np.array([USUAL_FOCAL * side, 1.0, (width - 1) / 2, (height - 1) / 2, *none]),
        std=np.array(
            [
                USUAL_FOCAL_SPREAD * USUAL_FOCAL * side,
                USUAL_ASPECT_SPREAD,
                USUAL_CENTER_SPREAD * side,
                USUAL_CENTER_SPREAD * side,
                *lens.usual_spread,
            ]
        ),
        source=USUAL,
    )
