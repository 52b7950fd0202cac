"""Excerpts of tracks around many moments at once, and how alike they are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sync.hearing import BAND_HZ, RATE_HZ, Hearing

Array = npt.NDArray[np.float64]
Sound = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.complex64]

# An onset is compared over this: its first milliseconds count most, later comes the room, which every camera hears
# differently.
BEFORE_S, AFTER_S = 0.003, 0.030
DECAY_S = 0.008
# Correlations are computed on a raster four times finer than the samples.
FINER = 4
SIZE = 1024


def excerpts(heard: Hearing, from_s: npt.ArrayLike, length: int) -> Sound:
    """Return the sound (moments, length) from each moment on, to a fraction of a sample; zeros where there is none."""
    start = (np.asarray(from_s, dtype=np.float64) - heard.start_s) * RATE_HZ
    first = np.floor(start).astype(np.int64)
    place = first[:, None] + np.arange(length)
    inside = (place >= 0) & (place < len(heard.sound))
    return np.where(inside, heard.sound[np.clip(place, 0, len(heard.sound) - 1)], np.float32(0))


def fraction_s(heard: Hearing, from_s: npt.ArrayLike) -> Array:
    """Return how much later (moments,) each moment is than the sample that `excerpts` begins with."""
    start = (np.asarray(from_s, dtype=np.float64) - heard.start_s) * RATE_HZ
    return np.asarray((start - np.floor(start)) / RATE_HZ)


def onset_spectra(heard: Hearing, attack_s: Array) -> Spectra:
    """Return the half-whitened spectra (moments, bins) of the sound around attacks, each of unit power.

    Divided by the root of the amplitudes: half way to the phase transform (Knapp and Carter 1976, GCC-PHAT), so that
    one strong resonance cannot make two different claps alike.
    """
    from scipy.fft import rfft

    length = round((BEFORE_S + AFTER_S) * RATE_HZ)
    sound = excerpts(heard, attack_s - BEFORE_S, length) * _weights()
    return half_whitened(rfft(sound, SIZE, axis=1), fraction_s(heard, attack_s - BEFORE_S))


def half_whitened(spectra: Spectra, late_s: Array) -> Spectra:
    """Return spectra (moments, bins) of unit power in the band, half whitened, begun `late_s` (moments,) later."""
    frequency = np.fft.rfftfreq(2 * (spectra.shape[1] - 1), 1 / RATE_HZ)
    band = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    amplitude = np.abs(spectra)
    turn = np.exp(2j * np.pi * frequency * late_s[:, None]).astype(np.complex64)
    whitened = np.where(band, spectra / np.sqrt(np.maximum(amplitude, 1e-12)), 0) * turn
    power = np.sqrt(np.sum(np.abs(whitened) ** 2, axis=1, keepdims=True))
    result: Spectra = (whitened / np.maximum(power, 1e-12)).astype(np.complex64)
    return result


def correlation(first: Spectra, second: Spectra, reach: int) -> Sound:
    """Return the normalised correlation (..., 2 reach + 1) of spectra of unit power, broadcast against each other.

    Its place `reach + k` says how alike the two are when the second is k steps of 1 / (`FINER` `RATE_HZ`) later.
    """
    from scipy.fft import irfft

    size = 2 * (first.shape[-1] - 1)
    raw = irfft(second * first.conj(), FINER * size, axis=-1) * (FINER * size / 2)
    result: Sound = np.concatenate([raw[..., -reach:], raw[..., : reach + 1]], axis=-1)
    return result


def peaks(correlations: Sound) -> tuple[Array, Array]:
    """Return lag (seconds, to a fraction of a step) and height of the highest peak of each correlation (..., lags)."""
    reach = correlations.shape[-1] // 2
    place = correlations.argmax(axis=-1)
    middle = np.clip(place, 1, correlations.shape[-1] - 2)
    before, at, after = (
        np.take_along_axis(correlations, (middle + k)[..., None], -1)[..., 0].astype(np.float64) for k in (-1, 0, 1)
    )
    curvature = before - 2 * at + after
    shift = np.where(curvature < 0, 0.5 * (before - after) / np.where(curvature < 0, curvature, -1), 0)
    shift = np.where(place == middle, np.clip(shift, -0.5, 0.5), 0)
    height = np.take_along_axis(correlations, place[..., None], -1)[..., 0].astype(np.float64)
    return (place - reach + shift) / (FINER * RATE_HZ), height


@lru_cache(maxsize=1)
def _weights() -> Sound:
    since_s = np.arange(round((BEFORE_S + AFTER_S) * RATE_HZ)) / RATE_HZ - BEFORE_S
    weights = np.exp(-np.maximum(since_s, 0) / DECAY_S) * np.clip(1 + since_s / BEFORE_S, 0, 1)
    return np.asarray(weights, dtype=np.float32)
