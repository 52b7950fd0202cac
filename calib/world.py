"""The world's frame: Z up from the floor, X and Y from the board that lies on it.

The board's own z comes out of its print, so that a board which lies face up has its z up. Whether it lies can be told:
photographers keep the horizon level, so the up of the world is close to the direction that is at right angles to all
cameras' x axes. A world in which cameras stand below the floor is refused: it is the mirror image that one planar pose
out of two leads to, and its reprojection errors are excellent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STILL_M = 0.01
"""A board whose corners all move less than this within `STILL_S` lies still. Measured poses of a board at rest jitter
by 1 to 3 mm at 3 m."""

STILL_S = 0.4

LYING_DEG = 30.0
"""How far the board's normal may be from the cameras' up. Cameras on tripods are level within 5 degrees, propped up
phones within 15; a board held in hands towards the cameras is 50 degrees off and more."""

MAX_FLOOR_GAP_S = 1.0
"""The floor view that a user names must be this close to a moment in which the board was seen."""


@dataclass(frozen=True, eq=False)
class WorldChoice:
    """Which frame was chosen, and why.

    Attributes
    ----------
    T_world_old
        (4, 4): from the frame in which the cameras were solved.
    policy
        What was done, in words for the report.
    moments
        (n,): the moments whose board views make the floor; empty when the cameras' level does.
    """

    T_world_old: Array
    policy: str
    moments: npt.NDArray[np.intp]


def choose_world(
    T_cam_world: Array,
    T_world_board: Array,
    camera_count: npt.NDArray[np.int64],
    time_s: Array,
    corners_m: Array,
    floor_time_s: float | None = None,
) -> WorldChoice:
    """Choose the world's frame.

    Parameters
    ----------
    T_cam_world
        (cameras, 4, 4) in the frame of the solution.
    T_world_board
        (moments, 4, 4), likewise.
    camera_count
        (moments,): how many cameras saw the board.
    time_s
        (moments,), session time.
    corners_m
        (corners, 3) in the board frame.
    floor_time_s
        When the board lay on the floor, session time; None: found as follows.

    Notes
    -----
    Without `floor_time_s`, the floor is the longest time in which the board lay still, seen by two cameras or more (by
    one, if there is no such time), within `LYING_DEG` of level, all cameras above it. Origin and axes are the board's.
    If it never lay like that, the world is levelled by the cameras, its floor put at the lowest place where the board
    was seen, its origin below the middle of the board's places, its X axis along the first camera's.

    Raises
    ------
    CalibrationError
        If the moment named shows no board, or cameras below the floor.
    """
    if floor_time_s is not None:
        return _from_named_moment(T_cam_world, T_world_board, time_s, floor_time_s)
    up = level_up(T_cam_world)
    may_be_floor = _floor_moments(T_cam_world, T_world_board, time_s, corners_m, up)
    stretch = _longest_stretch(may_be_floor & (camera_count >= 2), time_s)
    if not len(stretch):
        stretch = _longest_stretch(may_be_floor, time_s)
    if len(stretch):
        T_old_board = _mean_pose(T_world_board[stretch])
        most = int(camera_count[stretch].max())
        lean = np.degrees(np.arccos(np.clip(T_old_board[:3, 2] @ up, -1, 1)))
        return WorldChoice(
            np.linalg.inv(T_old_board),
            f"floor: the board lay still from {time_s[stretch[0]]:.2f} to {time_s[stretch[-1]]:.2f} s, seen by up to "
            f"{most} camera{'s' if most > 1 else ''}, {lean:.0f} degrees from the cameras' level; origin and axes are "
            "the board's",
            stretch,
        )
    return _levelled(T_cam_world, T_world_board, camera_count, corners_m, up)


def level_up(T_cam_world: Array) -> Array:
    """Guess the direction up, (3,): at right angles to the cameras' x axes, towards their mean -y.

    Where all cameras look the same way, their x axes leave it open; it is then the mean of their -y.
    """
    x_axes, mean_up = T_cam_world[:, 0, :3], -T_cam_world[:, 1, :3].mean(axis=0)
    _, spread, directions = np.linalg.svd(x_axes)
    if len(spread) < 2 or spread[1] < 0.2 * spread[0]:
        return np.asarray(mean_up / np.linalg.norm(mean_up))
    up = directions[2]
    return np.asarray(up * (1.0 if up @ mean_up >= 0 else -1.0))


def _cameras_below(T_cam_world: Array, T_world_board: Array) -> Mask:
    """Return (moments, cameras): whether the camera is behind the board's print."""
    centres = np.linalg.inv(T_cam_world)[:, :3, 3]
    offset = centres[None] - T_world_board[:, None, :3, 3]
    below: Mask = (offset * T_world_board[:, None, :3, 2]).sum(axis=2) <= 0
    return below


