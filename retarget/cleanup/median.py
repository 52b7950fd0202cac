"""The moving median: takes what leaps away and comes back, keeps steps; leaves small jitter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from clapcap.errors import CleanupError
from retarget.cleanup.stretches import each_stretch

Array = npt.NDArray[np.float64]


def median(values: Array, time_s: Array, sigma: Array | None = None, *, window_s: float = 0.07) -> Array:
    """Put each coordinate onto the median of the frames in a window around it.

    J. W. Tukey, "Exploratory Data Analysis", 1977, chapter 7. Towards the ends the window shrinks and stays even-sided,
    so that a straight path remains one.

    Parameters
    ----------
    values
        (frames, ..., k), NaN where there is nothing: each stretch is filtered for itself.
    time_s
        (frames,), strictly increasing, even or not: the window is one in time.
    sigma
        Not used: every frame counts the same.
    window_s
        Length of the window; it holds the frame before and the one after at least.

    Raises
    ------
    CleanupError
        For a window that is not positive.
    """
    if window_s <= 0:
        raise CleanupError(f"median: the window is {window_s:g} s, needed more than 0.")

    def smooth(track: Array, at_s: Array) -> Array:
        frames = np.arange(len(at_s))
        before = frames - np.searchsorted(at_s, at_s - window_s / 2 - 1e-9)
        after = np.searchsorted(at_s, at_s + window_s / 2 + 1e-9, side="right") - 1 - frames
        side = np.minimum(np.maximum(np.minimum(before, after), 1), np.minimum(frames, frames[::-1]))
        widest = int(side.max(initial=0))
        around = np.pad(track, [(widest, widest), (0, 0), (0, 0)], constant_values=np.nan)
        windows = sliding_window_view(around, 2 * widest + 1, axis=0)  # (frames, tracks, k, window)
        inside = np.abs(np.arange(-widest, widest + 1)) <= side[:, None]
        middle: Array = np.nanmedian(np.where(inside[:, None, None], windows, np.nan), axis=-1)
        return middle

    return each_stretch(values, time_s, smooth)
