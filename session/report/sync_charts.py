"""Charts of the sync as paths in boxes of 1000 x 100, which the page stretches to its width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from session.report.sync_sounds import CLOSE_BEFORE, CLOSE_S, WIDE_S, Waveform

Array = npt.NDArray[np.float64]

WIDTH, MIDDLE = 1000.0, 50.0
"""Of every chart's box; its height is twice the middle."""

SWING = 44.0
"""How far the loudest moment goes from the middle."""

WAVE_BINS = 400
"""More points of a wide window than this are drawn as their extremes."""


@dataclass(frozen=True)
class Row:
    """A camera's whole track in an overview: where its outline lies, and where its sounds are."""

    place: int
    x: float
    width: float
    ticks: str


@dataclass(frozen=True)
class Rows:
    """Rows that share an axis of time, with the times at its ticks."""

    rows: tuple[Row, ...]
    ticks: tuple[str, ...]


@dataclass(frozen=True)
class Wave:
    """A window of a waveform: its path, whether it is an outline to be filled, and where the direct sound arrives."""

    path: str
    filled: bool
    arrival: float | None
    moment: float


def outline(envelope: Array) -> str:
    """Return the outline of a track, in a box of 1000 x 100."""
    x = np.linspace(0, WIDTH, len(envelope))
    swing = np.maximum(SWING * envelope, 0.6)
    upper = "L".join(f"{a:.0f} {b:.1f}" for a, b in zip(x, MIDDLE - swing, strict=True))
    lower = "L".join(f"{a:.0f} {b:.1f}" for a, b in zip(x[::-1], (MIDDLE + swing)[::-1], strict=True))
    return f"M{upper}L{lower}z"


def rows_of(tracks: Sequence[tuple[int, float, float, Sequence[float]]]) -> Rows:
    """Place tracks (camera, start, end, sounds; NaN for sounds not heard) on one axis that holds them all."""
    span_s = min((track[1] for track in tracks), default=0.0), max((track[2] for track in tracks), default=1.0)
    start_s, length_s = span_s[0], max(span_s[1] - span_s[0], 1e-9)

    def x(time_s: float) -> float:
        return WIDTH * (time_s - start_s) / length_s

    rows = tuple(
        Row(place, x(begin_s), x(end_s) - x(begin_s), "".join(f"M{x(s):.1f} 0V100" for s in sounds_s if np.isfinite(s)))
        for place, begin_s, end_s, sounds_s in tracks
    )
    return Rows(rows, seconds_ticks(span_s))


def seconds_ticks(span_s: Sequence[float]) -> tuple[str, ...]:
    """Return the words at the five ticks of an axis of seconds."""
    digits = 0 if span_s[1] - span_s[0] > 40 else 1 if span_s[1] - span_s[0] > 4 else 2
    # Adding zero takes the sign of a negative zero away.
    return tuple(
        f"{round(value, digits) + 0.0:.{digits}f} s" for value in np.linspace(span_s[0], span_s[1], 5).tolist()
    )


def wave(window: Waveform | None, moment_s: float, late_s: float, *, wide: bool) -> Wave | None:
    """Draw a window around a moment at which a camera's sound is `late_s` late (NaN: not heard)."""
    if window is None:
        return None
    half_s, before = (WIDE_S, 0.5) if wide else (CLOSE_S, CLOSE_BEFORE)

    def x(time_s: Array | float) -> Array:
        return np.asarray(WIDTH * (before + (np.asarray(time_s) - moment_s) / (2 * half_s)))

    at, value = x(window.time_s), MIDDLE - SWING * np.clip(window.value / np.abs(window.value).max(), -1, 1)
    filled = len(at) > WAVE_BINS
    if filled:
        edges = np.linspace(0, len(at), WAVE_BINS, endpoint=False).astype(np.int64)
        middle, low, high = at[edges], np.minimum.reduceat(value, edges), np.maximum.reduceat(value, edges)
        at, value = np.concatenate([middle, middle[::-1]]), np.concatenate([low - 0.3, (high + 0.3)[::-1]])
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(at, value, strict=True)) + ("z" if filled else "")
    arrival = float(x(moment_s + late_s)) if np.isfinite(late_s) else None
    return Wave(path, filled, arrival, WIDTH * before)


def dots(time_s: Array, value: Array, span_s: Array, reach: float, *, joined: bool = False) -> str:
    """Return points of no length, to be drawn with round ends, or the line that joins them; up is more."""
    x = WIDTH * (time_s - span_s[0]) / max(float(span_s[1] - span_s[0]), 1e-9)
    y = MIDDLE - MIDDLE * np.clip(value / reach, -1.5, 1.5)
    if joined:
        return "M" + "L".join(f"{a:.1f} {b:.2f}" for a, b in zip(x, y, strict=True))
    return "".join(f"M{a:.1f} {b:.2f}h0" for a, b in zip(x, y, strict=True))
