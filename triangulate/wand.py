"""The moving person as the wand: small corrections of the cameras' poses and clocks from a take's own keypoints.

For a calibration that has aged: a tripod that sank, a camera that was nudged, poses that came from elsewhere. One
bundle adjustment (B. Triggs et al., "Bundle adjustment: a modern synthesis", 2000): unknowns are the points at sampled
moments, every camera's pose, and every camera's delay but the first's; points are eliminated (Schur complement), so
that what is solved has seven unknowns a camera. The calibration is the prior, which also holds the world in place: what
all views agree on cannot be told from the world having moved.

A person is a worse wand than a board: what a detector calls a hip depends on where one looks from, and that is taken
for the camera's pose. So this is for poses that are known to be off by more than a few tenths of a degree, and what it
changed is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from clapcap.errors import TriangulationError
from clapcap.progress import Progress, silent
from skeleton.keypoints import Keypoints2D, Observations2D
from triangulate.losses import Loss, geman_mcclure
from triangulate.triangulate import triangulate

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROTATION_STD_RAD, POSITION_STD_M, DELAY_STD_S = 0.02, 0.03, 0.010
"""The prior: how far a pose and a clock may be off from what the calibration and the sync say."""

APART_S, MOST_MOMENTS = 0.15, 300
"""Moments that are used: errors of a detector last about so long, so closer ones say the same again."""

LEAST_VIEWS, LEAST_POINTS = 2, 100
"""Of a point at a moment, and of such points in all."""

ROUNDS = 2

LOSS = geman_mcclure(4.5)
STEPS, CONVERGED = 25, 1e-5
PARAMETERS = 7


@dataclass(frozen=True)
class Correction:
    """What changed of a camera, and how sure that is (one standard deviation).

    Attributes
    ----------
    moved_m, turned_rad, delay_s
        How far its centre moved and how far it turned; how much later it sees than its clock says.
    moved_std_m, turned_std_rad, delay_std_s
        Deviations, of the prior and the views together.
    """

    moved_m: float
    turned_rad: float
    delay_s: float
    moved_std_m: float
    turned_std_rad: float
    delay_std_s: float


@dataclass(frozen=True, eq=False)
class WandResult:
    """Corrected cameras in the calibration's world, what changed by camera, and the median error before and after."""

    cameras: CameraGroup
    corrections: Mapping[str, Correction]
    before_px: float
    after_px: float


def correct_cameras(cameras: CameraGroup, observations: Observations2D, xyz_m: Array) -> WandResult:
    """Correct the cameras by a person whose points are roughly known.

    Parameters
    ----------
    cameras
        The calibration, cameras in the order of the observations.
    observations
        What the views hold, left and right mended, wrong views switched off.
    xyz_m
        (frames, points, 3), metres: the points as triangulated with these cameras; NaN where there is none.

    Raises
    ------
    TriangulationError
        If too few points are seen by two cameras.
    """
    moments = _moments(observations.time_s)
    xy = observations.xy_px[:, moments].reshape(len(cameras), -1, 2)
    sigma = observations.sigma_px[:, moments].reshape(len(cameras), -1)
    velocity = np.gradient(xyz_m, observations.time_s, axis=0) if len(xyz_m) > 1 else np.zeros_like(xyz_m)
    X, V = xyz_m[moments].reshape(-1, 3), np.nan_to_num(velocity[moments].reshape(-1, 3))
    good = np.isfinite(X).all(axis=1) & (np.isfinite(sigma).sum(axis=0) >= LEAST_VIEWS)
    if good.sum() < LEAST_POINTS:
        raise TriangulationError(
            f"{int(good.sum())} points at {len(moments)} moments are seen by two cameras, needed {LEAST_POINTS}: the "
            "person cannot correct the cameras. Calibrate again with the board."
        )
    problem = _Problem(cameras, xy[:, good], sigma[:, good], V[good])
    start_m = X[good]
    state = _State(start_m, np.zeros((len(cameras), PARAMETERS)))
    before_px = problem.median_px(state)
    damping, cost = 1e-3, problem.cost(state)
    for _ in range(STEPS):
        step = problem.step(state, damping)
        tried = _State(state.xyz_m + step.xyz_m, state.parameters + step.parameters)
        lower = problem.cost(tried)
        if lower > cost:
            damping *= 10
            if damping > 1e6:
                break
            continue
        gained = cost - lower
        state, cost, damping = tried, lower, max(damping / 10, 1e-9)
        if gained < CONVERGED * cost:
            break
    std = np.sqrt(np.diag(problem.covariance(state))).reshape(len(cameras), PARAMETERS)
    corrected = problem.cameras_at(state.parameters)
    corrections = {
        old.name: Correction(
            moved_m=float(np.linalg.norm(new.center_m - old.center_m)),
            turned_rad=float(np.linalg.norm(parameters[:3])),
            delay_s=float(parameters[6]),
            moved_std_m=float(np.linalg.norm(deviation[3:6])),
            turned_std_rad=float(np.linalg.norm(deviation[:3])),
            delay_std_s=float(deviation[6]),
        )
        for old, new, parameters, deviation in zip(cameras, corrected, state.parameters, std, strict=True)
    }
    return WandResult(corrected, corrections, before_px, problem.median_px(state))


