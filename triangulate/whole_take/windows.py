"""A take cut into windows with overlap, and into stretches that stand for the whole."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# A frame feels others through smoothness, and less and less: after a second by less than a thousandth of a millimetre.
OVERLAP_S = 1.0
# Frames of a window besides its overlap.
WINDOW_FRAMES = 800
# Frames from which the bones' lengths are found, in so many stretches: a length is then known to a millimetre.
SAMPLED_FRAMES = 480
SAMPLED_STRETCHES = 8


@dataclass(frozen=True)
class Window:
    """Frames solved together: `all` of them, of which the `core` is kept."""

    all: slice
    core: slice


def windows(time_s: Array, frames: int | None = None) -> list[Window]:
    """Cut a take into windows whose cores follow each other.

    Parameters
    ----------
    time_s
        (frames,).
    frames
        Of a core; None: as many as is quick.
    """
    count = len(time_s)
    overlap = int(np.searchsorted(time_s, time_s[0] + OVERLAP_S))
    size = frames or max(WINDOW_FRAMES, 4 * overlap)
    parts = max(1, round(count / size))
    edges = np.linspace(0, count, parts + 1).round().astype(int).tolist()
    cut = []
    for start, stop in pairwise(edges):
        first = int(np.searchsorted(time_s, time_s[start] - OVERLAP_S))
        last = int(np.searchsorted(time_s, time_s[stop - 1] + OVERLAP_S, side="right"))
        cut.append(Window(slice(first, last), slice(start, stop)))
    return cut


def sample(time_s: Array) -> list[slice]:
    """Return stretches spread evenly over the take; a short take whole."""
    count = len(time_s)
    if count <= SAMPLED_FRAMES:
        return [slice(0, count)]
    length = SAMPLED_FRAMES // SAMPLED_STRETCHES
    starts = np.linspace(0, count - length, SAMPLED_STRETCHES).round().astype(int).tolist()
    return [slice(start, start + length) for start in starts]
