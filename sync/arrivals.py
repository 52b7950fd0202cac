"""When a sound first arrives at each camera: its direct way, before the reflections of the room.

The first milliseconds at one camera, from the moment that its sound rises out of what was before, are looked for at
every other camera. The direct sound is alike everywhere; what follows is each camera's own room. Where a reflection is
louder than the direct sound, the earliest place that is nearly as alike as the best one is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sync.excerpts import FINER, SIZE, correlation, excerpts, fraction_s
from sync.hearing import BAND_HZ, RATE_HZ, Hearing

Array = npt.NDArray[np.float64]
Sound = npt.NDArray[np.float32]

# The part that is compared: longer, and reflections come in; shorter, and noise makes it uncertain.
LEAD_S, FOLLOW_S, FADE_S = 0.0007, 0.0060, 0.0025
# A sound is looked for this far from where the alignment of the tracks puts it: reflections may be what it rests on.
REACH_S = 0.025
# Where it rises: out of the background before it, and from its own quiet beginning.
BACKGROUND_S = (0.060, 0.028)
RISE, BEGIN_SHARE, SMOOTH_S = 6.0, 0.06, 0.0005
# What is much quieter than the sound itself, ringing of filters, counts no more than this share of its energy.
QUIET = 0.05
# An earlier place wins if it is alike by this share of the best, and farther from it than a wave of the sound is long.
EARLIER_SHARE, WAVE_S = 0.9, 0.0006
# Rises are right to this, if the sound gets 20 dB stronger than what was before (a direct sound 12 dB below the highest
# of its reflections is then heard); below 8 dB they say nothing.
RISE_STD_S, HEADROOM, FAVOUR = 0.0003, (6.0, 100.0), 1.0
# A sound that rises out of nothing clearly counts for the lag that sounds have together beside those that do.
UNCLEAR = 0.2
# Of places of a sound's arrival: what clapping hands move between two claps, and what the waveforms' peak is wide.
MOVE_S = 0.0010
# Between two claps one may walk some metres; a sound is taken from so far if it is more alike there by this.
WALK_S, WALKED = 0.012, 1.25
# What does not fit is not all noise at the attack: errors were this share of the bound, in the random scenes
# of `benchmarks.sync`.
MEASURED = 0.55
# The lines that put the sounds there are off by their reflections over the length of the take, or by clocks' drift. A
# drift that is unlikely for clocks counts less.
LINE_S, DRIFT, RATE_DOUBT = 0.006, 120e-6, 0.1


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The same sounds at two cameras.

    Attributes
    ----------
    sound
        (n,) which sound.
    first_s, second_s
        (n,) when it arrives, on each camera's clock.
    coherence, std_s
        (n,) how alike the first milliseconds are, in [0, 1], and the deviation of the times' difference from that.
    """

    sound: npt.NDArray[np.int64]
    first_s: Array
    second_s: Array
    coherence: Array
    std_s: Array


@dataclass(frozen=True, eq=False)
class Rises:
    """Where sounds rise at a camera.

    Attributes
    ----------
    time_s
        (sounds,) on its clock; NaN where the track does not reach.
    headroom
        (sounds,) how many times stronger the sound gets than what was before.
    """

    time_s: Array
    headroom: Array


@dataclass(frozen=True)
class CommonLag:
    """By how much several sounds are later at a second camera than assumed: lag_s + drift * time; and how alike."""

    lag_s: float
    drift: float
    coherence: float


def rises(heard: Hearing, near_s: Array) -> Rises:
    """Find where sounds that are expected near some moments (sounds,) rise."""
    before, until = BACKGROUND_S
    n = round((before + REACH_S) * RATE_HZ)
    inside = (near_s - before > heard.start_s) & (near_s + REACH_S < heard.end_s)
    from_s = np.where(inside, near_s - before, heard.start_s)
    power = np.square(excerpts(heard, from_s, n), dtype=np.float64)
    width = round(SMOOTH_S * RATE_HZ)
    sums = np.cumsum(np.pad(power, ((0, 0), (width, 0))), axis=1)
    smooth = (sums[:, width:] - sums[:, :-width]) / width  # of the samples up to each
    background = np.mean(power[:, : round((before - until) * RATE_HZ)], axis=1)
    search = smooth[:, round((before - until) * RATE_HZ) :]
    highest = search.max(axis=1)
    needed = np.minimum(np.maximum(RISE * background, BEGIN_SHARE * highest), 0.9 * highest)
    begin = (search >= needed[:, None]).argmax(axis=1) + round((before - until) * RATE_HZ)
    time_s = from_s + begin / RATE_HZ - fraction_s(heard, from_s)
    headroom = highest / np.maximum(background, 1e-12 * highest.max(initial=1e-30) + 1e-30)
    return Rises(np.where(inside, time_s, np.nan), np.where(inside, headroom, 0.0))


