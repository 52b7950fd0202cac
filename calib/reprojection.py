"""Where a rigid board's corners are seen in a camera, with the derivatives that the bundle adjustment needs.

A corner p of the board (board frame, metres) goes to the world by the board's pose, to the camera by the camera's pose,
and to the picture by the Brown lens:

    x_world = R_world_board p + t_world_board
    x_cam = R_cam_world x_world + t_cam_world
    pixel = K distort(x_cam / z) + velocity * lag

The last term is about time: a camera that exposes `lag` seconds later than its time stamps say sees a corner that moves
at `velocity` (pixels per second) further along. To first order, which holds while the velocity changes little within
the lag.

Rotations are moved on the left, R <- exp(w) R, so that the derivative by w is minus the cross-product matrix of the
rotated vector (J. Sola et al., "A micro Lie theory for state estimation in robotics", 2018, section IV-C).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.lenses import brown

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

LENS = ("focal", "aspect", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "lag")
"""What belongs to one camera alone: fx = focal, fy = focal * aspect and the principal point in pixels, the distortion,
and the lag in seconds."""

POSE = 6
"""Of a pose: a step of its rotation (3, radians) and of its translation (3, metres)."""

CAMERA = len(LENS) + POSE
"""The parameters of a camera: `LENS`, then the pose T_cam_world."""


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
    """

    lens: Array
    T_cam_world: Array
    T_world_board: Array

    def moved(self, camera_step: Array, board_step: Array) -> Scene:
        """Return the scene after a step of the cameras (cameras, 16) and of the boards (moments, 6)."""
        lenses = len(LENS)
        return Scene(
            lens=self.lens + camera_step[:, :lenses],
            T_cam_world=_moved_poses(self.T_cam_world, camera_step[:, lenses:]),
            T_world_board=_moved_poses(self.T_world_board, board_step),
        )


@dataclass(frozen=True, eq=False)
class Views:
    """The board as single cameras saw it in single moments.

    Attributes
    ----------
    camera, moment
        (views,): which camera saw which board pose.
    xy_px
        (views, corners, 2), NaN where not seen.
    velocity_px_s
        (views, corners, 2): how fast each corner moved in the picture; 0 where that is not known.
    """

    camera: Index
    moment: Index
    xy_px: Array
    velocity_px_s: Array


def focal_px(lens: Array) -> Array:
    """Return fx, fy (..., 2) of lenses (..., 10)."""
    return np.stack([lens[..., 0], lens[..., 0] * lens[..., 1]], axis=-1)


def predict(scene: Scene, views: Views, corners_m: Array) -> Array:
    """Say where the corners (corners, 3) are seen: (views, corners, 2), pixels; NaN behind the camera."""
    T_cam_board = scene.T_cam_world[views.camera] @ scene.T_world_board[views.moment]
    xyz = corners_m @ np.swapaxes(T_cam_board[:, :3, :3], 1, 2) + T_cam_board[:, None, :3, 3]
    depth = np.where(xyz[..., 2:] > 0, xyz[..., 2:], np.nan)
    lens = scene.lens[views.camera]
    distorted = brown.LENS.distort(xyz[..., :2] / depth, lens[:, 4:9].T[..., None])
    pixels: Array = distorted * focal_px(lens)[:, None] + lens[:, None, 2:4] + views.velocity_px_s * lens[:, None, 9:]
    return pixels


def predict_with_jacobians(scene: Scene, views: Views, corners_m: Array) -> tuple[Array, Array, Array]:
    """Predict, and differentiate.

    Returns
    -------
    tuple
        Pixels (views, corners, 2) as `predict` says, their derivatives by the camera's 16 parameters
        (views, corners, 2, 16), and by the board's 6 (views, corners, 2, 6).
    """
    R_cam_world = scene.T_cam_world[views.camera, :3, :3]
    rotated_board = np.asarray(corners_m @ np.swapaxes(scene.T_world_board[views.moment, :3, :3], 1, 2), np.float64)
    places = rotated_board + scene.T_world_board[views.moment, None, :3, 3]
    rotated_world = np.asarray(places @ np.swapaxes(R_cam_world, 1, 2), np.float64)
    xyz = rotated_world + scene.T_cam_world[views.camera, None, :3, 3]
    depth = np.where(xyz[..., 2] > 0, xyz[..., 2], np.nan)
    xy = xyz[..., :2] / depth[..., None]

    lens = scene.lens[views.camera]
    distorted = brown.LENS.distort(xy, lens[:, 4:9].T[..., None])
    by_xy, by_distortion = brown.LENS.distort_jacobians(xy, lens[:, 4:9].T[..., None])
    focal = focal_px(lens)[:, None]

    by_xyz = np.empty((*xyz.shape[:2], 2, 3))  # of the pixel, by the point in the camera's frame
    by_xyz[..., :2] = focal[..., None] * by_xy / depth[..., None, None]
    by_xyz[..., 2] = -(by_xyz[..., 0] * xy[..., None, 0] + by_xyz[..., 1] * xy[..., None, 1])

    by_camera = np.zeros((*xyz.shape[:2], 2, CAMERA))
    by_camera[..., 0, 0] = distorted[..., 0]
    by_camera[..., 1, 0] = distorted[..., 1] * lens[:, None, 1]
    by_camera[..., 1, 1] = distorted[..., 1] * lens[:, None, 0]
    by_camera[..., 0, 2] = 1
    by_camera[..., 1, 3] = 1
    by_camera[..., 4:9] = focal[..., None] * by_distortion
    by_camera[..., 9] = views.velocity_px_s
    by_camera[..., 10:13] = -by_xyz @ _cross_matrices(rotated_world)
    by_camera[..., 13:16] = by_xyz

    by_world = by_xyz @ R_cam_world[:, None]
    by_board = np.concatenate([-by_world @ _cross_matrices(rotated_board), by_world], axis=-1)
    pixels: Array = distorted * focal + lens[:, None, 2:4] + views.velocity_px_s * lens[:, None, 9:]
    return pixels, by_camera, by_board


def _moved_poses(T: Array, step: Array) -> Array:
    """Move poses (n, 4, 4) by (n, 6): R <- exp(step[:3]) R, t <- t + step[3:]."""
    moved = T.copy()
    moved[:, :3, :3] = Rotation.from_rotvec(step[:, :3]).as_matrix() @ T[:, :3, :3]
    moved[:, :3, 3] += step[:, 3:]
    return moved


def _cross_matrices(v: Array) -> Array:
    """Return the matrices (..., 3, 3) with which [v] x = cross(v, x), for vectors (..., 3)."""
    zero = np.zeros_like(v[..., 0])
    rows = [zero, -v[..., 2], v[..., 1], v[..., 2], zero, -v[..., 0], -v[..., 1], v[..., 0], zero]
    matrices: Array = np.stack(rows, axis=-1).reshape(*v.shape[:-1], 3, 3)
    return matrices
