"""A picture of a point before and after clean-up: position and speed over time, spikes and gaps marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retarget.cleanup.stretches import runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Colours that the colour-blind can tell apart (M. Okabe, K. Ito, "Color Universal Design", 2008).
BEFORE, AFTER, SPIKE, FILLED, MISSING = "#8c8c8c", "#0072b2", "#d55e00", "#e69f00", "#dddddd"

MARGIN = 0.12
"""Of the range of what is left, around it; spikes outside are marked at the edge."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One point before and after.

    Attributes
    ----------
    name, done
        Of the point, and what was done, in words.
    time_s
        (frames,).
    before_m, after_m
        (frames, 3), NaN where there is nothing.
    sigma_m
        (frames,), of a coordinate after clean-up; NaN where unknown.
    spikes, filled
        (frames,) of bool.
    """

    name: str
    done: str
    time_s: Array
    before_m: Array
    after_m: Array
    sigma_m: Array
    spikes: Bools
    filled: Bools


def draw_trace(path: Path, trace: Trace, between_s: tuple[float, float] | None = None) -> None:
    """Draw a point's coordinates and its speed; the suffix of `path` says the format (.png or .svg).

    Parameters
    ----------
    path
        Where to.
    trace
        What to draw.
    between_s
        First and last moment; None: all.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    low, high = between_s or (float(trace.time_s[0]), float(trace.time_s[-1]))
    shown = (trace.time_s >= low) & (trace.time_s <= high)
    for place, (ax, name) in enumerate(zip(axes, "xyz", strict=False)):
        _draw(ax, trace, trace.before_m[:, place], trace.after_m[:, place], trace.sigma_m, shown)
        ax.fill_between(
            trace.time_s,
            trace.after_m[:, place] - trace.sigma_m,
            trace.after_m[:, place] + trace.sigma_m,
            color=AFTER,
            alpha=0.2,
            linewidth=0,
            label="one standard deviation" if np.isfinite(trace.sigma_m).any() else None,
        )
        ax.set_ylabel(f"{name}, m")
    _draw(
        axes[3], trace, speed(trace.before_m, trace.time_s), speed(trace.after_m, trace.time_s), 0 * trace.time_s, shown
    )
    axes[3].set_ylabel("speed, m/s")
    axes[3].set_xlabel("time, s")
    axes[3].set_xlim(low, high)
    figure.suptitle(f"{trace.name}: {trace.done}", fontsize=12)
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    # Without a date and random names the same data give the same bytes.
    with rc_context({"svg.hashsalt": trace.name}):
        figure.savefig(path, dpi=100, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def speed(xyz_m: Array, time_s: Array) -> Array:
    """Return the speed (frames,) of a point (frames, 3), by central differences; NaN beside what is missing."""
    result = np.full(len(time_s), np.nan)
    result[1:-1] = np.linalg.norm(xyz_m[2:] - xyz_m[:-2], axis=-1) / (time_s[2:] - time_s[:-2])
    result[1:-1][np.isnan(xyz_m[1:-1]).any(axis=-1)] = np.nan
    return result


def _draw(ax: Axes, trace: Trace, before: Array, after: Array, around: Array, shown: Bools) -> None:
    time_s = trace.time_s
    for marked, colour, label in (
        (trace.filled, FILLED, "filled"),
        (np.isnan(trace.after_m).any(axis=-1), MISSING, "missing still"),
    ):
        for place, (first, last) in enumerate(runs(marked)):
            # From the frame before to the one after.
            span = time_s[max(first - 1, 0)], time_s[min(last, len(time_s) - 1)]
            ax.axvspan(*span, color=colour, alpha=0.35, linewidth=0, label=None if place else label)
    ax.plot(time_s, before, color=BEFORE, linewidth=0.8, marker=".", markersize=2.5, label="before")
    ax.plot(time_s, after, color=AFTER, linewidth=1.4, label="after")
    # By what is left, so that a spike of metres does not flatten everything else.
    known = np.concatenate([edge[shown & np.isfinite(edge)] for edge in (after, after - around, after + around)])
    if len(known):
        low, high = float(known.min()), float(known.max())
        room = max(MARGIN * (high - low), 0.005)
        ax.set_ylim(low - room, high + room)
        at = trace.spikes & np.isfinite(before)
        if at.any():
            inside = np.clip(before[at], low - 0.9 * room, high + 0.9 * room)
            ax.plot(time_s[at], inside, color=SPIKE, marker="x", linestyle="", markersize=7, label="spike")
    ax.grid(color="#eeeeee")
    ax.set_axisbelow(True)
