"""A moving mean with the weights of a Gaussian curve: the gentlest, which never rings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from clapcap.errors import CleanupError
from retarget.cleanup.stretches import each_stretch, extended, on_even_steps

Array = npt.NDArray[np.float64]


def gaussian(values: Array, time_s: Array, sigma: Array | None = None, *, cutoff_hz: float = 8.0) -> Array:
    """Low-pass filter without lag and without overshoot.

    A Gaussian window whose deviation in time is sqrt(ln 2) / (2 pi cutoff) passes 1 / sqrt(2) of the amplitude at the
    cutoff (its Fourier transform is a Gaussian too; `scipy.ndimage.gaussian_filter1d`).

    Parameters
    ----------
    values
        (frames, ..., k), NaN where there is nothing: each stretch is filtered for itself.
    time_s
        (frames,), strictly increasing; uneven ones are resampled and brought back.
    sigma
        Not used: every frame counts the same.
    cutoff_hz
        Where the amplitude is 1 / sqrt(2), -3 dB. Where that is near half of the frame rate or above, little is left to
        filter.

    Raises
    ------
    CleanupError
        For a cutoff that is not positive.
    """
    if cutoff_hz <= 0:
        raise CleanupError(f"gaussian: the cutoff is {cutoff_hz:g} Hz, needed more than 0.")
    window_s = np.sqrt(np.log(2)) / (2 * np.pi * cutoff_hz)

    def smooth(track: Array, step_s: float) -> Array:
        width = window_s / step_s  # in frames
        pad = int(np.ceil(5 * width)) + 1
        around = extended(track, pad, int(np.ceil(0.5 / (cutoff_hz * step_s))))
        filtered: Array = gaussian_filter1d(around, width, axis=0, truncate=5.0)[pad : pad + len(track)]
        return filtered

    return each_stretch(values, time_s, lambda track, at_s: on_even_steps(track, at_s, smooth))
