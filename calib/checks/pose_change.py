"""How far cameras stand from where they stood, with uncertainty, and which of them did not move.

Two solutions of the same cameras have worlds of their own. To first order, what brings a camera of the second onto the
same camera of the first is a small turn w (world axes) and a step d of its centre. A common small motion m = (turn,
step of the origin) of the whole world makes w = m_turn and d = m_turn x centre + m_step: that part is nobody's
movement. It is fitted to the cameras that did not move and taken out of all:

    u = (I - G (G_S^T W G_S)^-1 G_S^T W) e,    Cov(u) = M (Cov_before + Cov_now) M^T

with e the cameras' (w, d), G how they follow m, S the cameras that did not move, W fixed weights, and M the matrix in
brackets. M G = 0, so that it does not matter which camera's pose the solvers held (the gauge; B. Triggs et al., "Bundle
adjustment: a modern synthesis", 2000, section 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import CameraGroup
from calib.quality.uncertainty import CameraCovariance

Array = npt.NDArray[np.float64]

TURN_STD_RAD, STEP_STD_M = 1e-3, 1e-3
"""The weights of turns and steps in the fit of the worlds: a turn of 0.06 degrees counts like a step of 1 mm."""

LEAST_STD_RAD, LEAST_STD_M = 2e-4, 3e-4
"""0.01 degrees and 0.3 mm: no calibration is better than that, whatever its covariance says."""

CERTAIN_SIGMA = 4.0
"""Standard deviations from which a change is believed; 6 in 100,000 normal errors go that far."""

TOLERANCE_M, TOLERANCE_DEG = 0.003, 0.15
"""Smaller changes are not called movements even if they are certain: 0.15 degrees shift a point 3 m away by 8 mm, and
two calibrations of cameras that were not touched differ by as much."""


@dataclass(frozen=True, eq=False)
class PoseChange:
    """How a camera's pose changed.

    Attributes
    ----------
    step_m
        (3,): of its centre, in the world of the first solution.
    turn_rad
        (3,): rotation vector, world axes.
    covariance
        (6, 6) of turn, then step.
    """

    step_m: Array
    turn_rad: Array
    covariance: Array

    @property
    def moved_m(self) -> float:
        """How far the centre moved."""
        return float(np.linalg.norm(self.step_m))

    @property
    def turned_deg(self) -> float:
        """By how much the camera turned."""
        return float(np.degrees(np.linalg.norm(self.turn_rad)))

    @property
    def moved_std_m(self) -> float:
        """Standard deviation along the step."""
        return _std_along(self.step_m, self.covariance[3:, 3:])

    @property
    def turned_std_deg(self) -> float:
        """Standard deviation about the turn's axis."""
        return float(np.degrees(_std_along(self.turn_rad, self.covariance[:3, :3])))

    @property
    def moved(self) -> bool:
        """Whether the camera was certainly moved or turned, by more than the tolerances."""
        step = self.moved_m > max(TOLERANCE_M, CERTAIN_SIGMA * self.moved_std_m)
        turn = self.turned_deg > max(TOLERANCE_DEG, CERTAIN_SIGMA * self.turned_std_deg)
        return step or turn


def _std_along(vector: Array, covariance: Array) -> float:
    length = np.linalg.norm(vector)
    direction = vector / length if length > 0 else np.ones(3) / np.sqrt(3)
    return float(np.sqrt(direction @ covariance @ direction))


def pose_changes(
    before: CameraGroup,
    now: CameraGroup,
    errors: Sequence[tuple[CameraGroup, CameraCovariance]],
    still: Sequence[int],
) -> list[PoseChange]:
    """Return how each camera's pose changed, given which cameras stand where they stood.

    Parameters
    ----------
    before, now
        The same cameras in the same order, in worlds of their own.
    errors
        What solvers say of the errors of either, each with its cameras; every camera must be in each of them.
    still
        Places of the cameras that did not move, one or more.
    """
    names = before.names
    T_before_now = _fit(before, now, still)
    turn, step = _differences(before, now, T_before_now)
    G = _follow(before)
    rows = (6 * np.asarray(still)[:, None] + np.arange(6)).ravel()
    weight = np.tile([TURN_STD_RAD**-2] * 3 + [STEP_STD_M**-2] * 3, len(still))
    normal = (G[rows].T * weight) @ G[rows]
    M = np.eye(6 * len(names))
    M[:, rows] -= G @ np.linalg.solve(normal, G[rows].T * weight)
    u = M @ np.concatenate([turn, step], axis=1).ravel()
    total = np.zeros_like(M)
    for group, known in errors:
        total += _pose_covariance(group, known, before)
    covariance = M @ total @ M.T
    floor = np.diag([LEAST_STD_RAD**2] * 3 + [LEAST_STD_M**2] * 3)
    changes = []
    for place in range(len(names)):
        own = slice(6 * place, 6 * place + 6)
        changes.append(PoseChange(u[own][3:], u[own][:3], covariance[own, own] + floor))
    return changes


