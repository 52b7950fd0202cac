"""Coloured surfaces as plain arrays, before Blender sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface with colours.

    Attributes
    ----------
    vertices_m
        (vertices, 3), metres.
    faces
        (faces, 3 or 4) of int, counter-clockwise seen from outside.
    face_colors
        (faces, 3) or, one per corner, (faces, 3 or 4, 3): sRGB in [0, 1].
    smooth
        Whether normals are interpolated over the faces.
    """

    vertices_m: Array
    faces: npt.NDArray[np.int64]
    face_colors: Array
    smooth: bool = False

    def __post_init__(self) -> None:
        count, sides = self.faces.shape
        if sides not in (3, 4) or self.vertices_m.ndim != 2 or self.vertices_m.shape[1] != 3:
            raise ValueError(f"mesh of vertices {self.vertices_m.shape} and faces {self.faces.shape}")
        if self.face_colors.shape not in ((count, 3), (count, sides, 3)):
            raise ValueError(f"{count} faces of {sides} corners cannot take colours of shape {self.face_colors.shape}")

    @property
    def corner_colors(self) -> Array:
        """(faces * sides, 3): one colour for every corner of every face."""
        count, sides = self.faces.shape
        if self.face_colors.ndim == 2:
            return np.repeat(self.face_colors, sides, axis=0)
        return self.face_colors.reshape(count * sides, 3)
