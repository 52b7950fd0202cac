"""Made-up takes whose truth is exact: a body of constant bones that dances among known cameras.

The body is the animation skeleton with its 33 landmarks; its joints swing at random within their limits and its root
wanders, all below 2 Hz or so. What a detector does to it is modelled as measured on rendered people (`pixel_noise` of
`triangulate`): errors of 1.5 % of the person's height in the picture, more where the confidence is less.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from benchmarks.board_scenes import look_at
from calib.cameras import Camera, CameraGroup
from retarget.kinematics import Kinematics, Poses, Shape
from retarget.rotations import exp_and_jacobian
from skeleton.hierarchy_file import load_skeleton
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SIZE_PX = (1920, 1080)
FOCAL_PX = 1400.0
DISTORTION = np.array([-0.12, 0.05, 0.001, -0.0005, 0.0])
RING_M, HEIGHTS_M = 4.0, (1.2, 2.2)
# A third of the swing that limits allow, at one deviation; and how slowly: the deviation of a Gaussian window.
SWING_SHARE, SWING_S = 0.3, 0.2
NOISE_SHARE = 0.015  # of the person's height in the picture


@dataclass(frozen=True, eq=False)
class SyntheticTake:
    """A take without error.

    Attributes
    ----------
    cameras
        Calibrated cameras around the body.
    names
        BlazePose's 33 points.
    xyz_m
        (frames, points, 3), world, metres: every bone between landmarks of neighbouring joints is constant.
    xy_px
        (cameras, frames, points, 2): where the points are in the pictures.
    time_s
        (frames,), 60 Hz unless made otherwise.
    joint_names, joint_m
        The skeleton's joints, and (frames, joints, 3) in the world; none for takes put together from others.
    """

    cameras: CameraGroup
    names: tuple[str, ...]
    xyz_m: Array
    xy_px: Array
    time_s: Array
    joint_names: tuple[str, ...] = ()
    joint_m: Array = field(default_factory=lambda: np.zeros((0, 0, 3)))


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector makes of a take: (cameras, frames, points[, 2]); NaN and confidence 0 where it sees nothing."""

    xy_px: Array
    confidence: Array

    def views(self, take: SyntheticTake) -> dict[str, Keypoints2D]:
        """Return each camera's keypoints, as `triangulate` takes them."""
        size = np.array(SIZE_PX, dtype=np.float64)
        return {
            name: Keypoints2D(take.names, self.xy_px[c], self.confidence[c], take.time_s, size)
            for c, name in enumerate(take.cameras.names)
        }


def ring_of_cameras(count: int) -> CameraGroup:
    """Return cameras evenly around the origin, high and low by turns, looking at a body's middle."""
    cameras = []
    for place in range(count):
        angle = 0.3 + 2 * np.pi * place / count
        center = np.array([RING_M * np.cos(angle), RING_M * np.sin(angle), HEIGHTS_M[place % 2]])
        matrix = np.array([[FOCAL_PX, 0, SIZE_PX[0] / 2 + 8], [0, FOCAL_PX + 3, SIZE_PX[1] / 2 - 5], [0, 0, 1]])
        T = look_at(center, np.array([0.0, 0.0, 0.9]))
        cameras.append(Camera(f"cam{place + 1}", SIZE_PX, matrix, DISTORTION, T))
    return CameraGroup(tuple(cameras))


@lru_cache(maxsize=1)
def body() -> Kinematics:
    """Return the skeleton with BlazePose's landmarks."""
    return Kinematics(load_skeleton("humanoid"), "blazepose33")


def make_take(
    rng: np.random.Generator, frames: int, cameras: int = 4, rate_hz: float = 60.0, shape: Shape | None = None
) -> SyntheticTake:
    """Make a take of so many frames and cameras, of a body of the skeleton's own proportions or of another shape."""
    kinematics = body()
    poses = make_poses(rng, frames, rate_hz)
    placed = kinematics.place(poses, shape or kinematics.rest_shape(), with_axes=False)
    names = load_joint_set("blazepose33").points
    xyz = placed.landmark_m[:, [kinematics.landmarks.index(name) for name in names]]
    group = ring_of_cameras(cameras)
    joint_m = placed.joint_m.swapaxes(0, 1)
    time_s = np.arange(frames) / rate_hz
    return SyntheticTake(group, names, xyz, group.project(xyz), time_s, kinematics.skeleton.joint_names, joint_m)


