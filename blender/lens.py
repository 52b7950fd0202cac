"""From Blender's ideal pinhole picture to the picture of a camera with a principal point and a distorting lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera

Array = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]

OVERSAMPLING = 3
"""Samples per pixel along each axis, on a regular grid.

Workbench's own antialiasing is slower for as many samples, and its sampling pattern moves the picture by up to 0.12
pixels (measured on the corners of a board); a regular grid moves nothing.
"""
SHARPENING = 0.7
SHARPENING_SIGMA_PX = 1.0
"""The unsharp mask that a telephone applies too; symmetric, so it moves no edge."""
BORDER = 4
"""Samples around what is needed, for the interpolation's reach."""


@dataclass(frozen=True)
class PinholePicture:
    """An undistorted picture with square pixels whose principal point is exactly its middle.

    Attributes
    ----------
    size_px
        (width, height).
    focal_px
        The focal length in its own pixels.
    """

    size_px: tuple[int, int]
    focal_px: float

    @property
    def center_px(self) -> tuple[float, float]:
        """The principal point, (0, 0) the centre of the top-left pixel."""
        return (self.size_px[0] - 1) / 2, (self.size_px[1] - 1) / 2


def _rays(camera: Camera) -> Array:
    """Return the undistorted rays of the picture's samples: (height * n, width * n, 2), x / z and y / z.

    The lens is inverted once a pixel and interpolated in between, which moves a sample by less than 0.0001 pixels.
    """
    width, height = camera.size_px
    u, v = (np.arange(-1, size + 1, dtype=np.float64) for size in (width, height))
    rays = camera.undistort(np.stack(np.meshgrid(u, v), axis=-1))
    for axis, size in ((1, width), (0, height)):
        # The centres of n equal parts of every pixel; pixel 0 reaches from -0.5 to 0.5.
        samples = (np.arange(size * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
        before = np.floor(samples).astype(int)
        share = np.expand_dims(samples - before, (1 - axis, 2))
        rays = (1 - share) * rays.take(before + 1, axis) + share * rays.take(before + 2, axis)
    return rays


class Lens:
    """Turns the ideal picture of a camera into the one it takes.

    Attributes
    ----------
    ideal
        The picture to render: the smallest that holds everything the camera sees, `OVERSAMPLING` times finer.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        rays = _rays(camera)
        focal_px = float(camera.matrix[0, 0]) * OVERSAMPLING
        width, height = 2 * np.ceil(np.abs(rays).max(axis=(0, 1)) * focal_px + BORDER).astype(int)
        self.ideal = PinholePicture((int(width), int(height)), focal_px)
        xy = rays * focal_px + np.array(self.ideal.center_px)
        self._map_x, self._map_y = xy[..., 0].astype(np.float32), xy[..., 1].astype(np.float32)

    def take(self, picture: Picture) -> Picture:
        """Distort the ideal picture (height, width, 3), average its samples to the camera's pixels and sharpen."""
        import cv2

        width, height = self.ideal.size_px
        if picture.shape[:2] != (height, width):
            raise ValueError(f"{self.camera.name}: ideal picture of shape {picture.shape}, needed {width} x {height}")
        samples = cv2.remap(picture, self._map_x, self._map_y, cv2.INTER_LINEAR)
        pixels = cv2.resize(samples, self.camera.size_px, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(pixels, (0, 0), SHARPENING_SIGMA_PX)
        return np.asarray(cv2.addWeighted(pixels, 1 + SHARPENING, soft, -SHARPENING, 0.0), dtype=np.uint8)
