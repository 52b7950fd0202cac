"""Time maps of two methods put together: what the first refuses, the second gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sync.time_map import CameraClock, TimeMap

REMEDY = "Give its offset by hand:"


def completed(first: TimeMap, second: TimeMap) -> TimeMap:
    """Return the first time map, with what it refuses taken from the second.

    Parameters
    ----------
    first
        By the method that promises more. Where it does not have two cameras together, the second stands for all, if
        that has.
    second
        By another method, of the same cameras. Its session time is moved onto the first one's by the cameras that both
        know.

    Returns
    -------
    TimeMap
        Cameras that neither knows have both reasons in their verdict.
    """
    known = {name for name, clock in first.cameras.items() if clock.ok}
    found = {name for name, clock in second.cameras.items() if clock.ok}
    if len(known) < 2 and len(found) >= 2:
        clocks, moved = dict(second.cameras), set(found)
    else:
        clocks, shared = dict(first.cameras), sorted(found & known)
        moved = set(known)
        if shared and len(known) >= 2:
            # Both run at nearly the same rate: at the cameras' own time zero they differ by the shift.
            shift_s = float(np.median([first.cameras[n].offset_s - second.cameras[n].offset_s for n in shared]))
            for name in found - known:
                clock = second.cameras[name]
                clocks[name] = replace(clock, offset_s=clock.offset_s + shift_s)
            moved |= found
    for name in set(clocks) - moved:
        one, other = first.cameras[name], second.cameras[name]
        reasons = [_told(clock) for clock in (one, other) if not clock.ok]
        if reasons:
            clocks[name] = replace(clocks[name], verdict=f"{'; '.join(reasons)}. {REMEDY} --offset {name}=SECONDS")
    return TimeMap(clocks)


def _told(clock: CameraClock) -> str:
    """Say which method refused and why, without the remedy."""
    why = clock.verdict.split(REMEDY)[0].rstrip(". ")
    return why if why.startswith("by ") else f"by {clock.method}: {why}"
