"""What a page of the sync draws of the sound: whole tracks, the waveforms around each sound, and how arrivals fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent
from sync.time_map import CameraClock, TimeMap

if TYPE_CHECKING:
    from media.audio import Audio
    from sync.clap import SyncResult

Array = npt.NDArray[np.float64]

Index = npt.NDArray[np.int64]

LEAST_STD_S = 1e-6
"""No arrival counts as known better than this: it is a twentieth of a sample."""

MOST_SOUNDS = 6
"""More of them side by side are not looked at."""

ENVELOPE_BINS = 900
"""Across the page: about a pixel each."""

WIDE_S, CLOSE_S = 0.080, 0.004
"""Half of the two windows around a sound: the clap with its room, and its first milliseconds."""

CLOSE_BEFORE = 0.35
"""Share of the close window that lies before the sound."""

FILTER_MARGIN_S = 0.05
"""Read on either side of a window, for the band-pass to settle."""

BAND_HZ = (300.0, 7000.0)
"""Where claps are; below lies hum."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """When each camera heard each sound that the clocks rest on.

    Attributes
    ----------
    camera_s
        (sounds, cameras), on each camera's clock; NaN: not heard, or the camera has no clock.
    session_s
        (sounds, cameras), by the time map.
    time_s
        (sounds,): the moment of each sound, the median over the cameras.
    std_s
        (sounds, cameras): deviation of the arrival, as the waveforms tell.
    """

    camera_s: Array
    session_s: Array
    time_s: Array
    std_s: Array

    @property
    def residual_s(self) -> Array:
        """How much later than the others each camera heard each sound (sounds, cameras)."""
        return np.asarray(self.session_s - self.time_s[:, None])


@dataclass(frozen=True, eq=False)
class Drift:
    """How one camera's clock runs away from session time.

    Attributes
    ----------
    time_s, away_s, ambient
        (n,) session time of a sound, how far the camera's clock is off there if it ran at the rate of session time,
        and whether it is a stretch of ambient sound.
    line_s, line_away_s, line_std_s
        (m,) the same of the line that was fitted, with what the deviation of its rate does away from the sounds.
    """

    time_s: Array
    away_s: Array
    ambient: npt.NDArray[np.bool_]
    line_s: Array
    line_away_s: Array
    line_std_s: Array


@dataclass(frozen=True, eq=False)
class Waveform:
    """A window of one camera's sound: (n,) session times and values, 1 the loudest in the wide window."""

    time_s: Array
    value: Array


@dataclass(frozen=True, eq=False)
class Track:
    """What is drawn of one camera's sound.

    Attributes
    ----------
    start_s, end_s
        On the camera's clock.
    envelope
        (bins,) the loudest in each part of the track, 1 the loudest of all.
    wide, close
        Around each of the sounds; None where the track does not reach.
    """

    start_s: float
    end_s: float
    envelope: Array
    wide: tuple[Waveform | None, ...]
    close: tuple[Waveform | None, ...]


def arrivals_of(heard: SyncResult | None, time_map: TimeMap) -> Arrivals:
    """Gather when each camera heard each sound.

    What two cameras have in common is measured from one to the other; where in the sound that was is different for each
    pair. So the differences of all pairs are solved for, sound by sound, by least squares.
    """
    clocks = list(time_map.cameras.values())
    moments = heard.moments if heard is not None else None
    times, late, std = [], [], []
    if moments is not None:
        known = np.array([clock.ok for clock in clocks])
        used = ~moments.ambient & known[moments.first] & known[moments.second]
        first_s, second_s = (
            np.array([float(clocks[c].to_session(t)) for c, t in zip(who[used], time_s[used], strict=True)])
            for who, time_s in ((moments.first, moments.first_s), (moments.second, moments.second_s))
        )
        part = moments.only(used)
        for sound in np.unique(part.sound):
            mine = part.sound == sound
            times.append(float(np.median(np.concatenate([first_s[mine], second_s[mine]]))))
            own_late, own_std = _lateness(
                part.first[mine], part.second[mine], (first_s - second_s)[mine], part.std_s[mine], len(clocks)
            )
            late.append(own_late)
            std.append(own_std)
    time_s = np.array(times)
    order = np.argsort(time_s)
    residual_s, std_s = (np.array(rows).reshape(-1, len(clocks))[order] for rows in (late, std))
    session_s = time_s[order][:, None] + residual_s
    camera_s = np.column_stack([clock.to_camera(session_s[:, place]) for place, clock in enumerate(clocks)])
    return Arrivals(camera_s, session_s, time_s[order], std_s)


def _lateness(first: Index, second: Index, difference_s: Array, std_s: Array, cameras: int) -> tuple[Array, Array]:
    """Return how much later than their median each camera (cameras,) heard one sound, and the deviations; NaN: not."""
    late_s, own_std_s = np.full(cameras, np.nan), np.full(cameras, np.nan)
    heard = np.unique(np.concatenate([first, second]))
    design = np.zeros((len(first), len(heard)))
    row = np.arange(len(first))
    design[row, np.searchsorted(heard, first)] += 1
    design[row, np.searchsorted(heard, second)] -= 1
    weight = 1 / np.maximum(std_s, LEAST_STD_S)
    found = np.linalg.lstsq(design * weight[:, None], difference_s * weight, rcond=None)[0]
    late_s[heard] = found - np.median(found)
    own_std_s[heard] = [std_s[(first == camera) | (second == camera)].min() for camera in heard]
    return late_s, own_std_s


