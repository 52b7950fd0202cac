"""How bright a video's pictures are over time, in blocks, so that a light can be told from what moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from media.frames import read_frames

Array = npt.NDArray[np.float64]

BLOCKS = 8
# Every so many pixels are looked at: a block of 1920 x 1080 still has 2,000 of them.
STRIDE = 4


@dataclass(frozen=True, eq=False)
class Brightness:
    """Brightness over time.

    Attributes
    ----------
    time_s
        (frames,), the file's own clock.
    blocks
        (frames, 64): mean luma, 0 to 255, of 8 x 8 parts of the picture.
    """

    time_s: Array
    blocks: Array


def read_brightness(path: str | Path) -> Brightness:
    """Decode a video, or a folder of pictures, and return its brightness.

    Raises
    ------
    MediaError
        If it cannot be read.
    """
    times, rows = [], []
    for frame in read_frames(path, gray=True):
        small = frame.image[::STRIDE, ::STRIDE]
        height, width = (side // BLOCKS for side in small.shape)
        if not height or not width:  # smaller than the blocks
            small, height, width = np.repeat(np.repeat(frame.image, BLOCKS, 0), BLOCKS, 1), *frame.image.shape
        cut = small[: height * BLOCKS, : width * BLOCKS]
        times.append(frame.time_s)
        rows.append(cut.reshape(BLOCKS, height, BLOCKS, width).mean(axis=(1, 3)).ravel())
    return Brightness(np.array(times), np.array(rows).reshape(len(times), BLOCKS**2))
