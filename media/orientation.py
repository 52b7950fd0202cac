"""The display matrix: how a phone says which way up its pictures are."""

from __future__ import annotations

import math
from typing import Any

import av
import numpy as np
import numpy.typing as npt

UPRIGHT = np.eye(2, dtype=np.int64)


def display_matrix(picture: av.VideoFrame) -> npt.NDArray[np.int64]:
    """Return the (2, 2) matrix from stored to displayed pixel directions (x right, y down).

    Entries are -1, 0 or 1: rotations are rounded to quarter turns, the only ones that cameras write.
    """
    data: Any = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    # ISO/IEC 14496-12, 6.2.2: (a b u; c d v; x y w) in row-major 16.16 fixed point, p' = a p + c q, q' = b p + d q.
    a, b, _, c, d = np.frombuffer(data, dtype="<i4")[:5] / 65536
    linear = np.array([[a, c], [b, d]])
    scale = math.sqrt(abs(np.linalg.det(linear)))
    if scale == 0:
        return UPRIGHT
    rounded = np.rint(linear / scale).astype(np.int64)
    return rounded if abs(round(float(np.linalg.det(rounded)))) == 1 else UPRIGHT


def rotation_deg(matrix: npt.NDArray[np.int64]) -> int:
    """Return by how many degrees clockwise (0, 90, 180, 270) the stored picture is turned for display."""
    return round(math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))) % 360


def orient(image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the picture (h, w, ...) as displayed, contiguous in memory."""
    if matrix[0, 0] == 0:
        # Columns and rows change places: x' = c y, y' = b x.
        image = np.swapaxes(image, 0, 1)
        flip_x, flip_y = matrix[0, 1] < 0, matrix[1, 0] < 0
    else:
        flip_x, flip_y = matrix[0, 0] < 0, matrix[1, 1] < 0
    if flip_x:
        image = image[:, ::-1]
    if flip_y:
        image = image[::-1]
    return np.ascontiguousarray(image)
