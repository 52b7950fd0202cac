"""Clocks without sound: what the sync stage tries where nobody clapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from session.folder import Recording
from session.terminal import Terminal
from sync.time_map import TimeMap


def motion_time_map(keypoints2d: Mapping[str, Path], terminal: Terminal) -> TimeMap:
    """Return the clocks by how the person moves."""
    from skeleton.formats.npz import load_keypoints2d
    from sync.motion import sync_by_motion

    views = {camera: load_keypoints2d(path) for camera, path in keypoints2d.items()}
    with terminal.progress("comparing the motion") as progress:
        return sync_by_motion(views, progress=progress).time_map


def flash_time_map(recording: Recording, terminal: Terminal) -> TimeMap:
    """Return the clocks by a flash, or a light that was switched off and on."""
    from media.brightness import read_brightness
    from sync.flash import light_changes, sync_by_flash

    changes = {}
    with terminal.progress("looking for a flash of light") as progress:
        for count, (camera, path) in enumerate(recording.videos.items()):
            changes[camera] = light_changes(read_brightness(path))
            progress(count + 1, len(recording.videos))
    return sync_by_flash(changes)


def noted_starts(recording: Recording) -> str:
    """Say when the files were begun by what they note themselves: good to seconds, where to look; empty: not noted."""
    from media.container_clock import CREATION_STD_S, recorded_at_s

    begun = {camera: recorded_at_s(path) for camera, path in recording.videos.items()}
    known = {camera: at_s for camera, at_s in begun.items() if at_s is not None}
    if len(known) < 2:
        return ""
    first, zero_s = next(iter(known.items()))
    others = ", ".join(f"{camera} {at_s - zero_s:+.1f} s" for camera, at_s in known.items() if camera != first)
    # Most differ by nothing where a program made all the files at once.
    if len(set(known.values())) == 1:
        return ""
    return (
        f"By what the files note themselves, after {first} began: {others}. That is good to {CREATION_STD_S:.0f} s at "
        "best, where cameras set their clocks by a network: look for the moment there."
    )
