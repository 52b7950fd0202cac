"""How far points in space are off: from the covariance of the cameras and the noise of the pixels, in millimetres.

A point X is triangulated by least squares, min over X of sum_c |project(camera_c, X) - x_c|^2. Where that is smallest,
its gradient is 0, and the implicit function theorem says how X follows the cameras' parameters and the pixels
(W. Förstner, B. Wrobel, "Photogrammetric Computer Vision", 2016, section 2.7.5; R. Hartley, A. Zisserman, "Multiple
View Geometry", 2nd ed., 2004, section 5.2): with J_c and K_c the derivatives of camera c's pixel by X and by
its parameters,

    H = sum_c J_c^T J_c,    dX = H^-1 sum_c J_c^T (dx_c - K_c dtheta_c),
    Cov(X) = A Cov(theta) A^T + noise_px^2 H^-1,    A = -H^-1 [J_1^T K_1 ... J_n^T K_n].

Where the whole world stands is nobody's error: the cameras and all points can be moved together without changing any
picture. The covariance of the solver holds one camera, so that everything far from it would look uncertain. What is
told here is therefore what remains after the rigid motion that fits a set of reference points best has been taken out
(the inner constraints of B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000, section 9). With
G_p = [I, -[X_p]x] the displacement of point p by a small motion, fitted over the reference points q,

    A_p  <-  A_p - G_p (sum_q G_q^T G_q)^-1 sum_q G_q^T A_q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup

Array = npt.NDArray[np.float64]

POSE = 6
"""The last parameters of a camera: rotation vector (rad), then translation (m)."""

CHUNK = 2000
"""Points at a time: their derivatives by the parameters of 16 cameras take 12 MB."""


@dataclass(frozen=True, eq=False)
class CameraCovariance:
    """What the solver says of the cameras' errors.

    Attributes
    ----------
    covariance
        (cameras, P, cameras, P) in the frame of the anchor camera, whose own pose is held: its entries are 0.
    parameters
        (P,) names, for all cameras: "focal" (fx, px), "aspect" (fy / fx), "cx", "cy" (px), the lens's own, others,
        which move no point that stands still (such as "lag"), and last the pose: the rotation vector w (rad) of
        R_cam_anchor <- exp(w) R_cam_anchor and the step of t_cam_anchor (m). A lens's own parameters may also be called
        by number: d1, d2, ...
    anchor
        The camera's name.
    """

    covariance: Array
    parameters: tuple[str, ...]
    anchor: str

    def __post_init__(self) -> None:
        shape = self.covariance.shape
        if len(shape) != 4 or shape[:2] != shape[2:] or shape[1] != len(self.parameters):
            raise ValueError(
                f"covariance has shape {shape}, needed (cameras, {len(self.parameters)}) twice: {self.parameters}"
            )


@dataclass(frozen=True, eq=False)
class PointUncertainty:
    """How far points are off, each triangulated from all cameras in whose pictures it lies.

    All lengths are root mean square distances in space: the root of the covariance's trace, the square root of 3 times
    the standard deviation of one coordinate (which is what `sigma_m` of keypoints says).

    Attributes
    ----------
    views
        (points,): in how many pictures the point lies. Nothing is known of what hides it there.
    from_cameras_m
        (points,): because the calibration is not exact; the same error in every frame. NaN with fewer than two views.
    per_pixel_m
        (points,): because the pixels are not, for noise with a standard deviation of 1 px in each coordinate, new
        in every view and frame.
    """

    views: npt.NDArray[np.int64]
    from_cameras_m: Array
    per_pixel_m: Array

    def total_m(self, noise_px: float) -> Array:
        """Return (points,): both together, for pixels of that standard deviation."""
        total: Array = np.hypot(self.from_cameras_m, noise_px * self.per_pixel_m)
        return total


def point_uncertainty(
    cameras: CameraGroup, errors: CameraCovariance, points_m: Array, reference_m: Array
) -> PointUncertainty:
    """Say how far points are off.

    Parameters
    ----------
    cameras
        In any world.
    errors
        Of these cameras, in the same order.
    points_m
        (points, 3) in the world, metres.
    reference_m
        (points, 3): those that count as standing still on the whole, spread over the space that is used; those with
        fewer than two views count for nothing, and three others are needed.
    """
    motion = _fitting_motion(cameras, errors, reference_m)
    C = _flat(errors)
    views, from_cameras, per_pixel = [], [], []
    for start in range(0, len(points_m), CHUNK):
        here = points_m[start : start + CHUNK]
        A, per_pixel_covariance, seen = _derivatives(cameras, errors, here)
        A = A - _displacement(here) @ motion
        variance = np.einsum("pij,pij->p", A @ C, A)
        views.append(seen)
        from_cameras.append(np.where(seen >= 2, np.sqrt(np.maximum(variance, 0)), np.nan))
        per_pixel.append(np.sqrt(np.trace(per_pixel_covariance, axis1=1, axis2=2)))
    return PointUncertainty(np.concatenate(views), np.concatenate(from_cameras), np.concatenate(per_pixel))


def center_covariance_m2(cameras: CameraGroup, errors: CameraCovariance, reference_m: Array) -> Array:
    """Return (cameras, 3, 3): the covariance of the cameras' centres in the world, m^2; no camera is held.

    Parameters as for `point_uncertainty`.
    """
    T_world_anchor = np.linalg.inv(cameras[errors.anchor].T_cam_world)
    by_step = np.zeros((len(cameras), 3, len(cameras), len(errors.parameters)))
    for place, camera in enumerate(cameras):
        # C = -R^T t and t' = exp(w) R (-C) + ... : to first order dC = -R^T (dt + t x w), with R and t to the anchor.
        T_cam_anchor = camera.T_cam_world @ T_world_anchor
        R, t = T_cam_anchor[:3, :3], T_cam_anchor[:3, 3]
        step = np.concatenate([_cross_matrices(t[None])[0], np.eye(3)], axis=1)
        by_step[place, :, place, -POSE:] = -T_world_anchor[:3, :3] @ R.T @ step
    A = by_step.reshape(len(cameras), 3, -1)
    centers = np.stack([camera.center_m for camera in cameras])
    A = A - _displacement(centers) @ _fitting_motion(cameras, errors, reference_m)
    covariance: Array = A @ _flat(errors) @ np.swapaxes(A, 1, 2)
    return covariance


def _flat(errors: CameraCovariance) -> Array:
    size = errors.covariance.shape[0] * errors.covariance.shape[1]
    return errors.covariance.reshape(size, size)


def _fitting_motion(cameras: CameraGroup, errors: CameraCovariance, reference_m: Array) -> Array:
    """Return (6, parameters): the small motion of the world that follows the reference points best."""
    normal = np.zeros((2 * 3, 2 * 3))
    side = np.zeros((2 * 3, errors.covariance.shape[0] * errors.covariance.shape[1]))
    for start in range(0, len(reference_m), CHUNK):
        here = reference_m[start : start + CHUNK]
        A, _, seen = _derivatives(cameras, errors, here)
        G = _displacement(here)[seen >= 2]
        normal += np.einsum("pij,pik->jk", G, G)
        side += np.einsum("pij,pik->jk", G, A[seen >= 2])
    motion: Array = np.linalg.pinv(normal, hermitian=True) @ side
    return motion


def _displacement(points_m: Array) -> Array:
    """Return G (points, 3, 6): how points move with a small motion (translation, then rotation) of the world."""
    identity = np.broadcast_to(np.eye(3), (len(points_m), 3, 3))
    return np.concatenate([identity, -_cross_matrices(points_m)], axis=-1)


def _derivatives(
    cameras: CameraGroup, errors: CameraCovariance, points_m: Array
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return A (points, 3, cameras * P) and H^-1 (points, 3, 3) in the world, and the number of views (points,)."""
    T_world_anchor = np.linalg.inv(cameras[errors.anchor].T_cam_world)
    H = np.zeros((len(points_m), 3, 3))
    sides = []
    views = np.zeros(len(points_m), dtype=np.int64)
    for camera in cameras:
        seen = visible(camera, points_m)
        by_point, by_parameters = _pixel_jacobians(camera, errors.parameters, points_m, T_world_anchor)
        by_point = np.where(seen[:, None, None], by_point, 0.0)
        by_parameters = np.where(seen[:, None, None], by_parameters, 0.0)
        H += np.swapaxes(by_point, 1, 2) @ by_point
        sides.append(np.swapaxes(by_point, 1, 2) @ by_parameters)
        views += seen
    # Points in fewer than two pictures have a singular H: they get one that is none, and NaN afterwards.
    few = (views < 2)[:, None, None]
    inverse = np.where(few, np.nan, np.linalg.inv(np.where(few, np.eye(3), H)))
    A = -np.where(few, 0.0, inverse) @ np.concatenate(sides, axis=-1)
    return A, inverse, views