def make_poses(rng: np.random.Generator, frames: int, rate_hz: float) -> Poses:
    """Return how the body swings and wanders."""
    kinematics = body()
    limits = kinematics.skeleton.limits_rad
    swing = SWING_SHARE * (limits[..., 1] - limits[..., 0])
    angles = kinematics.neutral + swing * _smooth_noise(rng, (frames, *swing.shape), SWING_S * rate_hz)
    angles = kinematics.clipped(angles)
    # Who turns and walks about does so more slowly than limbs swing.
    root = _smooth_noise(rng, (frames, 6), 5 * SWING_S * rate_hz)
    root_m = np.array([0.0, 0.0, 0.92]) + np.array([0.5, 0.5, 0.05]) * root[:, :3]
    turn, _ = exp_and_jacobian(root[:, 3:] * np.array([0.1, 0.1, 1.0]))
    return Poses(root_m, turn, angles)


def detect(take: SyntheticTake, rng: np.random.Generator, correlation_s: float = 0.0) -> Detections:
    """Return what a detector sees: confidences of 0.5 to 1 that come and go, and errors as large as they say.

    `correlation_s`: how long an error lasts (an autoregressive process of first order); 0: white.
    """
    shape = take.xy_px.shape[:3]
    rate_hz = 1 / float(np.median(np.diff(take.time_s)))
    ebb = np.moveaxis(_smooth_noise(rng, (shape[1], shape[0], shape[2]), 0.3 * rate_hz), 0, 1)
    confidence = 0.75 + 0.25 * np.clip(ebb, -1, 1)
    unit = rng.standard_normal(take.xy_px.shape)
    if correlation_s > 0:
        keep = np.exp(-1 / (rate_hz * correlation_s))
        unit = np.concatenate([unit[:, :1] / np.sqrt(1 - keep**2), unit[:, 1:]], axis=1)
        unit = np.sqrt(1 - keep**2) * lfilter([1.0], [1.0, -keep], unit, axis=1)
    noise_px = NOISE_SHARE * _person_px(take)[..., None] / np.sqrt(confidence)
    return Detections(take.xy_px + noise_px[..., None] * unit, confidence)


def corrupt(take: SyntheticTake, seen: Detections, rng: np.random.Generator) -> Detections:
    """Spoil detections: 20 % missing, 5 % gross outliers, a camera mirrored for a third, one 200 px off for 2 s."""
    xy, confidence = seen.xy_px.copy(), seen.confidence.copy()
    cameras, frames = confidence.shape[:2]
    gross = rng.random(confidence.shape) < 0.05
    direction = rng.uniform(0, 2 * np.pi, int(gross.sum()))
    away_px = rng.uniform(50, 500, int(gross.sum()))
    xy[gross] += away_px[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    mirrored, biased = rng.choice(cameras, 2, replace=False)
    third = slice(frames // 3, 2 * frames // 3)
    mirror = [take.names.index(_twin(name, take.names)) for name in take.names]
    xy[mirrored, third] = xy[mirrored, third][:, mirror]
    confidence[mirrored, third] = confidence[mirrored, third][:, mirror]
    rate_hz = 1 / float(np.median(np.diff(take.time_s)))
    start = int(rng.integers(0, max(1, frames - round(2 * rate_hz))))
    angle = rng.uniform(0, 2 * np.pi)
    xy[biased, start : start + round(2 * rate_hz)] += 200 * np.array([np.cos(angle), np.sin(angle)])
    missing = rng.random(confidence.shape) < 0.2
    return replace(seen, xy_px=np.where(missing[..., None], np.nan, xy), confidence=np.where(missing, 0.0, confidence))


def _person_px(take: SyntheticTake) -> Array:
    """Return (cameras, frames): how high the body is in each picture, standing, at its distance."""
    center = take.xyz_m.mean(axis=1)
    depth = np.stack([camera.to_camera(center)[:, 2] for camera in take.cameras])
    height: Array = FOCAL_PX * 1.7 / depth
    return height


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> Array:
    """Return noise of deviation 1 along axis 0, smoothed by a Gaussian window of that deviation."""
    noise = gaussian_filter1d(rng.standard_normal(shape), frames, axis=0, mode="reflect")
    # The window's energy: what white noise keeps of its variance.
    smooth: Array = noise * np.sqrt(2 * np.sqrt(np.pi) * frames)
    return smooth


def _twin(name: str, names: tuple[str, ...]) -> str:
    for a, b in (("left", "right"), ("right", "left")):
        if a in name and name.replace(a, b) in names:
            return name.replace(a, b)
    return name
