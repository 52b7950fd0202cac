"""One camera's lens together with the board's pose in each of its views, by least squares.

The camera stands still and the board moves, so that every view has a pose of its own. The poses are eliminated from the
normal equations first (B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000, section 6.1): what is left has
the size of the lens, and cost grows linearly with the views.

Rotations are moved on the left, R <- exp(w) R (J. Sola et al., "A micro Lie theory for state estimation in robotics",
2018, section IV-C). The focal length is moved in its logarithm, so that it stays positive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.intrinsics.lens_prior import LensPrior
from calib.lenses.lens import Lens

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PLAIN = 4
"""Parameters before the distortion: logarithm of the focal length, aspect, and the principal point in pixels."""

CAUCHY_SCALE = 3.0
"""In standard deviations: where the robust loss turns from squared to logarithmic."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A lens and the poses in which it saw the board.

    Attributes
    ----------
    lens
        The model.
    parameters
        (4 + distortion,): log(fx / 1 px), fy / fx, cx, cy in pixels, and the distortion.
    T_cam_board
        (views, 4, 4), metres.
    """

    lens: Lens
    parameters: Array
    T_cam_board: Array

    @property
    def focal_px(self) -> Array:
        """(2,): fx and fy."""
        focal: Array = np.exp(self.parameters[0]) * np.array([1.0, self.parameters[1]])
        return focal

    def predict(self, corners_m: Array) -> Array:
        """Say where the corners (corners, 3) are seen: (views, corners, 2), pixels; NaN behind the camera."""
        xy, _, _ = self.normalised(corners_m)
        pixels: Array = self.lens.distort(xy, self.parameters[PLAIN:]) * self.focal_px + self.parameters[2:4]
        return pixels

    def predict_with_jacobians(self, corners_m: Array) -> tuple[Array, Array, Array]:
        """Return pixels, their derivatives by the parameters (..., 2, 4 + n), and by the view's pose (..., 2, 6)."""
        xy, depth, rotated = self.normalised(corners_m)
        distortion, focal = self.parameters[PLAIN:], self.focal_px
        distorted = self.lens.distort(xy, distortion)
        by_xy, by_distortion = self.lens.distort_jacobians(xy, distortion)
        by_lens = np.zeros((*xy.shape[:2], 2, len(self.parameters)))
        by_lens[..., 0] = distorted * focal
        by_lens[..., 1, 1] = distorted[..., 1] * focal[0]
        by_lens[..., 0, 2] = by_lens[..., 1, 3] = 1
        by_lens[..., PLAIN:] = focal[:, None] * by_distortion
        by_xyz = np.empty((*xy.shape[:2], 2, 3))
        by_xyz[..., :2] = focal[:, None] * by_xy / depth[..., None, None]
        by_xyz[..., 2] = -(by_xyz[..., :2] @ xy[..., None])[..., 0]
        by_pose = np.concatenate([by_xyz @ _turning(rotated), by_xyz], axis=-1)
        return distorted * focal + self.parameters[2:4], by_lens, by_pose

    def moved(self, lens_step: Array, pose_step: Array) -> Fit:
        """Return the fit after a step of the parameters (4 + n,) and of the poses (views, 6)."""
        T = self.T_cam_board.copy()
        T[:, :3, :3] = Rotation.from_rotvec(pose_step[:, :3]).as_matrix() @ T[:, :3, :3]
        T[:, :3, 3] += pose_step[:, 3:]
        return replace(self, parameters=self.parameters + lens_step, T_cam_board=T)

    def normalised(self, corners_m: Array) -> tuple[Array, Array, Array]:
        """Return x / z and y / z, z, and the corners turned into the camera's axes."""
        rotated = np.asarray(corners_m @ np.swapaxes(self.T_cam_board[:, :3, :3], 1, 2), dtype=np.float64)
        xyz = rotated + self.T_cam_board[:, None, :3, 3]
        depth = np.where(xyz[..., 2] > 0, xyz[..., 2], np.nan)
        return xyz[..., :2] / depth[..., None], depth, rotated


