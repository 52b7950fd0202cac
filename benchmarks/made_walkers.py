"""Made-up people of body18 whose every point, step and camera is known, and what a lifter makes of them.

Standing feet are planted exactly. A lifter's errors are made as its are: they last, and are larger along the ray.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from calib.cameras import Camera
from lift.inference import LiftedBody
from lift.points import POINTS, root
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

RATE_HZ = 60.0
HIPS_M, THIGH_M, SHIN_M, ANKLE_M = 0.90, 0.43, 0.42, 0.085
STEP_S, STANCE = 0.55, 0.6
"""A step of each foot, and the share of a stride of two of them in which a foot stands."""

# About the middle of the hips, standing, facing +Y, right at +X, metres.
_UPPER = {
    **{"head": (0, 0.0, 0.72), "nose": (0, 0.11, 0.70)},
    **{"shoulder": (0.19, 0, 0.52), "elbow": (0.22, -0.02, 0.23), "wrist": (0.22, 0.06, -0.02), "hip": (0.088, 0, 0)},
}


@dataclass(frozen=True, eq=False)
class Walker:
    """A body in a world, Z up, floor at 0.

    Attributes
    ----------
    xyz_m
        (frames, points of body18, 3).
    contact
        (frames, 2): 1 where the left and the right foot stand.
    time_s
        (frames,).
    """

    xyz_m: Array
    contact: Array
    time_s: Array


def walk(centre_m: Array, time_s: Array) -> Walker:
    """Walk along a path (frames, 2), metres, each foot planted from step to step."""
    frames = len(time_s)
    ahead = np.gradient(centre_m, axis=0)
    heading = (
        np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
        if np.ptp(centre_m, axis=0).max() > 0.1
        else np.full(frames, np.pi / 2)
    )
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    right = np.stack([forward[:, 1], -forward[:, 0]], axis=1)
    xyz = np.zeros((frames, len(POINTS), 3))
    contact = np.zeros((frames, 2))
    hips = np.concatenate([centre_m, np.full((frames, 1), HIPS_M)], axis=1)
    stride = 2 * STEP_S
    moving = np.linalg.norm(ahead, axis=1).max() * RATE_HZ > 0.05
    for foot, (side, sign) in enumerate((("left", -1.0), ("right", 1.0))):
        phase = time_s / stride + 0.5 * foot
        swing = np.clip((phase % 1 - STANCE) / (1 - STANCE), 0, 1) if moving else np.zeros(frames)
        contact[:, foot] = swing == 0
        # Planted where the body is in the middle of its stand.
        middle = (np.floor(phase) + STANCE / 2 - 0.5 * foot) * stride
        place, next_place = (_at(centre_m + 0.09 * sign * right, time_s, middle + later) for later in (0.0, stride))
        turned, next_turned = (_at(heading[:, None], time_s, middle + later)[:, 0] for later in (0.0, stride))
        ease = swing * swing * (3 - 2 * swing)
        at = place + ease[:, None] * (next_place - place) if moving else centre_m[0] + 0.09 * sign * right
        angle = turned + ease * (next_turned - turned) if moving else heading
        toes = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        up = (0.12 * np.sin(np.pi * swing))[:, None] * np.array([0, 0, 1.0])
        ankle = np.concatenate([at, np.full((frames, 1), ANKLE_M)], axis=1) + up
        hip = hips + _UPPER["hip"][0] * sign * np.append(right, np.zeros((frames, 1)), axis=1)
        xyz[:, POINTS.index(f"{side}_ankle")] = ankle
        xyz[:, POINTS.index(f"{side}_heel")] = ankle - 0.05 * toes - [0, 0, 0.06]
        xyz[:, POINTS.index(f"{side}_foot_index")] = ankle + 0.18 * toes - [0, 0, 0.06]
        xyz[:, POINTS.index(f"{side}_knee")] = _knee(hip, ankle, np.append(forward, np.zeros((frames, 1)), axis=1))
    axes = np.stack([right, forward], axis=1)
    for name in POINTS:
        part = name.split("_", 1)[-1] if name.startswith(("left", "right")) else name
        if part in _UPPER:
            x, y, z = _UPPER[part]
            sign = -1.0 if name.startswith("left") else 1.0
            xyz[:, POINTS.index(name), :2] = centre_m + sign * x * axes[:, 0] + y * axes[:, 1]
            xyz[:, POINTS.index(name), 2] = HIPS_M + z
    return Walker(xyz, contact, time_s)


def lie_down(walker: Walker, from_s: float, until_s: float, towards: float) -> Walker:
    """Lay a body on its back for some time, head towards an angle (radians from +X), within a second."""
    time_s = walker.time_s
    part = np.clip(np.minimum(time_s - from_s, until_s - time_s), 0, 1)
    part = part * part * (3 - 2 * part)
    axis = np.array([-np.sin(towards), np.cos(towards), 0.0])
    turn = Rotation.from_rotvec(np.outer(0.5 * np.pi * part, axis)).as_matrix()
    hips = root(walker.xyz_m)
    lain = np.einsum("fij,fpj->fpi", turn, walker.xyz_m - hips[:, None])
    low = np.concatenate([hips[:, :2], (HIPS_M + part * (0.12 - HIPS_M))[:, None]], axis=1)
    return replace(walker, xyz_m=lain + low[:, None], contact=walker.contact * (part == 0)[:, None])


def jump(walker: Walker, at_s: tuple[float, ...], height_m: float = 0.35) -> Walker:
    """Leap straight up at some times."""
    half = np.sqrt(2 * height_m / 9.81)
    lift = np.zeros(len(walker.time_s))
    for start in at_s:
        lift = np.maximum(lift, height_m - 0.5 * 9.81 * (walker.time_s - start - half) ** 2)
    risen = walker.xyz_m + np.maximum(lift, 0)[:, None, None] * np.array([0, 0, 1.0])
    return replace(walker, xyz_m=risen, contact=walker.contact * (lift <= 0)[:, None])


def camera_at(center_m: Array, at_m: Array, roll_deg: float = 0.0) -> Camera:
    """Return a phone's camera at a place, that looks at another and is rolled."""
    z = (at_m - center_m) / np.linalg.norm(at_m - center_m)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    R = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix() @ np.stack([x, np.cross(z, x), z])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ center_m
    matrix = np.array([[1500.0, 0, 539.5], [0, 1500.0, 959.5], [0, 0, 1]])
    return Camera("phone", (1080, 1920), matrix, np.zeros(5), T)


