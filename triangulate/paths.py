"""Points against their own paths: what two views alone cannot tell, the frames before and after can.

A wrong view among three, or one of two, may agree with another by chance; the point then jumps for a frame or two. The
median of a few frames around each point says where it should be, without the few that jump. Points far from it are
solved once more with that guess deciding which views are believed. A point still far from its path that rests on two
views is given up; whichever of them sees it where the path says stays believed, for solvers that know more than points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.robust import OUTLIER_DEVIATIONS

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The median looks so far ahead and back, two frames at least: a wrist that swings at 30 m/s^2 bends its path by 4 cm in
# it.
REACH_S = 0.05
# Points so many deviations (of the point's usual distance from its path, all three axes) off are looked at again.
SUSPICIOUS = 4.0
# The guess may be worse than usual where something is wrong: its neighbours may be wrong as well.
GUESS_FACTOR = 2.0
# Nobody's path is known better than to a centimetre.
LEAST_SIGMA_M = 0.01
# Median of the length of a Gaussian vector of three axes, in deviations of one.
MEDIAN_OF_THREE = 1.538


@dataclass(frozen=True, eq=False)
class Paths:
    """Where points are expected: (frames, points, 3) and deviation of a coordinate (points,), metres; NaN: unknown."""

    xyz_m: Array
    sigma_m: Array

    @classmethod
    def of(cls, xyz_m: Array, time_s: Array) -> Paths:
        """Find the paths of points (frames, points, 3), NaN where there is none."""
        frames = len(time_s)
        interval_s = float(np.median(np.diff(time_s))) if frames > 1 else REACH_S
        reach = max(2, round(REACH_S / interval_s))
        width = 2 * reach + 1
        padded = np.pad(xyz_m, ((reach, reach), (0, 0), (0, 0)), constant_values=np.nan)
        around = np.sort(np.stack([padded[k : k + frames] for k in range(width)]), axis=0)  # NaN last
        known = np.isfinite(around[..., 0]).sum(axis=0)
        low, high = (np.maximum(known - 1, 0) // 2, known // 2)
        take = np.take_along_axis
        middle = [take(around, np.minimum(k, width - 1)[None, ..., None], axis=0)[0] for k in (low, high)]
        expected = np.where((known > reach)[..., None], (middle[0] + middle[1]) / 2, np.nan)
        apart = np.linalg.norm(xyz_m - expected, axis=-1)
        sigma = np.full(xyz_m.shape[1], np.nan)
        for point, distance in enumerate(apart.T):
            told = distance[np.isfinite(distance)]
            if len(told):
                sigma[point] = max(float(np.median(told)) / MEDIAN_OF_THREE, LEAST_SIGMA_M)
        return cls(expected, sigma)

    def suspicious(self, xyz_m: Array, observed: Bools) -> Bools:
        """Return the points (frames, points) to be solved again: far from their path, or lost though observed twice."""
        apart = np.linalg.norm(xyz_m - self.xyz_m, axis=-1)
        lost = np.isnan(xyz_m[..., 0]) & (observed.sum(axis=0) >= 2)
        return np.asarray(np.isfinite(self.xyz_m[..., 0]) & (lost | (apart > SUSPICIOUS * self.sigma_m)))

    def far(self, xyz_m: Array, covariance_m2: Array, at: Bools) -> Bools:
        """Return which points (n, 3) at (frames, points) are further from their paths than both can explain."""
        away = xyz_m - self.xyz_m[at]
        own = GUESS_FACTOR * np.broadcast_to(self.sigma_m, at.shape)[at]
        total = covariance_m2 + (own * own)[:, None, None] * np.eye(3)
        known = np.isfinite(total).all(axis=(1, 2)) & np.isfinite(away).all(axis=1)
        total[~known] = np.eye(3)
        distance = (away * np.linalg.solve(total, away[..., None])[..., 0]).sum(axis=1)
        return np.asarray(known & (distance > OUTLIER_DEVIATIONS**2))

    def believable(self, cameras: CameraGroup, xy_px: Array, sigma_px: Array, at: Bools) -> Bools:
        """Return which observations (cameras, n) of points at (frames, points) lie where the paths say.

        `xy_px` and `sigma_px` are those of the whole take, (cameras, frames, points[, 2]).
        """
        place = self.xyz_m[at]
        own = GUESS_FACTOR * np.broadcast_to(self.sigma_m, at.shape)[at]
        near = np.zeros((len(cameras), len(place)), dtype=bool)
        for c, camera in enumerate(cameras):
            depth = camera.to_camera(place)[:, 2]
            with np.errstate(divide="ignore", invalid="ignore"):  # behind the camera nothing is believed
                path_px = camera.matrix[0, 0] * own / depth
                error = np.linalg.norm(camera.project(place) - xy_px[c][at], axis=-1)
                near[c] = error < OUTLIER_DEVIATIONS * np.hypot(sigma_px[c][at], path_px)
            near[c] &= np.isfinite(sigma_px[c][at])
        return near
