"""Videos cut into pieces that are detected side by side, and the pieces joined again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

LEAST_FRAMES = 300
"""Of a piece: a process starts in 1.5 to 2 s, in which 100 frames are detected."""

MOST_PIECES = 8
"""So that starting processes stays a small part of long videos, also where there are two cores."""


def pieces(frames: int | None) -> list[tuple[int, int] | None]:
    """Return the first frame of each piece and the one after its last; [None]: all in one.

    They depend on the number of frames alone, not on the machine, so that the result does not either.
    """
    count = 1 if frames is None else min(MOST_PIECES, frames // LEAST_FRAMES)
    if frames is None or count < 2:
        return [None]
    edges = np.linspace(0, frames, count + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def joined(parts: Sequence[Keypoints2D]) -> Keypoints2D:
    """Return the keypoints of pieces that follow each other as those of one video."""
    filled = [part for part in parts if len(part.time_s)] or parts[:1]
    frames = sum(len(part.time_s) for part in filled)
    points = len(filled[0].names)

    def together(arrays: list[Array | None], *shape: int) -> Array | None:
        """Join optional arrays (frames, ...); where one is missing, NaN."""
        if all(array is None for array in arrays):
            return None
        result = np.full((frames, *shape), np.nan)
        start = 0
        for part, array in zip(filled, arrays, strict=True):
            stop = start + len(part.time_s)
            if array is not None:
                inside = (slice(start, stop), *(slice(0, side) for side in array.shape[1:]))
                result[inside] = array
            start = stop
        return result

    others = max((0 if p.others_xy_px is None else p.others_xy_px.shape[1] for p in filled), default=0)
    confidence = together([part.others_confidence for part in filled], others, points)
    return Keypoints2D(
        names=filled[0].names,
        xy_px=np.concatenate([part.xy_px for part in filled]),
        confidence=np.concatenate([part.confidence for part in filled]),
        time_s=np.concatenate([part.time_s for part in filled]),
        image_size_px=filled[0].image_size_px,
        world_m=together([part.world_m for part in filled], points, 3),
        others_xy_px=together([part.others_xy_px for part in filled], others, points, 2),
        others_confidence=None if confidence is None else np.nan_to_num(confidence),
    )
