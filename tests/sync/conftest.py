"""Sound scenes with known clocks: every camera hears the same claps, each at its own offset, rate and gain."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.signal import fftconvolve, resample_poly

from media.audio import Audio

Waveform = Callable[[np.ndarray], np.ndarray]


def random_clap(rng: np.random.Generator) -> Waveform:
    """Return a clap as a function of the seconds since it: 14 resonances, 1 to 6 kHz, that ring for 2 to 8 ms."""
    frequency, phase = rng.uniform(900, 6000, 14), rng.uniform(0, 2 * np.pi, 14)
    strength = rng.normal(size=14) * np.exp(-(((frequency - 2200) / 2500) ** 2))
    decay = rng.uniform(0.002, 0.008, 14)

    def waveform(time: np.ndarray) -> np.ndarray:
        since = np.maximum(time, 0)
        attack = 1 - np.exp(-since / 0.0003)
        ringing = np.exp(-since[:, None] / decay) * np.sin(2 * np.pi * frequency * since[:, None] + phase)
        return attack * (strength * ringing).sum(axis=1)

    return waveform


def record(
    claps: Sequence[tuple[float, Waveform]],
    rng: np.random.Generator,
    *,
    offset_s: float = 0.0,
    rate: float = 1.0,
    sample_rate: int = 48_000,
    start_s: float = 0.0,
    duration_s: float = 15.0,
    noise: float = 0.003,
    gain: float = 1.0,
    clip: float | None = None,
    reverb_s: float | None = None,
) -> Audio:
    """Return what a camera hears whose session time is `offset_s` + `rate` * its own time."""
    samples = np.zeros(round(duration_s * sample_rate))
    oversampling = 8
    length = round(0.08 * sample_rate)
    for session_s, waveform in claps:
        at = (session_s - offset_s) / rate - start_s
        first = int((at - 0.005) * sample_rate)
        if first < 0 or first + length > len(samples):
            continue
        time = np.arange(length * oversampling) / (sample_rate * oversampling) + first / sample_rate - at
        # Sampled finely, then band-limited by a filter without delay: right between the samples too.
        samples[first : first + length] += resample_poly(waveform(time), 1, oversampling)
    if reverb_s is not None:
        taps = round(reverb_s * sample_rate)
        room = rng.normal(size=taps) * np.exp(-6.9 * np.arange(taps) / taps)
        room[: round(0.002 * sample_rate)] = 0
        samples += 1.4 * fftconvolve(samples, room / np.sqrt((room**2).sum()))[: len(samples)]
    samples = gain * (samples + noise * rng.normal(size=len(samples)))
    if clip is not None:
        samples = np.clip(samples, -clip, clip)
    return Audio(samples[:, None].astype(np.float32), sample_rate, start_s)


@pytest.fixture
def new_clap() -> Callable[[np.random.Generator], Waveform]:
    return random_clap


@pytest.fixture
def hear() -> Callable[..., Audio]:
    return record


@pytest.fixture
def hear_claps() -> Callable[[int, Sequence[float]], tuple[list[tuple[float, Waveform]], Callable[..., Audio]]]:
    """Claps at some times, from a seed, and `record`."""

    def made(seed: int, times: Sequence[float]) -> tuple[list[tuple[float, Waveform]], Callable[..., Audio]]:
        rng = np.random.default_rng([seed, 1])
        return [(time, random_clap(rng)) for time in times], record

    return made
