"""Made-up recordings of a board: exact cameras and board poses, and what noise, strays, covers and clocks make of them.

The cameras stand on an arc, or on a whole ring, around the space and look into its middle. The board is carried along
a smooth path, tilted and turned; when it is done it is laid on the floor.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.cameras import Camera, CameraGroup
from calib.solve.shared_views import SharedViews, track_acceleration, track_velocity

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

GRAZING = 0.3
"""Cosine between the board's normal and the line of sight: below, 17 degrees off the plane, markers are not read."""

EDGE_PX = 4.0
"""Corners closer to the picture's edge than this are not found."""

STRAY_PX = (10.0, 200.0)
"""How far strays are off."""


@dataclass(frozen=True)
class SceneSpec:
    """What to make up.

    Attributes
    ----------
    cameras, arc_rad, radius_m, height_m
        Cameras stand evenly on an arc of a circle, `arc_rad` in all, alternately lower and higher.
    size_px, focal_px
        Of every picture; focal lengths differ by up to 8 % between cameras.
    board
        The board.
    moments, rate_hz, lying
        Moments in all, how many a second, and how many of them, at the end, the board lies on the floor.
    speed
        Of the path, 1 for a calm hand: up to 0.4 m/s and 60 degrees/s.
    turns
        Whether the board is turned all round to face every camera of a ring; else it faces the arc.
    upside_down
        Whether the board is also rolled about its normal, all the way round.
    noise_px
        Standard deviation of a corner's coordinate.
    stray_share, cover_share
        Shares of corners that are `STRAY_PX` off, and of views of which a hand covers a half.
    lag_s
        By camera: how long after its time stamps it exposes; () for none.
    sag_m
        How far the board's middle is bent out of the plane of its ends (a cylinder about its y axis).
    seed, noise_seed
        Of the path, and of noise, strays and covers.
    """

    cameras: int = 4
    arc_rad: float = 2.0
    radius_m: float = 2.0
    height_m: float = 1.4
    size_px: tuple[int, int] = (1280, 720)
    focal_px: float = 900.0
    board: CharucoBoard = field(default_factory=lambda: CharucoBoard(5, 7, 0.08, 0.06))
    moments: int = 60
    rate_hz: float = 5.0
    lying: int = 5
    speed: float = 1.0
    turns: bool = False
    upside_down: bool = False
    noise_px: float = 0.5
    stray_share: float = 0.05
    cover_share: float = 0.0
    lag_s: tuple[float, ...] = ()
    sag_m: float = 0.0
    seed: int = 0
    noise_seed: int = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """The truth, and what was seen of it.

    Attributes
    ----------
    cameras
        The true cameras; Z up, the floor at 0.
    T_world_board
        (moments, 4, 4): the true poses, metres.
    shared
        What the cameras saw.
    strays
        (cameras, moments, corners): which of the corners seen are strays.
    """

    cameras: CameraGroup
    T_world_board: Array
    shared: SharedViews
    strays: Mask


def make_scene(spec: SceneSpec, cameras: CameraGroup | None = None) -> Scene:
    """Make up a recording; by other cameras than those of the spec, where they are given."""
    cameras = cameras or ring(spec)
    time_s = np.arange(spec.moments) / spec.rate_hz
    lags = np.array(spec.lag_s or np.zeros(spec.cameras))
    xy = np.stack(
        [see(camera, board_path(spec, time_s + lag), spec) for camera, lag in zip(cameras, lags, strict=True)]
    )
    strays = spoil(xy, spec)
    shared = SharedViews(
        camera_names=cameras.names,
        board=spec.board,
        image_size_px=np.array([camera.size_px for camera in cameras]),
        time_s=time_s,
        xy_px=xy,
        velocity_px_s=np.stack([track_velocity(track, time_s, max(0.2, 1.01 / spec.rate_hz)) for track in xy]),
        acceleration_px_s2=np.stack([track_acceleration(track, time_s, max(0.2, 1.01 / spec.rate_hz)) for track in xy]),
        delay_s=np.zeros((spec.cameras, spec.moments)),
        frame_index=np.tile(np.arange(spec.moments), (spec.cameras, 1)),
        sigma_px=np.full(xy.shape[:3], np.nan),
    )
    return Scene(cameras, board_path(spec, time_s), shared, strays)


def look_at(center_m: Array, target_m: Array) -> Array:
    """Return T_cam_world (4, 4) of a level camera."""
    forward = (target_m - center_m) / np.linalg.norm(target_m - center_m)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    T[:3, 3] = -T[:3, :3] @ center_m
    return T


def ring(spec: SceneSpec) -> CameraGroup:
    """Return the true cameras, named cam1, cam2, ..."""
    whole = spec.arc_rad >= 2 * np.pi - 1e-9
    angles = np.linspace(-spec.arc_rad / 2, spec.arc_rad / 2, spec.cameras, endpoint=not whole)
    width, height = spec.size_px
    cameras = []
    for place, angle in enumerate(angles):
        center = np.array([np.sin(angle), -np.cos(angle), 0]) * spec.radius_m
        center[2] = spec.height_m + 0.25 * (place % 2)
        focal = spec.focal_px * (1 + 0.04 * (place % 3 - 1))
        K = [[focal, 0, width / 2 + 5 - 4 * (place % 4)], [0, 1.001 * focal, height / 2 - 3 + 2 * place], [0, 0, 1]]
        distortion = [-0.12 + 0.02 * (place % 4), 0.05, 5e-4, -4e-4, 0.0]
        T = look_at(center, np.array([0, 0, 0.8]))
        cameras.append(Camera(f"cam{place + 1}", spec.size_px, np.array(K), np.array(distortion), T))
    return CameraGroup(tuple(cameras))


