"""The data term of every fit here: observed landmarks, how much each is worth, and the robust loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.kinematics import Kinematics
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

CAUCHY_SCALE = 4.0
"""Distance, in standard deviations, at which an observation's weight has fallen to one half.

The usual 2.385 (95 % efficiency for normal errors in one dimension) times the root of 3: the distance is one in space.
"""


@dataclass(frozen=True, eq=False)
class Observations:
    """Landmarks as observed, in the order of `Kinematics.landmarks`.

    Attributes
    ----------
    xyz_m
        (frames, landmarks, 3), world; zero where not seen.
    information
        (frames, landmarks), 1 / variance, per square metre; zero where not seen.
    """

    xyz_m: Array
    information: Array

    @property
    def seen(self) -> Mask:
        """(frames, landmarks) of bool."""
        return self.information > 0

    def __getitem__(self, frames: slice | Indices) -> Observations:
        """Return the observations of some of the frames."""
        return Observations(self.xyz_m[frames], self.information[frames])

    def weighted(self, landmark_m: Array) -> tuple[float, Array, Array]:
        """Compare with the model's landmarks (frames, landmarks, 3) by a Cauchy loss.

        Returns
        -------
        cost
            Half the sum of c^2 log(1 + d^2 / c^2), d the distance in standard deviations, c `CAUCHY_SCALE`.
        weight
            (frames, landmarks), information times the loss's derivative: the weights of the least-squares step.
        difference
            (frames, landmarks, 3), model minus observed, metres; zero where not seen.
        """
        difference = np.where(self.seen[..., None], landmark_m - self.xyz_m, 0.0)
        square = self.information * (difference * difference).sum(axis=-1) / CAUCHY_SCALE**2
        cost = 0.5 * CAUCHY_SCALE**2 * float(np.log1p(square).sum())
        return cost, self.information / (1.0 + square), difference


def observe(keypoints: Keypoints3D, kinematics: Kinematics) -> Observations:
    """Pick the skeleton's landmarks out of keypoints.

    The variance of an observation is sigma_m squared (0 where sigma_m is not finite) plus the landmark's own `std_m`
    squared. Landmarks that the keypoints do not hold, and positions marked as filled, count as not seen: the fit
    bridges them by itself.
    """
    frames = len(keypoints.time_s)
    xyz = np.full((frames, len(kinematics.landmarks), 3), np.nan)
    sigma = np.zeros((frames, len(kinematics.landmarks)))
    for k, name in enumerate(kinematics.landmarks):
        if name in keypoints.names:
            source = keypoints.index(name)
            xyz[:, k] = np.where(keypoints.filled[:, source, None], np.nan, keypoints.xyz_m[:, source])
            sigma[:, k] = keypoints.sigma_m[:, source]
    seen = np.isfinite(xyz).all(axis=-1)
    std_m = np.array([m.std_m for m in kinematics.landmark_set.landmarks])
    variance = np.where(np.isfinite(sigma), sigma, 0.0) ** 2 + std_m**2
    return Observations(np.where(seen[..., None], xyz, 0.0), np.where(seen, 1.0 / variance, 0.0))