def correct_by_take(views: Mapping[str, Keypoints2D], cameras: CameraGroup, progress: Progress = silent) -> WandResult:
    """Correct the cameras by a take: triangulate, correct, and once more, as then more of the views agree.

    Parameters
    ----------
    views
        One person's keypoints of each camera, on one timeline.
    cameras
        The calibration; cameras without a view are left out of the result.
    progress
        Told rounds.

    Returns
    -------
    result
        Its corrections are those of both rounds together, against the calibration.

    Raises
    ------
    TriangulationError
        If the views do not fit the calibration, or the person is seen by too few cameras.
    """
    given = cameras.subset(tuple(views))
    rounds: list[WandResult] = []
    for place in range(ROUNDS):
        believed = rounds[-1].cameras if rounds else given
        solved = triangulate(views, believed)
        rounds.append(correct_cameras(believed, solved.observations, solved.keypoints.xyz_m))
        progress(place + 1, ROUNDS)
    last = rounds[-1]
    corrections = {
        old.name: replace(
            last.corrections[old.name],
            moved_m=float(np.linalg.norm(new.center_m - old.center_m)),
            turned_rad=float(Rotation.from_matrix(new.T_cam_world[:3, :3] @ old.T_cam_world[:3, :3].T).magnitude()),
        )
        for old, new in zip(given, last.cameras, strict=True)
    }
    return WandResult(last.cameras, corrections, rounds[0].before_px, last.after_px)


def _moments(time_s: Array) -> npt.NDArray[np.int64]:
    """Return frames that are `APART_S` apart, at most `MOST_MOMENTS`, spread over the take."""
    count = max(2, min(MOST_MOMENTS, int((time_s[-1] - time_s[0]) / APART_S) + 1, len(time_s)))
    wanted = np.linspace(time_s[0], time_s[-1], count)
    nearest: npt.NDArray[np.int64] = np.unique(np.abs(time_s[:, None] - wanted).argmin(axis=0))
    return nearest


@dataclass(frozen=True, eq=False)
class _State:
    """Points (points, 3), and by camera: turn (3), shift (3) in the camera's own axes, delay."""

    xyz_m: Array
    parameters: Array


