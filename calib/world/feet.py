"""The floor under a subject's feet: heels and toes at rest lie in one plane, a shoe's sole above the floor.

What the feet say of the floor's height is good to some millimetres wherever somebody stood. What they say of its tilt
depends on how far they walked: between a heel and a toe, 5 mm of a landmark's own error are more than a degree. The
tilt is therefore estimated together with what the cameras' level says of it, each by its uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from calib.world.level import level_up
from clapcap.errors import CalibrationError
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEET = ("left_heel", "left_foot_index", "right_heel", "right_foot_index")
TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")

SOLE_M = 0.027
"""How far heels and toes, as MediaPipe places them, are above the floor: 25 to 34 mm in the example's four tracks."""

REST_M_S = 0.15
"""Slower than this, a point of a foot is at rest: standing feet jitter by 0.05 m/s, stepping ones exceed 1 m/s."""

REST_S = 0.15
"""The shortest rest: a stance in walking lasts 0.6 s, in running 0.2 s."""

CONTACT_STD_M = 0.008
"""Of one contact's height: the spread of the example's and of the points' different soles."""

INDEPENDENT = 4
"""So many contacts' worth of evidence at most: the errors of heels and of toes repeat themselves at every step."""

LEVEL_STD_DEG = 3.0
"""Of the direction up that the cameras' level tells."""

OFF_FLOOR_M = 0.04
"""A foot at rest that far from the plane of the others stands on something else, or on nothing."""

LEANING_DEG = 35.0
"""A trunk that is further from the cameras' up for the whole take tells that the cameras are not level."""

FEWEST_CONTACTS = 4


@dataclass(frozen=True, eq=False)
class FeetFloor:
    """The floor under the feet.

    Attributes
    ----------
    T_floor_world
        (4, 4): from the cameras' world to that whose Z = 0 is the floor; origin and X axis are dropped onto it.
    contacts_m
        (n, 3): where feet were at rest on the floor, old world.
    gap_m
        Root mean square height of the contacts above or below it.
    tilt_std_deg
        Standard deviation of the floor's tilt.
    policy
        What was done, in words for the report.
    """

    T_floor_world: Array
    contacts_m: Array
    gap_m: float
    tilt_std_deg: float
    policy: str


def floor_from_feet(keypoints: Keypoints3D, cameras: CameraGroup) -> FeetFloor:
    """Find the floor under the feet of a subject.

    Parameters
    ----------
    keypoints
        Of a person who stands or walks; in the world of the cameras, which need not be level. Needs `FEET` and `TRUNK`.
    cameras
        The calibrated cameras.

    Raises
    ------
    CalibrationError
        If the feet are not known or were hardly ever at rest, or cameras would stand below the floor.
    """
    missing = [name for name in (*FEET, *TRUNK) if name not in keypoints.names]
    if missing:
        raise CalibrationError(
            f"The floor cannot be taken from the feet: the keypoints have no {', '.join(missing)}. Use a detector that "
            "finds heels and toes, or lay the board on the floor."
        )
    contacts = _contacts(keypoints)
    if len(contacts) < FEWEST_CONTACTS:
        raise CalibrationError(
            f"The floor cannot be taken from the feet: heels and toes were at rest {len(contacts)} times, needed "
            f"{FEWEST_CONTACTS} (slower than {REST_M_S:g} m/s for {REST_S:g} s). Take a recording in which somebody "
            "walks through the space and stands for a moment here and there."
        )
    up = _body_up(keypoints, level_up(np.stack([camera.T_cam_world for camera in cameras])))
    on_floor, point, normal, tilt_std = _plane(contacts, up)
    T = _frame(point - SOLE_M * normal, normal)
    heights = [(camera.name, float((T @ np.append(camera.center_m, 1.0))[2])) for camera in cameras]
    below = [f"{name} ({100 * height:.0f} cm)" for name, height in heights if height <= 0]
    if below:
        raise CalibrationError(
            f"With the floor under the feet, cameras would stand below the floor: {', '.join(below)}. Usual causes: "
            "another person's feet, a mirror in the picture, or a stage higher than the cameras. Choose another take, "
            "or lay the board on the floor."
        )
    height = (contacts[on_floor] - point) @ normal
    lean = np.degrees(np.arccos(np.clip(normal @ up, -1, 1)))
    return FeetFloor(
        T_floor_world=T,
        contacts_m=contacts[on_floor],
        gap_m=float(np.sqrt(np.mean(height**2))),
        tilt_std_deg=tilt_std,
        policy=(
            f"floor: under the feet, where heels and toes were at rest {on_floor.sum()} times "
            f"({1e3 * np.sqrt(np.mean(height**2)):.0f} mm off the plane on average), {lean:.1f} degrees from the "
            f"cameras' level, its tilt known to {tilt_std:.1f} degrees; origin and X axis are those of the world "
            "before, dropped onto the floor"
        ),
    )


