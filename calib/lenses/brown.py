"""The Brown lens: pinhole with radial and tangential distortion. What nearly all cameras with straight lines have.

Source: D. C. Brown, "Decentering distortion of lenses", Photogrammetric Engineering 32(3), 1966, in the form of
OpenCV's camera model: distortion is (k1, k2, p1, p2, k3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from calib.lenses.lens import Lens

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Brown(Lens):
    """x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2), and y likewise with p1 and p2 exchanged."""

    name: ClassVar[str] = "brown"
    parameters: ClassVar[tuple[str, ...]] = ("k1", "k2", "p1", "p2", "k3")
    usual_spread: ClassVar[tuple[float, ...]] = (0.3, 0.3, 0.003, 0.003, 0.1)

    def distort(self, xy: Array, distortion: Array) -> Array:
        """Distort normalised coordinates (..., 2)."""
        x, y = xy[..., 0], xy[..., 1]
        k1, k2, p1, p2, k3 = distortion
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=-1,
        )

    def distort_jacobian(self, xy: Array, distortion: Array) -> Array:
        """Return the derivatives of `distort` by xy, (..., 2, 2)."""
        x, y = xy[..., 0], xy[..., 1]
        k1, k2, p1, p2, k3 = distortion
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        slope = 2 * (k1 + r2 * (2 * k2 + r2 * (3 * k3)))  # d radial / d r2, times 2: d radial / d x = slope * x
        by_xy = np.empty((*xy.shape[:-1], 2, 2))
        by_xy[..., 0, 0] = radial + slope * x * x + 2 * p1 * y + 6 * p2 * x
        by_xy[..., 0, 1] = slope * x * y + 2 * p1 * x + 2 * p2 * y
        by_xy[..., 1, 0] = by_xy[..., 0, 1]
        by_xy[..., 1, 1] = radial + slope * y * y + 6 * p1 * y + 2 * p2 * x
        return by_xy

    def distort_jacobians(self, xy: Array, distortion: Array) -> tuple[Array, Array]:
        """Return the derivatives of `distort`: by xy (..., 2, 2) and by the distortion (..., 2, 5)."""
        x, y = xy[..., 0], xy[..., 1]
        r2 = x * x + y * y
        r4, r6 = r2 * r2, r2 * r2 * r2
        by_distortion = np.empty((*xy.shape[:-1], 2, 5))
        by_distortion[..., 0, :] = np.stack([x * r2, x * r4, 2 * x * y, r2 + 2 * x * x, x * r6], axis=-1)
        by_distortion[..., 1, :] = np.stack([y * r2, y * r4, r2 + 2 * y * y, 2 * x * y, y * r6], axis=-1)
        return self.distort_jacobian(xy, distortion), by_distortion

    def turned(self, distortion: Array) -> Array:
        """Return the distortion (5,) of the same lens in pictures turned by 90 degrees clockwise.

        The tangential part is p r^2 + 2 xy (p . xy) with the vector p = (p2, p1), which turns with the picture.
        """
        k1, k2, p1, p2, k3 = distortion
        return np.array([k1, k2, p2, -p1, k3])


LENS = Brown()
