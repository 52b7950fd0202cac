"""Time maps that need no estimate: shared frames, a table of time stamps, offsets given by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from clapcap.errors import SyncError
from sync.time_map import OK, CameraClock, TimeMap

# Two crystals that run freely differ by some tens of parts per million.
RATE_STD = 50e-6
# By eye, from two pictures of the same moment: about a third of a frame at 30 fps.
MANUAL_STD_S = 0.010


def shared_frames(names: Iterable[str]) -> TimeMap:
    """Return the time map of hardware-synced cameras: frame i of all was taken at one moment, their clocks are one.

    Session time is then the time stamp of the frame in any of the videos.
    """
    return TimeMap({name: CameraClock(0.0, 1.0, 0.0, 0.0, "frames", 1.0) for name in names})


def timestamps_map(names: Iterable[str]) -> TimeMap:
    """Return the time map of cameras whose frames have session times in a table (`sync.timestamps`).

    Session time is that of the table: the time stamps inside the videos are not used.
    """
    return TimeMap({name: CameraClock(0.0, 1.0, 0.0, 0.0, "timestamps", 1.0) for name in names})


def with_manual_offsets(time_map: TimeMap, offsets_s: Mapping[str, float]) -> TimeMap:
    """Put offsets given by hand in the place of what was estimated.

    Parameters
    ----------
    time_map
        What is known; a rate that was estimated stays.
    offsets_s
        By camera: session time - camera time, seconds. Where no camera has a clock and all but one are given here, the
        one left over is the reference with offset 0.

    Raises
    ------
    SyncError
        If a camera is not in the time map, an offset is no number, or the map lives by a table of time stamps.
    """
    unknown = [name for name in offsets_s if name not in time_map.cameras]
    if unknown:
        raise SyncError(
            f"No camera {', '.join(unknown)} to set the offset of: there are {', '.join(time_map.cameras)}."
        )
    clocks = dict(time_map.cameras)
    for name, offset_s in offsets_s.items():
        if not math.isfinite(offset_s):
            raise SyncError(f"The offset of {name} is {offset_s}, needed a number of seconds: --offset {name}=0.73")
        if clocks[name].method == "timestamps":
            raise SyncError(
                f"{name} has its times from a table of time stamps; an offset for it would have no effect. Correct the "
                "table, or take it away."
            )
        before = clocks[name]
        rate, rate_std = (before.rate, before.rate_std) if before.ok else (1.0, RATE_STD)
        clocks[name] = CameraClock(float(offset_s), rate, MANUAL_STD_S, rate_std, "manual", 1.0)
    left = [name for name in clocks if name not in offsets_s]
    if offsets_s and len(left) == 1 and not clocks[left[0]].ok:
        clocks[left[0]] = replace(
            clocks[left[0]],
            offset_s=0.0,
            rate=1.0,
            offset_std_s=0.0,
            rate_std=0.0,
            method="reference",
            confidence=1.0,
            verdict=OK,
        )
    return TimeMap(clocks)