def lifted(
    walker: Walker, camera: Camera, rng: np.random.Generator, joint_m: float = 0.03, depth: float = 0.015
) -> tuple[LiftedBody, Keypoints2D]:
    """Return what a lifter says of a walker, and the detections that it saw.

    Parameters
    ----------
    joint_m
        Deviation of each joint's coordinate, of which half of the variance lasts and half is new every 0.2 s; in the
        picture a third of it.
    depth
        Deviation of the path along the ray as a share of the distance, new every 0.2 s.
    """
    true = camera.to_camera(walker.xyz_m)
    hips = root(true)
    frames = len(true)
    wander = gaussian_filter1d(rng.normal(size=true.shape), 0.1 * RATE_HZ, axis=0)
    error = joint_m * np.sqrt(0.5) * (wander / wander.std() + rng.normal(size=true.shape[1:]))
    error[..., :2] /= 3
    joints = true - hips[:, None] + error
    along = gaussian_filter1d(rng.normal(size=(frames, 1)), 0.1 * RATE_HZ, axis=0)
    path = hips * (1 + depth * along / along.std())
    sure = np.clip(gaussian_filter1d(walker.contact, 2.0, axis=0), 0.02, 0.98)
    body = LiftedBody(
        joints - root(joints)[:, None],
        path,
        np.full(true.shape[:2], joint_m * np.sqrt((1 + 2 / 9) / 3)),
        sure,
        walker.time_s,
    )
    xy = camera.project(walker.xyz_m) + rng.normal(size=(*true.shape[:2], 2)) * 3.0
    keypoints = Keypoints2D(POINTS, xy, np.full(true.shape[:2], 0.9), walker.time_s, np.array(camera.size_px))
    return body, keypoints


def _at(path: Array, time_s: Array, wanted_s: Array) -> Array:
    """Return a path (frames, n) at other times, straight on before its start and after its end."""
    inside = np.clip(wanted_s, time_s[0], time_s[-1])
    values = np.stack([np.interp(inside, time_s, column) for column in path.T], axis=1)
    speed = np.where((wanted_s < time_s[0])[:, None], path[1] - path[0], path[-1] - path[-2]) * RATE_HZ
    return values + (wanted_s - inside)[:, None] * speed


def _knee(hip: Array, ankle: Array, forward: Array) -> Array:
    """Return the knees (frames, 3), bent forward between hips and ankles."""
    leg = ankle - hip
    length = np.minimum(np.linalg.norm(leg, axis=1), 0.999 * (THIGH_M + SHIN_M))
    along = leg / np.linalg.norm(leg, axis=1, keepdims=True)
    share = (THIGH_M**2 - SHIN_M**2 + length**2) / (2 * length)
    out = np.sqrt(np.maximum(THIGH_M**2 - share**2, 0))
    bend = forward - (forward * along).sum(axis=1, keepdims=True) * along
    bend /= np.linalg.norm(bend, axis=1, keepdims=True)
    knee: Array = hip + share[:, None] * along + out[:, None] * bend
    return knee
