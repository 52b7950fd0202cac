"""Corners that cannot be right, dropped before anything is fitted by plain least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calib.shared_views import SharedViews

Array = npt.NDArray[np.float64]

STRAY = 0.01
"""Of the picture's larger side: corners further from where a homography puts them are strays. Lens distortion bends a
board by less than this unless it fills a wide-angle picture, where it has many corners left."""

AHEAD_S = 0.2
"""Velocities are judged by where they would carry the corners in this time: too short for a board in hands to change
its course by much, long enough for a velocity that one stray corner spoilt to stand out."""


def without_stray_corners(shared: SharedViews) -> SharedViews:
    """Return the views without the corners that lie off the homography of most corners of their view (RANSAC).

    Views of fewer than six corners are left as they are: there, which corner is wrong cannot be told.
    """
    return replace(shared, xy_px=_planar(shared, shared.xy_px))


def without_stray_velocities(shared: SharedViews) -> SharedViews:
    """Return the views with the velocities unknown that would tear the board apart.

    A stray corner spoils the velocities of the moments before and after. Such velocities are large, and a few of them
    would outweigh all others in the estimate of a camera's lag.
    """
    ahead = _planar(shared, shared.xy_px + AHEAD_S * shared.velocity_px_s)
    return replace(shared, velocity_px_s=np.where(np.isfinite(ahead), shared.velocity_px_s, np.nan))


def _planar(shared: SharedViews, xy_px: Array) -> Array:
    """Return the points (cameras, moments, corners, 2), those NaN that are no picture of a plane with the others."""
    import cv2

    corners = shared.board.corners_m[:, :2]
    xy_px = xy_px.copy()
    count = np.isfinite(xy_px[..., 0]).sum(axis=2)
    for camera, moment in np.argwhere(shared.usable & (count >= 6)):  # OpenCV fits one homography at a time
        seen = np.flatnonzero(np.isfinite(xy_px[camera, moment, :, 0]))
        tolerance = STRAY * shared.image_size_px[camera].max()
        _, fits = cv2.findHomography(corners[seen], xy_px[camera, moment, seen], cv2.RANSAC, tolerance)
        if fits is not None and fits.sum() >= 4:
            xy_px[camera, moment, seen[np.ravel(fits) == 0]] = np.nan
    return xy_px
