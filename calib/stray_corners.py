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


def without_stray_corners(shared: SharedViews) -> SharedViews:
    """Return the views without the corners that lie off the homography of most corners of their view (RANSAC).

    Views of fewer than six corners are left as they are: there, which corner is wrong cannot be told.
    """
    import cv2

    corners = shared.board.corners_m[:, :2]
    xy_px = shared.xy_px.copy()
    count = np.isfinite(xy_px[..., 0]).sum(axis=2)
    for camera, moment in np.argwhere(shared.usable & (count >= 6)):  # OpenCV fits one homography at a time
        seen = np.flatnonzero(np.isfinite(xy_px[camera, moment, :, 0]))
        tolerance = STRAY * shared.image_size_px[camera].max()
        _, fits = cv2.findHomography(corners[seen], xy_px[camera, moment, seen], cv2.RANSAC, tolerance)
        if fits is not None and fits.sum() >= 4:
            xy_px[camera, moment, seen[np.ravel(fits) == 0]] = np.nan
    return replace(shared, xy_px=xy_px)
