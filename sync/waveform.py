"""One clap in two tracks: by how much the waveforms must be shifted to lie on each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from media.audio import Audio

Array = npt.NDArray[np.float64]

RATE_HZ = 48_000
BAND_HZ = (500.0, 8000.0)
# An onset is known to two hops of the envelope; the attack is the first sample of a third of the largest near there.
ATTACK_WITHIN_S, ATTACK_SHARE = 0.015, 0.3
BEFORE_S, AFTER_S = 0.003, 0.032
# The direct sound counts most: later comes the room, which every camera hears differently.
DECAY_S = 0.012
# Margin for the ringing of resampling and band-pass.
EDGE_S = 0.010
# Coherence may be found this far from the best correlation: less than two periods of the lowest frequency.
LAG_S = 0.0005


@dataclass(frozen=True, eq=False)
class ClapWaveform:
    """A clap as one camera heard it.

    Attributes
    ----------
    attack_s
        When it begins, on the camera's clock.
    samples
        (n,) band-limited sound at `RATE_HZ` from `BEFORE_S` before to `AFTER_S` after that.
    """

    attack_s: float
    samples: Array


@dataclass(frozen=True)
class WaveformMatch:
    """Where the waveform around a clap lies best.

    Attributes
    ----------
    shift_s
        How much later the clap is in the other track than was assumed.
    coherence
        How well the phases agree there, in [0, 1]; 1: the same waveform up to gain.
    std_s
        Standard deviation of `shift_s` that the part which does not fit implies.
    """

    shift_s: float
    coherence: float
    std_s: float


def clap_waveform(track: Audio, time_s: float) -> ClapWaveform | None:
    """Find the attack of a clap near a time and return what sounds from there; None where the track does not reach."""
    near = _excerpt(track, time_s - ATTACK_WITHIN_S, time_s + ATTACK_WITHIN_S)
    if near is None or not near.any():
        return None
    loud = np.abs(near) >= ATTACK_SHARE * np.abs(near).max()
    attack_s = time_s - ATTACK_WITHIN_S + int(np.argmax(loud)) / RATE_HZ
    samples = _excerpt(track, attack_s - BEFORE_S, attack_s + AFTER_S)
    return None if samples is None else ClapWaveform(attack_s, samples)


def match_waveform(clap: ClapWaveform, track: Audio, attack_s: float, search_s: float) -> WaveformMatch | None:
    """Find a clap in another camera's track, to a fraction of a sample.

    Parameters
    ----------
    clap
        As the first camera heard it.
    track, attack_s
        The other track, and when the attack is assumed in it, on its own clock.
    search_s
        How far from there it is searched.

    Returns
    -------
    match
        None where the track does not reach that far, or is silent there.

    Notes
    -----
    The shift is that of the highest normalised cross-correlation, weighted towards the attack. Coherence is measured
    there anew, by the cross-spectrum divided by the root of the amplitudes: half way to the phase transform (Knapp and
    Carter 1976, GCC-PHAT), so that one strong resonance cannot make two different claps alike.

    The standard deviation is the Cramér-Rao bound of a delay in white noise (Kay, Fundamentals of Statistical Signal
    Processing I, 3.11), 1 / (2 pi f_rms sqrt(2 E / N0)), where the share of the energy that does not fit, 1 - rho^2, is
    taken as noise in the 2 B T degrees of freedom of band and window.
    """
    from scipy.signal import correlate

    field = _excerpt(track, attack_s - BEFORE_S - search_s, attack_s + AFTER_S + search_s)
    if field is None:
        return None
    weights, own = _weights(), clap.samples
    # rho(shift) = sum(w x y) / sqrt(sum(w x^2) sum(w y^2))
    energy = correlate(field**2, weights, mode="valid", method="fft")
    # Where the track is silent the quotient would be rounding errors over rounding errors.
    norm = np.sqrt(np.maximum(energy, 1e-6 * energy.max()) * np.sum(weights * own**2))
    if not norm.all():
        return None
    rho = correlate(field, weights * own, mode="valid", method="fft") / norm
    peak = int(np.argmax(rho))
    # A parabola through the three highest values: at 48 kHz, six samples for the shortest period of the band.
    fraction, height = 0.0, float(rho[peak])
    if 0 < peak < len(rho) - 1:
        before, at, after = rho[peak - 1 : peak + 2]
        fraction = float(0.5 * (before - after) / (before - 2 * at + after))
        height = float(at - 0.25 * (before - after) * fraction)
    freedom = 2 * (BAND_HZ[1] - BAND_HZ[0]) * float(weights.sum()) / RATE_HZ
    height = min(max(height, 1e-3), 1.0)
    std_s = np.sqrt((1 - height**2) / height**2 / freedom) / (2 * np.pi * _rms_frequency_hz(np.sqrt(weights) * own))
    coherence = _coherence(np.sqrt(weights) * own, np.sqrt(weights) * field[peak : peak + len(own)])
    return WaveformMatch((peak + fraction) / RATE_HZ - search_s, coherence, float(std_s))


def _coherence(first: Array, second: Array) -> float:
    """Return the peak of the half-whitened correlation within `LAG_S`, normalised to [0, 1]."""
    finer = 4  # the lag between two samples
    size = 2 * len(first)
    frequency = np.fft.rfftfreq(size, 1 / RATE_HZ)
    band = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    a, b = np.fft.rfft(first, size) * band, np.fft.rfft(second, size) * band
    whitened = a * b.conj() / np.sqrt(np.maximum(np.abs(a) * np.abs(b), 1e-30))
    correlation = np.fft.irfft(whitened, finer * size) * (finer * size / 2)
    lags = round(LAG_S * RATE_HZ * finer)
    highest = max(correlation[: lags + 1].max(), correlation[-lags:].max())
    return float(np.clip(highest / np.sqrt(np.abs(a).sum() * np.abs(b).sum()), 0, 1))


@lru_cache(maxsize=1)
def _weights() -> Array:
    since_s = np.arange(round((BEFORE_S + AFTER_S) * RATE_HZ)) / RATE_HZ - BEFORE_S
    weights: Array = np.exp(-np.maximum(since_s, 0) / DECAY_S) * np.clip(1 + since_s / BEFORE_S, 0, 1)
    return weights


def _excerpt(audio: Audio, from_s: float, to_s: float) -> Array | None:
    """Return the band-limited sound (n,) between two times at `RATE_HZ`; None where the track does not reach."""
    import librosa
    from scipy.signal import sosfiltfilt

    start = (from_s - EDGE_S - audio.start_s) * audio.rate_hz
    first = int(np.floor(start))
    last = int(np.ceil((to_s + EDGE_S - audio.start_s) * audio.rate_hz))
    if first < 0 or last > len(audio.samples):
        return None
    mono = audio.samples[first:last].mean(axis=1, dtype=np.float64)
    sound = librosa.resample(mono, orig_sr=audio.rate_hz, target_sr=RATE_HZ)
    sound = sosfiltfilt(_band_pass(), sound)
    # The first sample wanted lies between two samples of the track: shift by the fraction in the frequency domain.
    begin = (EDGE_S + (start - first) / audio.rate_hz) * RATE_HZ
    whole = round(begin)
    frequency = np.fft.rfftfreq(len(sound))
    sound = np.fft.irfft(np.fft.rfft(sound) * np.exp(2j * np.pi * frequency * (begin - whole)), len(sound))
    return np.asarray(sound[whole : whole + round((to_s - from_s) * RATE_HZ)])


@lru_cache(maxsize=1)
def _band_pass() -> Array:
    from scipy.signal import butter

    return np.asarray(butter(2, BAND_HZ, btype="bandpass", fs=RATE_HZ, output="sos"))


def _rms_frequency_hz(signal: Array) -> float:
    power = np.abs(np.fft.rfft(signal)) ** 2
    frequency = np.fft.rfftfreq(len(signal), 1 / RATE_HZ)
    return float(np.sqrt((power * frequency**2).sum() / power.sum()))
