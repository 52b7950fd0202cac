"""A ring of cameras around a figure that walks and waves: known cameras, known points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from calib.cameras import Camera, CameraGroup
from calib.interchange import adapt_to_size, load_cameras
from detect.run import detect_videos
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

SIZE_PX = (1280, 720)
DISTORTION = np.array([-0.12, 0.05, 0.001, -0.0005, 0.0])

# Half a standing figure facing +x, its left towards +y: (forward, left, up) in metres.
LEFT_HALF = {
    "nose": (0.12, 0.0, 1.62),
    "left_eye_inner": (0.10, 0.015, 1.66),
    "left_eye": (0.10, 0.03, 1.66),
    "left_eye_outer": (0.09, 0.045, 1.66),
    "left_ear": (0.0, 0.08, 1.63),
    "mouth_left": (0.10, 0.025, 1.57),
    "left_shoulder": (0.0, 0.19, 1.42),
    "left_elbow": (0.0, 0.30, 1.15),
    "left_wrist": (0.12, 0.34, 0.92),
    "left_pinky": (0.16, 0.36, 0.85),
    "left_index": (0.19, 0.33, 0.85),
    "left_thumb": (0.17, 0.31, 0.88),
    "left_hip": (0.0, 0.11, 0.92),
    "left_knee": (0.03, 0.12, 0.50),
    "left_ankle": (-0.02, 0.12, 0.09),
    "left_heel": (-0.07, 0.12, 0.03),
    "left_foot_index": (0.15, 0.14, 0.02),
}


def look_at(name: str, center: Array, target: Array, focal_px: float = 900.0) -> Camera:
    """Return a camera at `center` that looks at `target`, upright in a world with Z up."""
    z = (target - center) / np.linalg.norm(target - center)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ center
    matrix = np.array([[focal_px, 0, 640.0], [0, focal_px + 3, 355.0], [0, 0, 1]])
    return Camera(name, SIZE_PX, matrix, DISTORTION, T)


def make_ring(count: int) -> CameraGroup:
    """Return cameras evenly around the origin, 4 m away, 1.6 m up."""
    angles = 0.3 + 2 * np.pi * np.arange(count) / count
    return CameraGroup(
        tuple(
            look_at(f"cam{i + 1}", np.array([4 * np.cos(a), 4 * np.sin(a), 1.6]), np.array([0.0, 0.0, 0.9]))
            for i, a in enumerate(angles)
        )
    )


def make_walk(frames: int, rate_hz: float = 30.0) -> tuple[Array, Array]:
    """Return BlazePose points (frames, 33, 3) of a figure that turns on the spot and waves, and the times."""
    names = load_joint_set("blazepose33").points
    rest = np.empty((len(names), 3))
    for i, name in enumerate(names):
        forward, left, up = LEFT_HALF[name.replace("right", "left")]
        rest[i] = (forward, -left if "right" in name.split("_") else left, up)
    time_s = np.arange(frames) / rate_hz
    body = np.repeat(rest[None], frames, axis=0)
    arm = [i for i, name in enumerate(names) if name in ("left_wrist", "left_pinky", "left_index", "left_thumb")]
    body[:, arm, 2] += 0.2 * (1 - np.cos(2 * np.pi * time_s))[:, None]
    angle = 0.8 * np.sin(0.9 * time_s)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = body[..., 0].copy(), body[..., 1].copy()
    body[..., 0] = c * x - s * y + 0.3 * np.sin(1.1 * time_s)[:, None]
    body[..., 1] = s * x + c * y
    return body, time_s


def make_views(
    cameras: CameraGroup, xy_px: Array, time_s: Array, confidence: Array | None = None
) -> dict[str, Keypoints2D]:
    """Return the views that a detector would give: (cameras, frames, points, 2) and, if given, confidence."""
    seen = np.isfinite(xy_px).all(axis=-1)
    confidence = np.where(seen, 1.0 if confidence is None else confidence, 0.0)
    return {
        camera.name: Keypoints2D(
            load_joint_set("blazepose33").points, xy_px[c], confidence[c], time_s, np.array(SIZE_PX)
        )
        for c, camera in enumerate(cameras)
    }


@pytest.fixture(scope="session")
def walk4(data: Path) -> tuple[dict[str, Keypoints2D], CameraGroup]:
    """A man who balances and turns, seen by four cameras that a cable keeps in step: keypoints and calibration."""
    folder = data / "walk4"
    views = detect_videos({path.stem: path for path in sorted(folder.glob("cam*.mp4"))})
    calibration = load_cameras(folder / "Calib.qca.txt")
    cameras = CameraGroup(
        tuple(
            adapt_to_size(calibration[name], (int(view.image_size_px[0]), int(view.image_size_px[1])))
            for name, view in views.items()
        )
    )
    return views, cameras


@pytest.fixture
def ring() -> Callable[[int], CameraGroup]:
    return make_ring


@pytest.fixture
def walk() -> Callable[..., tuple[Array, Array]]:
    return make_walk


@pytest.fixture
def views() -> Callable[..., dict[str, Keypoints2D]]:
    return make_views


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240613)
