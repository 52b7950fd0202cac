"""From a recorded skeleton to the points of `body18`: Z up, metres, an even 60 Hz, gaps masked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from lift.mocap.contacts import foot_contacts
from lift.mocap.index import Sequence
from lift.mocap.posed import PosedJoints
from lift.points import POINTS, stature

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float64]

RATE_HZ = 60.0
"""The rate that everything is brought to: that of most phones' better setting, and of most sources or half of it."""

BRIDGED_S = 0.2
"""Gaps up to this long are interpolated, longer ones masked; the TRC files' own gaps were bridged up to it."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """A sequence at 60 Hz.

    Attributes
    ----------
    xyz_m
        (frames, points, 3) of `body18`: metres, Z up; NaN: not recorded.
    contact
        (frames, 2), left and right foot: 1 stands, 0 does not, -1 not known.
    stature_m
        The subject's height by thighs, shins and trunk.
    """

    xyz_m: Array
    contact: npt.NDArray[np.int8]
    stature_m: float


def frames_to_skip(fps: float) -> int:
    """Return the step by which a file can be thinned before it is posed: 2 for 120 frames a second, else 1."""
    step = fps / RATE_HZ
    return round(step) if step >= 1 and abs(step - round(step)) < 1e-6 else 1


def convert(posed: PosedJoints, sequence: Sequence, every: int = 1) -> Recorded:
    """Bring a posed skeleton to the points, axes, unit and rate of this package.

    Parameters
    ----------
    posed
        What a reader returned, of each `every`-th frame of the file.
    sequence
        Its line in the index, which says unit, frame rate, frames to skip and frames with glitches.
    every
        How the file was thinned.
    """
    table = sources()[source_name(sequence)]
    points = {point: place(posed, table[point], sequence.unit_m) for point in POINTS if point in table}
    frames = len(posed.xyz)
    xyz = np.stack([points.get(point, np.full((frames, 3), np.nan)) for point in POINTS], axis=1)
    soles = np.stack([place(posed, table[f"{side}_sole"], sequence.unit_m) for side in ("left", "right")], axis=1)
    both = np.concatenate([xyz, soles], axis=1)
    both = np.stack([both[..., 0], -both[..., 2], both[..., 1]], axis=-1)  # Y up to Z up
    in_file = np.arange(frames) * every
    glitches = np.array(sequence.glitch_frames, dtype=np.int64)
    # The frames next to a glitch are off too when the file was thinned, and the glitch itself may not be among the
    # kept.
    bad = (np.abs(in_file[:, None] - glitches[None]) < every).any(axis=1) if len(glitches) else np.zeros(frames, bool)
    both[bad] = np.nan
    kept = in_file >= sequence.skip_first
    both = even(both[kept], sequence.fps / every)
    return Recorded(both[:, : len(POINTS)], foot_contacts(both[:, len(POINTS) :], RATE_HZ), body_height(both))


def body_height(xyz_m: Array) -> float:
    """Return the median height over the frames that tell it, NaN if none does."""
    heights = stature(xyz_m[:, : len(POINTS)])
    return float(np.nanmedian(heights)) if np.isfinite(heights).any() else float("nan")


def even(xyz: Array, fps: float) -> Array:
    """Return paths (frames, points, 3) at 60 Hz, short gaps bridged: cubic splines, which slow rates need.

    Parameters
    ----------
    xyz
        Paths; NaN: not recorded.
    fps
        Their rate.
    """
    frames = len(xyz)
    time_s = np.arange(frames) / fps
    wanted_s = np.arange(int(np.floor((frames - 1) * RATE_HZ / fps + 1e-9)) + 1) / RATE_HZ
    result = np.full((len(wanted_s), *xyz.shape[1:]), np.nan)
    complete = np.isfinite(xyz).all(axis=-1)
    whole = complete.all(axis=0)
    same = fps == RATE_HZ
    if whole.any() and frames > 1:
        result[:, whole] = xyz[:, whole] if same else CubicSpline(time_s, xyz[:, whole])(wanted_s)
    for point in np.flatnonzero(~whole & complete.any(axis=0)):  # points with gaps: few
        seen = complete[:, point]
        seen_s = time_s[seen]
        if len(seen_s) < 2:
            continue
        path = CubicSpline(seen_s, xyz[seen, point])(wanted_s)
        after = np.clip(np.searchsorted(seen_s, wanted_s - 1e-9), 0, len(seen_s) - 1)
        before = np.clip(np.searchsorted(seen_s, wanted_s + 1e-9, side="right") - 1, 0, len(seen_s) - 1)
        inside = (wanted_s >= seen_s[0] - 1e-9) & (wanted_s <= seen_s[-1] + 1e-9)
        bridged = seen_s[after] - seen_s[before] <= BRIDGED_S + 1 / fps + 1e-9
        result[:, point] = np.where((inside & bridged)[:, None], path, np.nan)
    return result


def source_name(sequence: Sequence) -> str:
    """Return the table of `mocap_sources.toml` for a sequence: ACCAD's two actors have skeletons of their own."""
    if sequence.skeleton == "accad_bvh":
        return f"accad_{sequence.subject.removeprefix('accad_')}_bvh"
    return sequence.skeleton


def place(posed: PosedJoints, rule: Any, unit_m: float) -> Array:
    """Return a point's path (frames, 3), metres, as its rule says."""
    if isinstance(rule, str):
        return posed.of(rule) * unit_m
    if "joint" in rule:
        if posed.axes is None:
            raise ValueError(f"the rule {rule} needs the joints' axes")
        axes = posed.axes[:, posed.names.index(rule.get("axes", rule["joint"]))]
        offset: Array = axes @ np.array(rule["offset_m"])
        return posed.of(rule["joint"]) * unit_m + offset
    total: Array = sum((weight * posed.of(joint) for joint, weight in rule.items()), np.zeros(3))
    return total * unit_m


@cache
def sources() -> Mapping[str, Mapping[str, Any]]:
    """Return the rules of each recorded skeleton: point -> joint, weights or place; both sides of the body."""
    text = (resources.files("lift") / "data" / "mocap_sources.toml").read_text(encoding="utf-8")
    return {name: _both_sides(table) for name, table in tomllib.loads(text).items()}


def _both_sides(table: dict[str, Any]) -> dict[str, Any]:
    left, right = table.pop("sides")
    twins = {}
    for point, rule in table.items():
        if point.startswith("left_") and isinstance(rule, str):
            other = rule.removesuffix(left) + right if left.startswith("_") else right + rule.removeprefix(left)
            twins[f"right_{point.removeprefix('left_')}"] = other
    return twins | table
