"""Lines of sight: observations made ready to be solved many times, each number in a plane of its own.

Every observation is undistorted once. What is minimised is still the error in pixels: to first order, the pixels
between a projection and its observation are the difference of their undistorted coordinates times the lens's Jacobian
at the observation. That is exact where they meet, and 0.1 px off where they are 20 px apart (k1 = -0.12, at the edge).

With that Jacobian's triangular factor (whose rows are two directions in the picture at right angles) each view gives
two equations row . (X, 1) = 0, in pixels times depth. Their squares, over the squared depth of the step before, are the
squared error: iterated linear triangulation (R. Hartley, P. Sturm, "Triangulation", 1997, section 4.2). Each view's
share of the normal equations is six numbers and three and does not change from step to step, so that a step is a few
passes over contiguous planes: the sums over views with new weights, and a 3 x 3 system a point in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from triangulate.linear import MIN_CONDITION
from triangulate.losses import Loss

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Undistortion starts from a table of so many cells a side: bilinear in it, the start is within 1e-4,
# and one step of Newton's method from there within 1e-8 (0.01 thousandths of a pixel at a focal length of 1000 px).
TABLE_CELLS = 64
# The table reaches beyond the picture by this share of its size: some detectors guess points beside it.
TABLE_MARGIN = 0.1
# Depths below this, or behind the camera, count as this: the error is then so large that no robust loss believes it.
MIN_DEPTH_M = 1e-3
# A point has converged when its step along each axis is shorter than this: a micrometre.
CONVERGED_STEP_M = 1e-6
# The entries of a symmetric 3 x 3 matrix that are kept, and where (i, j) is found among them.
UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
PLACE = ((0, 1, 2), (1, 3, 4), (2, 4, 5))


@dataclass(frozen=True, eq=False)
class SightLines:
    """What the views say of points, in planes.

    Attributes
    ----------
    T_cam_world
        (cameras, 3, 4).
    xy
        (2, cameras, points): undistorted normalised coordinates; 0 where not observed.
    factor
        (3, cameras, points): l, m, n of the triangular factor [[l, m], [0, n]] that turns differences of `xy` into
        pixels; 0 where not observed, so that such views have no say.
    """

    T_cam_world: Array
    xy: Array
    factor: Array

    @property
    def seen(self) -> Bools:
        """(cameras, points): observed."""
        return np.asarray(self.factor[0] > 0)

    def of(self, points: npt.NDArray[np.intp] | Bools) -> SightLines:
        """Return the lines of some of the points."""
        return SightLines(self.T_cam_world, self.xy[..., points], self.factor[..., points])

    def rows(self) -> Array:
        """Return both equations of every view, (2, 4, cameras, points): row . (X, 1) is pixels times depth."""
        P = self.T_cam_world[:, :, :, None]
        x, y = self.xy
        lx, mx, nx = self.factor
        rows = np.empty((2, 4, *x.shape))
        for k in range(4):
            b = P[:, 1, k] - y * P[:, 2, k]
            rows[0, k] = lx * (P[:, 0, k] - x * P[:, 2, k]) + mx * b
            rows[1, k] = nx * b
        return rows

    def equations(self) -> Array:
        """Return each view's share of the normal equations, (9, cameras, points): `UPPER` of H, then g, of H X = g."""
        rows = self.rows()
        shares = np.empty((9, *rows.shape[2:]))
        for place, (i, j) in enumerate(UPPER):
            shares[place] = rows[0, i] * rows[0, j] + rows[1, i] * rows[1, j]
        for i in range(3):
            shares[6 + i] = -(rows[0, i] * rows[0, 3] + rows[1, i] * rows[1, 3])
        return shares

    def project(self, xyz_m: Array) -> tuple[Array, Array, Array]:
        """Return x, y and one over the depth of points (3, points) in every view, each (cameras, points)."""
        P = self.T_cam_world
        moved = (P[:, :, :3].reshape(-1, 3) @ xyz_m).reshape(len(P), 3, -1)
        moved += P[:, :, 3:]
        inverse_depth = 1 / np.maximum(moved[:, 2], MIN_DEPTH_M)
        return moved[:, 0] * inverse_depth, moved[:, 1] * inverse_depth, inverse_depth

    def squared_px(self, x: Array, y: Array) -> Array:
        """Return the squared error in pixels, (cameras, points), of projections at x, y; 0 where not observed."""
        dx: Array = x - self.xy[0]
        dy: Array = y - self.xy[1]
        lx, mx, nx = self.factor
        dx *= lx
        dx += mx * dy
        dx *= dx
        dy *= nx
        dy *= dy
        dx += dy
        return dx


