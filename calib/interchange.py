"""Calibrations from files of any known format, and cameras for videos of another size than was calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from calib.cameras import Camera, CameraGroup
from calib.formats.anipose_toml import load_anipose_toml
from calib.formats.qualisys import load_qualisys
from clapcap.errors import CalibrationError, FileFormatError

ALMOST_SAME_SHAPE = 0.02
"""Widths to heights that differ by less come from codecs that want multiples of 8 or 16 (1088 lines for 1080)."""


def load_cameras(path: Path) -> CameraGroup:
    """Read `cameras.toml` (aniposelib's layout) or a Qualisys `.qca.txt`; the content decides which.

    Raises
    ------
    FileFormatError
        If the file cannot be read or is of no known format.
    """
    try:
        start = path.read_bytes()[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    if start.startswith(b"<"):
        return load_qualisys(path)
    if start.startswith(b"\x80") or b"\x00" in start:
        raise FileFormatError(
            f"{path} is no text file: needed cameras.toml or .qca.txt. Pickles are not read, since they can run code."
        )
    return load_anipose_toml(path)


def adapt_to_size(
    camera: Camera, size_px: tuple[int, int], how: Literal["fit", "fill", "crop"] | None = None
) -> Camera:
    """Return the camera for pictures of another size than those it was calibrated on.

    Parameters
    ----------
    camera
        As calibrated.
    size_px
        Width and height of the pictures now.
    how
        What was done to the pictures: "fit": scaled until all of it fits, bars at the sides that are left; "fill":
        scaled until nothing is left empty, what stands over cut off on both sides; "crop": cut off on both sides
        without scaling. None: "fit", if the shape is the same within `ALMOST_SAME_SHAPE`: it is what converters do to a
        picture of nearly the size asked for.

    Raises
    ------
    CalibrationError
        If the shape differs and it is not said how.
    """
    old, new = np.array(camera.size_px, dtype=np.float64), np.array(size_px, dtype=np.float64)
    if (old == new).all():
        return camera
    ratio = new / old
    if how is None and abs(ratio[0] / ratio[1] - 1) > ALMOST_SAME_SHAPE:
        turned = " The video seems to be turned by 90 degrees against the calibration." if (
            abs(new[0] / new[1] * old[0] / old[1] - 1) <= ALMOST_SAME_SHAPE
        ) else ""  # fmt: skip
        raise CalibrationError(
            f"{camera.name}: the video is {size_px[0]} x {size_px[1]} px, but the camera was calibrated at "
            f"{camera.size_px[0]} x {camera.size_px[1]} px, which is another shape.{turned} Calibrate with the same "
            "camera settings as the takes, or convert the video without cropping."
        )
    scale = {"fit": ratio.min(), "fill": ratio.max(), "crop": 1.0}[how or "fit"]
    # Pixel (0, 0) is a centre: the picture's own middle is (size - 1) / 2, and stays in the middle.
    matrix = camera.matrix.copy()
    matrix[:2, :2] *= scale
    matrix[:2, 2] = (new - 1) / 2 + scale * (matrix[:2, 2] - (old - 1) / 2)
    return replace(camera, size_px=size_px, matrix=matrix)
