"""Each camera's lens from its own views of the board: where bundle adjustment starts from.

Only the focal length and the first radial coefficient are estimated here. With the board small in the picture, free
calibrations reach 0.2 px with focal lengths 30 % off; the rest of the lens is left to the bundle adjustment, where the
other cameras' views hold it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.shared_views import SharedViews
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]

MOST_VIEWS = 40
"""More views cost time without telling more: the choice spreads them over positions, sizes and tilts."""

FEWEST_VIEWS = 3
"""Fewer views leave focal length and tilt of the board hard to tell apart (Zhang 2000, section 3.1 needs two)."""

COVERAGE_CELLS = (12, 8)
"""The picture in cells across and down, for the share of it in which corners were seen."""

FOCAL_RANGE = (0.3, 6.0)
"""In picture widths: from fisheye to long telephoto. Outside of it the estimate is a failure."""


@dataclass(frozen=True, eq=False)
class LensEstimate:
    """One camera's lens, and how it was found.

    Attributes
    ----------
    matrix
        (3, 3), pixels: one focal length, principal point in the middle of the picture.
    distortion
        (5,): only k1 differs from 0.
    views, views_used
        Views of the board that there were, and that were chosen.
    rmse_px
        Root mean square distance of the chosen views' corners.
    coverage
        Share of the picture's cells in which corners were seen.
    """

    matrix: Array
    distortion: Array
    views: int
    views_used: int
    rmse_px: float
    coverage: float


def estimate_lenses(shared: SharedViews) -> list[LensEstimate]:
    """Estimate the lens of each camera from the views of that camera alone.

    Raises
    ------
    CalibrationError
        If a camera has too few views, or its views do not determine a lens.
    """
    return [_estimate(shared, camera) for camera in range(len(shared.camera_names))]


def coverage(xy_px: Array, size_px: npt.NDArray[np.int64]) -> float:
    """Return the share of the picture's cells in which any of the points (..., 2) lies."""
    across, down = COVERAGE_CELLS
    points = xy_px[np.isfinite(xy_px).all(axis=-1)]
    cell = np.floor((points + 0.5) / size_px * [across, down]).astype(int)
    inside = ((cell >= 0) & (cell < [across, down])).all(axis=1)
    return len(np.unique(cell[inside], axis=0)) / (across * down)


def _estimate(shared: SharedViews, camera: int) -> LensEstimate:
    import cv2

    name = shared.camera_names[camera]
    size = shared.image_size_px[camera]
    width, height = int(size[0]), int(size[1])
    usable = np.flatnonzero(shared.usable[camera])
    if len(usable) < FEWEST_VIEWS:
        raise CalibrationError(
            f"{name}: the board was seen well (four corners or more that form no line) in {len(usable)} moments, "
            f"needed {FEWEST_VIEWS}. Carry the board through this camera's view too, tilted, near and far."
        )
    views = shared.xy_px[camera, usable]
    chosen = views[spread_views(views, shared.board.corners_m, size)]
    seen = np.isfinite(chosen[..., 0])
    # OpenCV wants z = 0 and takes y either way: the poses are thrown away.
    points = [shared.board.corners_m[s].astype(np.float32) for s in seen]
    pixels = [view[s].astype(np.float32) for view, s in zip(chosen, seen, strict=True)]
    focal = float(max(width, height))
    guess = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    flags = (
        cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_ASPECT_RATIO
        | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3
    )  # fmt: skip
    try:
        rmse, matrix, distortion, _, _ = cv2.calibrateCamera(
            points, pixels, (width, height), guess, np.zeros(5), flags=flags
        )
    except cv2.error as error:
        raise CalibrationError(
            f"{name}: its {len(chosen)} views of the board determine no lens ({error.err}). Carry the board through "
            "this camera's view again, tilted, near and far."
        ) from error
    low, high = FOCAL_RANGE
    if not low * width <= matrix[0, 0] <= high * width or not np.isfinite(rmse):
        raise CalibrationError(
            f"{name}: its {len(chosen)} views of the board give a focal length of {matrix[0, 0]:.0f} px, needed "
            f"{low * width:.0f} to {high * width:.0f} px for a picture {width} px wide. The board was probably never "
            "tilted, or the board's spec is wrong. Carry it again, tilted by 30 degrees and more in all directions."
        )
    return LensEstimate(
        matrix=np.asarray(matrix, dtype=np.float64),
        distortion=np.ravel(distortion)[:5].astype(np.float64),
        views=len(usable),
        views_used=len(chosen),
        rmse_px=float(rmse),
        coverage=coverage(views, size),
    )


def spread_views(views: Array, corners_m: Array, size_px: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Choose up to `MOST_VIEWS` of the views (views, corners, 2) that differ most in place, size and tilt.

    A view is described by where the board's four outermost corners would be in the picture. The first chosen is the
    largest; then always the one furthest from all chosen (T. Gonzalez, "Clustering to minimize the maximum intercluster
    distance", 1985).
    """
    outline = _outlines(views, corners_m) / size_px.max()
    width, height = (
        np.linalg.norm(outline[:, 1] - outline[:, 0], axis=1),
        np.linalg.norm(outline[:, 2] - outline[:, 1], axis=1),
    )
    features = outline.reshape(len(views), 8)
    chosen = [int(np.argmax(width * height))]
    distance = np.linalg.norm(features - features[chosen[0]], axis=1)
    while len(chosen) < min(MOST_VIEWS, len(views)):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return np.array(sorted(chosen))


def _outlines(views: Array, corners_m: Array) -> Array:
    """Return (views, 4, 2): the board's four outermost corners in the pictures, by homography."""
    import cv2

    low, high = corners_m[:, :2].min(axis=0), corners_m[:, :2].max(axis=0)
    outermost = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    outlines = np.empty((len(views), 4, 2))
    for place, view in enumerate(views):  # OpenCV fits one homography at a time
        seen = np.isfinite(view[:, 0])
        homography, _ = cv2.findHomography(corners_m[seen, :2], view[seen])
        if homography is None:
            outlines[place] = np.nanmean(view, axis=0)
        else:
            outlines[place] = cv2.perspectiveTransform(outermost[None], homography)[0]
    # A corner near or behind the horizon says no more than that it is far out.
    return np.clip(outlines, np.nanmin(views) - 5000, np.nanmax(views) + 5000)
