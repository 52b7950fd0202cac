"""Weighted linear triangulation: one small linear system a point, for all points at once.

Source: R. Hartley, A. Zisserman, "Multiple View Geometry", 2nd ed., 12.2: each view gives the two equations
x p3.X - p1.X = 0 and y p3.X - p2.X = 0, here in undistorted normalised coordinates (so that P = T_cam_world and all
views have the same scale) and with X = (x, y, z, 1) (people are not at infinity), weighted and solved by its normal
equations.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup

Array = npt.NDArray[np.float64]

# Points whose rays are closer to parallel than this are not determined: the smallest of det(H) / (trace(H) / 3)^3 for
# the normal equations H, which is 1 for a well surrounded point and about the squared angle between two rays. 1e-5 is
# 0.2 degrees: 4 m away, one pixel at a focal length of 1000 px is then more than a metre in depth.
MIN_CONDITION = 1e-5


def solve3(H: Array, g: Array, min_condition: float = MIN_CONDITION) -> Array:
    """Solve H x = g for many symmetric positive 3 x 3 systems by the adjugate.

    Parameters
    ----------
    H, g
        (..., 3, 3) and (..., 3).
    min_condition
        Where det(H) / (trace(H) / 3)^3 is below this, the answer is NaN.

    Returns
    -------
    Array
        (..., 3).
    """
    adjugate, determinant = _adjugate(H, min_condition)
    solution: Array = np.einsum("...ij,...j->...i", adjugate, g) / determinant[..., None]
    return solution


def inverse3(H: Array, min_condition: float = MIN_CONDITION) -> Array:
    """Invert many symmetric positive 3 x 3 matrices (..., 3, 3); NaN where `solve3` gives NaN."""
    adjugate, determinant = _adjugate(H, min_condition)
    inverse: Array = adjugate / determinant[..., None, None]
    return inverse


def _adjugate(H: Array, min_condition: float) -> tuple[Array, Array]:
    """Return adjugate (..., 3, 3) and determinant (...), the latter NaN where it is too small."""
    a, b, c = H[..., 0, 0], H[..., 0, 1], H[..., 0, 2]
    d, e, f = H[..., 1, 1], H[..., 1, 2], H[..., 2, 2]
    adjugate = np.empty(H.shape)
    adjugate[..., 0, 0] = d * f - e * e
    adjugate[..., 0, 1] = adjugate[..., 1, 0] = c * e - b * f
    adjugate[..., 0, 2] = adjugate[..., 2, 0] = b * e - c * d
    adjugate[..., 1, 1] = a * f - c * c
    adjugate[..., 1, 2] = adjugate[..., 2, 1] = b * c - a * e
    adjugate[..., 2, 2] = a * d - b * b
    determinant = a * adjugate[..., 0, 0] + b * adjugate[..., 0, 1] + c * adjugate[..., 0, 2]
    scale = ((a + d + f) / 3) ** 3
    return adjugate, np.where(determinant > min_condition * scale, determinant, np.nan)


def undistort(cameras: CameraGroup, xy_px: Array) -> Array:
    """Map the pixels of each camera (cameras, ..., 2) to undistorted normalised coordinates of the same shape."""
    return np.stack([camera.undistort(xy) for camera, xy in zip(cameras, xy_px, strict=True)])


def normal_equations(camera: Camera, xy: Array, weight: Array) -> tuple[Array, Array]:
    """Return one view's share of the normal equations.

    Parameters
    ----------
    camera
        The view.
    xy
        (..., 2): undistorted normalised coordinates; NaN counts as weight 0.
    weight
        (...): weight of the squared error, any common unit; 0 for a point that the view shall not touch.

    Returns
    -------
    tuple of Array
        H (..., 3, 3) and g (..., 3), to be summed over views before `solve3`.
    """
    P = camera.T_cam_world
    seen = np.isfinite(xy).all(axis=-1) & (weight > 0)
    xy = np.where(seen[..., None], xy, 0.0)
    weight = np.where(seen, weight, 0.0)
    rows = xy[..., :, None] * P[2] - P[:2]  # (..., 2, 4)
    a, b = rows[..., :3], -rows[..., 3]
    weighted = a * weight[..., None, None]
    H: Array = np.einsum("...ki,...kj->...ij", weighted, a)
    g: Array = np.einsum("...ki,...k->...i", weighted, b)
    return H, g


def triangulate_linear(cameras: CameraGroup, xy: Array, weight: Array) -> Array:
    """Triangulate by weighted linear least squares.

    Robust against nothing, and what it minimises is no pixel error: a start for `triangulate.refine`.

    Parameters
    ----------
    cameras
        The views.
    xy
        (cameras, ..., 2): undistorted normalised coordinates.
    weight
        (cameras, ...), 0 where a view is not to be used.

    Returns
    -------
    Array
        (..., 3): points in the world, metres; NaN with fewer than two views or (nearly) parallel rays.
    """
    H = np.zeros((*weight.shape[1:], 3, 3))
    g = np.zeros((*weight.shape[1:], 3))
    for camera, xy_camera, weight_camera in zip(cameras, xy, weight, strict=True):
        H_camera, g_camera = normal_equations(camera, xy_camera, weight_camera)
        H += H_camera
        g += g_camera
    return solve3(H, g)
