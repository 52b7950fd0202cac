"""The space that a board was carried through, and how accurate points in it are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from calib.quality.uncertainty import CameraCovariance, PointUncertainty, point_uncertainty, visible

Array = npt.NDArray[np.float64]

HEIGHTS_M = {"floor": 0.0, "hip height": 1.0, "head height": 1.7}
"""Above the floor: where the joints of somebody who stands are (hips at 0.53, eyes at 0.94 of a stature of 1.8 m; R.
Drillis, R. Contini, "Body segment parameters", 1966)."""

CELLS = 48
"""Across the longer side of a slice: finer than uncertainty changes, and coarse enough to be looked at."""

MOST_PLACES = 600
"""Of the board, spread over the recording, stand for all."""

THIN = 24
"""Of the space's longest side: places of the board closer to each other than that share count once. A board that lies
on the floor for half of the recording would else make the floor the middle of the space."""


@dataclass(frozen=True, eq=False)
class Slice:
    """Points on a level grid.

    Attributes
    ----------
    name
        What is at that height.
    z_m
        Height in the world.
    x_m, y_m
        (across,) and (down,), both increasing, in the world.
    uncertainty
        Of the points in rows of equal y, flat: reshape to (down, across).
    """

    name: str
    z_m: float
    x_m: Array
    y_m: Array
    uncertainty: PointUncertainty

    @property
    def shape(self) -> tuple[int, int]:
        """(down, across)."""
        return len(self.y_m), len(self.x_m)


def visited_points(cameras: CameraGroup, T_world_board: Array, corners_m: Array) -> Array:
    """Return (points, 3): where the board's corners were in the pictures of two cameras or more, evenly thinned.

    Parameters
    ----------
    cameras
        In the world.
    T_world_board
        (moments, 4, 4), metres; NaN where not known.
    corners_m
        (corners, 3) in the board frame, metres.
    """
    known = T_world_board[np.isfinite(T_world_board).all(axis=(1, 2))]
    known = known[np.unique(np.linspace(0, len(known) - 1, min(MOST_PLACES, len(known))).round().astype(int))]
    points = (corners_m @ np.swapaxes(known[:, :3, :3], 1, 2) + known[:, None, :3, 3]).reshape(-1, 3)
    shared = np.sum([visible(camera, points) for camera in cameras], axis=0) >= 2
    points = points[shared] if shared.any() else points
    low, high = points.min(axis=0), points.max(axis=0)
    cell = np.floor((points - low) / max(float((high - low).max()) / THIN, 1e-9)).astype(np.int64)
    _, first = np.unique(cell, axis=0, return_index=True)
    visited: Array = points[np.sort(first)]
    return visited


def middle_m(visited_m: Array) -> Array:
    """Return (3,): of the places (points, 3) of the board the one nearest to their median."""
    nearest: Array = visited_m[np.linalg.norm(visited_m - np.median(visited_m, axis=0), axis=1).argmin()]
    return nearest


def middle_uncertainty(
    cameras: CameraGroup, errors: CameraCovariance, T_world_board: Array, corners_m: Array
) -> PointUncertainty:
    """Say how far off a point in the middle is, (1,).

    Parameters as for `visited_points`, and the cameras' errors.
    """
    visited = visited_points(cameras, T_world_board, corners_m)
    return point_uncertainty(cameras, errors, middle_m(visited)[None], visited)


def slices(
    cameras: CameraGroup, errors: CameraCovariance, visited_m: Array, heights_m: tuple[float, ...]
) -> tuple[Slice, ...]:
    """Say how far off points are at some heights: over where the board was, `visited_points`, and the cameras stand.

    The names of the heights in `HEIGHTS_M`, or none, come along.
    """
    low, high = _extent(cameras, visited_m)
    step = float((high - low).max()) / CELLS
    x_m, y_m = (np.arange(low[axis] + step / 2, high[axis], step) for axis in (0, 1))
    names = {height: name for name, height in HEIGHTS_M.items()}
    found = []
    for z_m in heights_m:
        x, y = np.meshgrid(x_m, y_m)
        points = np.stack([x.ravel(), y.ravel(), np.full(x.size, z_m)], axis=1)
        found.append(Slice(names.get(z_m, ""), z_m, x_m, y_m, point_uncertainty(cameras, errors, points, visited_m)))
    return tuple(found)


def heights_worth_showing(visited_m: Array) -> tuple[float, ...]:
    """Return the heights of floor, hip and head; for a space much smaller than a person, three heights of the board.

    A board on a table top, or one that never lay on the floor, may have been between 0.1 and 0.4 m only.
    """
    low, middle, high = np.percentile(visited_m[:, 2], [2, 50, 98])
    if high >= 0.6 * HEIGHTS_M["hip height"]:
        return tuple(HEIGHTS_M.values())
    return tuple(round(float(z), 2) for z in (low, middle, high))


def _extent(cameras: CameraGroup, visited_m: Array) -> tuple[Array, Array]:
    """Return the corners (2,) of the ground plan: the board's places, and the cameras as far as they are near."""
    low, high = visited_m[:, :2].min(axis=0), visited_m[:, :2].max(axis=0)
    size = float((high - low).max())
    centers = np.stack([camera.center_m[:2] for camera in cameras])
    near = np.clip(centers, low - 2 * size, high + 2 * size)
    low, high = np.minimum(low, near.min(axis=0)), np.maximum(high, near.max(axis=0))
    size = float((high - low).max())
    margin = np.maximum(0.15 * size, (0.9 * size - (high - low)) / 2)  # no plan is a strip
    return low - margin, high + margin
