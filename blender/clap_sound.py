"""What the cameras' microphones hear: one hand clap in the room, soft steps, a hum, and noise.

Every camera samples the same sound field with its own clock: sample k of a track belongs to camera time start +
k / rate, so to session time offset + clock rate * camera time, and what is heard then left its source a distance /
343 m/s earlier. The room answers with its first reflections by the image source method (J. Allen and D. Berkley,
"Image method for efficiently simulating small-room acoustics", JASA 65, 1979) and a diffuse tail.
"""

from __future__ import annotations

import zlib
from functools import cache
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfilt

from blender import room
from blender.dance import FOOT_KEYS
from blender.shoot import CALIBRATION, CAMERAS, DANCE, Recording
from calib.cameras import Camera

Array = npt.NDArray[np.float64]

SPEED_OF_SOUND_M_S = 343.0
SAMPLE_RATE_HZ = {"cam1": 48_000, "cam2": 44_100, "cam3": 48_000, "cam4": 48_000}
SOUND_START_S = {"cam1": 0.0, "cam2": 0.0, "cam3": 0.011, "cam4": 0.004}
"""How long after the first picture the sound begins: telephones differ in it too.

AAC works in blocks of 21 ms, and an encoder that sees an attack too late in one smears it over the block. With these
starts none of the eight claps is smeared; the test of the committed sound holds them to it.
"""

CLAP_AT_M = MappingProxyType(
    {
        CALIBRATION.name: np.array([-0.015, -0.154, 0.30]),  # equally far from all cameras, to 1 mm
        DANCE.name: np.array([0.0, -0.42, 1.13]),  # between the palms
    }
)
STEP_AT_M = np.array([0.2, -0.1, 0.0])

CLAP_LEVEL = 1.6
"""Sound pressure one metre from the hands, full scale 1: about 0.5 at the cameras."""
STEP_LEVEL = 0.020
WALL_REFLECTION = 0.45
TAIL_LEVEL = 0.05
TAIL_TIME_CONSTANT_S = 0.06
NOISE_LEVEL = 4e-4
HUM_LEVEL = 6e-4
HUM_HZ = 50.0

_SOURCE_RATE_HZ = 192_000
_HIGHEST_HZ = 12_000
_CLAP_LENGTH_S = 0.04


def travel_s(recording: Recording, camera: Camera) -> float:
    """Return how long the recording's clap takes to the camera, seconds."""
    return float(np.linalg.norm(camera.center_m - CLAP_AT_M[recording.name])) / SPEED_OF_SOUND_M_S


@cache
def _clap() -> CubicSpline:
    """Return the pressure of the clap, one metre away, over the seconds since the palms met.

    A burst of noise that rises in a twentieth of a millisecond and decays within some: palms meeting flat, as in
    B. Repp, "The sound of two hands clapping", JASA 81, 1987. It holds nothing above 12 kHz, so that every
    microphone can sample it.
    """
    time = np.arange(int(_CLAP_LENGTH_S * _SOURCE_RATE_HZ)) / _SOURCE_RATE_HZ
    noise = np.random.default_rng(1).normal(0, 1, len(time))
    noise[0] = 6.0  # the crack itself
    envelope = 0.6 * np.exp(-time / 0.0012) + 0.4 * np.exp(-time / 0.005)
    body = sosfilt(butter(2, [700, 3200], "bandpass", fs=_SOURCE_RATE_HZ, output="sos"), noise)
    crack = sosfilt(butter(4, _HIGHEST_HZ, fs=_SOURCE_RATE_HZ, output="sos"), noise)
    pressure = (crack / np.abs(crack).max() + 2.0 * body / np.abs(body).max()) * envelope
    return CubicSpline(time, pressure / np.abs(pressure).max())


def _clap_pressure(since_s: Array) -> Array:
    inside = (since_s > 0) & (since_s < _CLAP_LENGTH_S)
    pressure = np.zeros_like(since_s)
    pressure[inside] = _clap()(since_s[inside])
    return pressure


def _mirror_sources(source_m: Array) -> list[tuple[Array, float]]:
    """Return the source and its mirror images in the room's six surfaces, with what each reflection leaves."""
    sources = [(source_m, 1.0)]
    planes = (
        (0, -room.HALF_WIDTH_M),
        (0, room.HALF_WIDTH_M),
        (1, room.FRONT_M),
        (1, room.BACK_M),
        (2, 0.0),
        (2, room.HEIGHT_M),
    )
    for axis, at in planes:
        image = source_m.copy()
        image[axis] = 2 * at - image[axis]
        sources.append((image, WALL_REFLECTION))
    return sources


def track(recording: Recording, name: str) -> npt.NDArray[np.float32]:
    """Return what the camera records from `SOUND_START_S` to the end of its last frame: (samples,), full scale 1."""
    camera, clock, rate_hz = CAMERAS[name], recording.clocks[name], SAMPLE_RATE_HZ[name]
    rng = np.random.default_rng(zlib.crc32(f"{recording.name}/{name}".encode()))
    first, end = round(SOUND_START_S[name] * rate_hz), round(clock.frames * clock.frame_s * rate_hz)
    camera_s = np.arange(first, end) / rate_hz
    time_s = clock.offset_s + clock.rate * camera_s
    heard = np.zeros_like(time_s)
    for source_m, left in _mirror_sources(CLAP_AT_M[recording.name]):
        distance_m = float(np.linalg.norm(camera.center_m - source_m))
        since_s = time_s - recording.clap_s - distance_m / SPEED_OF_SOUND_M_S
        heard += CLAP_LEVEL * left / distance_m * _clap_pressure(since_s)

    since_s = time_s - recording.clap_s - travel_s(recording, camera) - 0.004
    diffuse = rng.normal(0, 1, len(time_s)) * np.exp(-np.clip(since_s, 0, None) / TAIL_TIME_CONSTANT_S)
    low_pass = butter(1, 3500, fs=rate_hz, output="sos")
    heard += TAIL_LEVEL * sosfilt(low_pass, np.where(since_s > 0, diffuse, 0.0))

    if recording is DANCE:
        for landed_s in _landings():
            since_s = np.clip(
                time_s - landed_s - np.linalg.norm(camera.center_m - STEP_AT_M) / SPEED_OF_SOUND_M_S, 0, None
            )
            thump = np.sin(2 * np.pi * 75 * since_s) * (since_s / 0.02) * np.exp(1 - since_s / 0.02)
            heard += STEP_LEVEL * thump
    heard += HUM_LEVEL * np.sin(2 * np.pi * HUM_HZ * time_s) + NOISE_LEVEL * rng.normal(0, 1, len(time_s))
    return heard.astype(np.float32)


def _landings() -> list[float]:
    """Return the session times at which a lifted foot meets the floor."""
    steps = (pairwise(keys) for keys in FOOT_KEYS.values())
    return [after[0] for pairs in steps for before, after in pairs if before[1][1] > 0 and after[1][1] == 0]
