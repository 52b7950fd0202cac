"""Virtual cameras: whom they see, from where, how large and how well framed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CameraSettings:
    """How virtual cameras are drawn; a pair is a range.

    Attributes
    ----------
    focal
        Focal length over the picture's longer side, drawn evenly in its logarithm: 0.38 is a phone's ultra-wide lens
        (14 mm on 35 mm film), 0.72 its main lens (26 mm), 2.2 its tele lens (80 mm).
    height_m
        Of the camera above the floor.
    fill
        The standing body's height over the picture's height, drawn evenly in its logarithm; above 1 the body is cut.
    distance_m
        The camera's distance from the subject, whatever `fill` says.
    off_centre
        Deviation of where the camera is aimed beside the subject, in heights of the picture.
    roll_deg
        Deviation of the roll.
    aspect
        Width over height of the pictures there are.
    focal_error
        Deviation of the logarithm of the focal length where it is guessed.
    guessed_share
        The share of windows whose focal length is guessed.
    """

    focal: tuple[float, float] = (0.38, 2.2)
    height_m: tuple[float, float] = (0.2, 2.8)
    fill: tuple[float, float] = (0.3, 1.15)
    distance_m: tuple[float, float] = (1.4, 14.0)
    off_centre: float = 0.08
    roll_deg: float = 12.0
    aspect: tuple[float, ...] = (0.5625, 0.75, 1.3333, 1.7778)
    focal_error: float = 0.12
    guessed_share: float = 0.4


@dataclass(frozen=True, eq=False)
class Cameras:
    """One camera a window.

    Attributes
    ----------
    rotation
        (windows, 3, 3): world to camera; the camera looks along +z, x right, y down.
    center_m
        (windows, 3): the camera's place in the world.
    half_size
        (windows, 2): half the picture's width and height over the focal length: where rays leave the picture.
    focal_ratio
        (windows,): the true focal length over the one that the network is told; 1 where it is known.
    """

    rotation: Array
    center_m: Array
    half_size: Array
    focal_ratio: Array

    def to_camera(self, xyz_m: Array) -> Array:
        """Map points (windows, frames, points, 3) of the world to the cameras' frames, metres."""
        moved: Array = (xyz_m - self.center_m[:, None, None]) @ np.swapaxes(self.rotation, 1, 2)[:, None]
        return moved


NEAREST_M = 0.1


def rays(xyz_cam_m: Array) -> Array:
    """Return x / z, y / z (..., 2) of points in camera frames; NaN behind the camera or within 0.1 m of it."""
    depth = np.where(xyz_cam_m[..., 2:] > NEAREST_M, xyz_cam_m[..., 2:], np.nan)
    ray: Array = xyz_cam_m[..., :2] / depth
    return ray


def draw_cameras(rng: np.random.Generator, root_m: Array, settings: CameraSettings, stature_m: float) -> Cameras:
    """Draw a camera for each window, which stands still while the subject moves.

    Parameters
    ----------
    rng
        The source of chance.
    root_m
        (windows, frames, 3): the paths of the hips, metres, Z up; NaN where not recorded.
    settings
        The ranges.
    stature_m
        The bodies' height.
    """
    windows = len(root_m)
    middle = _means(root_m)
    longer = _log_uniform(rng, settings.focal, windows)  # focal length over the longer side
    aspect = rng.choice(np.array(settings.aspect), windows)
    half = 0.5 / longer[:, None] * np.stack([np.minimum(aspect, 1), np.minimum(1 / aspect, 1)], axis=1)
    wanted = stature_m / (2 * half[:, 1] * _log_uniform(rng, settings.fill, windows))
    # A subject that walks about needs its room, or it passes behind the camera.
    reach = np.linalg.norm(np.nan_to_num(root_m - middle[:, None])[..., :2], axis=-1).max(axis=1)
    distance = np.clip(wanted, *settings.distance_m) + reach
    angle = rng.uniform(0, 2 * np.pi, windows)
    ground = middle - np.array([0, 0, 1]) * middle[:, 2:]
    height = rng.uniform(*settings.height_m, windows)
    center = ground + distance[:, None] * np.stack([np.cos(angle), np.sin(angle), np.zeros(windows)], axis=1)
    center[:, 2] = height
    forward = middle - center
    depth = np.linalg.norm(forward, axis=1)
    aim = 2 * half[:, 1] * settings.off_centre * depth
    side = np.stack([-np.sin(angle), np.cos(angle), np.zeros(windows)], axis=1)
    forward = forward + (aim * rng.standard_normal(windows))[:, None] * side
    forward[:, 2] += aim * rng.standard_normal(windows)
    rotation = _looking_along(forward, np.radians(settings.roll_deg) * rng.standard_normal(windows))
    guessed = rng.random(windows) < settings.guessed_share
    ratio = np.where(guessed, np.exp(settings.focal_error * rng.standard_normal(windows)), 1.0)
    return Cameras(*(value.astype(np.float32) for value in (rotation, center, half, ratio)))


def _means(paths: Array) -> Array:
    known = np.isfinite(paths)
    mean: Array = np.where(known, paths, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float], count: int) -> npt.NDArray[np.float64]:
    drawn: npt.NDArray[np.float64] = np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]), count))
    return drawn


def _looking_along(forward: npt.NDArray[np.float64], roll: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return rotations (windows, 3, 3), world to camera, that look along `forward`, turned by `roll` about it."""
    z = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    x = np.cross(z, np.array([0.0, 0.0, 1.0]))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.cross(z, x)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)
