"""The lens that is assumed where nothing is known of it. Importing this module imports no torch."""

from __future__ import annotations

import numpy as np

from calib.cameras import Camera

USUAL_FOCAL = 0.78
"""Focal length over the picture's longer side where nothing is known: a phone's main lens (26 mm on 35 mm film, 0.72
of the longer side), cropped by the stabiliser of its videos by about a twelfth."""


def usual_camera(name: str, size_px: tuple[int, int]) -> Camera:
    """Return a camera without distortion whose focal length is that of phones' main lenses: a guess to fall back on."""
    focal = USUAL_FOCAL * max(size_px)
    matrix = np.array([[focal, 0, (size_px[0] - 1) / 2], [0, focal, (size_px[1] - 1) / 2], [0, 0, 1]])
    return Camera(name, size_px, matrix, np.zeros(5), np.eye(4))