def sight_lines(cameras: CameraGroup, xy_px: Array) -> SightLines:
    """Undistort observations (cameras, points, 2), pixels; NaN where there is none."""
    count, points = xy_px.shape[:2]
    xy, factor = np.zeros((2, count, points)), np.zeros((3, count, points))
    for c, (camera, observed) in enumerate(zip(cameras, xy_px, strict=True)):
        found, by_xy = _undistorted(camera, observed)
        a, b = (camera.matrix[0, 0] * by_xy[..., 0, i] for i in (0, 1))
        d, e = (camera.matrix[1, 1] * by_xy[..., 1, i] for i in (0, 1))
        seen = np.isfinite(found[:, 0]) & np.isfinite(found[:, 1])
        along = np.sqrt(a * a + d * d)
        for plane, value in (
            (xy[0], found[:, 0]),
            (xy[1], found[:, 1]),
            (factor[0], along),
            (factor[1], (a * b + d * e) / along),
            (factor[2], np.abs(a * e - b * d) / along),
        ):
            plane[c] = np.where(seen, value, 0.0)
    return SightLines(np.stack([camera.T_cam_world[:3] for camera in cameras]), xy, factor)


def summed(shares: Array, weight: Array) -> Array:
    """Return the normal equations (9, points) of all views with weights (cameras, points)."""
    total: Array = np.einsum("kcn,cn->kn", shares, weight)
    return total


def solve_planes(equations: Array, min_condition: float = MIN_CONDITION) -> Array:
    """Solve normal equations (9, points) for points (3, points); NaN as for `triangulate.linear.solve3`."""
    adjugate, determinant = adjugate_planes(equations[:6], min_condition)
    g = equations[6:]
    solution = np.empty(g.shape)
    for i, (p, q, r) in enumerate(PLACE):
        solution[i] = adjugate[p] * g[0] + adjugate[q] * g[1] + adjugate[r] * g[2]
    solution /= determinant
    return solution


def solve_with_spread(equations: Array) -> tuple[Array, Array]:
    """Solve normal equations (9, points): points (3, points) and the inverse of H (6, points)."""
    inverse = inverse_planes(equations[:6])
    g = equations[6:]
    solution = np.empty(g.shape)
    for i, (p, q, r) in enumerate(PLACE):
        solution[i] = inverse[p] * g[0] + inverse[q] * g[1] + inverse[r] * g[2]
    return solution, inverse


def shared_trace(H: Array, inverse: Array) -> Array:
    """Return the trace of H times another symmetric matrix, both (6, ...) planes: (...)."""
    diagonal = H[0] * inverse[0] + H[3] * inverse[3] + H[5] * inverse[5]
    trace: Array = diagonal + 2 * (H[1] * inverse[1] + H[2] * inverse[2] + H[4] * inverse[4])
    return trace


def inverse_planes(H: Array, min_condition: float = MIN_CONDITION) -> Array:
    """Invert symmetric matrices, (6, points) to (6, points); NaN as for `triangulate.linear.solve3`."""
    adjugate, determinant = adjugate_planes(H, min_condition)
    adjugate /= determinant
    return adjugate


def adjugate_planes(H: Array, min_condition: float) -> tuple[Array, Array]:
    """Return adjugate (6, points) and determinant (points,), the latter NaN where it is too small."""
    a, b, c, d, e, f = H
    adjugate = np.empty(H.shape)
    adjugate[0] = d * f - e * e
    adjugate[1] = c * e - b * f
    adjugate[2] = b * e - c * d
    adjugate[3] = a * f - c * c
    adjugate[4] = b * c - a * e
    adjugate[5] = a * d - b * b
    determinant = a * adjugate[0] + b * adjugate[1] + c * adjugate[2]
    third = (a + d + f) / 3
    enough = determinant > min_condition * (third * third * third)
    return adjugate, np.where(enough, determinant, np.nan)


def matrices(planes: Array) -> Array:
    """Return symmetric matrices (points, 3, 3) from their planes (6, points)."""
    return np.asarray(np.moveaxis(planes[np.array(PLACE)], -1, 0))