def board_path(spec: SceneSpec, time_s: Array) -> Array:
    """Return T_world_board (moments, 4, 4) at the times: carried, then, within a second, laid down."""
    rng = np.random.default_rng(spec.seed)
    phase = rng.uniform(0, 2 * np.pi, 7)
    t = spec.speed * np.asarray(time_s)

    def swing(rate: float, place: int) -> Array:
        return np.asarray(np.sin(rate * t + phase[place]))

    # Upright, print towards -y, where the arc's middle is; about the vertical, tipped, and rolled about its normal.
    about_z = 0.8 * t if spec.turns else 0.5 * swing(0.9, 0)
    roll = 0.7 * t if spec.upside_down else 0.6 * swing(0.8, 1)
    tip = 0.55 * swing(1.1, 2) - 0.25
    upright = Rotation.from_euler("x", 90, degrees=True)
    carried = Rotation.from_euler("zx", np.stack([about_z, tip], axis=1)) * upright
    carried = carried * Rotation.from_euler("z", roll[:, None])
    place = np.stack([0.5 * swing(0.61, 3), 0.5 * swing(0.47, 4), 0.9 + 0.35 * swing(0.53, 5)], axis=1)

    laid_at_s = (spec.moments - spec.lying) / spec.rate_hz
    down = np.clip(np.asarray(time_s) - laid_at_s + 1, 0, 1) if spec.lying else np.zeros(len(t))
    down = down * down * (3 - 2 * down)
    lying = Rotation.from_euler("z", 20, degrees=True)
    T = np.tile(np.eye(4), (len(t), 1, 1))
    T[:, :3, :3] = (carried * Rotation.from_rotvec((carried.inv() * lying).as_rotvec() * down[:, None])).as_matrix()
    T[:, :3, 3] = place + down[:, None] * (np.array([0.1, -0.2, 0.0]) - place)
    return T


def bent_corners(board: CharucoBoard, sag_m: float) -> Array:
    """Return (corners, 3): the corners of a board whose middle is `sag_m` off the plane of its left and right ends."""
    corners = board.corners_m.copy()
    corners[:, 2] += sag_m * (1 - (2 * corners[:, 0] / board.width_m) ** 2)
    return corners


def see(camera: Camera, T_world_board: Array, spec: SceneSpec) -> Array:
    """Return (moments, corners, 2): where the camera sees the corners, without noise; NaN where it cannot."""
    corners = bent_corners(spec.board, spec.sag_m)
    pixels = camera.project(corners @ np.swapaxes(T_world_board[:, :3, :3], 1, 2) + T_world_board[:, None, :3, 3])
    sight = camera.center_m - T_world_board[:, :3, 3]
    facing = (sight * T_world_board[:, :3, 2]).sum(axis=1) / np.linalg.norm(sight, axis=1) > GRAZING
    inside = ((pixels > EDGE_PX) & (pixels < np.array(camera.size_px) - 1 - EDGE_PX)).all(axis=-1)
    seen: Array = np.where((inside & facing[:, None])[..., None], pixels, np.nan)
    return seen


def spoil(xy_px: Array, spec: SceneSpec) -> Mask:
    """Add covers, noise and strays to (cameras, moments, corners, 2), in place; return which corners are strays."""
    rng = np.random.default_rng([spec.seed, spec.noise_seed])
    shape = xy_px.shape[:-1]
    covered = rng.random(shape[:2]) < spec.cover_share
    corners = spec.board.corners_m[:, :2]
    edge = rng.uniform(0, 2 * np.pi, shape[:2])
    behind = np.cos(edge)[..., None] * corners[:, 0] + np.sin(edge)[..., None] * corners[:, 1] > 0
    xy_px[covered[..., None] & behind] = np.nan
    strays: Mask = (rng.random(shape) < spec.stray_share) & np.isfinite(xy_px[..., 0])
    direction, far = rng.uniform(0, 2 * np.pi, shape), rng.uniform(*STRAY_PX, shape) * strays
    xy_px += rng.normal(0, spec.noise_px, xy_px.shape)
    xy_px += far[..., None] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    return strays


def pose_errors(found: CameraGroup, true: CameraGroup) -> tuple[Array, Array]:
    """Return how far each camera is off, position (cameras,) in metres and rotation (cameras,) in degrees.

    The found group is first brought onto the true one as a whole, by the rigid motion (no scale) that brings the
    cameras' centres together best; with two cameras, and with all on one line, the cameras' own axes decide the rest.
    """
    a, b = (np.stack([camera.center_m for camera in group]) for group in (found, true))
    R_found, R_true = (np.stack([camera.T_cam_world[:3, :3] for camera in group]) for group in (found, true))
    # Points on the cameras' axes, a millimetre away: too little to matter unless the centres leave a turn open.
    axes_a, axes_b = 1e-3 * R_found.reshape(-1, 3), 1e-3 * R_true.reshape(-1, 3)
    R, _ = Rotation.align_vectors(
        np.concatenate([b - b.mean(axis=0), axes_b]), np.concatenate([a - a.mean(axis=0), axes_a])
    )
    position = np.linalg.norm(R.apply(a - a.mean(axis=0)) - (b - b.mean(axis=0)), axis=1)
    turned = Rotation.from_matrix(R_found @ R.as_matrix().T @ np.swapaxes(R_true, 1, 2)).magnitude()
    return position, np.degrees(turned)