def visible(camera: Camera, points_m: Array) -> npt.NDArray[np.bool_]:
    """Tell which points of the world (..., 3) lie in the camera's picture; nothing is known of what hides them."""
    with np.errstate(all="ignore"):  # directions far outside of the picture overflow the lens's polynomial
        xy_px = camera.project(points_m)
        inside = ((xy_px >= -0.5) & (xy_px <= np.array(camera.size_px) - 0.5)).all(axis=-1)
        # Beyond its turning point the polynomial of a lens brings far directions back into the picture.
        direction = camera.undistort(np.where(inside[..., None], xy_px, np.nan))
        in_camera = camera.to_camera(points_m)
        true = in_camera[..., :2] / in_camera[..., 2:]
        same = np.linalg.norm(direction - true, axis=-1) < 1e-3 * (1 + np.linalg.norm(true, axis=-1))
    found: npt.NDArray[np.bool_] = inside & same
    return found


def _pixel_jacobians(
    camera: Camera, parameters: Sequence[str], points_m: Array, T_world_anchor: Array
) -> tuple[Array, Array]:
    """Return the derivatives of the pixel by the point in the world (n, 2, 3) and by the parameters (n, 2, P)."""
    T_cam_anchor = camera.T_cam_world @ T_world_anchor
    xyz = camera.to_camera(points_m)
    rotated = xyz - T_cam_anchor[:3, 3]
    K = camera.matrix
    with np.errstate(all="ignore"):  # what lies behind the camera is left out by the caller
        xy = xyz[:, :2] / xyz[:, 2:]
        distorted = camera.lens.distort(xy, camera.distortion)
        by_xy, by_distortion = camera.lens.distort_jacobians(xy, camera.distortion)
        focal = np.array([K[0, 0], K[1, 1]])
        by_xyz = np.concatenate([by_xy, -by_xy @ xy[..., None]], axis=-1) / xyz[:, 2, None, None] * focal[:, None]
    by_parameters = np.zeros((len(points_m), 2, len(parameters)))
    own = {name: entry for entry, name in enumerate(camera.lens.parameters)}
    own |= {f"d{entry + 1}": entry for entry in own.values()}
    for place, name in enumerate(parameters[:-POSE]):
        if name == "focal":
            by_parameters[:, 0, place] = distorted[:, 0]
            by_parameters[:, 1, place] = distorted[:, 1] * K[1, 1] / K[0, 0]
        elif name == "aspect":
            by_parameters[:, 1, place] = distorted[:, 1] * K[0, 0]
        elif name in ("cx", "cy"):
            by_parameters[:, "xy".index(name[1]), place] = 1
        elif name in own:
            by_parameters[:, :, place] = focal * by_distortion[..., own[name]]
    by_parameters[:, :, -6:-3] = -by_xyz @ _cross_matrices(rotated)
    by_parameters[:, :, -3:] = by_xyz
    return by_xyz @ camera.T_cam_world[:3, :3], by_parameters


def _cross_matrices(v: Array) -> Array:
    """Return the matrices (n, 3, 3) with which [v] x = cross(v, x), for vectors (n, 3)."""
    zero = np.zeros_like(v[:, 0])
    rows = [zero, -v[:, 2], v[:, 1], v[:, 2], zero, -v[:, 0], -v[:, 1], v[:, 0], zero]
    matrices: Array = np.stack(rows, axis=-1).reshape(len(v), 3, 3)
    return matrices
