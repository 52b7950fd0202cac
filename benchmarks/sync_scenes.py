"""Sounds with known clocks: what cameras with their own offsets, rates, distances, rooms and noises hear of one scene.

Sources are made on the true time line; every camera then hears them through its own room, late by its distance, on its
own clock, with its own gain, noise, wind, sample rate and clipping. Everything comes from one random generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, lfilter, oaconvolve, sosfilt

from media.audio import Audio

Array = npt.NDArray[np.float64]

RATE_HZ = 48_000
SOUND_M_PER_S = 343.0
# Offsets reach this far: the sources exist this long before and after what the first camera records.
MARGIN_S = 12.0
# A camera that started late records at least this long.
LEAST_S = 5.0


@dataclass(frozen=True)
class Recipe:
    """What a scene is made of; levels in dB are relative to a clap's power over 0.1 s.

    Attributes
    ----------
    duration_s, cameras
        Of every track, and how many there are.
    claps
        How many.
    clap_at
        Where in the recording they fall, as shares of the duration.
    speech_db, music_db
        Level of people who talk and of a loop at `bpm`; None: none. Music sounds all the time.
    noise_db, wind_db
        Of each camera's own noise and wind; None: none (a trace of noise, 70 dB below, is always there).
    reverberation_s, direct_db
        Time to fall by 60 dB, and level of the direct sound relative to all reflections together; None: no room.
    distances_m
        Of each camera from everything that sounds; None: the same.
    drift_ppm
        Largest difference of a clock's rate from 1.
    rates_hz, gains_db, clip
        Of the tracks; gains are drawn between, clipping is the share of the loudest clap that still fits.
    mute, late
        Whether the last camera has no sound, or starts after the claps.
    """

    duration_s: float = 60.0
    cameras: int = 4
    claps: int = 4
    clap_at: tuple[float, float] = (0.05, 0.95)
    speech_db: float | None = None
    music_db: float | None = None
    bpm: float = 120.0
    noise_db: float | None = None
    wind_db: float | None = None
    reverberation_s: float | None = None
    direct_db: float = -6.0
    distances_m: tuple[float, ...] | None = None
    drift_ppm: float = 0.0
    rates_hz: tuple[int, ...] = (48_000,)
    gains_db: tuple[float, float] = (0.0, 0.0)
    clip: float | None = None
    mute: bool = False
    late: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """Tracks, and the truth: true time = offset + rate * camera time.

    Attributes
    ----------
    tracks
        By camera.
    offset_s, rate
        By camera.
    camera_m, source_m
        Where the cameras are, and where everything sounds, metres.
    solvable
        Cameras whose tracks hold what the others hold.
    """

    tracks: Mapping[str, Audio | None]
    offset_s: Mapping[str, float]
    rate: Mapping[str, float]
    camera_m: Mapping[str, Array]
    source_m: Array
    solvable: frozenset[str] = field(default_factory=frozenset)


def make_scene(recipe: Recipe, rng: np.random.Generator) -> Scene:
    """Let cameras hear a scene."""
    total_s = recipe.duration_s + 2 * MARGIN_S
    dry = _sources(recipe, rng, total_s)
    tracks: dict[str, Audio | None] = {}
    offset_s, rate, camera_m = {}, {}, {}
    for index in range(recipe.cameras):
        name = f"cam{index + 1}"
        offset = 0.0 if index == 0 else float(rng.uniform(-0.8, 0.8) * MARGIN_S)
        drift = float(rng.uniform(-1, 1)) if index else 0.0
        # The largest drift is what the scene is about: a clock has it at least once.
        drift = float(np.sign(drift)) if index == 1 else drift
        rate[name] = 1 + 1e-6 * recipe.drift_ppm * drift
        distance = recipe.distances_m[index % len(recipe.distances_m)] if recipe.distances_m else 3.0
        angle = 2 * np.pi * index / recipe.cameras
        camera_m[name] = distance * np.array([np.cos(angle), np.sin(angle), 0.0])
        duration = recipe.duration_s
        if recipe.late and index == recipe.cameras - 1:
            offset = recipe.clap_at[1] * recipe.duration_s + 3.0
            # It runs on when the claps end with the take.
            duration = max(recipe.duration_s - offset, LEAST_S)
        offset_s[name] = offset
        heard = dry if recipe.reverberation_s is None else _through_room(dry, recipe, rng)
        samples = _recorded(heard, recipe, rng, offset - distance / SOUND_M_PER_S, rate[name], duration)
        mute = recipe.mute and index == recipe.cameras - 1
        tracks[name] = None if mute else samples
    odd = {f"cam{recipe.cameras}"} if recipe.mute or recipe.late else set()
    return Scene(tracks, offset_s, rate, camera_m, np.zeros(3), frozenset(set(tracks) - odd))


def random_recipe(rng: np.random.Generator) -> Recipe:
    """Draw a scene: with or without each thing, at any level."""

    def maybe(chance: float, low: float, high: float) -> float | None:
        return float(rng.uniform(low, high)) if rng.random() < chance else None

    duration = float(rng.choice([20, 30, 45, 60, 90], p=[0.3, 0.3, 0.2, 0.15, 0.05]))
    first = float(rng.uniform(0.02, 0.5))
    reverberation = maybe(0.5, 0.15, 1.2)
    return Recipe(
        duration_s=duration,
        claps=int(rng.choice([0, 1, 2, 3, 4, 6, 10], p=[0.1, 0.1, 0.15, 0.2, 0.2, 0.15, 0.1])),
        clap_at=(first, float(rng.uniform(first + 0.1, 0.98))),
        speech_db=maybe(0.45, -25, -3),
        music_db=maybe(0.35, -25, 3),
        bpm=float(rng.uniform(70, 160)) if rng.random() < 0.5 else 120.0,
        noise_db=maybe(0.75, -40, 12),
        wind_db=maybe(0.2, -15, 20),
        reverberation_s=reverberation,
        direct_db=float(rng.uniform(-8, 6)),
        distances_m=tuple(rng.uniform(1, 8, 4)) if rng.random() < 0.5 else None,
        drift_ppm=float(rng.choice([0, 10, 30, 60, 100])),
        rates_hz=(48_000,) if rng.random() < 0.5 else (44_100, 48_000, 32_000),
        gains_db=(-25, 6) if rng.random() < 0.6 else (0, 0),
        clip=maybe(0.25, 0.1, 0.8),
        late=bool(rng.random() < 0.05),
    )


# Sources


def clap(rng: np.random.Generator) -> Array:
    """Return a clap: a burst through a few resonances of the hands, 0.7 to 4 kHz, that decays within 1 to 3 ms."""
    since_s = np.arange(round(0.04 * RATE_HZ)) / RATE_HZ
    burst = rng.normal(size=len(since_s)) * np.exp(-since_s / rng.uniform(0.001, 0.003))
    burst *= 1 - np.exp(-since_s / rng.uniform(0.0001, 0.0004))
    sound = 0.4 * burst
    for _ in range(rng.integers(2, 5)):
        centre = rng.uniform(700, 4000)
        width = centre / rng.uniform(1.5, 5)
        band = butter(1, [centre - width / 2, centre + width / 2], "bandpass", fs=RATE_HZ, output="sos")
        sound += rng.uniform(0.5, 1.5) * sosfilt(band, burst) * np.sqrt(RATE_HZ / 2 / width) / 2
    sound = sosfilt(butter(2, [200, rng.uniform(9000, 15000)], "bandpass", fs=RATE_HZ, output="sos"), sound)
    sound *= np.clip((since_s[-1] - since_s) / 0.005, 0, 1)
    return sound / np.sqrt(np.sum(sound**2) / (0.1 * RATE_HZ))


def speech(rng: np.random.Generator, duration_s: float) -> Array:
    """Return speech-like sound of unit power: glottal pulses or hiss through formants, syllable by syllable."""
    sound = np.zeros(round(duration_s * RATE_HZ))
    pitch = rng.uniform(90, 220)
    at = rng.uniform(0, 1)
    while at < duration_s - 0.6:
        length = rng.uniform(0.12, 0.32)
        n = round(length * RATE_HZ)
        time = np.arange(n) / RATE_HZ
        hz = pitch * (1 + 0.15 * np.sin(2 * np.pi * rng.uniform(0.5, 3) * time + rng.uniform(0, 6)))
        pulses = np.diff(np.floor(np.cumsum(hz) / RATE_HZ), prepend=0.0) + 0.02 * rng.normal(size=n)
        voiced = np.zeros(n)
        formants = zip((300, 900, 2200), (900, 2200, 3200), (80, 110, 160), (1.0, 0.6, 0.3), strict=True)
        for low, high, width, level in formants:
            voiced += level * _resonance(pulses, rng.uniform(low, high), width)
        voiced /= np.sqrt(np.mean(voiced**2)) + 1e-9
        syllable = voiced * np.sin(np.pi * np.clip(time / length, 0, 1)) ** 0.5
        if rng.random() < 0.6:
            hiss_n = round(rng.uniform(0.02, 0.1) * RATE_HZ)
            hiss = sosfilt(_band(rng.uniform(1500, 4000), rng.uniform(6000, 10000)), rng.normal(size=hiss_n))
            hiss *= np.exp(-np.arange(hiss_n) / RATE_HZ / rng.uniform(0.005, 0.05))
            syllable[: min(hiss_n, n)] += rng.uniform(0.3, 1.5) * hiss[:n]
        first = round(at * RATE_HZ)
        sound[first : first + n] += rng.uniform(0.3, 1.0) * syllable[: len(sound) - first]
        at += length * rng.uniform(0.8, 1.3) + (rng.uniform(0.3, 1.5) if rng.random() < 0.12 else 0.0)  # a pause
    return sound / np.sqrt(np.mean(sound**2))


def music(rng: np.random.Generator, duration_s: float, bpm: float) -> Array:
    """Return two bars of drums, bass and chords, repeated to the sample, of unit power."""
    beat = round(60 / bpm * RATE_HZ)
    loop = np.zeros(8 * beat)
    time = np.arange(round(0.4 * RATE_HZ)) / RATE_HZ
    kick = np.sin(2 * np.pi * (50 * time + 30 * (1 - np.exp(-time / 0.03)))) * np.exp(-time / 0.12)
    snare = (
        rng.normal(size=len(time)) * np.exp(-time / 0.06) + np.sin(2 * np.pi * 190 * time) * np.exp(-time / 0.08)
    ) / 2
    hat = sosfilt(_band(6000, 14000), rng.normal(size=len(time))) * np.exp(-time / rng.uniform(0.01, 0.04))

    def add(sound: Array, at: int, level: float) -> None:
        place = (at + np.arange(len(sound))) % len(loop)
        np.add.at(loop, place, level * sound)

    for step in range(16):
        at = step * beat // 2
        if step % 4 == 0:
            add(kick, at, 1.0)
        if step % 4 == 2:
            add(snare, at, 0.7)
        add(hat, at, 0.4 * rng.uniform(0.6, 1.0))
    for bar in range(2):
        root = 55 * 2 ** (rng.integers(0, 12) / 12)
        tone_s = np.arange(4 * beat) / RATE_HZ
        chord = sum(
            np.sin(2 * np.pi * root * ratio * h * tone_s + rng.uniform(0, 6)) / h
            for ratio in (4, 5, 6)
            for h in range(1, 8)
        )
        add(chord * np.exp(-tone_s / 1.0) * np.minimum(tone_s / 0.01, 1), bar * 4 * beat, 0.12)
        for step in range(8):
            bass = np.sign(np.sin(2 * np.pi * root * tone_s[: beat // 2]))
            add(bass * np.exp(-tone_s[: beat // 2] / 0.2), (bar * 8 + step) * beat // 2, 0.15)
    repeated = np.tile(loop, int(np.ceil(duration_s * RATE_HZ / len(loop))))[: round(duration_s * RATE_HZ)]
    return repeated / np.sqrt(np.mean(repeated**2))


def _sources(recipe: Recipe, rng: np.random.Generator, total_s: float) -> Array:
    sound = np.zeros(round(total_s * RATE_HZ))
    low, high = (share * recipe.duration_s + MARGIN_S for share in recipe.clap_at)
    for time_s in np.linspace(low, high, recipe.claps) + rng.uniform(-0.3, 0.3, recipe.claps):
        first = round(time_s * RATE_HZ)
        burst = clap(rng) * 10 ** (rng.uniform(-3, 0) / 20)
        sound[first : first + len(burst)] += burst
    if recipe.speech_db is not None:
        sound += 10 ** (recipe.speech_db / 20) * speech(rng, total_s)[: len(sound)]
    if recipe.music_db is not None:
        sound += 10 ** (recipe.music_db / 20) * music(rng, total_s, recipe.bpm)
    return sound


# Rooms and recorders


def room_response(rng: np.random.Generator, reverberation_s: float, direct_db: float) -> Array:
    """Return a room's impulse response, sample 0 the direct sound: reflections by the walls, then noise that decays.

    All that is reflected has energy 1 together, the direct sound `direct_db`.
    """
    n = round(reverberation_s * RATE_HZ)
    since_s = np.arange(n) / RATE_HZ
    decay = 10 ** (-3 * since_s / reverberation_s)
    tail = rng.normal(size=n) * decay
    if rng.random() < 0.5:
        tail *= 1 - np.exp(-np.maximum(since_s - 0.003, 0) / 0.01)
        tail = sosfilt(butter(1, rng.uniform(5000, 12000), fs=RATE_HZ, output="sos"), tail)
    walls = np.zeros(n)
    # Walls, floor and ceiling, then those by two of them; each takes some of the treble away.
    delays = np.concatenate([rng.uniform(0.0015, 0.015, 6), rng.uniform(0.008, 0.05, 18)])
    for delay in delays:
        level = rng.choice([-1, 1], p=[0.2, 0.8]) * rng.uniform(0.3, 1) * 0.01 / (0.01 + delay)
        width, place = int(rng.integers(1, 5)), round(delay * RATE_HZ)
        if place + width < n:
            walls[place : place + width] += level / width
    share = rng.uniform(0, 0.7)  # of the energy that comes from walls one by one
    response = np.sqrt(1 - share) * tail / np.linalg.norm(tail) + np.sqrt(share) * walls / np.linalg.norm(walls)
    response[: round(0.0005 * RATE_HZ)] = 0
    response[0] = 10 ** (direct_db / 20)
    return response


def _through_room(dry: Array, recipe: Recipe, rng: np.random.Generator) -> Array:
    assert recipe.reverberation_s is not None
    response = room_response(rng, recipe.reverberation_s, recipe.direct_db)
    return oaconvolve(dry, response)[: len(dry)] / np.linalg.norm(response)


def _recorded(
    heard: Array, recipe: Recipe, rng: np.random.Generator, offset_s: float, rate: float, duration_s: float
) -> Audio:
    rate_hz = int(rng.choice(recipe.rates_hz))
    start_s = float(rng.uniform(-0.05, 0.05))
    n = round(duration_s * rate_hz)
    first = (offset_s + rate * start_s + MARGIN_S) * RATE_HZ
    samples = _interpolation()(heard, first, rate * RATE_HZ / rate_hz, n, _sinc_table())
    for level_db, sound in ((recipe.noise_db, _noise), (recipe.wind_db, _wind)):
        if level_db is not None:
            samples += 10 ** (level_db / 20) * sound(rng, n, rate_hz)
    samples += 10 ** (-70 / 20) * rng.normal(size=n)
    # A clap's peaks lie some 28 dB above its power over 0.1 s.
    samples *= 10 ** (rng.uniform(*recipe.gains_db) / 20) / 25
    if recipe.clip is not None:
        highest = recipe.clip * np.abs(samples).max()
        samples = np.clip(samples, -highest, highest)
    return Audio(samples[:, None].astype(np.float32), rate_hz, start_s)


def _noise(rng: np.random.Generator, n: int, rate_hz: int) -> Array:
    """White to pink, of unit power."""
    white = rng.normal(size=n)
    pink = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.95)], white)
    return pink / np.sqrt(np.mean(pink**2))


def _wind(rng: np.random.Generator, n: int, rate_hz: int) -> Array:
    """Gusts of rumble, below some hundred hertz."""
    rumble = sosfilt(butter(2, rng.uniform(80, 400), fs=rate_hz, output="sos"), rng.normal(size=n))
    knots = np.abs(rng.normal(size=max(2, n // rate_hz * 2)))
    gusts = np.interp(np.arange(n), np.linspace(0, n, len(knots)), knots)
    wind = rumble * gusts
    return wind / np.sqrt(np.mean(wind**2))


def _resonance(sound: Array, centre_hz: float, width_hz: float) -> Array:
    radius = np.exp(-np.pi * width_hz / RATE_HZ)
    return lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ), radius**2], sound)


def _band(low_hz: float, high_hz: float) -> Array:
    return butter(2, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")


TAPS, PHASES = 32, 1024


def _sinc_table() -> Array:
    """(phases + 1, taps): sinc at every fraction of a sample, Kaiser-windowed."""
    fraction = np.arange(PHASES + 1)[:, None] / PHASES
    place = np.arange(TAPS)[None] - (TAPS // 2 - 1) - fraction
    window = np.i0(8.6 * np.sqrt(np.maximum(1 - (place / (TAPS / 2)) ** 2, 0))) / np.i0(8.6)
    return np.sinc(place) * window


@lru_cache(maxsize=1)
def _interpolation() -> Callable[[Array, float, float, int, Array], Array]:
    """Return `_interpolated`, compiled; imported here, as what measures the memory of syncing imports this file."""
    import numba

    compiled: Callable[[Array, float, float, int, Array], Array] = numba.njit(cache=True)(_interpolated)
    return compiled


def _interpolated(sound: Array, first: float, step: float, n: int, table: Array) -> Array:
    """Return the sound at places first + step * k, by windowed sinc, linear between the table's phases."""
    out = np.zeros(n)
    for k in range(n):
        place = first + step * k
        whole = int(np.floor(place))
        phase = (place - whole) * (table.shape[0] - 1)
        low = int(phase)
        share = phase - low
        begin = whole - (TAPS // 2 - 1)
        if begin < 0 or begin + TAPS > len(sound):
            continue
        total = 0.0
        for tap in range(TAPS):
            total += sound[begin + tap] * (table[low, tap] * (1 - share) + table[min(low + 1, PHASES), tap] * share)
        out[k] = total
    return out
