"""Where sounds begin: how the spectrum steps up, and the onsets that stand out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.float32]

HOP_S = 0.005
BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 400.0, 7200.0
# A step is measured over 10 ms: an attack that falls between two windows is then still seen as a whole.
LAG = 2

MAX_ONSETS = 48
SPACING_S = 0.1
# Of steady noise the sharpest moments of a minute step up by 2 to 2.5 dB in the mean of the bands: what is less is
# no onset.
NEEDED_STEP_DB = 1.5
# A loop of music has its drums a hundred times, more than any clap: what was heard before in nearly the same colour
# (cosine of the steps, this hop and the next three) counts less by the root of how often.
ALIKE, COLOUR_HOPS, COMPARED = 0.92, 4, 600
# An onset lies within two hops of its step; the attack is where the power first reaches this share of its highest.
ATTACK_WITHIN_S, ATTACK_SHARE, ATTACK_SMOOTH_S = 0.012, 0.2, 0.0005


@dataclass(frozen=True, eq=False)
class Onsets:
    """The onsets of a track.

    Attributes
    ----------
    steps_db
        (hops, bands): by how much each band rises within 10 ms; one value every `HOP_S`, the first at the track's
        start.
    time_s
        (onsets,) attacks on the camera's clock, sorted.
    step_db
        (onsets,): by how much the sound steps up there, mean over the bands.
    """

    steps_db: Steps
    time_s: Array
    step_db: Array

    @classmethod
    def none(cls) -> Onsets:
        """Return those of silence."""
        return cls(np.zeros((0, BANDS), dtype=np.float32), np.zeros(0), np.zeros(0))

    @property
    def sharpest_db(self) -> float:
        """The largest step of the track, mean over the bands; 0 without one."""
        return float(self.steps_db.mean(axis=1).max()) if len(self.steps_db) else 0.0


def band_power(power: Steps) -> Steps:
    """Return the power of each band (hops, bands) from power spectra (hops, bins) up to 8 kHz."""
    return np.asarray(power @ _band_weights(power.shape[1]), dtype=np.float32)


def level_steps(bands: Steps) -> Steps:
    """Return by how many dB the level of each band rises (hops, bands), from the bands' power (hops, bands).

    Levels are taken above a floor at the band's own background: spectral flux of the logarithm (Böck and Widmer 2013).
    """
    # Digital silence has no background: a floor far below the loudest moment keeps its first faint noise from counting.
    floor = np.maximum(np.median(bands, axis=0), 1e-5 * bands.max())
    level = 10 * np.log10(1 + bands / np.maximum(floor, 1e-30))
    steps = np.zeros_like(level)
    steps[LAG:] = np.maximum(level[LAG:] - level[:-LAG], 0)
    # The step of hop k is that from k - 1 to k + 1: centred.
    steps[:-1] = steps[1:].copy()
    return np.asarray(steps, dtype=np.float32)


def find_onsets(steps: Steps, sound: Steps, rate_hz: int, start_s: float) -> Onsets:
    """Return the onsets that stand out: the highest steps, rare ones before those that repeat."""
    from scipy.signal import find_peaks

    mean = steps.mean(axis=1)
    peaks, _ = find_peaks(mean, height=NEEDED_STEP_DB, distance=3)
    peaks = np.sort(peaks[np.argsort(-mean[peaks], kind="stable")[:COMPARED]])
    if not len(peaks):
        return Onsets(steps, np.zeros(0), np.zeros(0))
    rank = mean[peaks] / np.sqrt(_occurrences(steps, peaks))
    chosen: list[int] = []
    for place in np.argsort(-rank, kind="stable"):
        if all(abs(int(peaks[place]) - other) >= SPACING_S / HOP_S for other in chosen):
            chosen.append(int(peaks[place]))
        if len(chosen) == MAX_ONSETS:
            break
    hops = np.sort(chosen)
    time_s = start_s + np.array([_attack_s(sound, hop * HOP_S, rate_hz) for hop in hops])
    return Onsets(steps, time_s, mean[hops].astype(np.float64))


def _occurrences(steps: Steps, peaks: npt.NDArray[np.int64]) -> Array:
    """Return how often each peak (n,) was heard in nearly the same colour, itself included."""
    places = np.minimum(peaks[:, None] + np.arange(-1, COLOUR_HOPS - 1), len(steps) - 1)
    colour = steps[places].reshape(len(peaks), -1)
    colour = colour / np.maximum(np.linalg.norm(colour, axis=1, keepdims=True), 1e-9)
    return np.asarray((colour @ colour.T > ALIKE).sum(axis=1), dtype=np.float64)


def _attack_s(sound: Steps, near_s: float, rate_hz: int) -> float:
    """Return when the power first reaches `ATTACK_SHARE` of its highest near a time, seconds after the start."""
    first = max(round((near_s - ATTACK_WITHIN_S) * rate_hz), 0)
    power = np.square(sound[first : round((near_s + ATTACK_WITHIN_S) * rate_hz)], dtype=np.float64)
    if not len(power):
        return near_s
    n = round(ATTACK_SMOOTH_S * rate_hz)
    power = np.convolve(power, np.full(n, 1 / n), mode="same")
    return (first + int(np.argmax(power >= ATTACK_SHARE * power.max()))) / rate_hz


def _band_weights(bins: int) -> Steps:
    """Return triangles (bins, bands) evenly spaced in the logarithm of frequency above 700 Hz, evenly below (mel)."""
    frequency = np.linspace(0, 8000, bins)
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    centres = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    up = (frequency[:, None] - centres[:-2]) / np.diff(centres)[:-1]
    down = (centres[2:] - frequency[:, None]) / np.diff(centres)[1:]
    weights = np.maximum(np.minimum(up, down), 0)
    # Where a band is narrower than a bin, the nearest bin.
    nearest = np.abs(frequency[:, None] - centres[1:-1]).argmin(axis=0)
    weights[nearest, np.arange(BANDS)] = np.maximum(weights[nearest, np.arange(BANDS)], 1e-3)
    return np.asarray(weights / weights.sum(axis=0), dtype=np.float32)
