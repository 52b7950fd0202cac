"""Charts of a take that need no script: maps of joints against time, bars, and lines over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from session.report.pictures import png
from session.report.take_findings import LEAST_VIEWS, TakeFindings
from session.report.take_numbers import LIMBS, Joint, spans_of

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

COLUMNS = 700
"""Of a map; a longer take shows the worst of the frames that share a column."""

SIGMA_MM = (3.0, 5.0, 10.0, 20.0, 30.0, 50.0)
"""Limits of the colours of the deviation; the same in every report, so that takes can be compared."""

SIGMA_COLOURS = ("#4a2f86", "#37569c", "#2f7d9a", "#28a07f", "#7ac656", "#e3d839", "#f08b1d")
GUESSED_COLOUR, MISSING_COLOUR = "#d3263c", "#b9bec7"

VIEW_COLOURS = ("#b9bec7", "#d3263c", "#e3d839", "#7ac656", "#28a07f", "#2f6c8e", "#2c2a6b")
"""By how many cameras see a point: none, one, two and so on; the last also for more."""

LINE_POINTS = 1000
"""More points of a line than that cannot be seen."""


@dataclass(frozen=True)
class Band:
    """A colour of a map, and what it stands for."""

    colour: str
    words: str


@dataclass(frozen=True)
class LimbMap:
    """The points of a limb against time, as two pictures: a row a point, a column a moment.

    Attributes
    ----------
    limb
        Its name.
    joints
        The rows.
    sigma, views
        Data URIs: how sure each point is, and how many cameras see it.
    """

    limb: str
    joints: tuple[Joint, ...]
    sigma: str
    views: str


def sigma_bands(one_view: bool = False) -> tuple[Band, ...]:
    """Return the colours of the deviations and what they mean; `one_view`: of a body lifted from one camera."""
    words = [f"below {SIGMA_MM[0]:g} mm"]
    words += [f"to {limit:g}" for limit in SIGMA_MM[1:]]
    words.append("more")
    known = [Band(colour, text) for colour, text in zip(SIGMA_COLOURS, words, strict=True)]
    return (
        *known,
        Band(
            GUESSED_COLOUR,
            f"guessed: {'the camera does not' if one_view else f'fewer than {LEAST_VIEWS} cameras'} see it",
        ),
        Band(MISSING_COLOUR, "not there"),
    )


def view_bands(cameras: int) -> tuple[Band, ...]:
    """Return the colours of the numbers of cameras and what they mean."""
    last = len(VIEW_COLOURS) - 1
    shown = min(cameras, last)
    if cameras == 1:
        return Band(VIEW_COLOURS[0], "not seen"), Band(VIEW_COLOURS[1], "seen")
    words = ["no camera", "1", *(str(count) for count in range(2, shown + 1))]
    if cameras > last:
        words[-1] += " or more"
    return tuple(Band(colour, text) for colour, text in zip(VIEW_COLOURS, words, strict=False))


def limb_maps(findings: TakeFindings, joints: Sequence[Joint]) -> list[LimbMap]:
    """Draw how sure each point is over time, and how many cameras see it, limb by limb."""
    sigma_mm = 1000 * findings.keypoints.sigma_m
    level = np.searchsorted(SIGMA_MM, np.nan_to_num(sigma_mm, nan=np.inf), side="left")
    level[findings.guessed] = len(SIGMA_MM) + 1
    level[~(findings.guessed | findings.found)] = len(SIGMA_MM) + 2
    views = np.minimum(findings.views, len(VIEW_COLOURS) - 1)
    level, views = _binned(level, np.maximum), _binned(views, np.minimum)
    maps = []
    for limb in LIMBS:
        mine = tuple(joint for joint in joints if joint.limb == limb)
        if mine:
            rows = [joint.place for joint in mine]
            maps.append(
                LimbMap(
                    limb,
                    mine,
                    _picture(level[:, rows], (*SIGMA_COLOURS, GUESSED_COLOUR, MISSING_COLOUR)),
                    _picture(views[:, rows], VIEW_COLOURS),
                )
            )
    return maps


def _binned(values: npt.NDArray[np.int64], worst: np.ufunc) -> npt.NDArray[np.int64]:
    """Return (columns, points): of the frames of a column the worst."""
    frames = len(values)
    edges = np.linspace(0, frames, min(COLUMNS, frames), endpoint=False).astype(int)
    return np.asarray(worst.reduceat(values, edges, axis=0))


def _picture(values: npt.NDArray[np.int64], colours: Sequence[str]) -> str:
    table = np.array([[int(colour[place : place + 2], 16) for place in (1, 3, 5)] + [255] for colour in colours])
    return png(np.ascontiguousarray(table.astype(np.uint8)[values.T]))


def line_over_time(values: Array, low: float, high: float) -> str:
    """Return (frames,) as a path in a box of 1000 x 100, `low` at its bottom; NaN interrupts it."""
    frames = len(values)
    step = max(1, frames // LINE_POINTS)
    shown = values[::step]
    x = 1000 * (np.arange(len(shown)) * step + 0.5) / frames
    y = 100 - 100 * np.clip((shown - low) / (high - low), -0.1, 1.1)
    path = ""
    for first, last in spans_of(np.isfinite(shown)):
        points = [f"{x[k]:.1f} {y[k]:.1f}" for k in range(first, last + 1)]
        path += "M" + "L".join(points) + ("h1" if first == last else "")
    return path


def blocks(mask: Mask) -> tuple[tuple[float, float], ...]:
    """Return (x, width) in thousandths of the take of each stretch of frames (frames,) in which `mask` holds."""
    return tuple((1000 * first / len(mask), 1000 * (last + 1 - first) / len(mask)) for first, last in spans_of(mask))


def ruler(time_s: Array) -> tuple[str, ...]:
    """Return the words at the five ticks of an axis that runs over the take."""
    from session.report.sync_charts import seconds_ticks

    return seconds_ticks((float(time_s[0]), float(time_s[-1])))