def cameras_that_stand(
    before: CameraGroup, now: CameraGroup, errors: Sequence[tuple[CameraGroup, CameraCovariance]]
) -> list[list[int]]:
    """Return the largest sets of cameras that stand to each other as they stood, those of equal size together.

    From each camera in turn: those that did not move as seen from it, then as seen from all of them, until it settles.
    """
    sets = set()
    for place in range(len(before)):
        still = [place]
        for _ in range(len(before)):
            changes = pose_changes(before, now, errors, still)
            again = [other for other, change in enumerate(changes) if not change.moved]
            if again == still or not again:
                break
            still = again
        sets.add(tuple(still))
    most = max(len(found) for found in sets)
    return sorted([list(found) for found in sets if len(found) == most])


def _differences(before: CameraGroup, now: CameraGroup, T_before_now: Array) -> tuple[Array, Array]:
    """Return (cameras, 3) twice: the turns and the steps from before to now, in the first world."""
    R = np.stack([camera.T_cam_world[:3, :3].T for camera in before])
    R_now = np.stack([T_before_now[:3, :3] @ camera.T_cam_world[:3, :3].T for camera in now])
    turn = Rotation.from_matrix(R_now @ np.swapaxes(R, 1, 2)).as_rotvec()
    centers = np.stack([camera.center_m for camera in now]) @ T_before_now[:3, :3].T + T_before_now[:3, 3]
    return turn, centers - np.stack([camera.center_m for camera in before])


def _follow(group: CameraGroup) -> Array:
    """Return G (cameras * 6, 6): how turns and steps of the cameras follow a small motion of the world."""
    G = np.zeros((len(group), 6, 6))
    G[:, :3, :3] = G[:, 3:, 3:] = np.eye(3)
    G[:, 3:, :3] = -_cross_matrices(np.stack([camera.center_m for camera in group]))  # m x c = -[c] m
    return G.reshape(-1, 6)


def _fit(before: CameraGroup, now: CameraGroup, still: Sequence[int]) -> Array:
    """Return T_before_now (4, 4): the rigid motion that brings the still cameras' poses together best."""
    first = still[0]
    T = np.linalg.inv(before.cameras[first].T_cam_world) @ now.cameras[first].T_cam_world
    G = _follow(before).reshape(-1, 6, 6)[list(still)].reshape(-1, 6)
    weight = np.tile([1 / TURN_STD_RAD] * 3 + [1 / STEP_STD_M] * 3, len(still))
    for _ in range(5):
        turn, step = _differences(before, now, T)
        e = np.concatenate([turn, step], axis=1)[list(still)].ravel()
        motion = np.linalg.lstsq(G * weight[:, None], -e * weight, rcond=None)[0]
        small = np.eye(4)
        small[:3, :3] = Rotation.from_rotvec(motion[:3]).as_matrix()
        small[:3, 3] = motion[3:]
        T = small @ T
    return T


def _pose_covariance(group: CameraGroup, errors: CameraCovariance, world: CameraGroup) -> Array:
    """Return (cameras * 6,) twice: the covariance of turns and steps of the cameras of `world`, along its axes.

    The solver's step of camera c in the anchor's frame, R <- exp(w) R, t <- t + v, turns the camera by -R^T w and moves
    its centre -R^T t by -R^T (v + t x w) there.
    """
    chosen = [group.names.index(name) for name in world.names]
    parameters = errors.covariance.shape[1]
    T_anchor_world = group[errors.anchor].T_cam_world
    # Roughly, as for all first-order covariances: what is being measured changes the worlds' mean rotation little.
    turns = [world[name].T_cam_world[:3, :3].T @ group[name].T_cam_world[:3, :3] for name in world.names]
    R_world_anchor = Rotation.from_matrix(turns).mean().as_matrix() @ T_anchor_world[:3, :3].T
    J = np.zeros((len(chosen), 6, len(group), parameters))
    for place, name in enumerate(world.names):
        T_cam_anchor = group[name].T_cam_world @ np.linalg.inv(T_anchor_world)
        R, t = T_cam_anchor[:3, :3], T_cam_anchor[:3, 3]
        J[place, :3, chosen[place], -6:-3] = -R_world_anchor @ R.T
        J[place, 3:, chosen[place], -6:-3] = -R_world_anchor @ R.T @ _cross_matrices(t[None])[0]
        J[place, 3:, chosen[place], -3:] = -R_world_anchor @ R.T
    J = J.reshape(6 * len(chosen), -1)
    size = len(group) * parameters
    covariance: Array = J @ errors.covariance.reshape(size, size) @ J.T
    return covariance


def _cross_matrices(v: Array) -> Array:
    """Return the matrices (n, 3, 3) with which [v] x = cross(v, x), for vectors (n, 3)."""
    zero = np.zeros_like(v[:, 0])
    rows = [zero, -v[:, 2], v[:, 1], v[:, 2], zero, -v[:, 0], -v[:, 1], v[:, 0], zero]
    matrices: Array = np.stack(rows, axis=-1).reshape(len(v), 3, 3)
    return matrices
