"""Where a rigid board's corners are seen in a camera, with the derivatives that the bundle adjustment needs.

A corner p of the board (board frame, metres) goes to the world by the board's pose at the time when the camera exposed,
to the camera by the camera's pose, and to the picture by the lens:

    x_world = R_world_board(d) p + t_world_board(d)
    x_cam = R_cam_world x_world + t_cam_world
    pixel = K distort(x_cam / z)

d is how long after the moment the camera exposed: its time stamp's distance from the moment, plus the camera's own lag
behind its stamps. How the board moves within d is said in `calib.solve.path`.

Rotations are moved on the left, R <- exp(w) R, so that the derivative by w is minus the cross-product matrix of the
rotated vector (J. Sola et al., "A micro Lie theory for state estimation in robotics", 2018, section IV-C).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.lenses.lens import Lens
from calib.solve.path import Path

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

DISTORTION = slice(4, 9)
"""The places of the distortion among a camera's parameters; lens models with fewer leave the rest at 0."""

LENS = ("focal", "aspect", "cx", "cy", "d1", "d2", "d3", "d4", "d5", "lag")
"""What belongs to one camera alone: fx = focal, fy = focal * aspect and the principal point in pixels, the distortion,
and the lag in seconds."""

LAG = LENS.index("lag")

POSE = 6
"""Of a pose: a step of its rotation (3, radians) and of its translation (3, metres)."""

CAMERA = len(LENS) + POSE
"""The parameters of a camera: `LENS`, then the pose T_cam_world."""

SHAPE = ("bend_xx", "bend_xy", "bend_yy", "stretch_y")
"""The board's departure from a flat print: z = xx x^2 + xy x y + yy y^2 (1/m), and y is (1 + stretch_y) y."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that a bundle adjustment moves.

    Attributes
    ----------
    lens
        (cameras, 10) in the order of `LENS`.
    T_cam_world
        (cameras, 4, 4), metres.
    T_world_board
        (moments, 4, 4), metres.
    shape
        (4,) in the order of `SHAPE`.
    """

    lens: Array
    T_cam_world: Array
    T_world_board: Array
    shape: Array

    def moved(self, camera_step: Array, board_step: Array, shape_step: Array) -> Scene:
        """Return the scene after a step of the cameras (cameras, 16), the boards (moments, 6) and the shape (4,)."""
        return Scene(
            lens=self.lens + camera_step[:, : len(LENS)],
            T_cam_world=_moved_poses(self.T_cam_world, camera_step[:, len(LENS) :]),
            T_world_board=_moved_poses(self.T_world_board, board_step),
            shape=self.shape + shape_step,
        )

    def corners_m(self, corners_m: Array) -> Array:
        """Return where the corners (corners, 3) of the flat print lie on the board as it is."""
        x, y = corners_m[:, 0], corners_m[:, 1]
        z = np.stack([x * x, x * y, y * y], axis=1) @ self.shape[:3]
        return np.asarray(corners_m + np.stack([np.zeros_like(x), self.shape[3] * y, z], axis=1))


@dataclass(frozen=True, eq=False)
class Views:
    """The board as single cameras saw it in single moments.

    Attributes
    ----------
    camera, moment
        (views,): which camera saw which board pose; each pair once.
    xy_px
        (views, corners, 2), NaN where not seen.
    delay_s
        (views,): how long after the moment the frame was taken, by its time stamp.
    lenses
        The cameras' lens models.
    sigma_px
        (views,): standard deviation of a corner's coordinate as the picture tells it; NaN where not known.
    """

    camera: Index
    moment: Index
    xy_px: Array
    delay_s: Array
    lenses: tuple[Lens, ...]
    sigma_px: Array

    def of_moments(self, which: npt.NDArray[np.bool_]) -> Views:
        """Return the views of the moments (moments,) chosen, which are numbered anew."""
        own = which[self.moment]
        number = np.cumsum(which) - 1
        return replace(self.chosen(np.flatnonzero(own)), moment=number[self.moment[own]])

    def chosen(self, which: npt.NDArray[np.intp]) -> Views:
        """Return some of the views."""
        return replace(
            self,
            camera=self.camera[which],
            moment=self.moment[which],
            xy_px=self.xy_px[which],
            delay_s=self.delay_s[which],
            sigma_px=self.sigma_px[which],
        )


