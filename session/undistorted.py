"""A camera's video without lens distortion, one picture for each moment: what a pinhole camera would have filmed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent

if TYPE_CHECKING:
    from calib.cameras import Camera
    from media.frames import Frame

Array = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]

LONGEST_PX = 960
"""Of the picture's sides: a background to look at, not to measure in."""

DARK = 24
"""Gray level of moments without a frame."""


def write_undistorted(
    video: Path,
    camera: Camera,
    session_s: Array,
    moments_s: Array,
    rate_hz: float,
    target: Path,
    progress: Progress = silent,
) -> None:
    """Write the camera's nearest frame for each moment, undistorted.

    Parameters
    ----------
    video, camera
        The recording, and its calibration for that picture size.
    session_s
        (frames,): session time of the video's frames.
    moments_s
        (moments,): increasing session times. Where the camera has no frame within its interval, the picture is dark.
    rate_hz
        Pictures a second of the video that is written.
    target
        Where to; its suffix chooses the container.
    progress
        Told moments.
    """
    import cv2

    from media.single_frames import read_stretch
    from media.writer import VideoWriter

    size = small_size(camera.size_px)
    columns, rows = (part.astype(np.float32) for part in np.moveaxis(source_pixels(camera, size), -1, 0))
    after = np.clip(np.searchsorted(session_s, moments_s), 1, len(session_s) - 1)
    nearest = np.where(moments_s - session_s[after - 1] <= session_s[after] - moments_s, after - 1, after)
    present = np.abs(session_s[nearest] - moments_s) <= float(np.median(np.diff(session_s)))
    dark = np.full((size[1], size[0], 3), DARK, dtype=np.uint8)
    with (
        closing(read_stretch(video, int(nearest.min()), int(nearest.max()) + 1)) as frames,
        VideoWriter(target, size, rate_hz=rate_hz, fast=True) as writer,
    ):
        frame: Frame | None = next(frames, None)
        shown, picture = -1, dark
        for place, (number, here) in enumerate(zip(nearest.tolist(), present.tolist(), strict=True)):
            while frame is not None and frame.index < number:
                frame = next(frames, None)
            if frame is not None and frame.index == number and number != shown:
                picture = cv2.remap(frame.image, columns, rows, cv2.INTER_LINEAR).astype(np.uint8, copy=False)
                shown = number
            writer.write(picture if here and shown == number else dark, place / rate_hz)
            progress(place + 1, len(moments_s))


def small_size(size_px: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the undistorted picture: even, and at most `LONGEST_PX` long."""
    scale = min(1.0, LONGEST_PX / max(size_px))
    return max(2, round(size_px[0] * scale / 2) * 2), max(2, round(size_px[1] * scale / 2) * 2)


def source_pixels(camera: Camera, size: tuple[int, int]) -> Array:
    """Return where in the camera's picture each pixel of an undistorted one of `size` comes from: (h, w, 2), pixels.

    The undistorted picture shows what the pinhole with the camera's own matrix sees.
    """
    width, height = camera.size_px
    u = (np.arange(size[0]) + 0.5) * width / size[0] - 0.5
    v = (np.arange(size[1]) + 0.5) * height / size[1] - 0.5
    pinhole = np.stack(np.meshgrid(u, v), axis=-1)
    fx, fy, cx, cy = camera.matrix[0, 0], camera.matrix[1, 1], camera.matrix[0, 2], camera.matrix[1, 2]
    rays = np.stack([(pinhole[..., 0] - cx) / fx, (pinhole[..., 1] - cy) / fy], axis=-1)
    return camera.to_pixels(camera.lens.distort(rays.reshape(-1, 2), camera.distortion)).reshape(pinhole.shape)
