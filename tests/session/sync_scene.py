"""Small videos of one scene with known clocks: a light that goes on and off, and claps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from media.audio import Audio
from media.writer import VideoWriter
from session.folder import Session

BLINK_S = 0.1
CLAPS_S = (1.0, 1.7, 3.4)
DURATION_S = 4.5
SIZE = (96, 64)
OFFSETS_S = {"cam1": 0.0, "cam2": 0.4137, "cam3": -0.2512}
RATES_HZ = {"cam1": 30.0, "cam2": 60.0, "cam3": 25.0}


def light(session_s: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether the light is on."""
    return np.asarray(np.floor(np.asarray(session_s) / BLINK_S).astype(int) % 2 == 1)


def clapping(offset_s: float, seed: int, rate_hz: int = 48_000) -> Audio:
    """Return what a camera that starts at `offset_s` hears."""
    time = np.arange(round(DURATION_S * rate_hz)) / rate_hz + offset_s
    sound = 0.001 * np.random.default_rng(seed).normal(size=len(time))
    for number, clap_s in enumerate(CLAPS_S):
        tones = np.random.default_rng([number, 5])
        since = np.maximum(time - clap_s, 0)
        for frequency, decay, phase in zip(
            tones.uniform(900, 6000, 12), tones.uniform(0.002, 0.008, 12), tones.uniform(0, 6, 12), strict=True
        ):
            sound += (
                0.08
                * (1 - np.exp(-since / 0.0003))
                * np.exp(-since / decay)
                * np.sin(2 * np.pi * frequency * since + phase)
                * (since > 0)
            )
    return Audio(sound[:, None].astype(np.float32), rate_hz, 0.0)


def film_take(
    root: Path, silent: Mapping[str, bool] | None = None, offsets_s: Mapping[str, float] = OFFSETS_S
) -> Session:
    """Make a session whose take "dance" is of the scene, each camera at its own rate and from its own start."""
    folder = root / "takes" / "dance"
    folder.mkdir(parents=True)
    (root / "session.toml").write_text("", encoding="utf-8")
    for seed, (name, offset_s) in enumerate(offsets_s.items()):
        rate_hz = list(RATES_HZ.values())[seed % len(RATES_HZ)]
        audio = None if silent and silent.get(name) else clapping(offset_s, seed)
        with VideoWriter(folder / f"{name}.mp4", SIZE, rate_hz=rate_hz, audio=audio, fast=True) as writer:
            for number in range(round(DURATION_S * rate_hz)):
                level = 225 if light(offset_s + number / rate_hz) else 25
                writer.write(np.full((SIZE[1], SIZE[0], 3), level, dtype=np.uint8), number / rate_hz)
    return Session.open(root)
