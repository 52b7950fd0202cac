"""What is kept of a track: its sound in the band where cameras agree, flattened, and where sounds begin in it."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from media.audio import Audio
from sync.onsets import Onsets, band_power, find_onsets, level_steps

Array = npt.NDArray[np.float64]
Sound = npt.NDArray[np.float32]

RATE_HZ = 16_000
# Below lie hum, wind and handling; above 7.2 kHz telephones and distances differ, and 16 kHz end soon.
BAND_HZ = (400.0, 7200.0)
# Ten minutes at once would need gigabytes. Whole seconds are whole samples at every rate.
BLOCK_S, MARGIN_S = 30, 1
# The background is flattened by at most this, towards quiet: digital silence has no spectrum.
FLATTEN_DB = 40.0
WINDOW, HOP = 256, 80
# Steps of the spectrum that tell the background: more change nothing.
BACKGROUND_FRAMES = 4000


@dataclass(frozen=True, eq=False)
class Hearing:
    """What is kept of a track: 4 MB a minute.

    Attributes
    ----------
    sound
        (n,) float32 at `RATE_HZ`: mean of the channels in `BAND_HZ`, its background made white.
    start_s
        Time of sample 0 on the camera's clock.
    onsets
        Where sounds begin, on the camera's clock.
    """

    sound: Sound
    start_s: float
    onsets: Onsets

    @property
    def end_s(self) -> float:
        """Time after the last sample."""
        return self.start_s + len(self.sound) / RATE_HZ


def hear(audio: Audio) -> Hearing:
    """Take from a track what syncing needs; the track itself is not needed any more.

    Notes
    -----
    The causal band-pass and the resampling are the same for every track, so that their delays cancel. The filter that
    flattens the background has no phase.
    """
    # Filled block by block: joined from blocks, ten minutes would be held twice.
    sound = np.zeros(round(audio.duration_s * RATE_HZ), dtype=np.float32)
    for second in range(0, int(np.ceil(audio.duration_s)), BLOCK_S):
        block = _band_limited(audio, second)[: len(sound) - second * RATE_HZ]
        sound[second * RATE_HZ : second * RATE_HZ + len(block)] = block
    if len(sound) < 2 * WINDOW or not sound.any():
        return Hearing(sound[:0], audio.start_s, Onsets.none())
    gain = _flattening_gain(sound)
    _flatten(sound, gain)
    bands = [band_power(_power(sound, first)) for first in range(0, len(sound), BLOCK_S * RATE_HZ)]
    steps = level_steps(np.concatenate(bands))
    return Hearing(sound, audio.start_s, find_onsets(steps, sound, RATE_HZ, audio.start_s))


def _band_limited(audio: Audio, second: int) -> Sound:
    """Return `BLOCK_S` of the sound from a second on at `RATE_HZ`, band-passed."""
    from scipy.signal import butter, resample_poly, sosfilt

    margin_s = min(MARGIN_S, second)
    first = (second - margin_s) * audio.rate_hz
    last = min((second + BLOCK_S + MARGIN_S) * audio.rate_hz, len(audio.samples))
    mono = audio.samples[first:last].mean(axis=1) if audio.samples.shape[1] > 1 else audio.samples[first:last, 0]
    common = gcd(RATE_HZ, audio.rate_hz)
    if audio.rate_hz != RATE_HZ:
        mono = resample_poly(mono, RATE_HZ // common, audio.rate_hz // common)
    sections = butter(2, BAND_HZ, "bandpass", fs=RATE_HZ, output="sos").astype(np.float32)
    begin = margin_s * RATE_HZ
    length = round(min(BLOCK_S, audio.duration_s - second) * RATE_HZ)
    filtered: Sound = sosfilt(sections, mono)[begin : begin + length].astype(np.float32, copy=False)
    return filtered


def _power(sound: Sound, first: int) -> Sound:
    """Return the power spectra (frames, bins) of `BLOCK_S` from a sample on; frame k is centred at k * `HOP`."""
    count = -(-min(BLOCK_S * RATE_HZ, len(sound) - first) // HOP)
    padded = np.zeros((count - 1) * HOP + WINDOW, dtype=np.float32)
    begin = first - WINDOW // 2
    part = sound[max(begin, 0) : begin + len(padded)]
    padded[max(-begin, 0) : max(-begin, 0) + len(part)] = part
    return _spectra(padded[np.arange(count)[:, None] * HOP + np.arange(WINDOW)])


def _spectra(frames: Sound) -> Sound:
    from scipy.fft import rfft

    spectrum = rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)
    power: Sound = spectrum.real**2 + spectrum.imag**2
    return power


def _flattening_gain(sound: Sound) -> Array:
    """Return the gain (bins,) that makes the background, the median over time of each frequency's power, white."""
    starts = np.linspace(0, len(sound) - WINDOW, min(BACKGROUND_FRAMES, len(sound) // HOP)).astype(np.int64)
    power = _spectra(sound[starts[:, None] + np.arange(WINDOW)])
    background = np.median(power, axis=0).astype(np.float64)
    smooth = np.convolve(np.pad(background, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    frequency = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    band = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    lowest = max(float(smooth[band].max()) * 10 ** (-FLATTEN_DB / 10), 1e-7 * float(power.mean()), 1e-30)
    gain = 1 / np.sqrt(np.maximum(smooth, lowest))
    # Outside of the band the slopes of the band-pass stay as they are.
    gain[frequency < BAND_HZ[0]] = gain[band][0]
    gain[frequency > BAND_HZ[1]] = gain[band][-1]
    return np.asarray(gain)


def _flatten(sound: Sound, gain: Array) -> None:
    """Filter in place, block by block."""
    from scipy.signal import oaconvolve

    taps = np.fft.fftshift(np.fft.irfft(gain)) * np.hanning(WINDOW + 1)[:-1]
    half = WINDOW // 2
    before = np.zeros(half, dtype=np.float32)
    for first in range(0, len(sound), BLOCK_S * RATE_HZ):
        last = min(first + BLOCK_S * RATE_HZ, len(sound))
        after = np.pad(sound[last : last + half], (0, half))[:half]
        part = np.concatenate([before, sound[first:last], after])
        before = sound[last - half : last].copy()
        sound[first:last] = oaconvolve(part, taps.astype(np.float32))[WINDOW : WINDOW + last - first]
