"""Solid shapes as signed distances (negative inside), joined smoothly and turned into triangles.

Sources: I. Quilez, "Distance functions" (capsule, ellipsoid bound) and "Smooth minimum" (polynomial), iquilezles.org;
W. Lorensen and H. Cline, "Marching cubes", SIGGRAPH 1987, as scikit-image implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import ClapcapError

Array = npt.NDArray[np.float64]
DistanceField = Callable[[Array], Array]
"""Maps points (points, 3) to signed distances (points,)."""


def distance_to_segment(points: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return the distance of each point (points, 3) to the segment from a to b, and how far along it lies in [0, 1]."""
    ab = b - a
    along = np.clip((points - a) @ ab / (ab @ ab), 0.0, 1.0)
    return np.linalg.norm(points - a - along[:, None] * ab, axis=1), along


def capsule(a: npt.ArrayLike, b: npt.ArrayLike, radius_a: float, radius_b: float) -> DistanceField:
    """Return a rod with round ends whose radius changes evenly from a to b."""
    start, end = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)

    def field(points: Array) -> Array:
        distance, along = distance_to_segment(points, start, end)
        return distance - (radius_a + (radius_b - radius_a) * along)

    return field


def ellipsoid(center: npt.ArrayLike, radii: npt.ArrayLike) -> DistanceField:
    """Return an ellipsoid along the axes; its distance is exact on the surface and a first-order estimate elsewhere."""
    middle, r = np.asarray(center, dtype=np.float64), np.asarray(radii, dtype=np.float64)

    def field(points: Array) -> Array:
        q = points - middle
        k0 = np.linalg.norm(q / r, axis=1)
        k1 = np.linalg.norm(q / (r * r), axis=1)
        distance: Array = k0 * (k0 - 1.0) / np.maximum(k1, 1e-9)
        return distance

    return field


def smooth_minimum(a: Array, b: Array, blend: float) -> Array:
    """Return the minimum of two distances, rounded where they differ by less than `blend`."""
    h = np.clip(0.5 + 0.5 * (b - a) / blend, 0.0, 1.0)
    joined: Array = b * (1.0 - h) + a * h - blend * h * (1.0 - h)
    return joined


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles of a joined solid: vertices (vertices, 3), faces (faces, 3), and per vertex the part it belongs to."""

    vertices: Array
    faces: npt.NDArray[np.int64]
    part: npt.NDArray[np.int64]


def polygonise(
    parts: Sequence[DistanceField], low: npt.ArrayLike, high: npt.ArrayLike, voxel: float, blend: float
) -> Surface:
    """Join the parts smoothly and triangulate their surface inside the box from `low` to `high`.

    Raises
    ------
    ClapcapError
        If scikit-image is not installed.
    """
    try:
        from skimage import measure
    except ImportError as error:
        raise ClapcapError(
            f"scikit-image cannot be loaded ({error}). It is needed to build the rendered person, not to run clapcap: "
            'install it with `pip install "clapcap[blender]"`.'
        ) from error

    corner = np.asarray(low, dtype=np.float64)
    counts = np.ceil((np.asarray(high) - corner) / voxel).astype(int) + 1
    axes = [corner[i] + voxel * np.arange(counts[i]) for i in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    joined = parts[0](grid)
    for part in parts[1:]:
        joined = smooth_minimum(joined, part(grid), blend)
    marching_cubes: Any = measure.marching_cubes  # has no types
    vertices, faces, _, _ = marching_cubes(joined.reshape(counts), 0.0, spacing=(voxel,) * 3)
    vertices = vertices.astype(np.float64) + corner
    nearest = np.stack([part(vertices) for part in parts]).argmin(axis=0)
    return Surface(vertices, faces.astype(np.int64), nearest)
