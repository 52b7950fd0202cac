"""Where the board lay still, and which of these places lie in one plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

STILL_M = 0.01
"""A board whose corners all move less than this within `STILL_S` lies still. Measured poses of a board at rest jitter
by 1 to 3 mm at 3 m."""

STILL_S = 0.4

LYING_DEG = 30.0
"""How far the board's normal may be from the cameras' up. Cameras on tripods are level within 5 degrees, propped up
phones within 15; a board held in hands towards the cameras is 50 degrees off and more."""

ONE_CAMERA_DEG = 10.0
"""The same for a place that only one camera saw: nothing else speaks for it. A man who sits with the board on his lap
(charuco4) keeps it still to 2 mm for 8 s, in view of one camera, 16 degrees from level."""

SAME_PLANE_DEG = 4.0
"""Between the normals of two places on one floor: a board of 20 x 27 cm, 3 m away from two cameras, is tilted wrongly
by 1 degree at one standard deviation."""

SAME_PLANE_M = 0.02
"""Height of one place above the plane that all of them make: uneven floors, and 1 cm of the calibration's error."""


@dataclass(frozen=True, eq=False)
class Place:
    """A stretch of time in which the board lay still.

    Attributes
    ----------
    moments
        (n,), increasing.
    time_s
        Its first and last moment, session time.
    T_world_board
        (4, 4): the mean pose.
    cameras
        The most cameras that saw it at once.
    """

    moments: Index
    time_s: tuple[float, float]
    T_world_board: Array
    cameras: int

    @property
    def duration_s(self) -> float:
        """How long it lay there."""
        return self.time_s[1] - self.time_s[0]


@dataclass(frozen=True, eq=False)
class Plane:
    """Places that lie in one plane.

    Attributes
    ----------
    places
        In order of time.
    point_m, normal
        (3,): a point of the plane, and the unit vector that the board's print faces.
    gap_m
        The most that a place's middle is above or below it.
    """

    places: tuple[Place, ...]
    point_m: Array
    normal: Array
    gap_m: float

    def height_m(self, points_m: Array) -> Array:
        """Return the heights (...,) of points (..., 3) above the plane."""
        height: Array = (points_m - self.point_m) @ self.normal
        return height

    def frame_at(self, place: Place) -> Array:
        """Return T_world_floor (4, 4): z is the normal, origin and x axis are those of a place, dropped onto it."""
        T = np.eye(4)
        x = place.T_world_board[:3, 0] - self.normal * (self.normal @ place.T_world_board[:3, 0])
        x /= np.linalg.norm(x)
        T[:3, :3] = np.stack([x, np.cross(self.normal, x), self.normal], axis=1)
        origin = place.T_world_board[:3, 3]
        T[:3, 3] = origin - self.normal * self.height_m(origin)
        return T


def behind_print(T_cam_world: Array, T_world_board: Array) -> Mask:
    """Return (moments, cameras): whether the camera is behind the board's print."""
    centres = np.linalg.inv(T_cam_world)[:, :3, 3]
    offset = centres[None] - T_world_board[:, None, :3, 3]
    behind: Mask = (offset * T_world_board[:, None, :3, 2]).sum(axis=2) <= 0
    return behind


def lying_places(
    T_cam_world: Array,
    T_world_board: Array,
    camera_count: npt.NDArray[np.int64],
    time_s: Array,
    corners_m: Array,
    up: Array,
) -> list[Place]:
    """Find where the board lay still, face up, within `LYING_DEG` of level, all cameras above it.

    Places seen by one camera count only if there is no other, and within `ONE_CAMERA_DEG`: a single view of a plane may
    be its mirror image, and the plane a lap.

    Parameters
    ----------
    T_cam_world, T_world_board, camera_count, time_s, corners_m
        As for `calib.world.frame.choose_world`.
    up
        (3,): the direction up.

    Returns
    -------
    list
        In order of time.
    """
    corners = corners_in_world(T_world_board, corners_m)
    lies = T_world_board[:, :3, 2] @ up > np.cos(np.radians(LYING_DEG))
    good = lies & ~behind_print(T_cam_world, T_world_board).any(axis=1)
    earlier = np.searchsorted(time_s, time_s - STILL_S, side="right") - 1
    before = np.maximum(earlier, 0)
    known = (earlier >= 0) & (time_s - time_s[before] < 2 * STILL_S)
    moved = np.linalg.norm(corners - corners[before], axis=2).max(axis=1)
    still = good & known & good[before] & (moved < STILL_M)
    several = still & (camera_count >= 2)
    level = T_world_board[:, :3, 2] @ up > np.cos(np.radians(ONE_CAMERA_DEG))
    chosen = np.flatnonzero(several if several.any() else still & level)
    if not len(chosen):
        return []
    step = np.linalg.norm(np.diff(corners[chosen], axis=0), axis=2).max(axis=1)
    runs = np.split(chosen, np.flatnonzero((np.diff(time_s[chosen]) > STILL_S) | (step > STILL_M)) + 1)
    return [_place(run, T_world_board, camera_count, time_s) for run in runs]