def focal_px(lens: Array) -> Array:
    """Return fx, fy (..., 2) of lenses (..., 10)."""
    return np.stack([lens[..., 0], lens[..., 0] * lens[..., 1]], axis=-1)


@dataclass(frozen=True, eq=False)
class _Placed:
    """Corners on their way to the pictures: (views, corners, 3) where not said otherwise."""

    turned: Array  # (views, 3, 3): the rotation from the moment to the exposure
    R_world_board: Array  # (views, 3, 3): at the exposure
    rotated_board: Array  # the corner relative to the board's origin, world axes, at the exposure
    speed: Array  # dx_world / dd
    rotated_world: Array  # the corner in the world, camera axes
    xyz: Array  # in the camera's frame


def _place(scene: Scene, views: Views, corners_m: Array, path: Path) -> _Placed:
    delay = views.delay_s + scene.lens[views.camera, LAG]
    delay = np.where(path.known[views.moment], delay, 0.0)[:, None]
    twist, acceleration = path.twist[views.moment], path.acceleration[views.moment]
    moved = delay * twist + delay**2 / 2 * acceleration
    rate = twist + delay * acceleration
    turned = Rotation.from_rotvec(moved[:, :3]).as_matrix()
    R_world_board = turned @ scene.T_world_board[views.moment, :3, :3]
    rotated_board = np.asarray(scene.corners_m(corners_m) @ np.swapaxes(R_world_board, 1, 2), np.float64)
    places = rotated_board + (scene.T_world_board[views.moment, :3, 3] + moved[:, 3:])[:, None]
    spin = (_left_jacobians(moved[:, :3]) @ rate[:, :3, None])[..., 0]
    speed = np.cross(spin[:, None], rotated_board) + rate[:, None, 3:]
    R_cam_world = scene.T_cam_world[views.camera, :3, :3]
    rotated_world = np.asarray(places @ np.swapaxes(R_cam_world, 1, 2), np.float64)
    xyz = rotated_world + scene.T_cam_world[views.camera, None, :3, 3]
    return _Placed(turned, R_world_board, rotated_board, speed, rotated_world, xyz)


def predict(scene: Scene, views: Views, corners_m: Array, path: Path) -> Array:
    """Say where the corners (corners, 3) are seen: (views, corners, 2), pixels; NaN behind the camera."""
    xyz = _place(scene, views, corners_m, path).xyz
    xy = xyz[..., :2] / np.where(xyz[..., 2:] > 0, xyz[..., 2:], np.nan)
    lens = scene.lens[views.camera]
    distorted = np.empty_like(xy)
    for model, own in _by_lens(views):
        parameters = lens[own, DISTORTION].T[: len(model.parameters), :, None]
        distorted[own] = model.distort(xy[own], parameters)
    pixels: Array = distorted * focal_px(lens)[:, None] + lens[:, None, 2:4]
    return pixels


