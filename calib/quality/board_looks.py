"""What single pictures of the board tell before any lens is known: where it was in the picture, its tilt, its blur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REGIONS = 3
"""The picture in thirds across and down: what people mean by "the upper left"."""

REGION_NAMES = (
    ("the upper left", "the top", "the upper right"),
    ("the left side", "the middle", "the right side"),
    ("the lower left", "the bottom", "the lower right"),
)

USUAL_FOCAL = 0.85
"""Focal length in picture widths where none is known: webcams and phones lie between 0.7 and 1.1. Taken 20 % wrong, the
tilts found are some 3 degrees wrong."""

TILTED_DEG = 20.0
"""A board tilted by less hardly tells focal length from distance: the foreshortening of its far side grows with the
sine of the tilt (Zhang 2000, section 5.1, finds the best tilts near 45 degrees and failure below some 10)."""


@dataclass(frozen=True, eq=False)
class Tilts:
    """How the board stood to the camera in some views; one entry a view.

    Attributes
    ----------
    angle_deg
        (views,): between the board's normal and the line of sight to it; NaN where too few corners tell.
    leaning
        (views,): whether its top or its bottom is nearer to the camera by the greater part of the tilt; else its left
        or its right side is.
    """

    angle_deg: Array
    leaning: Mask


def seen_regions(xy_px: Array, size_px: npt.NDArray[np.int64]) -> Mask:
    """Return (3, 3), rows from the top: in which thirds of the picture any of the points (..., 2) lies."""
    return cell_counts(xy_px, size_px, (REGIONS, REGIONS)) > 0


def cell_counts(xy_px: Array, size_px: npt.NDArray[np.int64], cells: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return (down, across): how many of the points (..., 2) lie in each cell of the picture; `cells` across, down."""
    across, down = cells
    points = xy_px[np.isfinite(xy_px).all(axis=-1)]
    cell = np.floor((points + 0.5) / size_px * [across, down]).astype(np.int64)
    inside = ((cell >= 0) & (cell < [across, down])).all(axis=1)
    counts = np.zeros((down, across), dtype=np.int64)
    np.add.at(counts, (cell[inside, 1], cell[inside, 0]), 1)
    return counts


def name_unseen(seen: Mask) -> str:
    """Name what is lacking of the picture's border, (3, 3) as `seen_regions` returns it; "" if nothing is."""
    sides = {
        "left": seen[:, 0].any(),
        "right": seen[:, 2].any(),
        "upper": seen[0].any(),
        "lower": seen[2].any(),
    }
    lacking = [side for side, there in sides.items() if not there]
    if len(lacking) == len(sides):
        return "all of its edges"
    if lacking:
        named = lacking[0] if len(lacking) == 1 else f"{', '.join(lacking[:-1])} and {lacking[-1]}"
        return f"its {named} edge{'s' if len(lacking) > 1 else ''}"
    return ""


def board_tilts(views: Array, corners_m: Array, size_px: npt.NDArray[np.int64]) -> Tilts:
    """Tell the board's tilt in each of the views (views, corners, 2), with a lens of `USUAL_FOCAL`.

    Which of the two poses that explain a view of a plane is the right one need not be decided: they differ in the sign
    of the tilt, not in its size nor its axis.
    """
    import cv2

    focal = USUAL_FOCAL * float(size_px.max())
    K = np.array([[focal, 0, (size_px[0] - 1) / 2], [0, focal, (size_px[1] - 1) / 2], [0, 0, 1]])
    print_m = corners_m * [1, -1, -1]  # IPPE fails where the plane's z points at the camera
    angle = np.full(len(views), np.nan)
    leaning = np.zeros(len(views), dtype=bool)
    for place, view in enumerate(views):  # OpenCV solves one pose at a time
        seen = np.isfinite(view[:, 0])
        if seen.sum() < 4:
            continue
        try:
            _, rotations, translations, _ = cv2.solvePnPGeneric(
                print_m[seen], view[seen], K, np.zeros(5), flags=cv2.SOLVEPNP_IPPE
            )
        except cv2.error:  # corners on one line
            continue
        normal = cv2.Rodrigues(rotations[0])[0][:, 2]
        sight = np.ravel(translations[0]) / np.linalg.norm(translations[0])
        across = normal - sight * (normal @ sight)
        angle[place] = np.degrees(np.arccos(np.clip(abs(normal @ sight), 0, 1)))
        leaning[place] = abs(across[1]) > abs(across[0])
    return Tilts(angle, leaning)


def blur_px(gray: npt.NDArray[np.uint8], xy_px: Array) -> float:
    """Estimate how far the board's edges are smeared: the standard deviation of a Gaussian, in pixels.

    A step of height h that is blurred by a Gaussian of standard deviation s has the steepest slope h / (s sqrt(2 pi)).

    Parameters
    ----------
    gray
        (height, width), the picture.
    xy_px
        (corners, 2): the board's corners in it, NaN where not seen.
    """
    points = xy_px[np.isfinite(xy_px).all(axis=-1)]
    low = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    high = np.ceil(points.max(axis=0)).astype(int) + 1
    patch = gray[low[1] : high[1], low[0] : high[0]].astype(np.float64)
    if min(patch.shape) < 3:
        return float("nan")
    dark, light = np.percentile(patch, [5, 95])
    dy, dx = np.gradient(patch)
    slope = float(np.percentile(np.hypot(dx, dy), 99))
    return float((light - dark) / (slope * np.sqrt(2 * np.pi))) if slope > 0 else float("inf")
