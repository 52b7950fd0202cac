"""What two cameras hear together all the time: by how much it is shifted, stretch by stretch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sync.excerpts import FINER, correlation, excerpts, fraction_s, peaks
from sync.hearing import BAND_HZ, RATE_HZ, Hearing

Array = npt.NDArray[np.float64]

STRETCH_S = 2.0
MOST_STRETCHES = 40
# The clocks are known to this by the claps, and less away from them.
REACH_S, MOST_REACH_S = 0.003, 0.020
# The highest of the correlation's noise in 40 ms is 4.2 deviations; a stretch must be well above.
NEEDED_PEAK = 7.0
BATCH = 8


@dataclass(frozen=True, eq=False)
class Stretches:
    """Stretches of ambient sound: (n,) times on both clocks, deviation of their difference, and coherence."""

    first_s: Array
    second_s: Array
    std_s: Array
    coherence: Array


def ambient_stretches(
    first: Hearing, second: Hearing, offset_s: float, rate: float, middle_s: float, rate_std: float
) -> Stretches:
    """Correlate stretches through the common part of two tracks by their phases.

    Parameters
    ----------
    first, second
        The tracks.
    offset_s, rate
        first time = offset_s + rate * second time, as known.
    middle_s, rate_std
        Where, on the first clock, that is known best, and to what the rate is.

    Notes
    -----
    The phase transform (Knapp and Carter 1976). Under no common sound its correlation is normal with deviation
    1 / sqrt(2 B T). The deviation of the peak's place is that of a flat spectrum (Kay 1993, 3.11).
    """
    from scipy.fft import next_fast_len, rfft

    begin = max(first.start_s, offset_s + rate * second.start_s) + MOST_REACH_S
    end = min(first.end_s, offset_s + rate * second.end_s) - MOST_REACH_S
    count = min(int((end - begin) / STRETCH_S), MOST_STRETCHES)
    if count < 1:
        return Stretches(*(np.zeros(0) for _ in range(4)))
    length = round(STRETCH_S * RATE_HZ)
    size = next_fast_len(length + 2 * round(MOST_REACH_S * RATE_HZ), real=True)
    size += size % 2
    from_s = begin + (np.arange(count) + 0.5) * (end - begin) / count - STRETCH_S / 2
    reach = round(MOST_REACH_S * RATE_HZ * FINER)
    lag_s = np.arange(-reach, reach + 1) / (FINER * RATE_HZ)
    frequency = np.fft.rfftfreq(size, 1 / RATE_HZ)
    band = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    noise = 1 / np.sqrt(2 * band.sum())
    shift, height = np.zeros(count), np.zeros(count)
    window = np.hanning(length).astype(np.float32)
    for low in range(0, count, BATCH):
        here = from_s[low : low + BATCH]
        there = (here - offset_s) / rate
        spectra = []
        for heard, at in ((first, here), (second, there)):
            spectrum = rfft(excerpts(heard, at, length) * window, size, axis=1)
            turn = np.exp(2j * np.pi * frequency * fraction_s(heard, at)[:, None]).astype(np.complex64)
            phase = np.where(band, spectrum / np.maximum(np.abs(spectrum), 1e-9), 0) * turn
            spectra.append((phase / np.sqrt(band.sum())).astype(np.complex64))
        both = correlation(spectra[0], spectra[1], reach)
        near = np.minimum(REACH_S + 3 * rate_std * np.abs(here + STRETCH_S / 2 - middle_s), MOST_REACH_S)
        both[np.abs(lag_s) > near[:, None]] = -1
        shift[low : low + BATCH], height[low : low + BATCH] = peaks(both)
    good = height > NEEDED_PEAK * noise * np.sqrt(2)
    height = np.clip(height[good], 0, 0.999)
    std_s = np.sqrt((1 - height**2) / height**2 / (2 * band.sum())) / (
        2 * np.pi * np.sqrt(np.mean(frequency[band] ** 2))
    )
    middle = from_s[good] + STRETCH_S / 2
    return Stretches(middle, (middle - offset_s) / rate + shift[good], np.asarray(std_s), height)