class _Problem:
    """The bundle adjustment: costs, and steps with the points eliminated."""

    def __init__(self, cameras: CameraGroup, xy_px: Array, sigma_px: Array, velocity: Array, loss: Loss = LOSS) -> None:
        self.cameras, self.loss = cameras, loss
        self.seen = np.isfinite(sigma_px) & np.isfinite(xy_px).all(axis=-1)
        self.xy_px = np.where(self.seen[..., None], xy_px, 0.0)
        self.sigma_px = np.where(self.seen, sigma_px, 1.0)
        self.velocity = velocity
        std = np.array([*[ROTATION_STD_RAD] * 3, *[POSITION_STD_M] * 3, DELAY_STD_S])
        self.prior = np.tile(1 / std**2, (len(cameras), 1))
        self.prior[0, 6] = 1e18  # all clocks together are session time's own

    def cameras_at(self, parameters: Array) -> CameraGroup:
        """Return the cameras with their corrections."""
        return CameraGroup(tuple(_moved(c, p) for c, p in zip(self.cameras, parameters, strict=True)))

    def _errors(self, state: _State, c: int) -> Array:
        """Return a camera's errors in standard deviations (points, 2), 0 where it sees nothing."""
        camera = _moved(self.cameras[self.cameras.names[c]], state.parameters[c])
        moved = state.xyz_m + state.parameters[c, 6] * self.velocity
        error = (camera.project(moved) - self.xy_px[c]) / self.sigma_px[c, :, None]
        return np.where(self.seen[c][:, None], np.nan_to_num(error, nan=1e3), 0.0)

    def cost(self, state: _State) -> float:
        """Return the robust cost, the prior's with it."""
        total = float((self.prior * state.parameters**2).sum())
        for c in range(len(self.cameras)):
            s = (self._errors(state, c) ** 2).sum(axis=1)
            total += float(self.loss.rho(s)[self.seen[c]].sum())
        return total

    def median_px(self, state: _State) -> float:
        """Return the median error of all views, pixels."""
        errors = [
            (np.linalg.norm(self._errors(state, c), axis=1) * self.sigma_px[c])[self.seen[c]]
            for c in range(len(self.cameras))
        ]
        return float(np.median(np.concatenate(errors)))

    def _normal_equations(self, state: _State) -> tuple[Array, Array, Array, Array, Array]:
        """Return the blocks of cameras, of points, between both (cameras, points, 7, 3), and the two gradients."""
        count, points = self.seen.shape
        of_points, pull = np.zeros((points, 3, 3)), np.zeros((points, 3))
        of_cameras = np.zeros((count, PARAMETERS, PARAMETERS))
        between = np.zeros((count, points, PARAMETERS, 3))
        push = np.zeros((count, PARAMETERS))
        for c in range(count):
            camera = _moved(self.cameras[self.cameras.names[c]], state.parameters[c])
            moved = state.xyz_m + state.parameters[c, 6] * self.velocity
            by_point, by_camera = _jacobians(camera, moved)
            by_camera = np.concatenate([by_camera, by_point @ self.velocity[..., None]], axis=2)
            error = self._errors(state, c)
            weight = np.where(self.seen[c], self.loss.weight((error**2).sum(axis=1)), 0.0)
            scale = (1 / self.sigma_px[c])[:, None, None]
            known = np.isfinite(by_point).all(axis=(1, 2))
            A = np.where((self.seen[c] & known)[:, None, None], by_point * scale, 0.0)
            B = np.where((self.seen[c] & known)[:, None, None], by_camera * scale, 0.0)
            weighted_A, weighted_B = A * weight[:, None, None], B * weight[:, None, None]
            of_points += weighted_A.swapaxes(1, 2) @ A
            pull += (weighted_A.swapaxes(1, 2) @ error[..., None])[..., 0]
            of_cameras[c] = np.einsum("pki,pkj->ij", weighted_B, B)
            push[c] = np.einsum("pki,pk->i", weighted_B, error)
            between[c] = weighted_B.swapaxes(1, 2) @ A
        return of_cameras, of_points, between, push, pull

    def _reduced(self, state: _State, damping: float) -> tuple[Array, Array, Array, Array, Array]:
        """Return the cameras' own equations with the points eliminated, and what gives the points back."""
        of_cameras, of_points, between, push, pull = self._normal_equations(state)
        count = len(self.cameras)
        of_points = of_points + 1e-9 * np.eye(3)
        diagonal = np.arange(3)
        of_points[:, diagonal, diagonal] *= 1 + damping
        inverse = np.linalg.inv(of_points)
        matrix = np.zeros((count * PARAMETERS, count * PARAMETERS))
        right = np.zeros(count * PARAMETERS)
        solved = between @ inverse  # (cameras, points, 7, 3)
        for a in range(count):
            rows = slice(a * PARAMETERS, (a + 1) * PARAMETERS)
            matrix[rows, rows] += of_cameras[a] * (1 + damping * np.eye(PARAMETERS)) + np.diag(self.prior[a])
            right[rows] = push[a] + self.prior[a] * state.parameters[a] - np.einsum("pij,pj->i", solved[a], pull)
            for b in range(count):
                columns = slice(b * PARAMETERS, (b + 1) * PARAMETERS)
                matrix[rows, columns] -= np.einsum("pij,pkj->ik", solved[a], between[b])
        return matrix, right, inverse, between, pull

    def step(self, state: _State, damping: float) -> _State:
        """Return a damped Gauss-Newton step."""
        matrix, right, inverse, between, pull = self._reduced(state, damping)
        parameters = -np.linalg.solve(matrix, right).reshape(-1, PARAMETERS)
        for_points = pull + np.einsum("cpij,ci->pj", between, parameters)
        return _State(-(inverse @ for_points[..., None])[..., 0], parameters)

    def covariance(self, state: _State) -> Array:
        """Return the covariance of all cameras' parameters."""
        matrix, *_ = self._reduced(state, 0.0)
        found: Array = np.linalg.inv(matrix)
        return found


def _moved(camera: Camera, parameters: Array) -> Camera:
    """Return the camera turned and shifted in its own axes."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_rotvec(parameters[:3]).as_matrix(), parameters[3:6]
    return replace(camera, T_cam_world=T @ camera.T_cam_world)


def _jacobians(camera: Camera, xyz_m: Array) -> tuple[Array, Array]:
    """Return the pixels' derivatives by the point (points, 2, 3) and by a further turn and shift (points, 2, 6)."""
    at = camera.to_camera(xyz_m)
    depth = np.where(at[:, 2] > 0, at[:, 2], np.nan)
    xy = at[:, :2] / depth[:, None]
    by_xy, _ = camera.lens.distort_jacobians(xy, camera.distortion)
    focal = np.array([camera.matrix[0, 0], camera.matrix[1, 1]])
    by_at = np.zeros((len(at), 2, 3))
    by_at[:, 0, 0] = by_at[:, 1, 1] = 1
    by_at[:, :, 2] = -xy
    by_at = focal[:, None] * (by_xy @ by_at) / depth[:, None, None]
    cross = np.zeros((len(at), 3, 3))
    cross[:, 2, 1], cross[:, 0, 2], cross[:, 1, 0] = at.T
    cross[:, 1, 2], cross[:, 2, 0], cross[:, 0, 1] = -at.T
    return by_at @ camera.T_cam_world[:3, :3], np.concatenate([-(by_at @ cross), by_at], axis=2)
