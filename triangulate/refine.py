"""Refinement of points on their reprojection error, with the lens's distortion, for all points at once.

Every point is a small problem of three unknowns; Levenberg-Marquardt takes the steps of all of them together, each
with a damping of its own. Source: K. Levenberg 1944, D. Marquardt 1963; for the robust weights as iteratively
reweighted least squares: P. Holland, R. Welsch, "Robust regression using iteratively reweighted least-squares", 1977;
for the covariance: Hartley, Zisserman, "Multiple View Geometry", 2nd ed., 5.2 (backward transport).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from triangulate.linear import inverse3, solve3

Array = npt.NDArray[np.float64]

MAX_ITERATIONS = 20
# A point has converged when its step is shorter than this: a tenth of a micrometre.
CONVERGED_STEP_M = 1e-7


@dataclass(frozen=True)
class Loss:
    """A robust loss rho(s) of the squared error in standard deviations s, with its weight d rho / d s."""

    rho: Callable[[Array], Array]
    weight: Callable[[Array], Array]


SQUARES = Loss(rho=lambda s: s, weight=np.ones_like)


def geman_mcclure(scale: float) -> Loss:
    """Return the redescending loss s / (1 + s / scale^2): an error far above `scale` deviations costs scale^2.

    Source: S. Geman, D. McClure, "Statistical methods for tomographic image reconstruction", 1987.
    """
    return Loss(
        rho=lambda s: s / (1 + s / scale**2),
        weight=lambda s: (1 + s / scale**2) ** -2,
    )


def huber(scale: float) -> Loss:
    """Return Huber's loss: squares up to `scale` deviations, linear beyond."""
    return Loss(
        rho=lambda s: np.where(s <= scale**2, s, 2 * scale * np.sqrt(s) - scale**2),
        weight=lambda s: scale / np.maximum(np.sqrt(s), scale),
    )


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
    by_xy, _ = camera.lens.distort_jacobians(xy, camera.distortion)
    R = camera.T_cam_world[:3, :3]
    xy_by_xyz = (R[:2] - xy[:, :, None] * R[2]) / depth[:, None, None]
    focal = np.array([camera.matrix[0, 0], camera.matrix[1, 1]])
    return camera.to_pixels(camera.lens.distort(xy, camera.distortion)), focal[:, None] * (by_xy @ xy_by_xyz)


def robust_cost(cameras: CameraGroup, xy_px: Array, sigma_px: Array, xyz_m: Array, loss: Loss) -> Array:
    """Return the robust cost of each point (points,), the sum over its views of rho of the squared error.

    Parameters are those of `refine_points`. NaN points and points behind a view that observes them cost infinity.
    """
    cost = np.zeros(len(xyz_m))
    for camera, observed, sigma in zip(cameras, xy_px, sigma_px, strict=True):
        used = np.isfinite(sigma) & np.isfinite(observed).all(axis=-1)
        error = (camera.project(xyz_m) - observed) / sigma[:, None]
        cost += np.where(used, loss.rho((error * error).sum(axis=-1)), 0.0)
    return np.where(np.isfinite(cost), cost, np.inf)


def _normal_equations(
    cameras: CameraGroup, xy_px: Array, sigma_px: Array, xyz_m: Array, loss: Loss
) -> tuple[Array, Array, Array]:
    """Return the information H (points, 3, 3), the gradient g (points, 3) and the cost (points,) at `xyz_m`."""
    H = np.zeros((len(xyz_m), 3, 3))
    g = np.zeros((len(xyz_m), 3))
    cost = np.zeros(len(xyz_m))
    for camera, observed, sigma in zip(cameras, xy_px, sigma_px, strict=True):
        used = np.isfinite(sigma) & np.isfinite(observed).all(axis=-1)
        projected, J = project_with_jacobian(camera, xyz_m)
        error = (projected - observed) / sigma[:, None]
        J = J / sigma[:, None, None]
        s = (error * error).sum(axis=-1)
        weighted = np.where(used, loss.weight(s), 0.0)[:, None, None] * J
        weighted = np.where(used[:, None, None], weighted, 0.0)
        J = np.where(used[:, None, None], J, 0.0)
        error = np.where(used[:, None], error, 0.0)
        H += np.swapaxes(weighted, 1, 2) @ J
        g += (weighted * error[:, :, None]).sum(axis=1)
        cost += np.where(used, loss.rho(s), 0.0)
    return H, g, np.where(np.isfinite(cost), cost, np.inf)


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
    xyz = np.array(start_m, dtype=np.float64)
    damping = np.full(len(xyz), 1e-4)
    active = np.flatnonzero(np.isfinite(xyz).all(axis=1))
    H, g, cost = _normal_equations(cameras, xy_px[:, active], sigma_px[:, active], xyz[active], loss)
    for _ in range(max_iterations):
        if not len(active):
            break
        damped = H.copy()
        for axis in range(3):
            damped[:, axis, axis] *= 1 + damping[active]
        # No limit on the condition here: damping makes every step a safe one, and a bad one is refused below.
        step = -solve3(damped, g, min_condition=0.0)
        tried = xyz[active] + step
        H_new, g_new, cost_new = _normal_equations(cameras, xy_px[:, active], sigma_px[:, active], tried, loss)
        better = cost_new <= cost
        xyz[active[better]] = tried[better]
        damping[active] = np.clip(np.where(better, damping[active] / 10, damping[active] * 10), 1e-12, 1e12)
        H, g, cost = (
            np.where(better[:, None, None], H_new, H),
            np.where(better[:, None], g_new, g),
            np.where(better, cost_new, cost),
        )
        length = np.sqrt((step * step).sum(axis=1))
        going = (length > CONVERGED_STEP_M) & np.isfinite(length)
        active, H, g, cost = active[going], H[going], g[going], cost[going]
    return evaluate_points(cameras, xy_px, sigma_px, xyz, loss)


def evaluate_points(cameras: CameraGroup, xy_px: Array, sigma_px: Array, xyz_m: Array, loss: Loss) -> RefinedPoints:
    """Return what the views say of points that stay where they are.

    Parameters are those of `refine_points`. Points that the views do not determine, or that lie behind one that is
    used, become NaN.
    """
    information, _, cost = _normal_equations(cameras, xy_px, sigma_px, xyz_m, loss)
    covariance = inverse3(information)
    lost = ~np.isfinite(covariance).all(axis=(1, 2)) | ~np.isfinite(cost)
    xyz_m = np.where(lost[:, None], np.nan, xyz_m)
    covariance[lost] = np.nan
    residual = np.empty(xy_px.shape)
    leverage = np.empty(xy_px.shape)
    for c, camera in enumerate(cameras):
        projected, J = project_with_jacobian(camera, xyz_m)
        residual[c] = projected - xy_px[c]
        s = (residual[c] ** 2).sum(axis=-1) / sigma_px[c] ** 2
        variance = ((J @ covariance) * J).sum(axis=-1)
        weight = np.where(np.isfinite(s), loss.weight(s) / sigma_px[c] ** 2, 0.0)
        leverage[c] = np.where(np.isfinite(variance), weight[:, None] * variance, 0.0)
    return RefinedPoints(xyz_m=xyz_m, covariance_m2=covariance, residual_px=residual, leverage=leverage)