@dataclass(frozen=True, eq=False)
class Seen:
    """What a fit is judged by.

    Attributes
    ----------
    corners_m
        (corners, 3), board frame.
    xy_px
        (views, corners, 2), NaN where not seen.
    sigma_px
        (views, corners): standard deviation of a coordinate; infinite where the corner is not to count.
    """

    corners_m: Array
    xy_px: Array
    sigma_px: Array

    def views(self, which: Mask | npt.NDArray[np.intp]) -> Seen:
        """Return some of the views."""
        return replace(self, xy_px=self.xy_px[which], sigma_px=self.sigma_px[which])

    def distances(self, fit: Fit) -> Array:
        """Return (views, corners): the distance in pixels, infinite behind the camera, NaN where not seen."""
        distance = np.linalg.norm(self.xy_px - fit.predict(self.corners_m), axis=-1)
        return np.where(np.isfinite(self.xy_px[..., 0]), np.nan_to_num(distance, nan=np.inf), np.nan)

    def costs(self, fit: Fit, robust: bool) -> Array:
        """Return (views,) each view's cost; infinite where a corner that counts is behind the camera."""
        counts = np.isfinite(self.sigma_px) & np.isfinite(self.xy_px[..., 0])
        squared = (np.where(counts, self.distances(fit), 0.0) / self.sigma_px) ** 2
        loss = CAUCHY_SCALE**2 * np.log1p(squared / CAUCHY_SCALE**2) if robust else squared
        costs: Array = loss.sum(axis=1)
        return costs


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal equations: the lens's block with the prior, each view's pose, what is between them, both sides."""

    lens: Array  # (p, p)
    poses: Array  # (views, 6, 6)
    between: Array  # (views, p, 6)
    lens_sides: Array  # (views, p), without the prior
    prior_side: Array  # (p,)
    pose_sides: Array  # (views, 6)


def normal_equations(seen: Seen, fit: Fit, prior: LensPrior, robust: bool) -> Normal:
    """Linearise around the fit."""
    J, residual = _weighted(seen, fit, robust)
    JT, p = np.swapaxes(J, 1, 2), len(fit.parameters)
    H, side = JT @ J, (JT @ residual[..., None])[..., 0]
    return Normal(
        lens=H[:, :p, :p].sum(axis=0) + np.diag(prior.precision),
        poses=H[:, p:, p:],
        between=H[:, :p, p:],
        lens_sides=side[:, :p],
        prior_side=-prior.precision * prior.offset(fit.parameters),
        pose_sides=side[:, p:],
    )


def view_information(seen: Seen, fit: Fit) -> Array:
    """Return (views, 4 + n, 4 + n): what each view says of the lens when its own pose is eliminated."""
    J, _ = _weighted(seen, fit, robust=False)
    p = len(fit.parameters)
    H = np.swapaxes(J, 1, 2) @ J
    information: Array = H[:, :p, :p] - H[:, :p, p:] @ np.linalg.solve(_damped(H[:, p:, p:], 1e-12), H[:, p:, :p])
    return information


def _weighted(seen: Seen, fit: Fit, robust: bool) -> tuple[Array, Array]:
    """Return Jacobians (views, coordinates, 4 + n + 6) and residuals (views, coordinates) in standard deviations."""
    pixels, by_lens, by_pose = fit.predict_with_jacobians(seen.corners_m)
    counts = (np.isfinite(seen.sigma_px) & np.isfinite(seen.xy_px[..., 0]))[..., None]
    inverse = np.where(counts, 1 / seen.sigma_px[..., None], 0.0)
    residual = np.where(counts, seen.xy_px - pixels, 0.0) * inverse
    if robust:
        root = 1 / np.sqrt(1 + (residual**2).sum(axis=-1, keepdims=True) / CAUCHY_SCALE**2)
        inverse, residual = inverse * root, residual * root
    J = np.concatenate([by_lens, by_pose], axis=-1)
    J *= inverse[..., None]
    J[~counts[..., 0]] = 0
    return J.reshape(len(J), -1, J.shape[-1]), residual.reshape(len(J), -1)


def minimise(
    seen: Seen,
    fit: Fit,
    prior: LensPrior,
    robust: bool,
    most: int = 50,
    enough: float = 1e-6,
    damping: float = 1e-3,
) -> Fit:
    """Minimise the cost of the views plus the squared distance from the prior, by Levenberg-Marquardt.

    Parameters
    ----------
    seen, fit, prior
        What was seen, where to start, and what is known of the lens; of which a standard deviation of 0 holds a
        parameter.
    robust
        Whether distances count by Cauchy's loss or by their square.
    most
        The most steps, refused ones included.
    enough
        It stops when a step gains less than this share of the cost.
    damping
        Of the first step, as a share of the diagonal; nearly none where the start is near the minimum.
    """
    free = prior.std > 0

    def cost_of(fit: Fit) -> float:
        return float(seen.costs(fit, robust).sum() + prior.cost(fit.parameters))

    cost, steps = cost_of(fit), 0
    while steps < most:
        normal = normal_equations(seen, fit, prior, robust)
        while steps < most:
            steps += 1
            moved = fit.moved(*_step(normal, free, damping))
            moved_cost = cost_of(moved)
            if moved_cost <= cost:
                break
            damping *= 8
            if damping > 1e8:
                return fit
        if not moved_cost <= cost:
            break
        gain, fit, cost = cost - moved_cost, moved, moved_cost
        damping = max(damping / 8, 1e-12)
        if gain <= enough * cost:
            break
    return fit


def minimise_poses(seen: Seen, fit: Fit, most: int) -> Fit:
    """Minimise each view's robust cost by moving its pose only, with `most` steps at most, refused ones included."""
    cost, p = seen.costs(fit, robust=True), len(fit.parameters)
    damping = np.full(len(cost), 1e-3)
    for _ in range(most):
        J, residual = _weighted(seen, fit, robust=True)
        JT = np.swapaxes(J[..., p:], 1, 2)
        step = np.linalg.solve(_damped(JT @ J[..., p:], damping), JT @ residual[..., None])[..., 0]
        moved = fit.moved(np.zeros_like(fit.parameters), step)
        moved_cost = seen.costs(moved, robust=True)
        better = moved_cost <= cost
        fit = replace(fit, T_cam_board=np.where(better[:, None, None], moved.T_cam_board, fit.T_cam_board))
        with np.errstate(invalid="ignore"):  # infinite before and after: still behind the camera
            gain = np.where(better, cost - moved_cost, np.inf)
        damping = np.where(better, damping / 8, np.minimum(damping * 8, 1e8))
        cost = np.where(better, moved_cost, cost)
        if (gain <= 1e-3 * cost).all():
            break
    return fit


