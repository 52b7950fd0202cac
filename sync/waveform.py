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
# The attack and what follows it at once: later comes the room, which every camera hears differently.
BEFORE_S, AFTER_S = 0.010, 0.025
# Margin for the ringing of resampling and band-pass.
EDGE_S = 0.010


@dataclass(frozen=True)
class WaveformMatch:
    """Where the waveform around a clap lies best.

    Attributes
    ----------
    shift_s
        How much later the clap is in the other track than was assumed.
    coherence
        Normalised correlation of the two waveforms there, 1: the same up to gain.
    std_s
        Standard deviation of `shift_s` that the part which does not fit implies.
    """

    shift_s: float
    coherence: float
    std_s: float


def clap_waveform(track: Audio, time_s: float) -> Array | None:
    """Return the band-limited waveform (n,) around a clap at `RATE_HZ`.

    None where the track does not reach as far as `BEFORE_S` before and `AFTER_S` after it.
    """
    return _excerpt(track, time_s - BEFORE_S, time_s + AFTER_S)


def match_waveform(clap: Array, track: Audio, time_s: float, search_s: float) -> WaveformMatch | None:
    """Find a clap in a track by normalised cross-correlation, to a fraction of a sample.

    Parameters
    ----------
    clap
        From `clap_waveform` of another track.
    track, time_s
        The track, and when the clap is assumed in it, on its own clock.
    search_s
        How far from there it is searched.

    Returns
    -------
    match
        None where the track does not reach that far, or is silent there.

    Notes
    -----
    The standard deviation is the Cramér-Rao bound of a delay in white noise (Kay, Fundamentals of Statistical Signal
    Processing I, 3.11): 1 / (2 pi f_rms sqrt(2 E / N0)), where the part of the energy that does not fit, 1 - rho^2, is
    taken as the noise in the 2 B T degrees of freedom of the band.
    """
    from scipy.signal import correlate

    field = _excerpt(track, time_s - BEFORE_S - search_s, time_s + AFTER_S + search_s)
    if field is None:
        return None
    # rho(shift) = sum(w x y) / sqrt(sum(w x^2) sum(w y^2)): the weights w fade the clap in and out.
    weights = np.hanning(len(clap))
    energy = correlate(field**2, weights, mode="valid", method="fft")
    # Where the track is silent the quotient would be rounding errors over rounding errors.
    norm = np.sqrt(np.maximum(energy, 1e-6 * energy.max()) * np.sum(weights * clap**2))
    if not norm.all():
        return None
    rho = correlate(field, weights * clap, mode="valid", method="fft") / norm
    peak = int(np.argmax(rho))
    # A parabola through the three highest values: at 48 kHz, six samples for the shortest period of the band.
    fraction = 0.0
    if 0 < peak < len(rho) - 1:
        before, at, after = rho[peak - 1 : peak + 2]
        fraction = float(0.5 * (before - after) / (before - 2 * at + after))
    coherence = float(np.clip(rho[peak], 0, 1))
    freedom = 2 * (BAND_HZ[1] - BAND_HZ[0]) * (BEFORE_S + AFTER_S)
    noise = (1 - coherence**2) / max(coherence**2, 1e-12)
    std_s = float(np.sqrt(noise / freedom) / (2 * np.pi * _rms_frequency_hz(weights * clap)))
    return WaveformMatch((peak + fraction) / RATE_HZ - search_s, coherence, std_s)


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
