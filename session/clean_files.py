"""Clean-up of one file of points or of a motion, with a table of what it did, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clapcap.errors import FileFormatError, SessionError
from retarget.cleanup.filters import NONE, parameters_of
from retarget.cleanup.motion import clean_motion
from retarget.cleanup.points import Changes, CleanUp, clean_points
from session.atomic import written_whole
from session.report.cleanup_chart import Trace, draw_trace
from session.terminal import Terminal
from skeleton.motion import Motion

PICTURES = (".png", ".svg")

LEAST_TOLD_MM = 0.05
"""Smaller changes are what writing and reading a file makes of numbers."""


def clean_file(
    source: Path,
    output: Path,
    wanted: CleanUp,
    terminal: Terminal,
    *,
    plot: Sequence[str] = (),
    between_s: tuple[float, float] | None = None,
    picture: str = ".png",
    bvh_unit: str = "m",
) -> list[Path]:
    """Clean up a file; return the pictures that were drawn.

    Parameters
    ----------
    source
        Points (.npz, .csv, .json, .trc, .c3d) or a motion (.npz, .bvh); what an npz holds, it says itself.
    output
        For points the same suffixes; for a motion .bvh, .csv (joint angles), .mot (OpenSim's coordinates), .npz.
    wanted
        What to do.
    terminal
        Where to say what was done.
    plot, between_s, picture
        Points or joints to draw, from when to when, and as what. The pictures go beside the output, named by both.
    bvh_unit
        Lengths of a BVH file, read or written: "m", "cm" or "mm".

    Raises
    ------
    SessionError
        The output is the input, or a name to draw is not in it.
    FileFormatError
        A file cannot be read, or its format cannot be written from it.
    CleanupError
        The filter cannot be had.
    """
    from session.convert import BVH_UNITS, read_motion

    if bvh_unit not in BVH_UNITS:
        raise SessionError(f'--bvh-unit "{bvh_unit}" is unknown: needed one of {", ".join(BVH_UNITS)}.')
    if picture not in PICTURES:
        raise SessionError(f'--picture "{picture}" is unknown: needed one of {", ".join(PICTURES)}.')
    if source.resolve() == output.resolve():
        raise SessionError(f"{output} is the file to be cleaned, and is not written over. Name another one with -o.")
    motion = read_motion(source, BVH_UNITS[bvh_unit])
    cleaned = (
        _clean_points(source, output, wanted)
        if motion is None
        else _clean_motion(motion, output, wanted, BVH_UNITS[bvh_unit])
    )
    names = cleaned.changes.names
    if unknown := [name for name in plot if name not in names]:
        raise SessionError(f"{source} holds no {', '.join(unknown)} to draw. It holds {', '.join(names)}.")
    with written_whole(output) as partial:
        cleaned.write(partial)
    _tell(cleaned.changes, done_words(wanted, with_gaps=motion is None), terminal)
    frames = len(cleaned.changes.spikes)
    terminal.done("clean", f"{frames} frames of {len(names)} {'points' if motion is None else 'joints'}: {output}")
    pictures = []
    for name in plot:
        path = output.with_name(f"{output.stem}-{name}{picture}")
        with written_whole(path) as partial:
            draw_trace(partial, cleaned.trace(name), between_s)
        terminal.done("picture", str(path))
        pictures.append(path)
    return pictures


@dataclass(frozen=True, eq=False)
class _Cleaned:
    """What was done to a file: the changes, what writes the result, and what tells one name's course."""

    changes: Changes
    write: Callable[[Path], None]
    trace: Callable[[str], Trace]


def _clean_points(source: Path, output: Path, wanted: CleanUp) -> _Cleaned:
    from skeleton.formats import KEYPOINTS3D_CODECS, load_keypoints3d, save_keypoints3d

    before = load_keypoints3d(source)
    if output.suffix.lower() not in KEYPOINTS3D_CODECS:
        raise FileFormatError(
            f"{output}: points are written as {', '.join(KEYPOINTS3D_CODECS)}, not {output.suffix or 'that'}."
        )
    cleaned = clean_points(before, wanted)
    after, changes = cleaned.keypoints, cleaned.changes

    def trace(name: str) -> Trace:
        at = before.index(name)
        return Trace(
            name,
            done_words(wanted),
            before.time_s,
            before.xyz_m[:, at],
            after.xyz_m[:, at],
            after.sigma_m[:, at],
            changes.spikes[:, at],
            after.filled[:, at],
        )

    return _Cleaned(changes, lambda partial: save_keypoints3d(partial, after), trace)


def _clean_motion(before: Motion, output: Path, wanted: CleanUp, units_per_m: float) -> _Cleaned:
    from session.convert import MOTION_SUFFIXES
    from session.processing.files import motion_writer

    if output.suffix.lower() not in MOTION_SUFFIXES:
        raise FileFormatError(
            f"{output}: a motion is written as {', '.join(MOTION_SUFFIXES)}, not {output.suffix or 'that'}."
        )
    cleaned = clean_motion(before, wanted)
    after, changes = cleaned.motion, cleaned.changes

    def trace(name: str) -> Trace:
        at = before.joint_names.index(name)
        return Trace(
            name,
            done_words(wanted, with_gaps=False),
            before.time_s,
            before.world_positions()[:, at],
            after.world_positions()[:, at],
            np.full(len(before.time_s), np.nan),
            changes.spikes[:, at],
            changes.filled[:, at],
        )

    return _Cleaned(changes, motion_writer(output, after, units_per_m), trace)


def moments(text: str) -> tuple[float, float]:
    """Read two moments in seconds, written FROM:TO.

    Raises
    ------
    SessionError
        If the text is something else, or the second is not after the first.
    """
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        first, last = np.nan, np.nan
    if not first < last:
        raise SessionError(f'--between "{text}" is no span of time: needed two moments in seconds, such as 2.5:6.')
    return first, last


def done_words(wanted: CleanUp, with_gaps: bool = True) -> str:
    """Put into words what clean-up was asked to do; a motion has no gaps."""
    chosen = {**parameters_of(wanted.filter), **wanted.parameters}
    numbers = "".join(f", {name} {value:g}" for name, value in chosen.items())
    spikes = "spikes out" if wanted.spikes else "spikes kept"
    gaps = f", gaps up to {wanted.max_gap_s:g} s filled" if with_gaps else ""
    smoothed = "no filter" if wanted.filter == NONE else wanted.filter
    return f"{spikes}{gaps}, {smoothed}{numbers}"


def _tell(changes: Changes, done: str, terminal: Terminal) -> None:
    """Print a line a point that changed, and the sums."""
    rows: list[tuple[str, ...]] = []
    for place, name in enumerate(changes.names):
        spikes, filled, missing = (int(what[:, place].sum()) for what in (changes.spikes, changes.filled, changes.open))
        moved = changes.moved_m[:, place]
        most_mm = 1000 * float(np.nanmax(moved, initial=0.0))
        if spikes or filled or missing or most_mm >= LEAST_TOLD_MM:
            rows.append((name, str(spikes), str(filled), str(missing), f"{most_mm:.1f} mm"))
    title = f"Cleaned up: {done}"
    if not rows:
        terminal.say(f"{title}. Nothing had to be changed.")
        return
    sums = [str(int(what.sum())) for what in (changes.spikes, changes.filled, changes.open)]
    largest = max(float(row[-1].split()[0]) for row in rows)
    rows.append(("all", *sums, f"{largest:.1f} mm"))
    terminal.table(title, ("", "spikes", "frames filled", "still missing", "largest change"), rows)
