"""The room around the scene: a plank floor at z = 0 and three painted walls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from blender.mesh import Mesh

Array = npt.NDArray[np.float64]

HALF_WIDTH_M = 5.5
FRONT_M = -6.0
BACK_M = 4.5
HEIGHT_M = 5.0

PLANK_M = (0.22, 1.6)
"""Width across and length along y."""
WOOD = np.array([0.66, 0.53, 0.40])
WALL = np.array([0.70, 0.74, 0.76])
WAINSCOT = np.array([0.47, 0.56, 0.58])
SKIRTING = np.array([0.90, 0.90, 0.88])


def _quads(corners_m: Array, colors: Array) -> Mesh:
    """Make a mesh of separate quads: corners (quads, 4, 3), colours (quads, 3)."""
    count = len(corners_m)
    return Mesh(corners_m.reshape(-1, 3), np.arange(4 * count).reshape(count, 4), colors)


def floor(rng: np.random.Generator) -> Mesh:
    """Lay the floor: staggered planks, each with a shade of its own."""
    width, length = PLANK_M
    corners, shades = [], []
    for column, x in enumerate(np.arange(-HALF_WIDTH_M, HALF_WIDTH_M, width)):
        start = FRONT_M - length * ((column * 0.37) % 1.0)
        for y in np.arange(start, BACK_M, length):
            lo, hi = max(y, FRONT_M), min(y + length, BACK_M)
            if hi > lo:
                corners.append([[x, lo, 0], [x + width, lo, 0], [x + width, hi, 0], [x, hi, 0]])
                shades.append(rng.uniform(0.84, 1.1))
    return _quads(np.array(corners, dtype=np.float64), np.clip(np.outer(shades, WOOD), 0, 1))


def walls(rng: np.random.Generator) -> Mesh:
    """Raise the back and side walls: skirting, a wainscot of boards, paint above."""
    corners, colors = [], []

    def raise_wall(start: tuple[float, float], end: tuple[float, float]) -> None:
        a, b = np.array(start), np.array(end)
        boards = round(float(np.linalg.norm(b - a)) / 0.35)
        for i in range(boards):
            (x0, y0), (x1, y1) = a + (b - a) * i / boards, a + (b - a) * (i + 1) / boards
            bands = (
                (0.0, 0.14, SKIRTING),
                (0.14, 1.05, WAINSCOT * rng.uniform(0.92, 1.06)),
                (1.05, 1.10, SKIRTING),
                (1.10, HEIGHT_M, WALL),
            )
            for low, high, color in bands:
                corners.append([[x0, y0, low], [x1, y1, low], [x1, y1, high], [x0, y0, high]])
                colors.append(color)

    raise_wall((-HALF_WIDTH_M, FRONT_M), (-HALF_WIDTH_M, BACK_M))
    raise_wall((-HALF_WIDTH_M, BACK_M), (HALF_WIDTH_M, BACK_M))
    raise_wall((HALF_WIDTH_M, BACK_M), (HALF_WIDTH_M, FRONT_M))
    return _quads(np.array(corners, dtype=np.float64), np.clip(np.array(colors), 0, 1))