def descend(
    lines: SightLines,
    shares: Array,
    weight: Array,
    xyz_m: Array,
    loss: Loss,
    steps: int,
    prior: tuple[Array, Array] | None = None,
) -> Array:
    """Take steps of iteratively reweighted least squares from (3, points); return (3, points).

    Parameters
    ----------
    lines, shares
        The views and their equations.
    weight
        (cameras, points): one over the variance of a coordinate in square pixels; 0: do not use.
    xyz_m
        Start.
    loss
        Of the squared error in variances.
    steps
        How many; a point is done earlier once its step is no longer than `CONVERGED_STEP_M`.
    prior
        Where points are expected, (3, points), and one over the variance of that, (points,), per square metre: counts
        like one more view.
    """
    found = np.array(xyz_m, dtype=np.float64)
    active = np.arange(found.shape[1])
    for _ in range(steps):
        x, y, inverse_depth = lines.project(xyz_m)
        k = loss.weight(lines.squared_px(x, y) * weight)
        k *= weight
        k *= inverse_depth
        k *= inverse_depth
        equations = summed(shares, k)
        if prior is not None:
            expected, certainty = prior
            away = xyz_m - expected
            pull = loss.weight((away * away).sum(axis=0) * certainty) * certainty
            equations[[0, 3, 5]] += pull
            equations[6:] += pull * expected
        after = solve_planes(equations, min_condition=0.0)
        moving = (np.abs(after - xyz_m) > CONVERGED_STEP_M).any(axis=0)
        xyz_m = np.where(np.isfinite(after), after, xyz_m)
        found[:, active] = xyz_m
        if not moving.any():
            break
        if 2 * np.count_nonzero(moving) < len(moving):  # the others are done
            active, xyz_m = active[moving], xyz_m[:, moving]
            lines, shares, weight = lines.of(moving), shares[..., moving], weight[:, moving]
            prior = None if prior is None else (prior[0][:, moving], prior[1][moving])
    return found


@lru_cache(maxsize=64)
def _table(camera: Camera) -> Array:
    """Return undistorted coordinates (2, (cells + 1)^2) over the picture and its margin, row by row."""
    width, height = camera.size_px
    along = np.linspace(-TABLE_MARGIN, 1 + TABLE_MARGIN, TABLE_CELLS + 1)
    table: Array = camera.undistort(np.stack(np.meshgrid(width * along, height * along), axis=-1))
    planes = np.ascontiguousarray(np.moveaxis(table, -1, 0).reshape(2, -1))
    planes.setflags(write=False)
    return planes


def _undistorted(camera: Camera, xy_px: Array) -> tuple[Array, Array]:
    """Return undistorted coordinates (points, 2) and the derivatives (points, 2, 2) of the lens there."""
    cells = TABLE_CELLS / (1 + 2 * TABLE_MARGIN)
    u = xy_px[:, 0] * (cells / camera.size_px[0]) + TABLE_MARGIN * cells
    v = xy_px[:, 1] * (cells / camera.size_px[1]) + TABLE_MARGIN * cells
    inside = (u >= 0) & (u < TABLE_CELLS) & (v >= 0) & (v < TABLE_CELLS)
    u, v = np.where(inside, u, 0.0), np.where(inside, v, 0.0)
    column, row = u.astype(np.intp), v.astype(np.intp)
    u -= column
    v -= row
    place = row * (TABLE_CELLS + 1) + column
    xy = np.empty(xy_px.shape)
    for axis, plane in enumerate(_table(camera)):
        upper, lower = plane[place], plane[place + (TABLE_CELLS + 1)]
        upper += u * (plane[place + 1] - upper)
        lower += u * (plane[place + (TABLE_CELLS + 2)] - lower)
        xy[:, axis] = upper + v * (lower - upper)
    # Where the table has no inverse, and for points that a detector places far beside the picture, the whole way.
    hard = ~inside | np.isnan(xy[:, 0])
    xy[~inside] = np.nan
    hard &= np.isfinite(xy_px[:, 0]) & np.isfinite(xy_px[:, 1])
    if hard.any():
        xy[hard] = camera.undistort(xy_px[hard])
    K = camera.matrix
    with np.errstate(all="ignore"):  # NaN stays NaN
        bent = camera.lens.distort(xy, camera.distortion)
        by_xy = camera.lens.distort_jacobian(xy, camera.distortion)
        p = bent[:, 0] - (xy_px[:, 0] - K[0, 2]) / K[0, 0]
        q = bent[:, 1] - (xy_px[:, 1] - K[1, 2]) / K[1, 1]
        a, b, c, d = by_xy[:, 0, 0], by_xy[:, 0, 1], by_xy[:, 1, 0], by_xy[:, 1, 1]
        determinant = a * d - b * c
        xy[:, 0] -= (d * p - b * q) / determinant
        xy[:, 1] -= (a * q - c * p) / determinant
    return xy, by_xy
