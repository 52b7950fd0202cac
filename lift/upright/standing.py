"""A lifted body put on its feet: a world with Z up, the floor at zero, and the body's points in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera
from lift.points import POINTS, TORSO, root
from lift.upright.floor import SOLE_M, FloorFrom, find_floor, touching
from lift.upright.gravity import Gravity, find_gravity
from lift.upright.path import ACROSS_SHARE, ALONG_SHARE, Floor, steady_path
from skeleton.joint_sets import load_joint_set, map_keypoints2d
from skeleton.keypoints import Keypoints2D, Keypoints3D

if TYPE_CHECKING:
    from lift.inference import LiftedBody

Array = npt.NDArray[np.float64]

_SEEN = 0.5
"""Mean confidence of the trunk from which on a body counts as seen."""


@dataclass(frozen=True, eq=False)
class Standing:
    """A body in a world, seen by one camera.

    Attributes
    ----------
    camera
        The camera that saw it, with its place in the world: `T_cam_world`.
    keypoints
        The points of body18 in the world, metres, Z up; `sigma_m` holds the lifter's doubt of each joint and of the
        path, `reprojection_px` the distance from what the camera shows.
    contact
        (frames, 2): how probably the left and the right foot stand, as the lifter says; 0 where nobody is seen.
    floor_m
        The floor's height in the world, metres: 0 but in a calibrated world whose floor is not known.
    floor_from
        What told the floor: "calibration"; "feet" that stand; or the "lowest" points of the body, where none does.
    gravity
        Up in the camera's frame, how sure it is in degrees, and which witnesses told it; None: the calibration did.
    """

    camera: Camera
    keypoints: Keypoints3D
    contact: Array
    floor_m: float
    floor_from: FloorFrom
    gravity: Gravity | None

    @property
    def pitch_deg(self) -> float:
        """How far the camera looks up; negative: down."""
        return float(np.degrees(np.arcsin(np.clip(self.camera.T_cam_world[2, 2], -1, 1))))

    @property
    def roll_deg(self) -> float:
        """How far the picture's top is turned from up; positive: up is to the picture's right."""
        return float(np.degrees(np.arctan2(self.camera.T_cam_world[0, 2], -self.camera.T_cam_world[1, 2])))


def stand_upright(
    body: LiftedBody,
    keypoints: Keypoints2D,
    camera: Camera,
    *,
    in_world: bool = False,
    floor_m: float | None = None,
) -> Standing:
    """Put a lifted body into a world.

    The camera stands still. Without a calibrated world, Z is up by the estimated gravity, the origin lies on the floor
    under the subject's hips in the first frame, and +Y points away from the camera.

    Parameters
    ----------
    body
        As `lift.inference.lift_keypoints` returns it.
    keypoints
        The 2D keypoints that it was lifted from, at the same times.
    camera
        The lens that they were seen by.
    in_world
        `camera.T_cam_world` is its place in a calibrated world (Z up), to which the body shall come.
    floor_m
        With `in_world`: the floor's height there, if it is known; otherwise feet tell it.
    """
    seen = map_keypoints2d(keypoints, load_joint_set("body18"))
    joints = body.joints_m - root(body.joints_m)[:, None]
    sure = np.minimum(seen.confidence[:, TORSO].mean(axis=1) / _SEEN, 1.0)
    contact = np.where((seen.confidence > 0).any(axis=1)[:, None], body.contact, 0.0)
    path = steady_path(body.root_m, touching(joints, None), contact, body.time_s, sure=sure)
    ray = camera.undistort(seen.xy_px)
    gravity = None if in_world else find_gravity(joints + path[:, None], ray, contact, body.sigma_m, body.time_s)
    up = camera.T_cam_world[:3, 2] if gravity is None else gravity.up
    told: FloorFrom = "calibration"
    if in_world and floor_m is not None:
        # up @ point in the camera's frame = height in the world + up @ t.
        floor = floor_m + float(up @ camera.T_cam_world[:3, 3])
    else:
        floor, told = find_floor(joints + path[:, None], contact, up)
    path = steady_path(body.root_m, touching(joints, up), contact, body.time_s, Floor(up, floor + SOLE_M), sure)
    placed = camera if in_world else replace(camera, T_cam_world=_first_place(up, floor, path[0]))
    xyz = joints + path[:, None]
    R, t = placed.T_cam_world[:3, :3], placed.T_cam_world[:3, 3]
    world = (xyz - t) @ R
    distance = np.linalg.norm(path, axis=1)
    # Root of the mean of the path's three variances, beside the joint's own.
    path_std = distance * np.sqrt((2 * ACROSS_SHARE**2 + ALONG_SHARE**2) / 3)
    error = np.linalg.norm(placed.project(world) - seen.xy_px, axis=-1)[None]
    return Standing(
        camera=placed,
        keypoints=Keypoints3D(
            names=POINTS,
            xyz_m=world,
            sigma_m=np.hypot(body.sigma_m, path_std[:, None]),
            time_s=body.time_s,
            reprojection_px=error,
            camera_names=(camera.name,),
            filled=np.zeros(world.shape[:2], dtype=bool),
        ),
        contact=contact,
        floor_m=float(floor - up @ t) if in_world else 0.0,
        floor_from=told,
        gravity=gravity,
    )


def _first_place(up: Array, floor: float, hips: Array) -> Array:
    """Return T_cam_world (4, 4): origin under the hips on the floor, Z up, Y away from the camera."""
    away = np.array([0.0, 0.0, 1.0]) - up[2] * up
    if np.linalg.norm(away) < 1e-3:  # looking straight down: the picture's top is away
        away = np.array([0.0, -1.0, 0.0]) - (-up[1]) * up
    away = away / np.linalg.norm(away)
    T = np.eye(4)
    T[:3, :3] = np.stack([np.cross(away, up), away, up], axis=1)
    T[:3, 3] = hips - (up @ hips - floor) * up
    return T
