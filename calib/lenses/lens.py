"""What a lens model is: how directions bend on their way to the sensor, before focal length and principal point.

A model is one file of this folder, named like the model. It holds a subclass of `Lens` and one instance, `LENS`;
`calib.lenses.catalogue` finds it by the file's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

INVERSE_TOLERANCE = 1e-9
"""An inverse that distorts back to within this is one: a millionth of a pixel at a focal length of 1000 px."""


class Lens(ABC):
    """A lens model without state: the same for all cameras that have such a lens.

    Coordinates are normalised: x / z and y / z in the camera's frame, no unit. All models therefore end short of 90
    degrees from the optical axis, where z is 0.

    The distortion of one lens has the shape (parameters,). Several lenses at once have (parameters, ...), where what
    follows the first axis broadcasts with the coordinates without their last axis. With all parameters 0, the model is
    the one without any free parameter, which need not be the pinhole.

    Attributes
    ----------
    name
        As in files, and as its file is called.
    parameters
        The names of the distortion's entries, in order.
    usual_spread
        How far each entry lies from 0 among lenses of this kind, as a standard deviation: what is known of a lens
        before it was looked through.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]
    usual_spread: ClassVar[tuple[float, ...]]

    @abstractmethod
    def distort(self, xy: Array, distortion: Array) -> Array:
        """Distort normalised coordinates (..., 2)."""

    @abstractmethod
    def distort_jacobians(self, xy: Array, distortion: Array) -> tuple[Array, Array]:
        """Return the derivatives of `distort`: by xy (..., 2, 2), by the distortion (..., 2, parameters)."""

    def distort_jacobian(self, xy: Array, distortion: Array) -> Array:
        """Return the derivatives of `distort` by xy alone, (..., 2, 2)."""
        return self.distort_jacobians(xy, distortion)[0]

    @abstractmethod
    def turned(self, distortion: Array) -> Array:
        """Return the distortion (parameters,) of the same lens in pictures turned by 90 degrees clockwise.

        No more than another order and other signs: standard deviations are turned in the same way.
        """

    def undistort(self, xy_distorted: Array, distortion: Array, most_steps: int = 20) -> Array:
        """Invert `distort` by Newton's method: (..., 2) -> (..., 2), normalised coordinates.

        NaN where no inverse exists: outside of the circle up to which the model grows with the angle.
        """
        xy = np.array(xy_distorted, dtype=np.float64)
        with np.errstate(all="ignore"):  # where there is no inverse, steps lead anywhere
            for _ in range(most_steps):
                error = self.distort(xy, distortion) - xy_distorted
                by_xy, _ = self.distort_jacobians(xy, distortion)
                a, b, c, d = by_xy[..., 0, 0], by_xy[..., 0, 1], by_xy[..., 1, 0], by_xy[..., 1, 1]
                across = np.stack(
                    [d * error[..., 0] - b * error[..., 1], a * error[..., 1] - c * error[..., 0]], axis=-1
                )
                step = across / (a * d - b * c)[..., None]
                xy = xy - step
                if not (np.abs(step) > 1e-12).any():
                    break
            again = self.distort(xy, distortion)
            by_xy, _ = self.distort_jacobians(xy, distortion)
            unfolded = by_xy[..., 0, 0] * by_xy[..., 1, 1] - by_xy[..., 0, 1] * by_xy[..., 1, 0] > 0
            unfolded &= np.abs(again - xy_distorted).max(axis=-1) < INVERSE_TOLERANCE
            unfolded &= (xy * xy_distorted).sum(axis=-1) >= 0  # not mirrored at the centre by a negative radial factor
        return np.where(unfolded[..., None], xy, np.nan)
