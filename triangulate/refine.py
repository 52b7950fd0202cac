"""Refinement of points on their reprojection error, with the lens's distortion, for all points at once.

Every point is a small problem of three unknowns. Iteratively reweighted least squares on the lines of sight
(`triangulate.sight_lines`) leads to the minimum but for what linearising the lens neglects; a last Gauss-Newton step on
the exact projection takes that away, and is kept where it helps. Sources: for the robust weights P. Holland, R. Welsch,
"Robust regression using iteratively reweighted least-squares", 1977; for the covariance: Hartley, Zisserman, "Multiple
View Geometry", 2nd ed., 5.2 (backward transport).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from triangulate.losses import SQUARES, Loss
from triangulate.sight_lines import (
    PLACE,
    UPPER,
    descend,
    inverse_planes,
    matrices,
    sight_lines,
    solve_planes,
)

Array = npt.NDArray[np.float64]

MAX_ITERATIONS = 20
# Points worked on at once: few enough for the caches, enough that calls cost little beside the work. With four cameras
# 0.26 ms a frame of 33 points at 1024, 0.18 at 2048, 0.14 at 4096; no less beyond.
POINTS_IN_CACHE = 4096


@dataclass(frozen=True, eq=False)
class RefinedPoints:
    """Points at the minimum of their reprojection error.

    Attributes
    ----------
    xyz_m
        (points, 3), world, metres; NaN where no start was given or the point is not determined.
    covariance_m2
        (points, 3, 3): inverse of the information that the views hold at the given standard deviations, each view
        with its robust weight.
    residual_px
        (cameras, points, 2): projection minus observation, used or not; NaN where the view has no observation or the
        point lies behind it.
    leverage
        (cameras, points, 2), in [0, 1]: the share of a coordinate's variance that the point follows, so that the
        residual's variance is 1 - leverage of the observation's; 0 for views that are not used. A point has 3 unknowns:
        the sum over the 2 V coordinates of its V views is 3.
    """

    xyz_m: Array
    covariance_m2: Array
    residual_px: Array
    leverage: Array

    @property
    def error_px(self) -> Array:
        """(cameras, points): reprojection error, the length of the residual."""
        error: Array = np.sqrt((self.residual_px**2).sum(axis=-1))
        return error


def project_with_jacobian(camera: Camera, xyz_m: Array) -> tuple[Array, Array]:
    """Project points (points, 3) to pixels (points, 2) and return their derivatives by the point (points, 2, 3).

    NaN where the point is not in front of the camera.
    """
    xyz_cam = camera.to_camera(xyz_m)
    depth = np.where(xyz_cam[:, 2] > 0, xyz_cam[:, 2], np.nan)
    xy = xyz_cam[:, :2] / depth[:, None]
    by_xy = camera.lens.distort_jacobian(xy, camera.distortion)
    R = camera.T_cam_world[:3, :3]
    xy_by_xyz = (R[:2] - xy[:, :, None] * R[2]) / depth[:, None, None]
    focal = np.array([camera.matrix[0, 0], camera.matrix[1, 1]])
    return camera.to_pixels(camera.lens.distort(xy, camera.distortion)), focal[:, None] * (by_xy @ xy_by_xyz)


def in_cache(points: int) -> Iterator[slice]:
    """Yield slices of at most `POINTS_IN_CACHE` points."""
    for start in range(0, points, POINTS_IN_CACHE):
        yield slice(start, min(start + POINTS_IN_CACHE, points))


def gathered(parts: list[RefinedPoints]) -> RefinedPoints:
    """Put parts together again."""
    return RefinedPoints(
        xyz_m=np.concatenate([part.xyz_m for part in parts]),
        covariance_m2=np.concatenate([part.covariance_m2 for part in parts]),
        residual_px=np.concatenate([part.residual_px for part in parts], axis=1),
        leverage=np.concatenate([part.leverage for part in parts], axis=1),
    )


def weights(xy_px: Array, sigma_px: Array) -> Array:
    """Return one over the variance of each observation, (cameras, points); 0 where there is none to be used."""
    return np.where(np.isfinite(xy_px).all(axis=-1), 1 / (sigma_px * sigma_px), 0.0)


def refine_points(
    cameras: CameraGroup,
    xy_px: Array,
    sigma_px: Array,
    start_m: Array,
    loss: Loss = SQUARES,
    max_iterations: int = MAX_ITERATIONS,
) -> RefinedPoints:
    """Minimise the robust reprojection error of every point from a start.

    Finds the minimum that the start leads to: with a redescending loss give it a good start
    (`triangulate.robust`).

    Parameters
    ----------
    cameras
        The views.
    xy_px
        (cameras, points, 2): observations in pixels, NaN where there is none.
    sigma_px
        (cameras, points): standard deviation of each observation's coordinates; infinity: do not use this view.
    start_m
        (points, 3), world, metres; NaN: leave this point alone.
    loss
        The robust loss of the squared error in standard deviations.
    max_iterations
        Steps at most.
    """
    parts = []
    for part in in_cache(len(start_m)):
        lines = sight_lines(cameras, xy_px[:, part])
        weight = np.where(lines.seen, weights(xy_px[:, part], sigma_px[:, part]), 0.0)
        # A start of NaN stays: its weights are NaN, and so is every step.
        xyz = descend(lines, lines.equations(), weight, start_m[part].T, loss, max_iterations)
        parts.append(polish_points(cameras, xy_px[:, part], weight, xyz, loss))
    return gathered(parts) if parts else evaluate_points(cameras, xy_px, sigma_px, start_m, loss)


def polish_points(cameras: CameraGroup, xy_px: Array, weight: Array, xyz_m: Array, loss: Loss) -> RefinedPoints:
    """Take one Gauss-Newton step on the exact projection where that lowers the cost.

    Parameters
    ----------
    cameras, xy_px, loss
        As for `refine_points`.
    weight
        (cameras, points): one over the variance of a coordinate; 0: do not use this view.
    xyz_m
        (3, points): (nearly) at the minimum.
    """
    before = _Linearised.at(cameras, xy_px, weight, xyz_m, loss)
    equations = np.concatenate([before.information(), -before.gradient()])
    step = solve_planes(equations, min_condition=0.0)
    after = _Linearised.at(cameras, xy_px, weight, xyz_m + np.where(np.isfinite(step), step, 0.0), loss)
    return after.chosen(before, after.cost <= before.cost).points()


def evaluate_points(cameras: CameraGroup, xy_px: Array, sigma_px: Array, xyz_m: Array, loss: Loss) -> RefinedPoints:
    """Return what the views say of points that stay where they are.

    Parameters are those of `refine_points`. Points that the views do not determine, or that lie behind one that is
    used, become NaN.
    """
    weight = weights(xy_px, sigma_px)
    return gathered(
        [
            _Linearised.at(cameras, xy_px[:, part], weight[:, part], xyz_m[part].T, loss).points()
            for part in list(in_cache(len(xyz_m))) or [slice(0, 0)]
        ]
    )


@dataclass(frozen=True, eq=False)
class _Linearised:
    """The exact problem at some points: residual (2, cameras, points), scaled Jacobian (2, 3, cameras, points)."""

    xyz_m: Array
    residual_px: Array
    J: Array
    scaled: Array
    cost: Array

    @classmethod
    def at(cls, cameras: CameraGroup, xy_px: Array, weight: Array, xyz_m: Array, loss: Loss) -> _Linearised:
        """Project, differentiate and weigh: rows of `J` and `scaled` are in units of standard deviations."""
        residual = np.empty((2, *weight.shape))
        J = np.empty((2, 3, *weight.shape))
        for c, camera in enumerate(cameras):
            _project(camera, xyz_m, residual[:, c], J[:, :, c])
            residual[0, c] -= xy_px[c, :, 0]
            residual[1, c] -= xy_px[c, :, 1]
        s = (residual[0] * residual[0] + residual[1] * residual[1]) * weight
        used = weight > 0
        cost = np.where(used, loss.rho(s), 0.0).sum(axis=0)
        # Where an observation is not used, nothing of it may come through, not even NaN.
        root = np.sqrt(np.where(used, loss.weight(s) * weight, 0.0))
        J *= root
        J[:, :, ~used] = 0.0
        scaled = np.where(used, residual * root, 0.0)
        return cls(xyz_m, residual, J, scaled, np.where(np.isfinite(cost), cost, np.inf))

    def information(self) -> Array:
        """(6, points): `UPPER` of the sum of J' J."""
        H = np.empty((6, self.J.shape[-1]))
        for place, (i, j) in enumerate(UPPER):
            H[place] = np.einsum("kcn,kcn->n", self.J[:, i], self.J[:, j])
        return H

    def gradient(self) -> Array:
        """(3, points): the sum of J' residual."""
        g = np.empty((3, self.J.shape[-1]))
        for i in range(3):
            g[i] = np.einsum("kcn,kcn->n", self.J[:, i], self.scaled)
        return g

    def chosen(self, other: _Linearised, here: npt.NDArray[np.bool_]) -> _Linearised:
        """Return this one where `here` (points,), else `other`."""
        if here.all():
            return self
        return _Linearised(
            *(
                np.where(here, getattr(self, name), getattr(other, name))
                for name in ("xyz_m", "residual_px", "J", "scaled", "cost")
            )
        )

    def points(self) -> RefinedPoints:
        """Return what is known of the points."""
        inverse = inverse_planes(self.information())
        lost = ~np.isfinite(inverse).all(axis=0) | ~np.isfinite(self.cost)
        inverse[:, lost] = np.nan
        leverage = np.zeros(self.residual_px.shape)
        for i in range(3):
            along = sum(inverse[PLACE[i][j]] * self.J[:, j] for j in range(3))
            leverage += along * self.J[:, i]
        leverage[~np.isfinite(leverage)] = 0.0
        return RefinedPoints(
            xyz_m=np.where(lost, np.nan, self.xyz_m).T.copy(),
            covariance_m2=matrices(inverse),
            residual_px=np.moveaxis(np.where(lost, np.nan, self.residual_px), 0, -1).copy(),
            leverage=np.moveaxis(leverage, 0, -1).copy(),
        )


def _project(camera: Camera, xyz_m: Array, pixels: Array, J: Array) -> None:
    """Project points (3, points) into `pixels` (2, points), and their derivatives into `J` (2, 3, points)."""
    R, t = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3:]
    moved = R @ xyz_m + t
    with np.errstate(invalid="ignore"):
        depth = np.where(moved[2] > 0, moved[2], np.nan)
    inverse_depth = 1 / depth
    xy = np.empty((moved.shape[1], 2))
    xy[:, 0], xy[:, 1] = moved[0] * inverse_depth, moved[1] * inverse_depth
    bent = camera.lens.distort(xy, camera.distortion)
    by_xy = camera.lens.distort_jacobian(xy, camera.distortion)
    across = [[R[k, i] - xy[:, k] * R[2, i] for i in range(3)] for k in (0, 1)]
    for k in (0, 1):
        focal = camera.matrix[k, k]
        pixels[k] = focal * bent[:, k] + camera.matrix[k, 2]
        by_x, by_y = (focal * by_xy[:, k, other] * inverse_depth for other in (0, 1))
        for i in range(3):
            J[k, i] = by_x * across[0][i] + by_y * across[1][i]
