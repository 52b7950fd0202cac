"""The world's frame: Z up from the floor, X and Y from the board that lies on it.

The board's own z comes out of its print, so that a board which lies face up has its z up. Whether it lies can be told
from the cameras' level (`calib.world.level`). A board a few decimetres wide tells the floor's tilt to half a degree,
which is 2 cm at the other end of a room; laid down in several places, all of them make one plane, and the tilt averages
out. A world in which cameras stand below the floor is refused: it is the mirror image that one planar pose out of two
leads to, and its reprojection errors are excellent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.world.level import level_up
from calib.world.lying import (
    LYING_DEG,
    Place,
    Plane,
    behind_print,
    corners_in_world,
    lying_places,
    place_at,
    plane_around,
    planes,
)
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]

MAX_FLOOR_GAP_S = 1.0
"""The floor view that a user names must be this close to a moment in which the board was seen."""

BENEATH_M = 0.1
"""A board that was seen this far below the plane on which it lay still lay on a table or a box: nobody carries it
through the floor. Single poses seen by two cameras err by a tenth of that."""

LOWEST_PERCENT = 2.0
"""Where the board was seen lowest, without the few poses that are wrong."""

RAMP_DEG = 10.0
"""Of planes with equally many places, one that leans by more from the cameras' level comes last."""

TURNED_OVER = (
    " with all cameras upside down (if they are not, the board was held still overhead: --floor none levels the world "
    "by the cameras)"
)

ADVICE = (
    ". Lay the board on the floor at the end of the recording, name the time at which it lies there (--floor-time), or "
    "take the floor from the feet in a take (--floor feet:TAKE)"
)


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
    look_for_floor: bool = True,
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
    look_for_floor
        False: the cameras' level makes the world, even if the board lay on the floor.

    Notes
    -----
    The floor is the plane of the places where the board lay still, face up, seen by two cameras or more (by one, if
    there is no such place), within `LYING_DEG` of level, all cameras above it, and never seen `BENEATH_M` below it. Of
    several planes, that of most places, and of those that of the longest time. Origin and X axis are the board's in the
    first place, or in the place that `floor_time_s` names, dropped onto the plane.

    If it never lay like that, the world is levelled by the cameras (by the board on a table, if there was one). Its
    floor is the lowest place where the board was seen, or the lowest camera if that is lower; its origin is below the
    middle of the board's places, its X axis along the first camera's.

    Raises
    ------
    CalibrationError
        If the moment named shows no board, or cameras below the floor.
    """
    if floor_time_s is not None:
        return _from_named_moment(T_cam_world, T_world_board, camera_count, time_s, corners_m, floor_time_s)
    up = level_up(T_cam_world)
    if not look_for_floor:
        asked = "no floor was looked for, as asked"
        return _levelled(T_cam_world, T_world_board, camera_count, corners_m, up, asked, advice="")
    places = lying_places(T_cam_world, T_world_board, camera_count, time_s, corners_m, up)
    turned_over = False
    if not places:  # all cameras upside down: the board on the floor knows better
        places = lying_places(T_cam_world, T_world_board, camera_count, time_s, corners_m, -up)
        turned_over = bool(places)
        up = -up if turned_over else up
    seen = _trusted_corners(T_world_board, camera_count, corners_m)
    found = sorted(planes(places, corners_m), key=lambda plane: (-len(plane.places), _lean_deg(plane, up) > RAMP_DEG))
    for plane in found:
        if not _is_table(plane, seen, places):
            lean = f"{_lean_deg(plane, up):.0f} degrees from the cameras' level{TURNED_OVER if turned_over else ''}"
            return _on(plane, plane.places[0], f"floor: {_where_it_lay(plane)}, {lean}")
    if found:
        table = found[0]
        depth = -float(np.percentile(table.height_m(seen), LOWEST_PERCENT))
        reason = (
            f"no floor was found: the board lay still from {table.places[0].time_s[0]:.2f} s on, but was seen "
            f"{100 * depth:.0f} cm lower at other times, so that it lay on a table"
        )
        return _levelled(T_cam_world, T_world_board, camera_count, corners_m, table.normal, reason, "the table")
    reason = (
        f"no floor was found: the board never lay still, face up and level within {LYING_DEG:g} degrees, in view of a "
        "camera"
    )
    return _levelled(T_cam_world, T_world_board, camera_count, corners_m, up, reason)


def _from_named_moment(
    T_cam_world: Array,
    T_world_board: Array,
    camera_count: npt.NDArray[np.int64],
    time_s: Array,
    corners_m: Array,
    floor_time_s: float,
) -> WorldChoice:
    moment = int(np.argmin(np.abs(time_s - floor_time_s)))
    if abs(time_s[moment] - floor_time_s) > MAX_FLOOR_GAP_S:
        raise CalibrationError(
            f"The floor was to be taken from the board at {floor_time_s:.2f} s, but the nearest moment in which a "
            f"camera saw the board is {time_s[moment]:.2f} s (at most {MAX_FLOOR_GAP_S:g} s away is allowed). The "
            f"board was seen between {time_s[0]:.2f} and {time_s[-1]:.2f} s of session time: name a time at which it "
            "lies on the floor."
        )
    below = behind_print(T_cam_world, T_world_board[moment : moment + 1])[0]
    if below.any():
        raise CalibrationError(
            f"With the board at {time_s[moment]:.2f} s as the floor, {below.sum()} of {len(below)} cameras stand below "
            "the floor: the board did not lie face up there, or it was seen from behind. Name a time at which it lies "
            "on the floor, or none, and the world is levelled by the cameras."
        )
    named = place_at(moment, T_world_board, camera_count, time_s, corners_m)
    up = named.T_world_board[:3, 2]
    places = lying_places(T_cam_world, T_world_board, camera_count, time_s, corners_m, up)
    plane = plane_around(places, named, corners_m)
    lean_deg = _lean_deg(plane, level_up(T_cam_world))
    doubt = f", although it leans {lean_deg:.0f} degrees from the cameras' level" if lean_deg > LYING_DEG else ""
    return _on(plane, named, f"floor: {_where_it_lay(plane)}, {time_s[moment]:.2f} s as asked{doubt}")


def _on(plane: Plane, first: Place, what: str) -> WorldChoice:
    T_old_floor = first.T_world_board if len(plane.places) == 1 else plane.frame_at(first)
    which = "the board's" if len(plane.places) == 1 else f"those of the board at {first.time_s[0]:.2f} s"
    return WorldChoice(
        T_world_old=np.linalg.inv(T_old_floor),
        policy=f"{what}; origin and axes are {which}",
        moments=np.concatenate([place.moments for place in plane.places]),
    )


def _where_it_lay(plane: Plane) -> str:
    most = max(place.cameras for place in plane.places)
    seen = f"seen by up to {most} camera{'s' if most > 1 else ''}"
    if len(plane.places) == 1:
        start, end = plane.places[0].time_s
        return f"the board lay still from {start:.2f} to {end:.2f} s, {seen}"
    times = ", ".join(f"{place.time_s[0]:.2f}" for place in plane.places)
    return (
        f"one plane through {len(plane.places)} places where the board lay still (from {times} s on; "
        f"{1e3 * plane.gap_m:.0f} mm off it at most), {seen}"
    )


def _lean_deg(plane: Plane, up: Array) -> float:
    return float(np.degrees(np.arccos(np.clip(plane.normal @ up, -1, 1))))


def _is_table(plane: Plane, seen_m: Array, places: list[Place]) -> bool:
    """Tell whether the board was elsewhere seen, or lay, well below the plane."""
    lower = [plane.height_m(place.T_world_board[:3, 3]) < -BENEATH_M for place in places]
    return any(lower) or float(np.percentile(plane.height_m(seen_m), LOWEST_PERCENT)) < -BENEATH_M


def _trusted_corners(T_world_board: Array, camera_count: npt.NDArray[np.int64], corners_m: Array) -> Array:
    """Return (n, 3): where the board's corners were, by poses that two cameras or more agree on if there are any."""
    trusted = T_world_board[camera_count >= 2] if (camera_count >= 2).any() else T_world_board
    return corners_in_world(trusted, corners_m).reshape(-1, 3)