def predict_with_jacobians(
    scene: Scene, views: Views, corners_m: Array, path: Path
) -> tuple[Array, Array, Array, Array]:
    """Predict, and differentiate.

    Returns
    -------
    tuple
        Pixels (views, corners, 2) as `predict` says, and their derivatives by the camera's 16 parameters
        (views, corners, 2, 16), by the board's 6 (views, corners, 2, 6), and by the shape (views, corners, 2, 4).
    """
    placed = _place(scene, views, corners_m, path)
    depth = np.where(placed.xyz[..., 2] > 0, placed.xyz[..., 2], np.nan)
    xy = placed.xyz[..., :2] / depth[..., None]

    lens = scene.lens[views.camera]
    distorted, by_xy = np.empty_like(xy), np.empty((*xy.shape, 2))
    by_distortion = np.zeros((*xy.shape, DISTORTION.stop - DISTORTION.start))
    for model, own in _by_lens(views):
        parameters = lens[own, DISTORTION].T[: len(model.parameters), :, None]
        distorted[own] = model.distort(xy[own], parameters)
        by_xy[own], by_distortion[own, ..., : len(model.parameters)] = model.distort_jacobians(xy[own], parameters)
    focal = focal_px(lens)[:, None]

    by_xyz = np.empty((*xy.shape[:2], 2, 3))  # of the pixel, by the point in the camera's frame
    by_xyz[..., :2] = focal[..., None] * by_xy / depth[..., None, None]
    by_xyz[..., 2] = -(by_xyz[..., 0] * xy[..., None, 0] + by_xyz[..., 1] * xy[..., None, 1])
    by_world = by_xyz @ scene.T_cam_world[views.camera, None, :3, :3]

    by_camera = np.zeros((*xy.shape[:2], 2, CAMERA))
    by_camera[..., 0, 0] = distorted[..., 0]
    by_camera[..., 1, 0] = distorted[..., 1] * lens[:, None, 1]
    by_camera[..., 1, 1] = distorted[..., 1] * lens[:, None, 0]
    by_camera[..., 0, 2] = 1
    by_camera[..., 1, 3] = 1
    by_camera[..., DISTORTION] = focal[..., None] * by_distortion
    by_camera[..., LAG] = (by_world @ placed.speed[..., None])[..., 0] * path.known[views.moment, None, None]
    by_camera[..., len(LENS) : len(LENS) + 3] = _crossed(placed.rotated_world, by_xyz)
    by_camera[..., len(LENS) + 3 :] = by_xyz

    by_board = np.empty((*xy.shape[:2], 2, POSE))
    # A step before the turn is the turned step after it.
    by_board[..., :3] = _crossed(placed.rotated_board, by_world) @ placed.turned[:, None]
    by_board[..., 3:] = by_world

    x, y = corners_m[:, 0], corners_m[:, 1]
    by_corner = by_world @ placed.R_world_board[:, None]
    by_shape = np.empty((*xy.shape[:2], 2, len(SHAPE)))
    by_shape[..., :3] = by_corner[..., 2:] * np.stack([x * x, x * y, y * y], axis=1)[:, None]
    by_shape[..., 3] = by_corner[..., 1] * y[:, None]
    return distorted * focal + lens[:, None, 2:4], by_camera, by_board, by_shape


def _by_lens(views: Views) -> list[tuple[Lens, npt.NDArray[np.intp]]]:
    """Return the lens models, each with its views."""
    models = {model.name: model for model in views.lenses}
    names = np.array([model.name for model in views.lenses])[views.camera]
    return [(model, np.flatnonzero(names == name)) for name, model in models.items()]


def _moved_poses(T: Array, step: Array) -> Array:
    """Move poses (n, 4, 4) by (n, 6): R <- exp(step[:3]) R, t <- t + step[3:]."""
    moved = T.copy()
    moved[:, :3, :3] = Rotation.from_rotvec(step[:, :3]).as_matrix() @ T[:, :3, :3]
    moved[:, :3, 3] += step[:, 3:]
    return moved


def _left_jacobians(turn: Array) -> Array:
    """Return the left Jacobians of the rotation group at (..., 3), to the second order (Sola, equation 145).

    Board turn by 0.2 rad within a lag at most, where the next order is 3e-4.
    """
    W = _cross_matrices(turn)
    return np.asarray(np.eye(3) + W / 2 + W @ W / 6)


def _crossed(v: Array, rows: Array) -> Array:
    """Return cross(v, row) = -row [v]x for vectors (..., 3) and each of their rows (..., 2, 3)."""
    x, y, z = v[..., None, 0], v[..., None, 1], v[..., None, 2]
    a, b, c = rows[..., 0], rows[..., 1], rows[..., 2]
    crossed = np.empty(rows.shape)
    crossed[..., 0] = y * c - z * b
    crossed[..., 1] = z * a - x * c
    crossed[..., 2] = x * b - y * a
    return crossed


def _cross_matrices(v: Array) -> Array:
    """Return the matrices (..., 3, 3) with which [v] x = cross(v, x), for vectors (..., 3)."""
    zero = np.zeros_like(v[..., 0])
    rows = [zero, -v[..., 2], v[..., 1], v[..., 2], zero, -v[..., 0], -v[..., 1], v[..., 0], zero]
    matrices: Array = np.stack(rows, axis=-1).reshape(*v.shape[:-1], 3, 3)
    return matrices
