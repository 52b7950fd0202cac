"""How good calibrated cameras are on views of the board that did not calibrate them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from calib.solve.shared_views import SharedViews
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeldOutError:
    """Errors of corners triangulated one by one, each from all cameras that saw it (two or more).

    Attributes
    ----------
    points, observations
        Corners triangulated, and views of them.
    reprojection_rmse_px
        Root mean square distance of the seen from the reprojected corners.
    neighbour_mean_mm, neighbour_std_mm
        Of the distances between neighbouring corners minus the side of a square.
    rigid_rmse_mm
        Root mean square distance from the rigid board that fits a moment's corners best; moments of four or more.
    """

    points: int
    observations: int
    reprojection_rmse_px: float
    neighbour_mean_mm: float
    neighbour_std_mm: float
    rigid_rmse_mm: float


def held_out_error(cameras: CameraGroup, shared: SharedViews) -> HeldOutError:
    """Triangulate every corner on its own and measure; nothing is left out.

    Raises
    ------
    CalibrationError
        If no corner was seen by two cameras at a time.
    """
    xyz_m = triangulate_corners(cameras, shared.xy_px)
    if not np.isfinite(xyz_m).any():
        raise CalibrationError(
            f"No corner was seen by two of {', '.join(cameras.names)} in the {len(shared.time_s)} moments kept for "
            "checking: needed 1 at least. Keep other moments."
        )
    residual = shared.xy_px - cameras.project(xyz_m)
    distance = np.linalg.norm(residual, axis=-1)
    known = distance[np.isfinite(distance)]
    pair = shared.board.neighbours
    side = np.linalg.norm(xyz_m[:, pair[:, 0]] - xyz_m[:, pair[:, 1]], axis=-1)
    true_m = np.linalg.norm(shared.board.corners_m[pair[:, 0]] - shared.board.corners_m[pair[:, 1]], axis=-1)
    error_mm = 1e3 * (side - true_m)[np.isfinite(side)]
    return HeldOutError(
        points=int(np.isfinite(xyz_m[..., 0]).sum()),
        observations=len(known),
        reprojection_rmse_px=float(np.sqrt(np.mean(known**2))),
        neighbour_mean_mm=float(error_mm.mean()) if len(error_mm) else np.nan,
        neighbour_std_mm=float(error_mm.std()) if len(error_mm) else np.nan,
        rigid_rmse_mm=1e3 * _rigid_rmse(xyz_m, shared.board.corners_m),
    )


def triangulate_corners(cameras: CameraGroup, xy_px: Array) -> Array:
    """Triangulate points by least reprojection error: (cameras, ..., 2) pixels -> (..., 3) metres in the world.

    The linear solution, then Gauss-Newton steps on the distorted reprojection error (R. Hartley, A. Zisserman,
    "Multiple View Geometry", 2004, section 12.3). NaN where fewer than two cameras saw the point. No view is doubted.
    """
    shape = xy_px.shape[1:-1]
    flat = xy_px.reshape(len(cameras), -1, 2)
    seen = np.isfinite(flat[..., 0])
    use = seen.sum(axis=0) >= 2
    flat, seen = np.where(seen[..., None], flat, 0.0)[:, use], seen[:, use]
    xyz = _linear(cameras, flat, seen)
    for _ in range(4):
        H, g = np.zeros((len(xyz), 3, 3)), np.zeros((len(xyz), 3))
        for camera, pixels, here in zip(cameras, flat, seen, strict=True):
            in_camera = camera.to_camera(xyz)
            xy = in_camera[:, :2] / in_camera[:, 2:]
            by_xy, _ = camera.lens.distort_jacobians(xy, camera.distortion)
            by_camera = np.concatenate([by_xy, -by_xy @ xy[..., None]], axis=-1) / in_camera[:, 2, None, None]
            J = np.diag(camera.matrix)[:2, None] * by_camera @ camera.T_cam_world[:3, :3]
            residual = pixels - camera.to_pixels(camera.lens.distort(xy, camera.distortion))
            J, residual = J * here[:, None, None], residual * here[:, None]
            H += np.swapaxes(J, 1, 2) @ J
            g += (np.swapaxes(J, 1, 2) @ residual[..., None])[..., 0]
        xyz = xyz + (np.linalg.pinv(H, hermitian=True) @ g[..., None])[..., 0]
    points = np.full((len(use), 3), np.nan)
    points[use] = xyz
    return points.reshape(*shape, 3)


def _linear(cameras: CameraGroup, xy_px: Array, seen: npt.NDArray[np.bool_]) -> Array:
    """Return the points (points, 3) of the smallest algebraic error in normalised coordinates."""
    rows = []
    for camera, pixels, here in zip(cameras, xy_px, seen, strict=True):
        xy, P = camera.undistort(pixels), camera.T_cam_world[:3]
        known = here & np.isfinite(xy[:, 0])
        rows.append(np.where(known[:, None, None], xy[:, :, None] * P[2] - P[:2], 0.0))
    A = np.concatenate(rows, axis=1)
    homogeneous = np.linalg.svd(A)[2][:, -1]
    xyz: Array = homogeneous[:, :3] / homogeneous[:, 3:]
    return xyz


def _rigid_rmse(xyz_m: Array, corners_m: Array) -> float:
    """Fit the board to each moment's points (W. Kabsch, 1976) and return the root mean square distance."""
    seen = np.isfinite(xyz_m[..., 0])
    moments = seen.sum(axis=1) >= 4
    weight = seen[moments][..., None].astype(np.float64)
    points = np.where(seen[moments][..., None], xyz_m[moments], 0.0)
    count = weight.sum(axis=1, keepdims=True)
    points = (points - points.sum(axis=1, keepdims=True) / count) * weight
    board = corners_m * weight
    board = (board - board.sum(axis=1, keepdims=True) / count) * weight
    U, _, Vt = np.linalg.svd(np.swapaxes(points, 1, 2) @ board)
    handed = np.ones((len(U), 3))
    handed[:, 2] = np.linalg.det(U @ Vt)
    turned = board @ np.swapaxes(U * handed[:, None] @ Vt, 1, 2)
    return float(np.sqrt(((points - turned) ** 2).sum() / count.sum())) if len(U) else np.nan
