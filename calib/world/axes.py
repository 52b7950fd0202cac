"""Worlds of other tools: which of their axes points up, and how long their unit is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup

Array = npt.NDArray[np.float64]

Z_UP_FROM = {
    "x": np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "-x": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "y": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-y": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "z": np.eye(3),
    "-z": np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]),
}
"""Rotations that make an axis of a world its z axis, by a quarter or half a turn."""

CLEARLY_UP = 0.75
"""Cosine between an axis and the pictures' mean up direction from which that axis is named.

Cameras that all look down by 40 degrees from one side have 0.77 with the vertical and 0.64 with the next axis.
"""


def picture_up(cameras: CameraGroup) -> Array:
    """Return the mean direction (3,) in the world towards which the pictures' top edges point; at most of length 1."""
    up: Array = np.mean([-camera.T_cam_world[1, :3] for camera in cameras], axis=0)
    return up


def axis_up(cameras: CameraGroup) -> str | None:
    """Return the axis of the world that points up by the pictures, such as "-y"; None if none does clearly.

    It takes cameras that are held upright: a picture lying on its side says nothing.
    """
    up = picture_up(cameras)
    name, matrix = max(Z_UP_FROM.items(), key=lambda item: float(item[1][2] @ up))
    return name if float(matrix[2] @ up) >= CLEARLY_UP else None


def turn_up(cameras: CameraGroup, axis: str) -> CameraGroup:
    """Return the cameras in a world whose z axis is what was `axis`; the origin stays."""
    T_old_new = np.eye(4)
    T_old_new[:3, :3] = Z_UP_FROM[axis].T
    return CameraGroup(tuple(replace(camera, T_cam_world=camera.T_cam_world @ T_old_new) for camera in cameras))


def scale(cameras: CameraGroup, factor: float) -> CameraGroup:
    """Return the cameras in a world that is larger by `factor`; pictures stay as they are."""
    scaled = []
    for camera in cameras:
        T_cam_world = camera.T_cam_world.copy()
        T_cam_world[:3, 3] *= factor
        scaled.append(replace(camera, T_cam_world=T_cam_world))
    return CameraGroup(tuple(scaled))


def distances_m(cameras: CameraGroup) -> Array:
    """Return the distances between all pairs of cameras, metres; empty for one camera."""
    centers = np.array([camera.center_m for camera in cameras])
    first, second = np.triu_indices(len(centers), k=1)
    distances: Array = np.linalg.norm(centers[first] - centers[second], axis=-1)
    return distances
