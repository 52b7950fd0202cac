"""Corners that cannot be right, dropped before anything is fitted by plain least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from calib.intrinsics.lens_start import homographies
from calib.solve.shared_views import SharedViews

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
    for camera, moment in np.argwhere(shared.usable & (count >= 6) & ~_fits_as_it_is(shared)):  # one view at a time
        seen = np.flatnonzero(np.isfinite(xy_px[camera, moment, :, 0]))
        tolerance = STRAY * shared.image_size_px[camera].max()
        _, fits = cv2.findHomography(corners[seen], xy_px[camera, moment, seen], cv2.RANSAC, tolerance)
        if fits is not None and fits.sum() >= 4:
            xy_px[camera, moment, seen[np.ravel(fits) == 0]] = np.nan
    return replace(shared, xy_px=xy_px)


def _fits_as_it_is(shared: SharedViews) -> npt.NDArray[np.bool_]:
    """Return (cameras, moments): views whose corners all lie on one homography, most of them in most recordings."""
    flat = shared.xy_px.reshape(-1, *shared.xy_px.shape[2:])
    plane = shared.board.corners_m[:, :2]
    H = homographies(plane, flat)
    mapped = np.concatenate([plane, np.ones((len(plane), 1))], axis=1) @ np.swapaxes(H, 1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):  # views without a homography
        distance = np.linalg.norm(mapped[..., :2] / mapped[..., 2:] - flat, axis=-1)
    tolerance = STRAY * np.repeat(shared.image_size_px.max(axis=1), len(shared.time_s))
    fits = (np.nan_to_num(distance) <= tolerance[:, None]).all(axis=1) & np.isfinite(H).all(axis=(1, 2))
    return np.asarray(fits.reshape(shared.usable.shape))