def eliminated(normal: Normal, damping: float = 0.0) -> tuple[Array, Array, Array]:
    """Eliminate the poses: the lens's matrix (p, p), each view's right-hand side (views, p), and the damped poses."""
    poses = _damped(normal.poses, damping)
    WV = np.swapaxes(np.linalg.solve(poses, np.swapaxes(normal.between, 1, 2)), 1, 2)
    lens = _damped(normal.lens, damping) - np.tensordot(WV, normal.between, axes=([0, 2], [0, 2]))
    sides = normal.lens_sides - (WV @ normal.pose_sides[..., None])[..., 0]
    return lens, sides, poses


def _step(normal: Normal, free: Mask, damping: float) -> tuple[Array, Array]:
    lens, sides, poses = eliminated(normal, damping)
    step = np.zeros(len(free))
    side = sides.sum(axis=0) + normal.prior_side
    step[free] = np.linalg.solve(lens[np.ix_(free, free)], side[free])
    right = normal.pose_sides - np.einsum("vpi,p->vi", normal.between, step)
    return step, np.linalg.solve(poses, right[..., None])[..., 0]


def _turning(v: Array) -> Array:
    """Return (..., 3, 3): what w does to vectors (..., 3) that exp(w) turns, minus their cross-product matrices."""
    minus = np.zeros((*v.shape, 3))
    minus[..., 0, 1], minus[..., 0, 2], minus[..., 1, 2] = v[..., 2], -v[..., 1], v[..., 0]
    minus[..., 1, 0], minus[..., 2, 0], minus[..., 2, 1] = -v[..., 2], v[..., 1], -v[..., 0]
    return minus


def _damped(H: Array, damping: float | Array) -> Array:
    """Enlarge the diagonal in proportion (Marquardt); what no corner speaks of stays put."""
    diagonal = np.diagonal(H, axis1=-2, axis2=-1)
    extra = np.asarray(damping)[..., None] * diagonal + np.where(diagonal > 0, 0.0, 1.0)
    damped: Array = H + extra[..., None] * np.eye(H.shape[-1])
    return damped
