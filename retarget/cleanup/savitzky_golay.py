"""Savitzky and Golay's filter: a polynomial through the frames around, which keeps peaks better than a mean does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import savgol_filter

from clapcap.errors import CleanupError
from retarget.cleanup.stretches import each_stretch, on_even_steps

Array = npt.NDArray[np.float64]


def savitzky_golay(
    values: Array, time_s: Array, sigma: Array | None = None, *, window_s: float = 0.15, order: float = 3
) -> Array:
    """Put each frame onto the polynomial that fits the frames of a window around it best.

    A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures",
    Analytical Chemistry 36, 1964; `scipy.signal.savgol_filter`. At the ends the polynomial of the last whole window
    stands.

    Parameters
    ----------
    values
        (frames, ..., k), NaN where there is nothing: each stretch is filtered for itself.
    time_s
        (frames,), strictly increasing; uneven ones are resampled and brought back.
    sigma
        Not used: every frame counts the same.
    window_s
        Length of the window. It holds an odd number of frames, at least two more than the order; a stretch that is
        shorter is one window, and one that the polynomial meets in every frame stays as it is.
    order
        Of the polynomial, 0 to 5. Order 3 does in the middle of a window what 2 does.

    Raises
    ------
    CleanupError
        For a window or an order outside their range.
    """
    if window_s <= 0:
        raise CleanupError(f"savitzky-golay: the window is {window_s:g} s, needed more than 0.")
    if order not in (0, 1, 2, 3, 4, 5):
        raise CleanupError(f"savitzky-golay: the order is {order:g}, needed 0 to 5.")
    degree = int(order)

    def smooth(track: Array, step_s: float) -> Array:
        frames = max(2 * round(window_s / step_s / 2) + 1, 2 * (degree // 2) + 3)
        frames = min(frames, len(track) - 1 + len(track) % 2)
        if frames <= degree:
            return track.copy()
        filtered: Array = savgol_filter(track, frames, degree, axis=0, mode="interp")
        return filtered

    return each_stretch(values, time_s, lambda track, at_s: on_even_steps(track, at_s, smooth))