def _contacts(keypoints: Keypoints3D) -> Array:
    """Return (n, 3): the median place of every rest of every point of the feet."""
    time_s = keypoints.time_s
    found = []
    for name in FEET:
        track = keypoints.xyz_m[:, keypoints.index(name)]
        speed = np.linalg.norm(np.gradient(track, time_s, axis=0), axis=1) if len(track) > 1 else np.full(1, np.inf)
        rest = np.flatnonzero(speed < REST_M_S)  # NaN is not
        runs = np.split(rest, np.flatnonzero(np.diff(rest) > 1) + 1) if len(rest) else []
        found += [np.median(track[run], axis=0) for run in runs if time_s[run[-1]] - time_s[run[0]] >= REST_S]
    return np.array(found).reshape(-1, 3)


def _body_up(keypoints: Keypoints3D, level: Array) -> Array:
    """Return the cameras' up (3,), or the body's, if the body contradicts it."""
    xyz = keypoints.xyz_m
    feet = np.nanmedian(xyz[:, [keypoints.index(name) for name in FEET]].reshape(-1, 3), axis=0)
    trunk = np.nanmedian(xyz[:, [keypoints.index(name) for name in TRUNK]].reshape(-1, 3), axis=0)
    body = (trunk - feet) / np.linalg.norm(trunk - feet)
    return np.asarray(level if level @ body > np.cos(np.radians(LEANING_DEG)) else body)


def _plane(contacts: Array, up: Array) -> tuple[Mask, Array, Array, float]:
    """Return which contacts are on the floor, a point of their plane, its normal, and the tilt's deviation in degrees.

    The plane is height = c + a x + b y over the plane at right angles to `up`, with a and b normally distributed around
    0; it starts from the lowest contacts, since feet rest above a floor but never below it.
    """
    R_up_world = _frame(np.zeros(3), up)[:3, :3]
    level = contacts @ R_up_world.T
    middle = np.append(level[:, :2].mean(axis=0), 0.0)
    A = np.column_stack([level[:, :2] - middle[:2], np.ones(len(level))])
    reach = np.tan(np.radians(2 * LEVEL_STD_DEG)) * np.linalg.norm(A[:, :2], axis=1)
    lowest = float(np.percentile(level[:, 2], 10))
    on_floor = np.abs(level[:, 2] - lowest) < OFF_FLOOR_M + reach
    precision = np.diag([np.radians(LEVEL_STD_DEG) ** -2, np.radians(LEVEL_STD_DEG) ** -2, 0.0])
    for _ in range(20):
        count = int(on_floor.sum())
        weight = CONTACT_STD_M**-2 * min(1.0, INDEPENDENT / count)
        H = precision + weight * A[on_floor].T @ A[on_floor]
        slope = np.linalg.solve(H, weight * A[on_floor].T @ level[on_floor, 2])
        again = np.abs(level[:, 2] - A @ slope) < OFF_FLOOR_M
        if (again == on_floor).all() or again.sum() < FEWEST_CONTACTS:
            break
        on_floor = again
    normal = np.array([-slope[0], -slope[1], 1.0])
    normal /= np.linalg.norm(normal)
    tilt_std = float(np.degrees(np.sqrt(np.linalg.inv(H)[[0, 1], [0, 1]].max())))
    point = np.array([middle[0], middle[1], slope[2]])
    return on_floor, point @ R_up_world, normal @ R_up_world, tilt_std


def _frame(on_floor: Array, normal: Array) -> Array:
    """Return T_floor_world: Z along the normal, 0 at the point, the old origin and X axis dropped onto the floor."""
    T = np.eye(4)
    axis = np.eye(3)[0 if abs(normal[0]) < 0.9 else 1]
    x = axis - normal * (normal @ axis)
    x /= np.linalg.norm(x)
    T[:3, :3] = np.stack([x, np.cross(normal, x), normal])
    T[2, 3] = -normal @ on_floor
    return T