def likeness(first: Hearing, rise_s: Array, second: Hearing, near_s: Array) -> Sound:
    """Return how alike (sounds, lags) the first milliseconds at one camera and the sound at another are.

    Lags are those of `lags_s` from `near_s` (sounds,) on the second camera's clock.
    """
    from scipy.fft import irfft, rfft

    weights = _weights()
    part_s = rise_s - LEAD_S
    sound = excerpts(first, part_s, len(weights))
    field_s = near_s - LEAD_S - REACH_S
    field = excerpts(second, field_s, len(weights) + 2 * round(REACH_S * RATE_HZ) + 1)
    frequency = np.fft.rfftfreq(SIZE, 1 / RATE_HZ)
    late_s = fraction_s(second, field_s) - fraction_s(first, part_s)
    turn = np.exp(2j * np.pi * frequency * late_s[:, None]).astype(np.complex64)
    ours, theirs = rfft(sound * weights, SIZE, axis=1), rfft(field, SIZE, axis=1) * turn
    steps = 2 * round(REACH_S * RATE_HZ) * FINER
    product = correlation(ours, theirs, steps)[:, steps:] / np.float32(SIZE / 2)
    # The energy under the template's weights at each lag; it is smooth, so the samples' raster does.
    energy = irfft(rfft(field**2, SIZE, axis=1) * rfft(weights, SIZE).conj(), SIZE, axis=1)[:, : steps // FINER + 1]
    energy = np.maximum(energy, QUIET * energy.max(axis=1, keepdims=True))
    norm = np.sqrt(np.sum(weights * sound**2, axis=1, keepdims=True) * energy)
    norm = np.repeat(norm, FINER, axis=1)[:, : steps + 1]
    alike: Sound = np.divide(product, norm, out=np.zeros_like(product), where=norm > 0)
    return alike


def lags_s() -> Array:
    """Return the lags of `likeness`."""
    steps = round(REACH_S * RATE_HZ) * FINER
    return np.arange(-steps, steps + 1) / (RATE_HZ * FINER)


def clearness(headroom: Array) -> Array:
    """Return how far the rises of sounds can be relied on, 0 to 1, from their headroom."""
    share = np.log(np.maximum(headroom, 1e-9) / HEADROOM[0]) / np.log(HEADROOM[1] / HEADROOM[0])
    return np.asarray(np.clip(share, 0, 1))


def with_rises(alike: Sound, lag_s: Array, headroom: Array) -> Sound:
    """Return likeness (sounds, lags) that favours the lags (sounds,) between where the sounds rise at two cameras.

    Where the first reflection is louder than the direct sound, it is in the part that is compared, and what is alike
    may be a reflection here and the direct sound there. The rises do not err so, as long as the direct sound stands out
    of what was before: by `headroom` (sounds,), the lesser of the two cameras'.
    """
    clear = clearness(headroom)
    near = np.exp(-0.5 * np.square((lags_s() - lag_s[:, None]) / RISE_STD_S))
    favoured: Sound = (alike * (1 + FAVOUR * clear[:, None] * near)).astype(np.float32)
    return favoured


def common_lag(alike: Sound, away_s: Array, rate: float, clear: Array) -> CommonLag:
    """Return the lag that sounds have together, as it changes with time.

    Parameters
    ----------
    alike
        (sounds, lags) from `likeness`.
    away_s
        (sounds,) when each sound is, from the moment at which the lag is wanted.
    rate
        Of the second clock against the first, as assumed for `near_s`: drifts that bring it back to 1 are likelier.
    clear
        (sounds,) how clearly they rise, by `clearness`.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import find_peaks

    # A sound may move from one to the next.
    blurred = maximum_filter1d(alike, round(MOVE_S / 4 * RATE_HZ * FINER) | 1, axis=1)
    span_s = float(np.ptp(away_s)) if len(away_s) > 1 else 0.0
    reach = min(DRIFT, LINE_S / span_s) if span_s > 0 else 0.0
    weight = ((UNCLEAR + clear) / np.sum(UNCLEAR + clear)).astype(np.float32)
    drifts = np.linspace(-reach, reach, 2 * int(np.ceil(reach * span_s / (MOVE_S / 4))) + 1)
    best = CommonLag(0.0, 0.0, 0.0)
    for drift in drifts:
        shift = np.rint(drift * away_s * RATE_HZ * FINER).astype(np.int64)
        place = np.clip(np.arange(alike.shape[1]) + shift[:, None], 0, alike.shape[1] - 1)
        mean = weight @ np.take_along_axis(blurred, place, axis=1)
        mean *= 1 - RATE_DOUBT * min(((rate - 1 - drift) / DRIFT) ** 2, 4.0)
        places, _ = find_peaks(np.pad(mean, 1), plateau_size=1)
        places = places - 1
        if not len(places) or mean[places].max() <= best.coherence:
            continue
        top = int(places[mean[places].argmax()])
        wave = round(WAVE_S * RATE_HZ * FINER)
        earlier = places[(places <= top - wave) & (mean[places] >= EARLIER_SHARE * mean[top])]
        if len(earlier):
            # The best of the first group.
            group = places[(places >= earlier[0]) & (places <= earlier[0] + wave)]
            top = int(group[mean[group].argmax()])
        best = CommonLag(float(lags_s()[top]), float(drift), float(mean[places].max()))
    return best


def arrivals(
    first: Hearing, rise_s: Array, near_s: Array, alike: Sound, favoured: Sound, lag_s: Array, rise_lag_s: Array
) -> Arrivals:
    """Return when each sound arrives, near a lag (sounds,) that they have together.

    Where a sound is much more alike farther away and also rises there (`rise_lag_s`), who claps has walked; where it
    does not rise there, that is a reflection or another sound, and its coherence is 0. `favoured` is `alike` by
    `with_rises`.
    """
    lags = lags_s()
    row = np.arange(len(alike))
    away_s = np.abs(lags - lag_s[:, None])
    near, far = (np.where(away_s <= reach_s, favoured, -1) for reach_s in (MOVE_S, WALK_S))
    walked = far.max(axis=1) > WALKED * near.max(axis=1)
    rises_there = np.abs(lags[far.argmax(axis=1)] - rise_lag_s) < 3 * RISE_STD_S
    place = np.where(walked, far.argmax(axis=1), near.argmax(axis=1))
    # The favour moves the peak a little: the likeness itself has its place.
    wave = round(WAVE_S / 2 * RATE_HZ * FINER)
    around = np.clip(place[:, None] + np.arange(-wave, wave + 1), 1, alike.shape[1] - 2)
    place = around[row, np.take_along_axis(alike, around, axis=1).argmax(axis=1)]
    before, at, after = (alike[row, place + k].astype(np.float64) for k in (-1, 0, 1))
    curvature = np.minimum(before - 2 * at + after, -1e-9)
    shift = np.clip(0.5 * (before - after) / curvature, -1, 1)
    coherence = np.clip(np.where(walked & ~rises_there, 0.0, at), 1e-3, 1.0)
    second_s = near_s + lags[place] + shift / (RATE_HZ * FINER)
    return Arrivals(row, rise_s, second_s, coherence, timing_std_s(first, rise_s, coherence))


def timing_std_s(first: Hearing, rise_s: Array, coherence: Array) -> Array:
    """Return the Cramér-Rao bound of a delay in white noise (Kay 1993, Estimation Theory, 3.11).

    1 / (2 pi f_rms sqrt(2 E / N0)), where the share of the energy that does not fit, 1 - rho^2, is taken as noise in
    the 2 B T degrees of freedom of band and window.
    """
    weights = _weights()
    power = np.abs(np.fft.rfft(excerpts(first, rise_s - LEAD_S, len(weights)) * weights, SIZE, axis=1)) ** 2
    frequency = np.fft.rfftfreq(SIZE, 1 / RATE_HZ)
    rms_hz = np.sqrt((power * frequency**2).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-30))
    freedom = 2 * (BAND_HZ[1] - BAND_HZ[0]) * float(weights.sum()) / RATE_HZ
    unlike = (1 - np.minimum(coherence, 0.9999) ** 2) / coherence**2
    return np.asarray(MEASURED * np.sqrt(unlike / freedom) / (2 * np.pi * np.maximum(rms_hz, BAND_HZ[0])))


@lru_cache(maxsize=1)
def _weights() -> Sound:
    since_s = np.arange(round((LEAD_S + FOLLOW_S) * RATE_HZ)) / RATE_HZ - LEAD_S
    weights = np.exp(-np.maximum(since_s, 0) / FADE_S) * np.clip(1 + since_s / LEAD_S, 0, 1)
    return np.asarray(weights, dtype=np.float32)
