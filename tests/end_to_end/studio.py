"""Small recordings made on the spot: two cameras, a board that moves before them, the sound of a clap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.cameras import Camera, CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from media.audio import Audio
from media.writer import VideoWriter
from session.main import run

SIZE_PX = (480, 360)
RATE_HZ = 30.0
SOUND_HZ = 48_000
BOARD = CharucoBoard(4, 5, 0.054, 0.0405, "DICT_4X4_1000")
BOARD_PX_M = 4000.0  # resolution of the board's picture, pixels a metre

Image = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]


def looking_at(name: str, center: Iterable[float], target: Iterable[float]) -> Camera:
    """Return a camera at `center` that looks at `target`, upright in a world with Z up."""
    forward = np.array(list(target)) - np.array(list(center))
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ np.array(list(center))
    width, height = SIZE_PX
    K = np.array([[450.0, 0, (width - 1) / 2], [0, 450.0, (height - 1) / 2], [0, 0, 1]])
    return Camera(name, SIZE_PX, K, np.zeros(5), T)


CAMERAS = CameraGroup(
    (
        looking_at("cam1", (-0.3, -1.0, 0.7), (0, 0, 0.4)),
        looking_at("cam2", (0.3, -1.0, 0.6), (0, 0, 0.4)),
    )
)


def board_pose(time_s: float) -> Array:
    """T_world_board: upright, facing the cameras, carried about and tilted."""
    upright = Rotation.from_euler("x", 90, degrees=True)
    tilt = [0.45 * np.sin(2.1 * time_s), 0.45 * np.sin(1.3 * time_s + 1), 0.4 * np.sin(1.7 * time_s)]
    T = np.eye(4)
    T[:3, :3] = (upright * Rotation.from_rotvec(tilt)).as_matrix()
    T[:3, 3] = [0.2 * np.sin(0.9 * time_s), 0.1 * np.sin(1.1 * time_s), 0.35 + 0.12 * np.cos(1.4 * time_s)]
    return T


def draw_board(camera: Camera, T_world_board: Array, board: CharucoBoard = BOARD) -> Image:
    """Return the RGB picture of the board against gray."""
    margin = board.square_m / 2
    size = (round((board.width_m + 2 * margin) * BOARD_PX_M), round((board.height_m + 2 * margin) * BOARD_PX_M))
    print_ = board.to_cv2().generateImage(size, marginSize=round(margin * BOARD_PX_M))
    half = np.array([board.width_m / 2 + margin, board.height_m / 2 + margin])
    ends = np.array([[-half[0], half[1], 0], [half[0], half[1], 0], [half[0], -half[1], 0], [-half[0], -half[1], 0]])
    seen = camera.project(ends @ T_world_board[:3, :3].T + T_world_board[:3, 3])
    corners = np.array([[-0.5, -0.5], [size[0] - 0.5, -0.5], [size[0] - 0.5, size[1] - 0.5], [-0.5, size[1] - 0.5]])
    picture = np.full((SIZE_PX[1] * 2, SIZE_PX[0] * 2), 110, dtype=np.uint8)
    double = 2 * seen + 0.5  # drawn at twice the size, then averaged: a simple anti-aliasing
    H = cv2.getPerspectiveTransform(corners.astype(np.float32), double.astype(np.float32))
    cv2.warpPerspective(
        print_, H, picture.shape[::-1], dst=picture, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
    )
    small = cv2.resize(picture, SIZE_PX, interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=2)


def nothing(camera: Camera, time_s: float) -> Image:
    """An empty room."""
    return np.full((SIZE_PX[1], SIZE_PX[0], 3), 110, dtype=np.uint8)


def carried_board(camera: Camera, time_s: float) -> Image:
    """The board, carried about."""
    return draw_board(camera, board_pose(time_s))


def clap(duration_s: float, at_s: float | None) -> Audio:
    """Return a microphone's own quiet noise with a clap at `at_s`."""
    own = np.random.default_rng(round(1000 * (at_s or 0.0)) % 2**32)
    sound = 0.002 * own.standard_normal(round(duration_s * SOUND_HZ))
    rng = np.random.default_rng(3)
    if at_s is not None:
        burst = rng.standard_normal(2400) * np.exp(-np.arange(2400) / 300)
        start = round(at_s * SOUND_HZ)
        sound[start : start + 2400] += 0.5 * burst
    return Audio(sound[:, None].astype(np.float32), SOUND_HZ, 0.0)


def film(
    path: Path,
    camera: Camera,
    scene: Callable[[Camera, float], Image],
    *,
    start_s: float = 0.0,
    duration_s: float = 3.0,
    clap_s: float | None = 1.0,
    sound: bool = True,
) -> Path:
    """Film a scene: the camera starts at `start_s` of session time and hears a clap at `clap_s` of session time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    heard = clap(duration_s, None if clap_s is None else clap_s - start_s) if sound else None
    with VideoWriter(path, SIZE_PX, rate_hz=RATE_HZ, audio=heard) as writer:
        for frame in range(round(duration_s * RATE_HZ)):
            writer.write(scene(camera, start_s + frame / RATE_HZ))
    return path


def save_cameras(path: Path) -> Path:
    """Write the true cameras."""
    save_anipose_toml(path, CAMERAS)
    return path


def call(*arguments: object) -> int:
    """Run the command line in this process; return its exit code."""
    try:
        run([str(argument) for argument in arguments])
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0
