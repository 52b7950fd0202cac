"""Which views of the board to take a lens from: few that differ much say more than many that are alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calib.lens_start import homographies

Array = npt.NDArray[np.float64]

MOST_VIEWS = 60
"""More views cost time without telling more: of 300 made-up views, 60 chosen give focal lengths as good as 150 taken
at random."""

FAR_OUT = 2.0
"""In larger sides of the picture. Where a view's homography puts the board further out than this, it is not known."""


def spread_views(
    xy_px: Array, corners_m: Array, size_px: tuple[int, int], most: int = MOST_VIEWS
) -> npt.NDArray[np.intp]:
    """Choose up to `most` of the views that differ most in place, size and tilt, and return their places in order.

    A view is described by where the board's four outermost corners would be in the picture: that is place, size and
    tilt in one. The first chosen is the largest; then always the one furthest from all chosen (T. Gonzalez, "Clustering
    to minimize the maximum intercluster distance", 1985), where views that saw only part of the board count as nearer.

    Parameters
    ----------
    xy_px
        (views, corners, 2), NaN where not seen; four corners or more in each.
    corners_m
        (corners, 3), board frame.
    size_px
        Width and height.
    most
        The most views to choose.
    """
    if len(xy_px) <= most:
        return np.arange(len(xy_px))
    side = float(max(size_px))
    outline = (_outlines(xy_px, corners_m) - (np.array(size_px) - 1) / 2) / side
    outline = np.clip(np.nan_to_num(outline), -FAR_OUT, FAR_OUT)
    size = np.linalg.norm(outline[:, 2] - outline[:, 0], axis=1) * np.linalg.norm(outline[:, 3] - outline[:, 1], axis=1)
    share = np.isfinite(xy_px[..., 0]).mean(axis=1)
    features = outline.reshape(len(xy_px), 8)
    chosen = [int(np.argmax(size * share))]
    distance = np.full(len(xy_px), np.inf)
    while len(chosen) < most:
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
        chosen.append(int(np.argmax(distance * np.sqrt(share))))
    return np.unique(chosen)


def _outlines(xy_px: Array, corners_m: Array) -> Array:
    """Return (views, 4, 2): the board's four outermost corners in the pictures, by homography."""
    low, high = corners_m[:, :2].min(axis=0), corners_m[:, :2].max(axis=0)
    outermost = np.array([[low[0], low[1], 1], [high[0], low[1], 1], [high[0], high[1], 1], [low[0], high[1], 1]])
    places = outermost @ np.swapaxes(homographies(corners_m[:, :2], xy_px), 1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        outlines: Array = places[..., :2] / places[..., 2:]
    return outlines
