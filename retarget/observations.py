"""The data term of every fit here: observed landmarks, in space or in the pictures, and the robust loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.kinematics import Kinematics
from retarget.landmark_terms import LandmarkTerms
from retarget.pixels import PixelTerm, PixelViews, pixel_term
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

CAUCHY_SCALE = 4.0
"""Distance, in standard deviations, at which a point's weight has fallen to one half.

The usual 2.385 (95 % efficiency for normal errors in one dimension) times the root of 3: the distance is one in space.
"""


@dataclass(frozen=True, eq=False)
class Observations:
    """Landmarks as observed, in the order of `Kinematics.landmarks`.

    Attributes
    ----------
    xyz_m
        (frames, landmarks, 3), world; zero where not located.
    information
        (frames, landmarks), 1 / variance, per square metre; zero where not located.
    pixels
        What the views show, or None. Where a view shows a landmark, the views are the data and `xyz_m` is a start only.
    points_count
        The points in space are data beside the views: one view does not tell depth.
    """

    xyz_m: Array
    information: Array
    pixels: PixelTerm | None = None
    points_count: bool = False

    @property
    def located(self) -> Mask:
        """(frames, landmarks) of bool: there is a point in space."""
        return self.information > 0

    @property
    def views(self) -> Indices:
        """(frames, landmarks), how many views show the landmark; 0 where a point in space is the data, or nothing."""
        if self.pixels is None:
            return np.zeros(self.information.shape, dtype=np.int64)
        return self.pixels.views

    @property
    def seen(self) -> Mask:
        """(frames, landmarks) of bool: there is data."""
        seen: Mask = self.located | (self.views > 0)
        return seen

    def __getitem__(self, frames: slice | Indices) -> Observations:
        """Return the observations of some of the frames."""
        pixels = None if self.pixels is None else self.pixels[frames]
        return Observations(self.xyz_m[frames], self.information[frames], pixels, self.points_count)

    @property
    def _by_point(self) -> Array:
        """(frames, landmarks), `information` where the point in space is data; zero elsewhere."""
        if self.pixels is None or self.points_count:
            return self.information
        return np.where(self.pixels.views > 0, 0.0, self.information)

    def terms(self, landmark_m: Array) -> LandmarkTerms:
        """Compare with the model's landmarks (frames, landmarks, 3) by a Cauchy loss.

        A point in space counts c^2 log(1 + d^2 / c^2), d its distance in standard deviations, c `CAUCHY_SCALE`; a view
        likewise, with the distance in its picture and the scale of `pixels`.
        """
        by_point = self._by_point
        if self.pixels is not None and not by_point.any():
            return self.pixels.terms(landmark_m)
        difference = np.where(by_point[..., None] > 0, landmark_m - self.xyz_m, 0.0)
        square = by_point * (difference * difference).sum(axis=-1) / CAUCHY_SCALE**2
        weight = by_point / (1.0 + square)
        points = LandmarkTerms(
            0.5 * CAUCHY_SCALE**2 * np.log1p(square).sum(axis=1),
            weight[..., None] * difference,
            weight[..., None, None] * np.eye(3),
        )
        return points if self.pixels is None else points.plus(self.pixels.terms(landmark_m))

    def outlier_share(self, landmark_m: Array) -> float:
        """Return the share of the data, points or views, to which the loss gives less than a tenth of its weight."""
        views = self.views
        points = self._by_point > 0
        square = self.information * ((landmark_m - self.xyz_m) ** 2).sum(axis=-1)
        outside = int((square[points] > 9.0 * CAUCHY_SCALE**2).sum())
        total = int(points.sum()) + int(views.sum())
        if self.pixels is not None:
            outside += self.pixels.outliers(landmark_m)
        return outside / max(total, 1)


def observe(
    keypoints: Keypoints3D, kinematics: Kinematics, pixels: PixelViews | None = None, points_count: bool = False
) -> Observations:
    """Pick the skeleton's landmarks out of keypoints, and out of the views that they rest on.

    The variance of a point is sigma_m squared (0 where sigma_m is not finite) plus the landmark's own `std_m` squared.
    Landmarks that the keypoints do not hold, and positions marked as filled, are not located: where no view shows them
    either, the fit bridges them by itself. `points_count`: see `Observations`.

    Raises
    ------
    FitError
        Keypoints and views do not belong together.
    """
    frames = len(keypoints.time_s)
    xyz = np.full((frames, len(kinematics.landmarks), 3), np.nan)
    sigma = np.zeros((frames, len(kinematics.landmarks)))
    for k, name in enumerate(kinematics.landmarks):
        if name in keypoints.names:
            source = keypoints.index(name)
            xyz[:, k] = np.where(keypoints.filled[:, source, None], np.nan, keypoints.xyz_m[:, source])
            sigma[:, k] = keypoints.sigma_m[:, source]
    located = np.isfinite(xyz).all(axis=-1)
    std_m = np.array([m.std_m for m in kinematics.landmark_set.landmarks])
    variance = np.where(np.isfinite(sigma), sigma, 0.0) ** 2 + std_m**2
    seen = None if pixels is None else pixel_term(pixels, kinematics.landmarks, std_m, xyz, keypoints.time_s)
    information = np.where(located, 1.0 / variance, 0.0)
    return Observations(np.where(located[..., None], xyz, 0.0), information, seen, points_count)
