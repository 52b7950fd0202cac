"""The feet in a take: how high they are over the floor, when they stand on it, and how far they slide then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from session.report.take_charts import blocks, line_over_time
from session.report.take_findings import TakeFindings
from session.report.take_numbers import foot_heights, in_words, side_of, spans_of

Array = npt.NDArray[np.float64]

LEAST_REACH_M = 0.15
"""Height of the chart, at least; what is higher goes out of it at the top of the highest step."""


@dataclass(frozen=True)
class Contact:
    """When one point of a sole stands on the floor.

    Attributes
    ----------
    name, side
        The point, in words, and its side.
    spans
        (x, width) in thousandths of the take.
    share
        Of the frames.
    slide_m, worst_m
        How far it goes on the floor while it stands, from its mean place: median over the stands, and the most; NaN
        without any.
    stands
        How many there are.
    """

    name: str
    side: str
    spans: tuple[tuple[float, float], ...]
    share: float
    slide_m: float
    worst_m: float
    stands: int


@dataclass(frozen=True)
class Feet:
    """Both feet.

    Attributes
    ----------
    heights
        (side, path): height over the floor in a box of 1000 x 100.
    floor_y
        Where the floor is in that box.
    low_m, high_m
        What the box's bottom and top are.
    lowest_m
        By side: what 99 % of the heights are above.
    contacts
        Empty where nothing tells contacts.
    """

    heights: tuple[tuple[str, str], ...]
    floor_y: float
    low_m: float
    high_m: float
    lowest_m: dict[str, float]
    contacts: tuple[Contact, ...]


def feet_of(findings: TakeFindings) -> Feet | None:
    """Return the feet of a take; None where it has no points on them."""
    heights = foot_heights(findings.keypoints)
    if not heights:
        return None
    together = np.concatenate(list(heights.values()))
    low_m = min(0.0, float(np.nanpercentile(together, 1))) - 0.03
    high_m = max(float(np.nanpercentile(together, 99.5)), low_m + LEAST_REACH_M) + 0.03
    return Feet(
        heights=tuple((side, line_over_time(height, low_m, high_m)) for side, height in heights.items()),
        floor_y=100 + 100 * low_m / (high_m - low_m),
        low_m=low_m,
        high_m=high_m,
        lowest_m={side: float(np.nanpercentile(height, 1)) for side, height in heights.items()},
        contacts=_contacts(findings),
    )


def _contacts(findings: TakeFindings) -> tuple[Contact, ...]:
    contacts = []
    for sole in findings.soles:
        slides = [_slide(sole.path_m[first : last + 1, :2]) for first, last in spans_of(sole.standing)]
        contacts.append(
            Contact(
                in_words(sole.name),
                side_of(sole.name),
                blocks(sole.standing),
                float(sole.standing.mean()),
                float(np.median(slides)) if slides else float("nan"),
                max(slides, default=float("nan")),
                len(slides),
            )
        )
    return tuple(contacts)


def _slide(path_m: Array) -> float:
    """Return how far a path (frames, 2) goes from its mean, at most."""
    return float(np.linalg.norm(path_m - path_m.mean(axis=0), axis=1).max())
