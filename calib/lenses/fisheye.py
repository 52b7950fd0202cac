"""The fisheye lens: the picture's radius follows the angle itself rather than its tangent.

Source: J. Kannala, S. Brandt, "A generic camera model and calibration method for conventional, wide-angle, and fish-eye
lenses", IEEE PAMI 28(8), 2006, equation 6 without its asymmetric terms, in the form of OpenCV's `cv2.fisheye`:
distortion is (k1, k2, k3, k4).

The domain is that of normalised coordinates: directions less than 90 degrees from the optical axis. What a wider lens
sees beyond has no x / z and is not observed; pictures of it within 90 degrees are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from calib.lenses.lens import INVERSE_TOLERANCE, Lens

Array = npt.NDArray[np.float64]

NEAR_AXIS = 1e-6
"""Radii below are taken to the limit: what the limit neglects, r^2, is below the precision of a double."""


@dataclass(frozen=True)
class Fisheye(Lens):
    """(x, y) / r theta_d with r = tan(theta), theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8).

    With all four 0 it is the equidistant fisheye: the radius is the focal length times the angle.
    """

    name: ClassVar[str] = "fisheye"
    parameters: ClassVar[tuple[str, ...]] = ("k1", "k2", "k3", "k4")
    usual_spread: ClassVar[tuple[float, ...]] = (0.1, 0.1, 0.1, 0.1)

    def distort(self, xy: Array, distortion: Array) -> Array:
        """Distort normalised coordinates (..., 2)."""
        r, theta = _angle(xy)
        radius, _ = _radius(theta, distortion)
        near = r < NEAR_AXIS
        scale = np.where(near, 1.0, radius / np.where(near, 1.0, r))
        distorted: Array = xy * scale[..., None]
        return distorted

    def distort_jacobians(self, xy: Array, distortion: Array) -> tuple[Array, Array]:
        """Return the derivatives of `distort`: by xy (..., 2, 2) and by the distortion (..., 2, 4)."""
        r, theta = _angle(xy)
        radius, by_theta = _radius(theta, distortion)
        near = r < NEAR_AXIS
        safe = np.where(near, 1.0, r)
        scale = np.where(near, 1.0, radius / safe)
        # d scale / d x = slope x. On the axis, theta = r - r^3 / 3 makes the slope 2 k1 - 2 / 3.
        slope = np.where(near, 2 * distortion[0] - 2 / 3, (by_theta / (1 + safe**2) - scale) / safe**2)
        by_xy = slope[..., None, None] * xy[..., :, None] * xy[..., None, :]
        by_xy[..., 0, 0] += scale
        by_xy[..., 1, 1] += scale
        theta2 = theta * theta
        first = np.where(near, 1.0, theta / safe) * theta2
        powers = np.stack([first, first * theta2, first * theta2**2, first * theta2**3], axis=-1)
        return by_xy, xy[..., :, None] * powers[..., None, :]

    def undistort(self, xy_distorted: Array, distortion: Array, most_steps: int = 20) -> Array:
        """Invert `distort`: Newton's method on the angle. NaN where that is not below 90 degrees."""
        radius = np.sqrt((xy_distorted**2).sum(axis=-1))
        theta = np.minimum(radius, np.pi / 2)
        with np.errstate(all="ignore"):  # where there is no inverse, steps lead anywhere
            for _ in range(most_steps):
                reached, by_theta = _radius(theta, distortion)
                step = (reached - radius) / by_theta
                theta = theta - step
                if not (np.abs(step) > 1e-13).any():
                    break
            reached, by_theta = _radius(theta, distortion)
            exists = (
                (np.abs(reached - radius) < INVERSE_TOLERANCE) & (by_theta > 0) & (theta >= 0) & (theta < np.pi / 2)
            )
            near = radius < NEAR_AXIS
            scale = np.where(near, 1.0, np.tan(theta) / np.where(near, 1.0, radius))
        return np.where(exists[..., None], xy_distorted * scale[..., None], np.nan)

    def turned(self, distortion: Array) -> Array:
        """Return the distortion (4,) of the same lens in pictures turned by 90 degrees: it is symmetric."""
        return np.array(distortion)


def _angle(xy: Array) -> tuple[Array, Array]:
    """Return r = tan(theta) and theta, the angle from the optical axis, each (...)."""
    r = np.sqrt((xy**2).sum(axis=-1))
    return r, np.arctan(r)


def _radius(theta: Array, distortion: Array) -> tuple[Array, Array]:
    """Return theta_d and its derivative by theta."""
    k1, k2, k3, k4 = distortion
    t = theta * theta
    radius = theta * (1 + t * (k1 + t * (k2 + t * (k3 + t * k4))))
    by_theta = 1 + t * (3 * k1 + t * (5 * k2 + t * (7 * k3 + t * 9 * k4)))
    return radius, by_theta


LENS = Fisheye()
