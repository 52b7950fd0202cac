"""What the corners of a view are off by: each by itself, and all of them together.

The corner detector's noise is independent from corner to corner, a tenth or two of a pixel. What is larger moves and
stretches the whole view: the board moved while the shutter rolled over it, the time stamp was a little late, the video
coder copied a block from the picture before. Such errors are common to all corners of a view, and corners by the dozen
do not average them away. So the noise of a view has the covariance

    C = s^2 I + Q diag(m (a^2, b^2, b^2)) Q^T        for each coordinate

with Q an orthonormal basis of shifts and linear deformations over the view's m corners, s the corners' own noise, a the
shift's standard deviation and b the stretch's, in pixels at the typical corner. Lenses show in how a view is bent, at
the corners' own noise; where cameras stand shows in shifts and stretches, at theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.solve.reprojection import Views

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FLOOR_PX = 0.01
"""No corner detector is better. Keeps the weights finite on exact, synthetic corners."""

RAYLEIGH = 1.1774
"""The median length of a vector of two normal coordinates, in their standard deviations."""

PRIOR_COORDINATES = 8
"""As many coordinates of the common noise are mixed into a moment's own: a moment of few views is not believed when it
claims to be much better than the others."""


@dataclass(frozen=True, eq=False)
class ViewNoise:
    """The noise of all views.

    Attributes
    ----------
    corner_px
        (views,): s, the standard deviation of a corner's coordinate.
    shift_px, stretch_px
        a and b of the median moment.
    moment
        (moments,): how many times as much views are shifted and stretched in this moment.
    basis
        (views, corners, 3): Q; 0 at corners that do not count.
    variance
        (views, 3): what a view's coefficients of Q have beyond s^2, square pixels.
    """

    corner_px: Array
    shift_px: float
    stretch_px: float
    moment: Array
    basis: Array
    variance: Array

    def whiten(self, values: Array, views: npt.NDArray[np.intp] | slice = slice(None)) -> Array:
        """Scale (views, corners, 2, ...) so that noise becomes independent, of standard deviation 1.

        Multiplies by C^(-1/2) = (I - Q diag(1 - s / sqrt(s^2 + variance)) Q^T) / s.
        """
        basis, corner_px = self.basis[views], self.corner_px[views, None]
        flat = values.reshape(len(values), values.shape[1], -1)
        share = 1 - corner_px / np.sqrt(corner_px**2 + self.variance[views])
        common = basis @ (share[..., None] * (np.swapaxes(basis, 1, 2) @ flat))
        return np.asarray(((flat - common) / corner_px[..., None]).reshape(values.shape))


def estimate_noise(views: Views, residual_px: Array, use: Mask, moments: int) -> ViewNoise:
    """Estimate the noise from the residuals of a first adjustment.

    Parameters
    ----------
    views
        What was seen.
    residual_px
        (views, corners, 2).
    use
        (views, corners): the corners that count.
    moments
        How many there are.
    """
    basis = view_basis(views.xy_px, use)
    count = use.sum(axis=1)
    residual = np.where(use[..., None], np.nan_to_num(residual_px), 0.0)
    coefficient = np.swapaxes(basis, 1, 2) @ residual  # (views, 3, 2)
    rest = np.linalg.norm(residual - basis @ coefficient, axis=-1)
    # The basis has taken up 3 of a view's m values, so that the rest looks smaller than the noise.
    left = np.maximum(count - 3, 0)
    rest = rest * np.sqrt(count / np.maximum(left, 1))[:, None]
    own = np.nan_to_num(_row_medians(rest, use)) / RAYLEIGH
    # What the picture tells of a view's noise is right up to a common factor; mixed with what the view itself shows.
    told = np.where(np.isfinite(views.sigma_px), views.sigma_px, 1.0)
    factor = _median((own / told)[left > 1]) if (left > 1).any() else 1.0
    expected = np.maximum(FLOOR_PX, factor * told)
    corner_px = np.sqrt((PRIOR_COORDINATES * expected**2 + 2 * left * own**2) / (PRIOR_COORDINATES + 2 * left))
    corner_px = np.maximum(corner_px, FLOOR_PX)

    together = np.bincount(views.moment[count > 0], minlength=moments)[views.moment]
    judged = (together > 1) & (count > 3)
    # The moment's pose follows the mean of its k views: (k - 1) / k of a view's variance is left.
    left = np.where(judged, 1 - 1 / np.maximum(together, 1), 1.0)
    square = (coefficient**2).sum(axis=2) / 2 / left[:, None]  # (views, 3), of a coordinate
    beyond = np.maximum(square - corner_px[:, None] ** 2, 0.0) / np.maximum(count, 1)[:, None]
    # The median of chi-square with two degrees of freedom is 1.386 of its mean per degree.
    shift = np.sqrt(_median(beyond[judged, 0]) * 2 / 1.386)
    stretch = np.sqrt(_median(beyond[judged, 1:]) * 2 / 1.386)
    common = np.maximum(count, 1)[:, None] * np.maximum(np.array([shift, stretch, stretch]) ** 2, FLOOR_PX**2)
    ratio = np.where(judged[:, None], square * left[:, None] / (corner_px[:, None] ** 2 + common), 0.0).sum(axis=1) * 2
    freedom = np.where(judged, 6 * left, 0.0)
    total, weight = (np.bincount(views.moment, values, moments) for values in (ratio, freedom))
    moment = np.sqrt((PRIOR_COORDINATES + total) / (PRIOR_COORDINATES + weight))
    return ViewNoise(corner_px, float(shift), float(stretch), moment, basis, common * moment[views.moment, None] ** 2)


def independent_noise(views: Views, use: Mask, sigma_px: float, moments: int) -> ViewNoise:
    """Return the noise of corners that have nothing in common."""
    basis = np.zeros((*use.shape, 3))
    return ViewNoise(
        np.full(len(use), max(FLOOR_PX, sigma_px)), 0.0, 0.0, np.ones(moments), basis, np.zeros((len(use), 3))
    )


def view_basis(xy_px: Array, use: Mask) -> Array:
    """Return (views, corners, 3): orthonormal over the corners in use, spanning 1, x and y."""
    count = np.maximum(use.sum(axis=1), 1)[:, None, None]
    xy = np.where(use[..., None], np.nan_to_num(xy_px), 0.0)
    xy = np.where(use[..., None], xy - xy.sum(axis=1, keepdims=True) / count, 0.0)
    one = use[..., None] / np.sqrt(count)
    # Principal axes of the view; along one of no extent there is nothing to deform.
    variance, axes = np.linalg.eigh(np.swapaxes(xy, 1, 2) @ xy)
    length = np.sqrt(np.maximum(variance, 0.0))[:, None]
    along = np.where(length > 1e-6, (xy @ axes) / np.where(length > 1e-6, length, 1.0), 0.0)
    return np.concatenate([one, along], axis=-1)


def residual_alone(xy_px: Array, residual_px: Array, use: Mask) -> Array:
    """Return residuals (views, corners, 2) without the shift and linear deformation that the corners in use share."""
    count = np.maximum(use.sum(axis=1), 1)[:, None, None]
    counted = np.where(use[..., None], np.nan_to_num(xy_px), 0.0)
    design = np.concatenate(
        [np.ones((*use.shape, 1)), np.nan_to_num(xy_px) - counted.sum(axis=1, keepdims=True) / count], -1
    )
    own = design * use[..., None]
    solution = np.linalg.pinv(np.swapaxes(own, 1, 2) @ own, hermitian=True) @ (
        np.swapaxes(own, 1, 2) @ np.where(use[..., None], np.nan_to_num(residual_px), 0.0)
    )
    return np.asarray(residual_px - design @ solution)


def _row_medians(values: Array, use: Mask) -> Array:
    """Return the median of each row's values in use; 0 where there is none."""
    sorted_ = np.sort(np.where(use, values, np.inf), axis=1)
    count = use.sum(axis=1)
    middle = np.take_along_axis(sorted_, np.maximum(count - 1, 0)[:, None] // 2, axis=1)[:, 0]
    return np.asarray(np.where(count > 0, middle, 0.0))


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size else 0.0