def _levelled(
    T_cam_world: Array,
    T_world_board: Array,
    camera_count: npt.NDArray[np.int64],
    corners_m: Array,
    up: Array,
    reason: str,
    by: str = "the cameras",
    advice: str = ADVICE,
) -> WorldChoice:
    x_axis = T_cam_world[0, 0, :3] - up * (up @ T_cam_world[0, 0, :3])
    if np.linalg.norm(x_axis) < 0.5:  # a camera that lies on its side: its x axis points up
        x_axis = np.cross(T_cam_world[0, 2, :3], up)
    x_axis /= np.linalg.norm(x_axis)
    R_world_old = np.stack([x_axis, np.cross(up, x_axis), up])
    turned = _trusted_corners(T_world_board, camera_count, corners_m) @ R_world_old.T
    lowest_camera = float((np.linalg.inv(T_cam_world)[:, :3, 3] @ up).min())
    lowest_board = float(np.percentile(turned[:, 2], LOWEST_PERCENT))
    what = "lowest place where the board was seen" if lowest_board <= lowest_camera else "lowest camera"
    T_world_old = np.eye(4)
    T_world_old[:3, :3] = R_world_old
    T_world_old[:3, 3] = -np.array([*np.median(turned[:, :2], axis=0), min(lowest_board, lowest_camera)])
    return WorldChoice(
        T_world_old,
        f"{reason}; the world is levelled by {by}, and its height 0 is the {what}{advice}",
        np.zeros(0, dtype=np.intp),
    )
