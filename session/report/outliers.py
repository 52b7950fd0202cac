"""The corners that fit worst, each with the piece of the picture in which it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.solve.diagnostics import Diagnostics
from session.report.pictures import Picture, cut_out, jpeg

MOST = 12

HALF_PX = (14, 90)
"""Half the side of a piece, at least and at most: smaller shows no corner, larger is no detail any more."""

SHOWN_PX = 220
"""Width of a piece in the page."""


@dataclass(frozen=True)
class Outlier:
    """One corner that was left out.

    Attributes
    ----------
    camera
        Its place among the cameras.
    frame
        In that camera's video.
    corner
        Number of the corner on the board.
    distance_px
        How far from where it was predicted it was seen.
    whole_view
        Whether all corners of that view were left out.
    image
        Data URI of the piece of the picture.
    x, y, size
        Of the piece, in pixels of the picture.
    seen, predicted
        (x, y), in pixels of the picture.
    """

    camera: int
    frame: int
    corner: int
    distance_px: float
    whole_view: bool
    image: str
    x: float
    y: float
    size: float
    seen: tuple[float, float]
    predicted: tuple[float, float]


def worst_outliers(diagnostics: Diagnostics) -> npt.NDArray[np.intp]:
    """Return (n, 2): view and corner of the outliers that are furthest off, one of a view, the worst first."""
    outlier = diagnostics.seen & ~diagnostics.inlier
    distance = np.where(outlier, diagnostics.distance_px, -1.0)
    corner = distance.argmax(axis=1)
    furthest = distance[np.arange(len(distance)), corner]
    views = np.argsort(-furthest, kind="stable")[:MOST]
    views = views[furthest[views] >= 0]
    return np.stack([views, corner[views]], axis=1)


def show_outliers(
    diagnostics: Diagnostics, chosen: npt.NDArray[np.intp], frames: Mapping[tuple[str, int], Picture]
) -> tuple[Outlier, ...]:
    """Cut the pieces out; outliers whose frame is not there are left out."""
    found = []
    for view, corner in chosen.tolist():
        place, index = int(diagnostics.camera[view]), int(diagnostics.frame_index[view])
        picture = frames.get((diagnostics.camera_names[place], index))
        if picture is None:
            continue
        seen = diagnostics.xy_px[view, corner]
        predicted = seen - diagnostics.residual_px[view, corner]
        own = diagnostics.xy_px[view]
        others = np.linalg.norm(own - seen, axis=1)
        others = others[np.isfinite(others) & (others > 0)]
        half = max(0.7 * float(others.min()) if len(others) else 0.0, 0.65 * float(np.linalg.norm(seen - predicted)))
        half_px = round(float(np.clip(half, *HALF_PX)))
        piece, x, y = cut_out(picture, (seen + predicted) / 2, half_px)
        found.append(
            Outlier(
                camera=place,
                frame=index,
                corner=corner,
                distance_px=float(diagnostics.distance_px[view, corner]),
                whole_view=not diagnostics.inlier[view].any(),
                image=jpeg(piece, SHOWN_PX),
                x=x - 0.5,
                y=y - 0.5,
                size=2 * half_px + 1,
                seen=(float(seen[0]), float(seen[1])),
                predicted=(float(predicted[0]), float(predicted[1])),
            )
        )
    return tuple(found)
