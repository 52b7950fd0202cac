"""The ChArUco board: its squares as geometry, its corners in metres, and its way through the calibration recording."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from blender.mesh import Mesh

Array = npt.NDArray[np.float64]

COLUMNS = 7
ROWS = 5
SQUARE_M = 0.100
MARKER_M = 0.075
DICTIONARY = "DICT_4X4_50"

MARGIN_M = 0.030
"""White border around the outermost squares."""
THICKNESS_M = 0.004
"""The plate that carries the print: lying on the floor, the printed face is this high."""

MODULES_PER_SQUARE = 8
"""A marker of 4 x 4 bits and its black border measures 6 modules: 0.075 m / 6 = 0.0125 m, an eighth of a square."""

INK = np.array([0.05, 0.05, 0.05])
PAPER = np.array([0.97, 0.97, 0.96])
PLATE = np.array([0.45, 0.36, 0.26])


def charuco_board() -> Any:
    """Return the board as `cv2.aruco.CharucoBoard`, in OpenCV's present (non-legacy) layout.

    Its frame is OpenCV's: origin at the outer corner of the top left square, x to the right and y down the print,
    z into the plate.
    """
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, DICTIONARY))
    return cv2.aruco.CharucoBoard((COLUMNS, ROWS), SQUARE_M, MARKER_M, dictionary)


def corners_m() -> Array:
    """Return the inner corners, by ChArUco id: (24, 3), metres in the board's frame."""
    return np.array(charuco_board().getChessboardCorners(), dtype=np.float64)


@cache
def modules() -> npt.NDArray[np.bool_]:
    """Return the print as a grid of modules: (40, 56), True where it is white.

    OpenCV draws the board at ten pixels a module; every module is one colour, so its middle pixel tells it exactly.
    """
    pixels = 10
    width, height = COLUMNS * MODULES_PER_SQUARE * pixels, ROWS * MODULES_PER_SQUARE * pixels
    image = charuco_board().generateImage((width, height), marginSize=0, borderBits=1)
    white: npt.NDArray[np.bool_] = image[pixels // 2 :: pixels, pixels // 2 :: pixels] > 127
    return white


def mesh() -> Mesh:
    """Build the board in its own frame, metres: one quad a module, a white margin, and the plate behind it."""
    rows, columns = modules().shape
    module_m = SQUARE_M / MODULES_PER_SQUARE
    width, height = COLUMNS * SQUARE_M, ROWS * SQUARE_M
    x = np.concatenate([[-MARGIN_M], np.arange(columns + 1) * module_m, [width + MARGIN_M]])
    y = np.concatenate([[-MARGIN_M], np.arange(rows + 1) * module_m, [height + MARGIN_M]])
    white = np.pad(modules(), 1, constant_values=True)
    index = np.arange(len(y) * len(x)).reshape(len(y), len(x))
    front = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    grid_x, grid_y = np.meshgrid(x, y)
    vertices = np.stack([grid_x.ravel(), grid_y.ravel(), np.zeros(grid_x.size)], axis=-1)
    colors = np.where(white.reshape(-1, 1), PAPER, INK)

    first = len(vertices)
    outline = np.array([[x[0], y[0]], [x[-1], y[0]], [x[-1], y[-1]], [x[0], y[-1]]])
    back = np.concatenate([outline, np.full((4, 1), THICKNESS_M)], axis=1)
    rim = index[[0, 0, -1, -1], [0, -1, -1, 0]]
    sides = np.array([[rim[i], rim[(i + 1) % 4], first + (i + 1) % 4, first + i] for i in range(4)])
    plate = np.concatenate([sides, [[first, first + 1, first + 2, first + 3]]])
    return Mesh(
        vertices_m=np.concatenate([vertices, back]),
        faces=np.concatenate([front, plate]),
        face_colors=np.concatenate([colors, np.tile(PLATE, (len(plate), 1))]),
    )


@dataclass(frozen=True)
class Waypoint:
    """Where the board's middle is at one moment of session time, and how the board is turned.

    At zero angles the print faces -y (the middle of the cameras' arc) and stands upright. `yaw_deg` turns it about
    the world's z, positive towards +x; `pitch_deg` tilts the print up, 90 faces the ceiling; `roll_deg` turns it in
    its own plane.
    """

    time_s: float
    x_m: float
    y_m: float
    z_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


LAID_DOWN_S = 12.4
"""From this session time on the board lies still on the floor."""

# From cam4's view over cam3's and cam2's to cam1's and back to the middle, through the corners of each picture.
PATH = (
    Waypoint(-1.5, 1.42, -0.48, 1.031, 45, 10, 0),
    Waypoint(-0.92, 1.8, -0.17, 1.308, 60, -10, -15),
    Waypoint(-0.16, 1.46, -0.97, 1.332, 42, -20, 12),
    Waypoint(0.47, 1.5, -1.0, 0.758, 60, 25, 15),
    Waypoint(1.2, 1.63, -0.21, 0.75, 45, 20, -20),
    Waypoint(2.24, 1.0, -1.17, 1.599, 45, 5, 10),
    Waypoint(3.05, 0.29, -1.53, 1.63, 0, 25, -15),
    Waypoint(3.58, 0.35, -1.75, 1.18, 10, 55, -20),
    Waypoint(4.32, 1.12, -1.37, 1.122, 15, 60, 15),
    Waypoint(5.46, -0.26, -1.62, 1.547, 0, 15, -10),
    Waypoint(6.04, -0.42, -1.7, 1.128, -10, 55, 15),
    Waypoint(6.74, -1.17, -1.36, 1.129, -10, 50, -15),
    Waypoint(7.42, -1.07, -1.16, 1.603, -48, 10, 10),
    Waypoint(7.85, -1.38, -0.99, 1.426, -45, -15, 15),
    Waypoint(8.5, -1.49, -1.01, 0.874, -55, 25, -15),
    Waypoint(9.27, -1.74, -0.15, 0.876, -45, 20, 18),
    Waypoint(9.9, -1.63, -0.13, 1.445, -45, -15, -15),
    Waypoint(11.12, -0.47, -1.07, 1.241, -15, 45, 5),
    Waypoint(11.98, 0.0, -0.57, 0.42, 3, 72, 2),
    Waypoint(LAID_DOWN_S, -0.05, -0.55, THICKNESS_M, 0, 90, 0),
)


@cache
def _path() -> CubicSpline:
    """Return the way as one spline at rest at both ends, so that accelerations stay those of a walking carrier."""
    keys = np.array([[w.x_m, w.y_m, w.z_m, w.yaw_deg, w.pitch_deg, w.roll_deg] for w in PATH])
    return CubicSpline([w.time_s for w in PATH], keys, bc_type="clamped")


def T_world_board(time_s: npt.ArrayLike) -> Array:  # noqa: N802
    """Return the board's pose at session times of any shape: (..., 4, 4), board to world, metres."""
    times = np.asarray(time_s, dtype=np.float64)
    keys = _path()(np.clip(times, PATH[0].time_s, PATH[-1].time_s)).reshape(-1, 6)
    upright = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # print's x right, y down, z away from -y
    turn = Rotation.from_euler("ZXY", keys[:, [3, 4, 5]] * [1, -1, 1], degrees=True) * upright
    middle = np.array([COLUMNS * SQUARE_M / 2, ROWS * SQUARE_M / 2, 0.0])
    T = np.tile(np.eye(4), (len(keys), 1, 1))
    T[:, :3, :3] = turn.as_matrix()
    T[:, :3, 3] = keys[:, :3] - turn.apply(middle)
    return T.reshape(*times.shape, 4, 4)
