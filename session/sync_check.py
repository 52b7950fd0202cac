"""A video of all cameras side by side on session time, with sound, for the eye."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clapcap.errors import SessionError, SyncError
from clapcap.progress import Progress, silent
from session.clocks import sounds_file
from session.folder import Recording
from session.frame_clocks import FrameClocks, frame_clocks, refined_clocks
from session.report.sync_sounds import arrivals_of, shown_sounds
from session.sound_moments import load_moments
from session.terminal import Terminal
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from media.audio import Audio
    from media.frames import Frame

Picture = npt.NDArray[np.uint8]

LENGTH_S, BEFORE_S = 8.0, 2.0
"""How much of a longer take is shown, and how much of that before the first sound."""

WHOLE_S = 12.0
"""A take up to this is shown as a whole."""

MOST_RATE_HZ = 60.0
"""What screens show."""

GRID_WIDTH = 1280
"""Pixels, of all cameras together."""

LEAST_WIDTH = 320
"""Pixels of one camera's picture, for its name and time to be read."""

DARK = 24
"""Gray level behind the pictures."""


@dataclass(frozen=True)
class Checked:
    """What was written: its span in session time, its frames a second, its cameras, and whose sound it has."""

    start_s: float
    end_s: float
    rate_hz: float
    cameras: tuple[str, ...]
    sound_of: str | None


def check_sync(
    recording: Recording, time_map: TimeMap, target: Path, around_s: float | None, terminal: Terminal
) -> None:
    """Write the video by the best clocks there are, refined by processing or as synced, and say what it shows."""
    refined = refined_clocks(recording)
    heard = load_moments(sounds_file(recording), time_map) if sounds_file(recording).exists() else None
    arrivals = arrivals_of(heard, time_map)
    sounds = shown_sounds(arrivals)
    with terminal.progress("writing the check") as progress:
        checked = write_check(
            recording,
            TimeMap.load(refined) if refined else time_map,
            target,
            first_sound_s=float(arrivals.time_s[sounds[0]]) if sounds else None,
            around_s=around_s,
            progress=progress,
        )
    sound = f"the sound of {checked.sound_of}" if checked.sound_of else "no sound"
    terminal.done(
        f"{recording.name}: check",
        f"{target}: {len(checked.cameras)} cameras, {checked.start_s:.2f} to {checked.end_s:.2f} s of session time, "
        f"{sound}" + (", with the clocks refined by processing" if refined else ""),
    )


