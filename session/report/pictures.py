"""Pictures from the videos, small enough to be carried inside of a page."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent

Picture = npt.NDArray[np.uint8]

JPEG_QUALITY = 72
"""Blocks are not seen yet at the size shown."""


OUTSIDE = 30
"""Gray level of what lies outside of a picture."""


def frames_of(
    videos: Mapping[str, Path], wanted: Mapping[str, Collection[int]], progress: Progress = silent
) -> dict[tuple[str, int], Picture]:
    """Read frames, RGB, by camera and number; each video is opened once."""
    from media.single_frames import read_frames_at

    found = {}
    for count, (camera, indices) in enumerate(wanted.items()):
        for frame in read_frames_at(videos[camera], indices) if camera in videos else ():
            found[camera, frame.index] = frame.image
        progress(count + 1, len(wanted))
    return found


def jpeg(picture: Picture, width_px: int) -> str:
    """Return an RGB picture as a data URI, made smaller to that width if it is larger."""
    import cv2

    height, width = picture.shape[:2]
    if width > width_px:
        picture = cv2.resize(
            picture, (width_px, max(1, round(height * width_px / width))), interpolation=cv2.INTER_AREA
        ).astype(np.uint8)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def png(rgba: Picture) -> str:
    """Return an RGBA picture (height, width, 4) as a data URI."""
    import cv2

    _, data = cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()


def cut_out(picture: Picture, center_px: npt.NDArray[np.float64], half_px: int) -> tuple[Picture, int, int]:
    """Cut a square of 2 half_px + 1 around a place; return it and the pixel of its left upper corner.

    What lies outside of the picture is dark.
    """
    x, y = (round(float(value)) for value in center_px)
    left, top = x - half_px, y - half_px
    piece = np.full((2 * half_px + 1, 2 * half_px + 1, 3), OUTSIDE, dtype=np.uint8)
    rows = slice(max(top, 0), max(y + half_px + 1, 0))
    columns = slice(max(left, 0), max(x + half_px + 1, 0))
    inside = picture[rows, columns]
    if inside.size:
        down, right = rows.start - top, columns.start - left
        piece[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return piece, left, top