def place_at(
    moment: int,
    T_world_board: Array,
    camera_count: npt.NDArray[np.int64],
    time_s: Array,
    corners_m: Array,
) -> Place:
    """Return the stretch around a moment in which the board stayed where it was in it."""
    corners = corners_in_world(T_world_board, corners_m)
    there = np.linalg.norm(corners - corners[moment], axis=2).max(axis=1) < STILL_M
    there[1:] &= (np.diff(time_s) < STILL_S) | (np.arange(1, len(time_s)) <= moment)
    there[:-1] &= (np.diff(time_s) < STILL_S) | (np.arange(len(time_s) - 1) >= moment)
    away = np.flatnonzero(~there)
    first = away[away < moment].max(initial=-1) + 1
    last = away[away > moment].min(initial=len(time_s))
    return _place(np.arange(first, last), T_world_board, camera_count, time_s)


def corners_in_world(T_world_board: Array, corners_m: Array) -> Array:
    """Return (moments, corners, 3)."""
    moved: Array = corners_m @ np.swapaxes(T_world_board[:, :3, :3], 1, 2) + T_world_board[:, None, :3, 3]
    return moved


def planes(places: list[Place], corners_m: Array) -> list[Plane]:
    """Return the planes that the places make, those of most places first, then those of the longest time.

    From every place in turn: the places whose normals agree with its own and whose heights its own tilt explains; then
    the plane of all their corners by least squares, each place counting once, without those that miss it.
    """
    found: dict[tuple[int, ...], Plane] = {}
    for seed in range(len(places)):
        plane = _plane_around(places, seed, corners_m)
        found.setdefault(tuple(int(place.moments[0]) for place in plane.places), plane)
    return sorted(
        found.values(), key=lambda plane: (-len(plane.places), -sum(place.duration_s for place in plane.places))
    )


def plane_around(places: list[Place], seed: Place, corners_m: Array) -> Plane:
    """Return the plane of a place and of all others that lie in it."""
    others = [place for place in places if not np.isin(place.moments, seed.moments).any()]
    everywhere = sorted([*others, seed], key=lambda place: place.time_s)
    return _plane_around(everywhere, everywhere.index(seed), corners_m)


def _plane_around(places: list[Place], seed: int, corners_m: Array) -> Plane:
    T = np.stack([place.T_world_board for place in places])
    origin, normal = T[seed, :3, 3], T[seed, :3, 2]
    angle = np.degrees(np.arccos(np.clip(T[:, :3, 2] @ normal, -1, 1)))
    apart = T[:, :3, 3] - origin
    explained = SAME_PLANE_M + np.tan(np.radians(SAME_PLANE_DEG)) * np.linalg.norm(apart, axis=1)
    near = (angle < SAME_PLANE_DEG) & (np.abs(apart @ normal) < explained)
    while True:
        point, normal = _least_squares_plane(corners_in_world(T[near], corners_m).reshape(-1, 3), T[seed, :3, 2])
        if near.sum() == 1:  # its own pose says more than its corners
            point, normal = T[seed, :3, 3], T[seed, :3, 2]
        gap = np.abs((T[:, :3, 3] - point) @ normal)
        worst = int(np.where(near & (np.arange(len(T)) != seed), gap, -1.0).argmax())
        if near.sum() == 1 or max(gap[worst], gap[seed]) < SAME_PLANE_M:
            kept = tuple(place for place, there in zip(places, near, strict=True) if there)
            return Plane(kept, point, normal, float(gap[near].max()))
        near[worst] = False


def _least_squares_plane(points_m: Array, facing: Array) -> tuple[Array, Array]:
    middle = points_m.mean(axis=0)
    normal = np.linalg.svd(points_m - middle, full_matrices=False)[2][2]
    return middle, normal * np.sign(normal @ facing or 1.0)


def _place(run: Index, T_world_board: Array, camera_count: npt.NDArray[np.int64], time_s: Array) -> Place:
    return Place(
        moments=run,
        time_s=(float(time_s[run[0]]), float(time_s[run[-1]])),
        T_world_board=_mean_pose(T_world_board[run]),
        cameras=int(camera_count[run].max()),
    )


def _mean_pose(T: Array) -> Array:
    mean = np.eye(4)
    mean[:3, :3] = Rotation.from_matrix(T[:, :3, :3]).mean().as_matrix()
    mean[:3, 3] = np.median(T[:, :3, 3], axis=0)
    return mean
