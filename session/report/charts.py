"""Flat charts as the few values that the templates draw: paths over a camera's picture, bars, maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from session.report.pictures import png
from session.report.scene import nice_at_most

if TYPE_CHECKING:
    from calib.quality.capture_volume import Slice

Array = npt.NDArray[np.float64]

COVERAGE_STEPS = (1, 3, 10, 30, 100)
"""Corners in a cell from which on it is shaded one step more."""

MOST_VECTORS = 1200
"""More of them over one picture run into each other, and make the page heavy."""

MOST_CROSSES = 400
"""Likewise, of corners that were left out."""

BINS = 28

BANDS_MM = tuple(digit * 10.0**power for power in range(-2, 4) for digit in (1, 1.5, 2, 3, 5, 7))
"""Limits of the colours of a map of uncertainty, millimetres."""

MOST_BANDS = 9


@dataclass(frozen=True)
class Coverage:
    """How often a board's corners were seen where in a picture.

    Attributes
    ----------
    steps
        Paths, in pixels of the picture, of the cells with more and more corners, each with its opacity.
    never
        Path of the cells in which no corner was ever seen.
    share
        Of the cells in which one was.
    unseen
        The outer parts in which none was, in words.
    """

    steps: tuple[tuple[float, str], ...]
    never: str
    share: float
    unseen: tuple[str, ...]


def coverage(xy_px: Array, size_px: npt.NDArray[np.int64]) -> Coverage:
    """Draw how often the corners (corners, 2) of one camera were seen where in its picture."""
    from calib.intrinsics.coverage import coverage_of

    found = coverage_of(xy_px, size_px)
    cell = size_px / np.array(found.cells.shape[::-1])
    level = np.searchsorted(COVERAGE_STEPS, found.cells, side="right")
    steps = tuple(
        (0.15 + 0.6 * (step - 1) / (len(COVERAGE_STEPS) - 1), _cells(level == step, cell))
        for step in range(1, len(COVERAGE_STEPS) + 1)
        if (level == step).any()
    )
    return Coverage(steps, _cells(found.cells == 0, cell), found.share, found.unseen)


def _cells(chosen: npt.NDArray[np.bool_], cell_px: Array) -> str:
    """Return the path of cells (down, across), each `cell_px` wide and high."""
    width, height = cell_px.tolist()
    return "".join(
        f"M{column * width - 0.5:.1f} {row * height - 0.5:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
        for row, column in np.argwhere(chosen).tolist()
    )


@dataclass(frozen=True)
class Vectors:
    """Residuals over a picture, magnified.

    Attributes
    ----------
    single
        Path of the vectors of corners, from where they were predicted towards where they were seen.
    mean
        Path of the mean vectors of cells: what is left of the lens.
    outliers
        Path of crosses where corners were left out, or of some of them.
    magnified
        How many times longer than in the picture they are drawn.
    bar_px
        A length in the picture, before magnifying, to put beside.
    shown, of
        How many single vectors are drawn, of how many.
    """

    single: str
    mean: str
    outliers: str
    magnified: float
    bar_px: float
    shown: int
    of: int


def vectors(
    xy_px: Array,
    residual_px: Array,
    inlier: npt.NDArray[np.bool_],
    size_px: npt.NDArray[np.int64],
    typical_px: float,
    rng: np.random.Generator,
) -> Vectors:
    """Draw one camera's residuals.

    Parameters
    ----------
    xy_px, residual_px
        (corners, 2): where corners were seen, and seen minus predicted; no NaN.
    inlier
        (corners,).
    size_px
        Of the picture.
    typical_px
        Length that is drawn as a twenty-fifth of the picture's longer side; the same for all cameras, to compare them.
    rng
        Chooses which vectors are drawn where there are too many.
    """
    longer = float(size_px.max())
    magnified = nice_at_most(longer / 25 / max(typical_px, 1e-3))
    used = np.flatnonzero(inlier)
    chosen, left_out = _some(used, MOST_VECTORS, rng), _some(np.flatnonzero(~inlier), MOST_CROSSES, rng)
    starts, steps = (xy_px - residual_px)[chosen], residual_px[chosen] * magnified
    single = "".join(
        f"M{x:.0f} {y:.0f}l{dx:.1f} {dy:.1f}" for (x, y), (dx, dy) in zip(starts.tolist(), steps.tolist(), strict=True)
    )
    arm = longer / 160
    crosses = "".join(
        f"M{x - arm:.0f} {y - arm:.0f}l{2 * arm:.0f} {2 * arm:.0f}m0 {-2 * arm:.0f}l{-2 * arm:.0f} {2 * arm:.0f}"
        for x, y in xy_px[left_out].tolist()
    )
    mean = _mean_arrows(xy_px[used], residual_px[used] * magnified, longer / 10)
    return Vectors(single, mean, crosses, magnified, nice_at_most(longer / 12 / magnified), len(chosen), len(used))


def _some(all_: npt.NDArray[np.intp], most: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return np.sort(rng.choice(all_, most, replace=False)) if len(all_) > most else all_


def _mean_arrows(xy_px: Array, step_px: Array, cell_px: float) -> str:
    """Return the path of arrows of the mean step in each cell of ten corners or more."""
    cell = np.floor(xy_px / cell_px).astype(int)
    _, which, count = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    which = np.ravel(which)
    arrows = []
    for place in np.flatnonzero(count >= 10):
        own = which == place
        start, step = xy_px[own].mean(axis=0), step_px[own].mean(axis=0)
        length = float(np.linalg.norm(step))
        head = min(0.35 * length, cell_px / 8)
        along = step / max(length, 1e-9)
        left, right = (start + step - head * (along + side * 0.5 * np.array([-along[1], along[0]])) for side in (1, -1))
        end = start + step
        arrows.append(
            f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}M{left[0]:.1f} {left[1]:.1f}"
            f"L{end[0]:.1f} {end[1]:.1f}L{right[0]:.1f} {right[1]:.1f}"
        )
    return "".join(arrows)


@dataclass(frozen=True)
class Histogram:
    """How far corners are off, camera upon camera.

    Attributes
    ----------
    bins
        For each bin, the height of each camera's bar, as a share of the highest.
    limit_px
        Where the last bin ends.
    median_px, most_px
        Half of the corners are off by less, and 95 % of them.
    beyond
        How many are further off than `limit_px`.
    """

    bins: tuple[tuple[float, ...], ...]
    limit_px: float
    median_px: float
    most_px: float
    beyond: int


def histogram(distance_px: Array, camera: npt.NDArray[np.int64], cameras: int) -> Histogram:
    """Count distances (corners,) by camera (corners,)."""
    limit = max(float(np.percentile(distance_px, 99)) * 1.1, 1e-3)
    width = nice_at_most(limit / BINS * 2)
    bins = min(BINS, int(np.ceil(limit / width)))
    place = np.floor(distance_px / width).astype(int)
    counts = np.zeros((bins, cameras))
    inside = place < bins
    np.add.at(counts, (place[inside], camera[inside]), 1)
    shares = counts / max(1.0, float(counts.sum(axis=1).max()))
    return Histogram(
        tuple(tuple(round(share, 4) for share in row) for row in shares.tolist()),
        bins * width,
        float(np.median(distance_px)),
        float(np.percentile(distance_px, 95)),
        int((~inside).sum()),
    )


@dataclass(frozen=True)
class Band:
    """A colour of a map, and the millimetres that it stands for."""

    colour: str
    words: str


@dataclass(frozen=True)
class Map:
    """A slice through the space, seen from above.

    Attributes
    ----------
    title
        The height, in words.
    image
        Data URI: one pixel a cell, north up (y grows upwards), clear where fewer than two cameras see.
    x, y, width, height
        Of the image, metres, in a drawing whose y grows downwards.
    numbers
        (x, y, text): the uncertainty in millimetres at some places of the drawing.
    """

    title: str
    image: str
    x: float
    y: float
    width: float
    height: float
    numbers: tuple[tuple[float, float, str], ...]


def bands(values_m: Array) -> tuple[Band, ...]:
    """Choose the colours for lengths (NaN for none), from small to large."""
    limits = _limits(values_m)
    colours = _colours(len(limits) + 1)
    words = [f"below {limits[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(limits))]
    return tuple(
        Band("#" + "".join(f"{value:02x}" for value in colour), text + " mm")
        for colour, text in zip(colours, [*words, f"over {limits[-1]:g}"], strict=True)
    )


def _limits(values_m: Array) -> tuple[float, ...]:
    known = 1000 * values_m[np.isfinite(values_m)]
    low, high = np.percentile(known, [2, 97]) if len(known) else (1.0, 10.0)
    inner = [limit for limit in BANDS_MM if low < limit < high] or [nice_at_most(max(float(high), 1e-2))]
    while len(inner) > MOST_BANDS - 1:
        inner = inner[::2]
    return tuple(inner)


def _colours(count: int) -> list[tuple[int, int, int]]:
    """Return colours from dark to bright that print, and that the colour-blind can order (viridis)."""
    from matplotlib import colormaps

    rgb = colormaps["viridis"](np.linspace(0.08, 0.97, count))[:, :3]
    return [tuple(row) for row in (255 * rgb).round().astype(int).tolist()]


def draw_map(title: str, layer: Slice, values_m: Array, all_values_m: Array) -> Map:
    """Draw the lengths of a slice (points,), coloured as `bands` says of all."""
    limits = _limits(all_values_m)
    shape = layer.shape
    values = values_m.reshape(shape)
    level = np.searchsorted(limits, np.nan_to_num(1000 * values, nan=np.inf), side="right")
    rgba = np.zeros((*shape, 4), dtype=np.uint8)
    rgba[..., :3] = np.array(_colours(len(limits) + 1), dtype=np.uint8)[level]
    rgba[..., 3] = np.where(np.isfinite(values), 255, 0)
    step = float(layer.x_m[1] - layer.x_m[0])
    numbers = []
    for row in _spread(shape[0]):
        for column in _spread(shape[1]):
            if np.isfinite(values[row, column]):
                numbers.append((float(layer.x_m[column]), -float(layer.y_m[row]), _number(1000 * values[row, column])))
    return Map(
        title,
        png(np.ascontiguousarray(rgba[::-1])),
        float(layer.x_m[0]) - step / 2,
        -float(layer.y_m[-1]) - step / 2,
        step * shape[1],
        step * shape[0],
        tuple(numbers),
    )


def _number(value: float) -> str:
    """Two digits."""
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _spread(count: int, wanted: int = 5) -> Sequence[int]:
    places: Sequence[int] = np.unique(((np.arange(wanted) + 0.5) * count / wanted).astype(int)).tolist()
    return places
