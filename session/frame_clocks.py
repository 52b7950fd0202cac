"""When each frame of a recording was taken, in session time, and the clocks by which its sound is placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from session.clocks import session_time_s
from session.folder import Recording
from sync.time_map import CameraClock, TimeMap

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameClocks:
    """The frames of all cameras in time.

    Attributes
    ----------
    frame_s, session_s
        By camera: (frames,) times of its frames in its file, and in session time; the latter NaN where the camera has
        no clock.
    sound
        The clocks of the sound: those of the time map, but where a table of time stamps gives the frames their times,
        the line through it.
    """

    frame_s: Mapping[str, Array]
    session_s: Mapping[str, Array]
    sound: TimeMap

    def interval_s(self, camera: str) -> float:
        """Return the usual time between a camera's frames."""
        from sync.resample import nominal_interval_s

        times = self.frame_s[camera]
        return nominal_interval_s(times) if len(times) > 1 else 1 / 30


def refined_clocks(recording: Recording) -> Path | None:
    """Return the file of the clocks that processing has refined since the last sync; None where it has not."""
    synced, refined = recording.results / "time_map.json", recording.results / "clocks.json"
    # Refined clocks that are older than the sync belong to another one.
    return refined if refined.exists() and refined.stat().st_mtime_ns >= synced.stat().st_mtime_ns else None


def frame_clocks(recording: Recording, time_map: TimeMap) -> FrameClocks:
    """Read the time stamps of all videos, and bring them onto session time."""
    from media.frame_times import frame_times_s

    frame_s = {name: frame_times_s(path) for name, path in recording.videos.items()}
    session_s = {
        name: session_time_s(recording, time_map, name, np.arange(len(times)), times)
        if time_map.cameras[name].ok
        else np.full(len(times), np.nan)
        for name, times in frame_s.items()
    }
    sound = dict(time_map.cameras)
    for name, clock in sound.items():
        if clock.method == "timestamps" and len(frame_s[name]) > 1:
            rate, offset_s = np.polyfit(frame_s[name], session_s[name], 1)
            sound[name] = CameraClock(float(offset_s), float(rate), 0.0, 0.0, clock.method, 1.0)
    return FrameClocks(frame_s, session_s, TimeMap(sound))
