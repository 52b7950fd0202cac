"""A made-up group of cameras that watches a board being carried, with known noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.board_scenes import look_at
from calib.boards.board import CharucoBoard
from calib.cameras import Camera, CameraGroup
from calib.solve.shared_views import SharedViews, track_acceleration, track_velocity

Array = npt.NDArray[np.float64]

SIZE = (1280, 720)


@dataclass(frozen=True, eq=False)
class Rig:
    """The truth, and what was seen of it."""

    cameras: CameraGroup
    T_world_board: Array
    shared: SharedViews
    strays: npt.NDArray[np.bool_]


def make_rig(
    cameras: int = 4,
    moments: int = 120,
    noise_px: float = 0.5,
    stray_share: float = 0.05,
    lag_s: tuple[float, ...] = (),
    board: CharucoBoard | None = None,
    lying: int = 10,
    seed: int = 0,
    arc: float = 1.0,
    bend_m: float = 0.0,
) -> Rig:
    """Carry a board through the middle of a ring of cameras at 10 moments a second, and lay it down at the end.

    `lag_s` is how long after its time stamps each camera exposes. Strays are 10 to 200 px off. `bend_m` is how far the
    board's left and right edges stand off its middle.
    """
    rng = np.random.default_rng(seed)
    board = board or CharucoBoard(7, 5, 0.1, 0.075)
    angles = np.linspace(-arc, arc, cameras)
    lens = []
    for place, angle in enumerate(angles):
        center = np.array([1.8 * np.sin(angle), -1.8 * np.cos(angle), 1.3 + 0.2 * (place % 2)])
        focal = 850 + 60 * place
        matrix = [[focal, 0, 645 - 3 * place], [0, focal * 1.001, 362 + 2 * place], [0, 0, 1]]
        distortion = [-0.12 + 0.02 * place, 0.05, 0.0005, -0.0004, 0.0]
        lens.append(
            Camera(
                f"cam{place + 1}", SIZE, np.array(matrix), np.array(distortion), look_at(center, np.array([0, 0, 0.7]))
            )
        )
    group = CameraGroup(tuple(lens))
    phase = rng.uniform(0, 2 * np.pi, 6)

    def pose(t: Array) -> Array:
        """The board faces the cameras in turn, wobbling; smooth in time."""
        T = np.tile(np.eye(4), (len(t), 1, 1))
        turn = 0.9 * np.sin(0.7 * t + phase[0])
        upright = Rotation.from_euler("x", 90, degrees=True)
        wobble = Rotation.from_euler(
            "zxy", np.stack([turn, 0.6 * np.sin(1.3 * t + phase[1]) - 0.2, 0.6 * np.sin(1.1 * t + phase[2])], axis=1)
        )
        T[:, :3, :3] = (wobble * upright).as_matrix()
        T[:, :3, 3] = np.stack(
            [
                0.5 * np.sin(0.9 * t + phase[3]),
                0.4 * np.sin(0.8 * t + phase[4]),
                0.9 + 0.3 * np.sin(1.2 * t + phase[5]),
            ],
            axis=1,
        )
        down = np.clip((t - (moments - lying) / 10 + 1) / 1.0, 0, 1)  # within the second before it lies
        down = down * down * (3 - 2 * down)
        lying_pose = Rotation.from_euler("z", 20, degrees=True)
        there = Rotation.from_matrix(T[:, :3, :3])
        T[:, :3, :3] = (
            there * Rotation.from_rotvec((there.inv() * lying_pose).as_rotvec() * down[:, None])
        ).as_matrix()
        T[:, :3, 3] += down[:, None] * (np.array([0.1, -0.2, 0.0]) - T[:, :3, 3])
        return T

    time_s = np.arange(moments) / 10
    corners_m = board.corners_m + np.outer((board.corners_m[:, 0] / board.corners_m[:, 0].max()) ** 2, [0, 0, bend_m])
    xy = np.full((cameras, moments, len(board.corners_m), 2), np.nan)
    for place, camera in enumerate(group):
        T = pose(time_s + (lag_s[place] if lag_s else 0.0))
        xyz = corners_m @ np.swapaxes(T[:, :3, :3], 1, 2) + T[:, None, :3, 3]
        pixels = camera.project(xyz)
        normal_to_camera = ((camera.center_m - T[:, :3, 3]) * T[:, :3, 2]).sum(axis=1) / np.linalg.norm(
            camera.center_m - T[:, :3, 3], axis=1
        )
        inside = ((pixels > 0) & (pixels < np.array(SIZE) - 1)).all(axis=-1)
        xy[place] = np.where((inside & (normal_to_camera > 0.35)[:, None])[..., None], pixels, np.nan)
    strays = (rng.random(xy.shape[:-1]) < stray_share) & np.isfinite(xy[..., 0])
    direction = rng.uniform(0, 2 * np.pi, xy.shape[:-1])
    far = rng.uniform(10, 200, xy.shape[:-1]) * strays
    xy += rng.normal(0, noise_px, xy.shape) + far[..., None] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    velocity = np.stack([track_velocity(track, time_s, 0.2) for track in xy])
    acceleration = np.stack([track_acceleration(track, time_s, 0.2) for track in xy])
    sizes = np.tile(SIZE, (cameras, 1))
    index = np.tile(np.arange(moments), (cameras, 1))
    shared = SharedViews(
        camera_names=group.names,
        board=board,
        image_size_px=sizes,
        time_s=time_s,
        xy_px=xy,
        velocity_px_s=velocity,
        acceleration_px_s2=acceleration,
        delay_s=np.zeros((cameras, moments)),
        frame_index=index,
        sigma_px=np.full(xy.shape[:3], np.nan),
    )
    return Rig(group, pose(time_s), shared, strays)


@pytest.fixture(scope="session", name="make_rig")
def _make_rig() -> Callable[..., Rig]:
    return make_rig


def align(found: CameraGroup, true: CameraGroup) -> tuple[Array, Array]:
    """Return position errors (cameras,) in metres and rotation errors (cameras,) in degrees after rigid alignment.

    The groups are turned onto each other by their cameras' rotations, and moved by the means of their centres.
    """
    a = np.stack([camera.center_m for camera in found])
    b = np.stack([camera.center_m for camera in true])
    R = Rotation.from_matrix(
        np.stack([t.T_cam_world[:3, :3].T @ f.T_cam_world[:3, :3] for f, t in zip(found, true, strict=True)])
    ).mean()
    position = np.linalg.norm(R.apply(a - a.mean(axis=0)) - (b - b.mean(axis=0)), axis=1)
    turned = [
        Rotation.from_matrix(f.T_cam_world[:3, :3] @ R.as_matrix().T @ t.T_cam_world[:3, :3].T).magnitude()
        for f, t in zip(found, true, strict=True)
    ]
    return position, np.degrees(turned)


@pytest.fixture(scope="session", name="align")
def _align() -> Callable[[CameraGroup, CameraGroup], tuple[Array, Array]]:
    return align