def shown_sounds(arrivals: Arrivals) -> tuple[int, ...]:
    """Choose the sounds to draw: heard by the most cameras, then the sharpest; in order of time."""
    heard = np.isfinite(arrivals.camera_s).sum(axis=1)
    sharp = np.nanmedian(arrivals.std_s, axis=1) if len(heard) else np.zeros(0)
    order = np.lexsort((sharp, -heard))
    return tuple(sorted(int(k) for k in order[:MOST_SOUNDS]))


def drift_of(camera: int, heard: SyncResult | None, arrivals: Arrivals, time_map: TimeMap, span_s: Array) -> Drift:
    """Lay one camera's clock against session time, over a span (2,) of session time."""
    clocks = list(time_map.cameras.values())
    clock = clocks[camera]
    middle_s = float(clock.to_session(clock.middle_s))

    def away(camera_s: Array, session_s: Array) -> Array:
        return np.asarray((session_s - middle_s) - (camera_s - clock.middle_s))

    there = np.isfinite(arrivals.camera_s[:, camera])
    times, offs, kinds = [arrivals.time_s[there]], [], [np.zeros(int(there.sum()), dtype=bool)]
    offs.append(away(arrivals.camera_s[there, camera], arrivals.time_s[there]))
    moments = heard.moments if heard is not None else None
    if moments is not None:
        sides = (
            (moments.first, moments.first_s, moments.second, moments.second_s),
            (moments.second, moments.second_s, moments.first, moments.first_s),
        )
        for mine, mine_s, other, other_s in sides:
            chosen = np.flatnonzero((mine == camera) & moments.ambient)
            chosen = chosen[[clocks[int(who)].ok for who in other[chosen]]] if len(chosen) else chosen
            session_s = np.array([float(clocks[int(other[k])].to_session(other_s[k])) for k in chosen])
            times.append(session_s)
            offs.append(away(mine_s[chosen], session_s))
            kinds.append(np.ones(len(chosen), dtype=bool))
    line_s = np.linspace(span_s[0], span_s[1], 41)
    line_camera_s = clock.to_camera(line_s)
    return Drift(
        np.concatenate(times),
        np.concatenate(offs),
        np.concatenate(kinds),
        line_s,
        away(line_camera_s, line_s),
        clock.rate_std * np.abs(line_camera_s - clock.middle_s),
    )


def read_tracks(
    videos: Mapping[str, Path],
    time_map: TimeMap,
    arrivals: Arrivals,
    sounds: Sequence[int],
    progress: Progress = silent,
) -> dict[str, Track | None]:
    """Read each camera's sound, one at a time, and keep what is drawn of it; None where there is none."""
    from media.audio import read_audio

    tracks: dict[str, Track | None] = {}
    for place, (name, clock) in enumerate(time_map.cameras.items()):
        audio = read_audio(videos[name], mono=True) if name in videos else None
        tracks[name] = None
        if audio is not None and audio.samples.any():
            tracks[name] = Track(
                audio.start_s,
                audio.end_s,
                _envelope(audio),
                tuple(_waveform(audio, clock, float(arrivals.time_s[k]), WIDE_S, 0.5) for k in sounds),
                tuple(_waveform(audio, clock, float(arrivals.time_s[k]), CLOSE_S, CLOSE_BEFORE) for k in sounds),
            )
        progress(place + 1, len(time_map.cameras))
    return tracks


def _envelope(audio: Audio) -> Array:
    bins = min(ENVELOPE_BINS, len(audio.samples))
    edges = np.linspace(0, len(audio.samples), bins, endpoint=False).astype(np.int64)
    loudest = np.maximum.reduceat(np.abs(audio.samples[:, 0]), edges).astype(np.float64)
    return np.asarray(loudest / loudest.max())


def _waveform(audio: Audio, clock: CameraClock, moment_s: float, half_s: float, before: float) -> Waveform | None:
    """Return the band-passed sound around a session time; None where the clock is refused or the track ends."""
    from scipy.signal import butter, sosfiltfilt

    if not clock.ok:
        return None
    from_s = float(clock.to_camera(moment_s - 2 * half_s * before))
    until_s = from_s + 2 * half_s / clock.rate
    first = int(np.floor((from_s - FILTER_MARGIN_S - audio.start_s) * audio.rate_hz))
    last = int(np.ceil((until_s + FILTER_MARGIN_S - audio.start_s) * audio.rate_hz))
    piece = audio.samples[max(first, 0) : max(last, 0), 0].astype(np.float64)
    if len(piece) < 2 * FILTER_MARGIN_S * audio.rate_hz:
        return None
    high = min(BAND_HZ[1], 0.45 * audio.rate_hz)
    piece = sosfiltfilt(butter(2, (BAND_HZ[0], high), "bandpass", fs=audio.rate_hz, output="sos"), piece)
    camera_s = audio.start_s + (max(first, 0) + np.arange(len(piece))) / audio.rate_hz
    inside = (camera_s >= from_s) & (camera_s <= until_s)
    loudest = float(np.abs(piece).max())
    if not inside.any() or loudest == 0:
        return None
    return Waveform(clock.to_session(camera_s[inside]), piece[inside] / loudest)