def _from_named_moment(T_cam_world: Array, T_world_board: Array, time_s: Array, floor_time_s: float) -> WorldChoice:
    moment = int(np.argmin(np.abs(time_s - floor_time_s)))
    if abs(time_s[moment] - floor_time_s) > MAX_FLOOR_GAP_S:
        raise CalibrationError(
            f"The floor was to be taken from the board at {floor_time_s:.2f} s, but the nearest moment in which a "
            f"camera saw the board is {time_s[moment]:.2f} s (at most {MAX_FLOOR_GAP_S:g} s away is allowed). The "
            f"board was seen between {time_s[0]:.2f} and {time_s[-1]:.2f} s of session time: name a time at which it "
            "lies on the floor."
        )
    below = _cameras_below(T_cam_world, T_world_board[moment : moment + 1])[0]
    if below.any():
        raise CalibrationError(
            f"With the board at {time_s[moment]:.2f} s as the floor, {below.sum()} of {len(below)} cameras stand below "
            "the floor: the board did not lie face up there, or it was seen from behind. Name a time at which it lies "
            "on the floor, or none, and the world is levelled by the cameras."
        )
    return WorldChoice(
        np.linalg.inv(T_world_board[moment]),
        f"floor: the board at {time_s[moment]:.2f} s, as asked; origin and axes are the board's",
        np.array([moment]),
    )


def _floor_moments(
    T_cam_world: Array,
    T_world_board: Array,
    time_s: Array,
    corners_m: Array,
    up: Array,
) -> Mask:
    """Return (moments,): whether the board may lie on the floor then, and has not moved for a while."""
    places = corners_m @ np.swapaxes(T_world_board[:, :3, :3], 1, 2) + T_world_board[:, None, :3, 3]
    lies = T_world_board[:, :3, 2] @ up > np.cos(np.radians(LYING_DEG))
    good = lies & ~_cameras_below(T_cam_world, T_world_board).any(axis=1)
    earlier = np.searchsorted(time_s, time_s - STILL_S, side="right") - 1
    known = (earlier >= 0) & (time_s - time_s[np.maximum(earlier, 0)] < 2 * STILL_S)
    moved = np.linalg.norm(places - places[np.maximum(earlier, 0)], axis=2).max(axis=1)
    still: Mask = good & known & good[np.maximum(earlier, 0)] & (moved < STILL_M)
    return still


def _longest_stretch(still: Mask, time_s: Array) -> npt.NDArray[np.intp]:
    """Return the moments of the longest run of still moments without a hole of `STILL_S`; of equals, the last."""
    moments = np.flatnonzero(still)
    if not len(moments):
        return moments
    runs = np.split(moments, np.flatnonzero(np.diff(time_s[moments]) > STILL_S) + 1)
    return max(reversed(runs), key=lambda run: time_s[run[-1]] - time_s[run[0]])


def _mean_pose(T: Array) -> Array:
    mean = np.eye(4)
    mean[:3, :3] = Rotation.from_matrix(T[:, :3, :3]).mean().as_matrix()
    mean[:3, 3] = np.median(T[:, :3, 3], axis=0)
    return mean


def _levelled(
    T_cam_world: Array, T_world_board: Array, camera_count: npt.NDArray[np.int64], corners_m: Array, up: Array
) -> WorldChoice:
    trusted = T_world_board[camera_count >= 2] if (camera_count >= 2).any() else T_world_board
    places = (corners_m @ np.swapaxes(trusted[:, :3, :3], 1, 2) + trusted[:, None, :3, 3]).reshape(-1, 3)
    x_axis = T_cam_world[0, 0, :3] - up * (up @ T_cam_world[0, 0, :3])
    x_axis /= np.linalg.norm(x_axis)
    R_world_old = np.stack([x_axis, np.cross(up, x_axis), up])
    turned = places @ R_world_old.T
    # The lowest hundredth, not the lowest: one bad pose shall not dig the floor.
    origin = np.array([*np.median(turned[:, :2], axis=0), np.percentile(turned[:, 2], 1)])
    T_world_old = np.eye(4)
    T_world_old[:3, :3] = R_world_old
    T_world_old[:3, 3] = -origin
    return WorldChoice(
        T_world_old,
        "no floor was found: the board never lay still, face up and level within "
        f"{LYING_DEG:g} degrees, in view of a camera; the world is levelled by the cameras, and its height 0 is the "
        "lowest place where the board was seen. Lay the board on the floor at the end of the recording, or name the "
        "time at which it lies there",
        np.zeros(0, dtype=np.intp),
    )
