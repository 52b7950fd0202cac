"""The terms of the whole-take problem and their derivatives: reprojection, constant bone lengths, smooth motion.

Each term is half a sum of squares in deviations, or a robust loss of it, as a function of all points of a stretch of
frames. Second derivatives are Gauss-Newton's: those of the residual itself are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.whole_take.redescending import Redescending

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# Elements of a symmetric 3 x 3 matrix as they are kept: one plane of numbers each.
UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
# Points worked on at once: few enough for the caches, enough that calls cost little beside the work. With four cameras
# 0.11 ms a frame of 33 points at 2048; 0.20 at 512 and 0.17 at 16384.
POINTS_IN_CACHE = 2048
# Points nearer than this to a camera's plane, or behind it, are not held by it.
NEAREST_M = 0.05


@dataclass(frozen=True, eq=False)
class PointTerms:
    """What views say of points, each for itself.

    Attributes
    ----------
    cost
        Half the robust sum.
    gradient
        (frames, points, 3).
    curvature
        (6, frames, points): second derivatives, in the order of `UPPER`; never negative.
    """

    cost: float
    gradient: Array
    curvature: Array


class Reprojection:
    """The robust reprojection error of a stretch, with each lens's distortion linearised about a first guess.

    In undistorted coordinates a pixel's error is a 2 x 2 matrix (the lens's derivative, over the deviation) times the
    projection, less a constant. That is exact where the guess is, and off by less than 0.02 px for points 10 px away.

    Parameters
    ----------
    cameras
        The views.
    xy_px, sigma_px
        (cameras, frames, points, 2) and (cameras, frames, points); infinity: no observation.
    loss
        Of the squared error in deviations, both coordinates together.
    """

    def __init__(self, cameras: CameraGroup, xy_px: Array, sigma_px: Array, loss: Redescending) -> None:
        self.cameras = cameras
        self.loss = loss
        self.xy_px = xy_px.reshape(len(cameras), -1, 2)
        self.sigma_px = sigma_px.reshape(len(cameras), -1)
        self.R = np.stack([camera.T_cam_world[:3, :3] for camera in cameras])
        self.t = np.stack([camera.T_cam_world[:3, 3:] for camera in cameras])
        self.lens = np.zeros((2, 2, *self.sigma_px.shape))
        self.target = np.zeros((2, *self.sigma_px.shape))

    def linearise_lenses(self, xyz_m: Array) -> None:
        """Linearise the lenses at points (frames, points, 3)."""
        flat = xyz_m.reshape(-1, 3)
        for c, camera in enumerate(self.cameras):
            moved = camera.to_camera(flat)
            used = np.isfinite(self.sigma_px[c]) & (moved[:, 2] > NEAREST_M)
            xy = moved[used, :2] / moved[used, 2:]
            scale = 1 / self.sigma_px[c, used]
            pixels = camera.to_pixels(camera.lens.distort(xy, camera.distortion))
            by_xy = camera.lens.distort_jacobian(xy, camera.distortion)
            self.lens[:, :, c] = 0.0
            self.target[:, c] = 0.0
            for k in (0, 1):
                focal = camera.matrix[k, k] * scale
                self.lens[k, 0, c, used] = focal * by_xy[:, k, 0]
                self.lens[k, 1, c, used] = focal * by_xy[:, k, 1]
                bent = focal * (by_xy[:, k, 0] * xy[:, 0] + by_xy[:, k, 1] * xy[:, 1])
                self.target[k, c, used] = (self.xy_px[c, used, k] - pixels[:, k]) * scale + bent

    def terms(self, xyz_m: Array, full: bool) -> PointTerms:
        """Return cost and derivatives at points (frames, points, 3).

        `full`: with the loss's own curvature, for Newton's steps near the minimum; else as if weights were constant
        (iteratively reweighted least squares), which leads there from afar.
        """
        shape = xyz_m.shape[:2]
        flat = np.ascontiguousarray(xyz_m.reshape(-1, 3).T)
        gradient = np.empty(flat.shape)
        curvature = np.empty((6, flat.shape[1]))
        cost = 0.0
        for start in range(0, flat.shape[1], POINTS_IN_CACHE):
            part = slice(start, start + POINTS_IN_CACHE)
            cost += self._part(part, flat[:, part], gradient[:, part], curvature[:, part], full)
        return PointTerms(cost, gradient.T.reshape(*shape, 3), curvature.reshape(6, *shape))

    def _part(self, part: slice, xyz: Array, gradient: Array, curvature: Array, full: bool) -> float:
        """Fill in derivatives of some points (3, points) and return their cost; all cameras at once."""
        moved = self.R @ xyz + self.t  # (cameras, 3, points)
        depth = moved[:, 2]
        near = np.where(depth > NEAREST_M, 1 / np.maximum(depth, NEAREST_M), 0.0)
        x, y = moved[:, 0] * near, moved[:, 1] * near
        lens = self.lens[..., part]
        error = [lens[k, 0] * x + lens[k, 1] * y - self.target[k, :, part] for k in (0, 1)]
        s = error[0] * error[0] + error[1] * error[1]
        # A view that the point lies behind has no say, neither by its slope nor by its cost.
        s *= near > 0
        weight, bend = self.loss.weight_and_bend(s)
        by_x, by_y = [lens[k, 0] * near for k in (0, 1)], [lens[k, 1] * near for k in (0, 1)]
        J: tuple[list[Array], list[Array]] = ([], [])
        pull: list[Array] = []
        for i in range(3):
            along = [self.R[:, k, i, None] for k in range(3)]
            across_x, across_y = along[0] - x * along[2], along[1] - y * along[2]
            for k in (0, 1):
                J[k].append(by_x[k] * across_x + by_y[k] * across_y)
            pull.append(J[0][i] * error[0] + J[1][i] * error[1])
            np.einsum("cn,cn->n", weight, pull[i], out=gradient[i])
        for place, (i, j) in enumerate(UPPER):
            square = J[0][i] * J[0][j]
            square += J[1][i] * J[1][j]
            square *= weight
            if full:
                square += bend * pull[i] * pull[j]
            square.sum(axis=0, out=curvature[place])
        return 0.5 * float(self.loss.rho(s).sum())


@dataclass(frozen=True, eq=False)
class BoneTerms:
    """What constant lengths say.

    Attributes
    ----------
    residual_m
        (frames, bones): length minus the bone's constant length.
    direction
        (frames, bones, 3): unit vectors from each bone's first end to its second, the derivative of the length.
    bend
        (frames, bones): residual over length. The second derivative of half the squared residual is that of a spring:
        d d' along the bone, and `bend` times (1 - d d') across.
    """

    residual_m: Array
    direction: Array
    bend: Array


def bone_terms(xyz_m: Array, ends: Ints, length_m: Array, full: bool) -> BoneTerms:
    """Return each bone's departure from its length, its direction, and how it bends.

    Parameters
    ----------
    xyz_m
        (frames, points, 3).
    ends
        (bones, 2): places of the ends.
    length_m
        (bones,).
    full
        Whether it bends: else `bend` is zero, as Gauss and Newton have it.
    """
    along = xyz_m[:, ends[:, 1]] - xyz_m[:, ends[:, 0]]
    length = np.sqrt(np.einsum("fbi,fbi->fb", along, along))
    length = np.maximum(length, 1e-9)
    along /= length[..., None]
    residual = length - length_m
    return BoneTerms(residual, along, residual / length if full else np.zeros(residual.shape))


class Smoothness:
    """Accelerations as white noise of a density: half the integral over time of acceleration^2 / density.

    The cost does not depend on the frame rate, and time stamps may be uneven: the acceleration is that of the parabola
    through three frames, and counts for the time from the middle of the step before to the middle of the step after.
    (C. H. Reinsch, "Smoothing by spline functions", Numerische Mathematik 10, 1967.)

    Attributes
    ----------
    before, middle, after
        (frames - 2, 1): what the three frames' positions are multiplied by.
    weight
        (frames - 2, points): time over density.
    """

    def __init__(self, time_s: Array, density: Array) -> None:
        step = np.diff(time_s)
        first, second = step[:-1, None], step[1:, None]
        self.before, self.after = 2 / (first * (first + second)), 2 / (second * (first + second))
        self.middle = -(self.before + self.after)
        self.weight = (first + second) / 2 / density

    def acceleration(self, xyz_m: Array) -> Array:
        """Return (frames - 2, points, 3), m/s^2."""
        acceleration: Array = (
            self.before[..., None] * xyz_m[:-2]
            + self.middle[..., None] * xyz_m[1:-1]
            + self.after[..., None] * xyz_m[2:]
        )
        return acceleration

    def cost_and_gradient(self, xyz_m: Array) -> tuple[float, Array]:
        """Return half the weighted sum of squares, and its gradient (frames, points, 3)."""
        acceleration = self.acceleration(xyz_m)
        weighted = self.weight[..., None] * acceleration
        gradient = np.zeros(xyz_m.shape)
        gradient[:-2] += self.before[..., None] * weighted
        gradient[1:-1] += self.middle[..., None] * weighted
        gradient[2:] += self.after[..., None] * weighted
        return 0.5 * float((weighted * acceleration).sum()), gradient

    def bands(self) -> tuple[Array, Array, Array]:
        """Return the second derivatives (frames, points): by the frame itself, with the next, with the one after."""
        frames, points = len(self.weight) + 2, self.weight.shape[1]
        same, next_, after_next = (np.zeros((frames, points)) for _ in range(3))
        same[:-2] += self.weight * self.before**2
        same[1:-1] += self.weight * self.middle**2
        same[2:] += self.weight * self.after**2
        next_[:-2] += self.weight * self.before * self.middle
        next_[1:-1] += self.weight * self.middle * self.after
        after_next[:-2] += self.weight * self.before * self.after
        return same, next_, after_next