def write_check(
    recording: Recording,
    time_map: TimeMap,
    target: Path,
    *,
    first_sound_s: float | None = None,
    around_s: float | None = None,
    progress: Progress = silent,
) -> Checked:
    """Write the video: at every moment the frame of each camera that is nearest in session time.

    Parameters
    ----------
    recording, time_map
        Cameras without a clock are left out.
    target
        The file; its suffix chooses the container. An existing one is never written over.
    first_sound_s
        Session time of the first sound that the clocks rest on. The video is `LENGTH_S` long and starts `BEFORE_S`
        before it; without one, it is the middle of the take; takes up to `WHOLE_S` are shown whole.
    around_s
        Session time in whose middle the video lies instead.
    progress
        Told after each frame.

    Raises
    ------
    SessionError
        If the file exists, or `around_s` lies outside of the recording.
    SyncError
        If fewer than two cameras have a clock, or no two of them record at the same time.
    """
    from media.probe import probe
    from media.writer import VideoWriter

    if target.exists():
        raise SessionError(f"{target} is there already and is not written over. Give another name to --check.")
    names = [name for name in recording.videos if time_map.cameras[name].ok]
    if len(names) < 2:
        raise SyncError(f"{recording.name}: {len(names)} cameras have a time, needed 2 to show them side by side.")
    times = frame_clocks(recording, time_map)
    start_s, end_s = _span(names, times, first_sound_s, around_s)
    rate_hz = min(MOST_RATE_HZ, max(1 / times.interval_s(name) for name in names))
    moments_s = start_s + np.arange(max(1, math.floor((end_s - start_s) * rate_hz))) / rate_hz
    audio, sound_of = _sound(recording, time_map, times, names, start_s, end_s)
    across = math.ceil(math.sqrt(len(names)))
    widest = max(probe(recording.videos[name]).size_px[0] for name in names)
    width = max(LEAST_WIDTH, min(GRID_WIDTH // across, widest)) // 2 * 2
    with ExitStack() as stack:
        tiles = [
            stack.enter_context(closing(_tiles(name, recording.videos[name], times.session_s[name], moments_s, width)))
            for name in names
        ]
        writer: VideoWriter | None = None
        for number in range(len(moments_s)):
            grid = _grid([next(tile) for tile in tiles], across)
            if writer is None:
                size = grid.shape[1], grid.shape[0]
                writer = stack.enter_context(VideoWriter(target, size, rate_hz=rate_hz, audio=audio, fast=True))
            writer.write(grid, number / rate_hz)
            progress(number + 1, len(moments_s))
    return Checked(start_s, end_s, rate_hz, tuple(names), sound_of)


def _span(
    names: list[str], times: FrameClocks, first_sound_s: float | None, around_s: float | None
) -> tuple[float, float]:
    """Choose what to show, where at least two cameras record; session time."""
    starts = sorted(float(times.session_s[name][0]) for name in names)
    ends = sorted(float(times.session_s[name][-1]) + times.interval_s(name) for name in names)
    start_s, end_s = starts[1], ends[-2]
    if start_s >= end_s:
        raise SyncError("No two cameras record at the same time. Check the offsets: clapcap sync --offset NAME=SECONDS")
    if around_s is not None:
        if not start_s <= around_s <= end_s:
            raise SessionError(
                f"--around is {around_s:g} s, but two cameras record together from {start_s:.2f} to {end_s:.2f} s of "
                "session time."
            )
        begin_s = around_s - LENGTH_S / 2
    elif end_s - start_s <= WHOLE_S:
        return start_s, end_s
    elif first_sound_s is not None:
        begin_s = first_sound_s - BEFORE_S
    else:
        begin_s = (start_s + end_s - LENGTH_S) / 2
    begin_s = max(start_s, min(begin_s, end_s - LENGTH_S))
    return begin_s, min(begin_s + LENGTH_S, end_s)


def _sound(
    recording: Recording, time_map: TimeMap, times: FrameClocks, names: list[str], start_s: float, end_s: float
) -> tuple[Audio | None, str | None]:
    """Return the sound of the reference camera, or of the first that has any, from `start_s` on, and whose it is."""
    from media.audio import Audio, read_audio

    for name in sorted(names, key=lambda name: time_map.cameras[name].method != "reference"):
        audio = read_audio(recording.videos[name])
        if audio is None:
            continue
        begins_s, until_s = (float(value) for value in times.sound.cameras[name].to_camera([start_s, end_s]))
        first = max(0, round((begins_s - audio.start_s) * audio.rate_hz))
        last = round((until_s - audio.start_s) * audio.rate_hz)
        if last <= first or first >= len(audio.samples):
            continue
        samples = audio.samples[first:last].copy()
        if samples.shape[1] > 2:
            samples = samples.mean(axis=1, keepdims=True)
        return Audio(samples, audio.rate_hz, audio.start_s + first / audio.rate_hz - begins_s), name
    return None, None


def _tiles(
    name: str, video: Path, session_s: npt.NDArray[np.float64], moments_s: npt.NDArray[np.float64], width: int
) -> Generator[Picture, None, None]:
    """Yield a camera's picture for each moment, `width` wide, with its name and time."""
    from media.single_frames import read_stretch

    after = np.clip(np.searchsorted(session_s, moments_s), 1, len(session_s) - 1)
    nearest = np.where(moments_s - session_s[after - 1] <= session_s[after] - moments_s, after - 1, after)
    interval_s = float(np.median(np.diff(session_s)))
    here = np.abs(session_s[nearest] - moments_s) <= interval_s
    picture: Picture | None = None
    with closing(read_stretch(video, int(nearest[0]), int(nearest[-1]) + 1)) as frames:
        frame: Frame | None = next(frames, None)
        size = (width, width * 9 // 16) if frame is None else _fitted(frame.image, width)
        shown = -1
        for number, moment_s, present in zip(nearest.tolist(), moments_s.tolist(), here.tolist(), strict=True):
            while frame is not None and frame.index < number:
                frame = next(frames, None)
            if frame is not None and frame.index == number and number != shown:
                picture, shown = _resized(frame.image, size), number
            tile = (
                picture.copy()
                if picture is not None and present and shown == number
                else np.full((size[1], size[0], 3), DARK, dtype=np.uint8)
            )
            late_ms = 1000 * (float(session_s[number]) - moment_s)
            yield _labelled(tile, name, f"{session_s[number]:.3f} s  {late_ms:+.0f} ms" if present else "no frame here")


def _fitted(image: Picture, width: int) -> tuple[int, int]:
    """Return the size of a picture within a tile of `width` that is at most as high as wide."""
    height = image.shape[0] * width / image.shape[1]
    scale = min(1.0, width / height)
    return round(width * scale), round(height * scale)


def _resized(image: Picture, size: tuple[int, int]) -> Picture:
    import cv2

    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _labelled(tile: Picture, name: str, time: str) -> Picture:
    import cv2

    scale = max(tile.shape[1] / 900, 0.4)
    below = tile.shape[0] - round(14 * scale)
    for text, y in ((name, round(34 * scale)), (time, below)):
        for ink, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            cv2.putText(
                tile, text, (12, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, max(1, round(width * scale)), cv2.LINE_AA
            )
    return tile


def _grid(tiles: list[Picture], across: int) -> Picture:
    """Put pictures of any sizes side by side in rows, each in the middle of its cell."""
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    down = math.ceil(len(tiles) / across)
    grid = np.full((down * height, across * width, 3), DARK, dtype=np.uint8)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, across)
        top, left = row * height + (height - tile.shape[0]) // 2, column * width + (width - tile.shape[1]) // 2
        grid[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return grid
