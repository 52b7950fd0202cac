"""Butterworth's low-pass filter, forwards and backwards: the custom of gait laboratories."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from clapcap.errors import CleanupError
from retarget.cleanup.stretches import each_stretch, extended, on_even_steps

Array = npt.NDArray[np.float64]


def butterworth(
    values: Array, time_s: Array, sigma: Array | None = None, *, cutoff_hz: float = 8.0, order: float = 4
) -> Array:
    """Low-pass filter without lag.

    A filter of half the order runs forwards and then backwards (S. Butterworth 1930; `scipy.signal.sosfiltfilt`). Two
    passes would lower the cutoff; as D. A. Winter describes ("Biomechanics and Motor Control of Human Movement", 4th
    ed., section 3.4.4), each pass has a higher one, so that what comes out has 1 / sqrt(2) of its amplitude (-3 dB) at
    `cutoff_hz`, exactly.

    Parameters
    ----------
    values
        (frames, ..., k), NaN where there is nothing: each stretch is filtered for itself.
    time_s
        (frames,), strictly increasing; uneven ones are resampled and brought back.
    sigma
        Not used: every frame counts the same.
    cutoff_hz
        Below half of the frame rate.
    order
        Of both passes together: 2, 4, 6, 8 or 10.

    Raises
    ------
    CleanupError
        For a cutoff or an order that this frame rate cannot have.
    """
    if order not in (2, 4, 6, 8, 10):
        raise CleanupError(f"butterworth: the order is {order:g}, needed 2, 4, 6, 8 or 10.")
    if cutoff_hz <= 0:
        raise CleanupError(f"butterworth: the cutoff is {cutoff_hz:g} Hz, needed more than 0.")

    def smooth(track: Array, step_s: float) -> Array:
        if 2 * cutoff_hz * step_s >= 1:
            raise CleanupError(
                f"butterworth: the cutoff is {cutoff_hz:g} Hz, needed less than half of the {1 / step_s:.4g} frames a "
                "second. Choose a lower cutoff, or no filter."
            )
        # One pass has 2^(-1/4) of the amplitude at `cutoff_hz`. Frequencies bend by the tangent in the bilinear
        # transformation that makes the filter digital, so the factor belongs there.
        factor = (2**0.5 - 1) ** (1 / order)
        each = 2 / np.pi * np.arctan(np.tan(np.pi * cutoff_hz * step_s) / factor)
        sections = butter(int(order) // 2, each, output="sos")
        pad = int(np.ceil(2 / (cutoff_hz * step_s)))
        around = extended(track, pad, int(np.ceil(0.5 / (cutoff_hz * step_s))))
        filtered: Array = sosfiltfilt(sections, around, axis=0, padtype=None)[pad : pad + len(track)]
        return filtered

    return each_stretch(values, time_s, lambda track, at_s: on_even_steps(track, at_s, smooth))
