"""How far bodies in space are from figures in pictures, in metres where the body is; which sides are exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.linear import solve3
from triangulate.people.figures import LEAST_POINTS

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# One point disagrees by at most this much, metres: an arm that is somewhere else altogether does not decide who it is.
CAP_M = 0.6
# Nearer to a camera than this nothing is seen whole.
MIN_DEPTH_M = 0.3
# Points that two cameras see along one line are nowhere: rays must differ by this much, radians (3 degrees).
MIN_ANGLE = 0.05


@dataclass(frozen=True, eq=False)
class Geometry:
    """The cameras as arrays: `R` (cameras, 3, 3) and `t` (cameras, 3) from world to camera, `center_m` (cameras, 3)."""

    R: Array
    t: Array
    center_m: Array

    @classmethod
    def of(cls, cameras: CameraGroup) -> Geometry:
        """Return the geometry of a group."""
        T = np.stack([camera.T_cam_world for camera in cameras])
        return cls(T[:, :3, :3], T[:, :3, 3], np.stack([camera.center_m for camera in cameras]))

    def seen(self, xyz_m: Array) -> tuple[Array, Array]:
        """Return where each camera sees bodies (cameras, bodies, points, 3), world: xy (..., 2) and depth (...).

        Metres; NaN behind a camera, and very near to it.
        """
        local = np.einsum("cij,ctpj->ctpi", self.R, xyz_m) + self.t[:, None, None]
        depth = np.where(local[..., 2] > MIN_DEPTH_M, local[..., 2], np.nan)
        return local[..., :2] / depth[..., None], depth

    def directions(self, xy: Array, camera: Ints) -> Array:
        """Return unit rays in the world of normalised coordinates (n, ..., 2), each of the camera (n,)."""
        ray = np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], axis=-1)
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        world: Array = np.einsum("nji,n...j->n...i", self.R[camera], ray)
        return world


def capped_mean(apart_m: Array, weight: Array) -> Array:
    """Return the mean of capped distances over the last axis; infinity where too few points can be compared."""
    known = np.isfinite(apart_m) & (weight > 0)
    w = np.where(known, weight, 0.0)
    total = (np.minimum(np.where(known, apart_m, 0.0), CAP_M) * w).sum(axis=-1)
    mean: Array = np.where(known.sum(axis=-1) >= LEAST_POINTS, total / np.maximum(w.sum(axis=-1), 1e-9), np.inf)
    return mean


def distances_m(geometry: Geometry, bodies_m: Array, xy: Array, weight: Array, mirror: Ints) -> tuple[Array, Bools]:
    """Compare bodies with figures.

    Parameters
    ----------
    geometry
        The cameras.
    bodies_m
        (cameras, bodies, points, 3), world, metres: where each body is when the camera takes its picture.
    xy, weight
        (cameras, slots, points, 2) and (cameras, slots, points): the figures, undistorted and normalised.
    mirror
        (points,): the order that exchanges left and right.

    Returns
    -------
    distance_m
        (cameras, bodies, slots): mean over points, at the body's depth; infinity where it cannot be told.
    mirrored
        (cameras, bodies, slots): with left and right exchanged the figure is nearer.
    """
    expected, depth = geometry.seen(bodies_m)

    def apart(figures: Array, weights: Array) -> Array:
        gap = np.linalg.norm(expected[:, :, None] - figures[:, None], axis=-1) * depth[:, :, None]
        return capped_mean(gap, weights[:, None])

    straight = apart(xy, weight)
    crossed = apart(xy[:, :, mirror], weight[:, :, mirror])
    return np.minimum(straight, crossed), crossed < straight


def triangulated(geometry: Geometry, xy: Array, weight: Array) -> Array:
    """Triangulate bodies by linear least squares.

    Parameters
    ----------
    geometry
        The cameras.
    xy, weight
        (cameras, bodies, points, 2) and (cameras, bodies, points); weight 0: not used.

    Returns
    -------
    Array
        (bodies, points, 3), metres; NaN with fewer than two views.
    """
    used = np.isfinite(xy).all(axis=-1) & (weight > 0)
    xy = np.where(used[..., None], xy, 0.0)
    P = np.concatenate([geometry.R, geometry.t[..., None]], axis=-1)
    rows = xy[..., :, None] * P[:, None, None, 2:3] - P[:, None, None, :2]  # (cameras, bodies, points, 2, 4)
    a, b = rows[..., :3], -rows[..., 3]
    w = np.where(used, weight, 0.0)
    H = np.einsum("ctpki,ctpkj,ctp->tpij", a, a, w, optimize=True)
    g = np.einsum("ctpki,ctpk,ctp->tpi", a, b, w, optimize=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        points = solve3(H, g)
    enough = used.sum(axis=0) >= 2
    return np.where(enough[..., None], points, np.nan)


def rays_meet(center_m: Array, direction: Array, other_center_m: Array, other: Array) -> tuple[Array, Array]:
    """Return how far rays pass each other (...), metres, and the point midway (..., 3); NaN where they do not meet.

    Parameters
    ----------
    center_m, direction
        (..., 3): where the rays start, and their unit directions; likewise the others.
    """
    between = other_center_m - center_m
    cosine = (direction * other).sum(axis=-1)
    sine2 = 1 - cosine**2
    along, along_other = (between * direction).sum(axis=-1), (between * other).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (along - cosine * along_other) / sine2
        t = (cosine * along - along_other) / sine2
    meets = (sine2 > MIN_ANGLE**2) & (s > MIN_DEPTH_M) & (t > MIN_DEPTH_M)
    first, second = center_m + s[..., None] * direction, other_center_m + t[..., None] * other
    apart = np.where(meets, np.linalg.norm(first - second, axis=-1), np.nan)
    return apart, np.where(meets[..., None], (first + second) / 2, np.nan)
