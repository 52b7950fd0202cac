"""A second look for people whom a detector misses beside somebody larger.

A person detector sees the whole picture at a few hundred pixels, and MediaPipe's then finds one of two people more
often than both. Shown a part of the picture, it finds the other: the part where somebody was a moment ago and is not
found any more, and, now and then, all of the picture in squares.

Of two rendered people who cross (640 x 360, `benchmarks.people`) it finds
both in 13 of 60 pictures as a whole, in 42 with parts where they are, in 46 with squares.

A take of one person comes out as without: what is found by a second look stands behind what was found by the first, and
where somebody was is looked at again only while there are several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detect.detector import DetectedPerson, Detector, Image, coincide

Array = npt.NDArray[np.float64]

# Looking at the picture in squares costs as much as one to three pictures: once a second it is 3 to 10 % of the time,
# more often only while there are several people.
SQUARES_EVERY_S, SQUARES_AMONG_SEVERAL_S = 1.0, 0.25
# There are several people until so long after two were seen at once.
SEVERAL_S = 2.0
# Squares overlap, so that nobody is cut by all of them.
OVERLAP = 1.4
# Who was seen this long ago is looked for where they were, in a square this many times their size.
REMEMBERED_S = 0.7
ROOM = 1.75
# A figure is the remembered one's if their middles are within this share of the size.
SAME_PLACE = 0.4
# Of a figure's points, so many must lie inside the part of the picture that was looked at.
LEAST_INSIDE = 0.5
# Parts smaller than this show nobody.
LEAST_PX = 48


@dataclass(frozen=True, eq=False)
class _Seen:
    """Where somebody was: middle (2,) and size in pixels, and when."""

    middle_px: Array
    size_px: float
    time_s: float

    @classmethod
    def of(cls, person: DetectedPerson, time_s: float) -> _Seen | None:
        """Remember a person; None if no point is in the picture."""
        inside = person.xy_px[np.isfinite(person.xy_px).all(axis=-1)]
        if len(inside) == 0:
            return None
        low, high = inside.min(axis=0), inside.max(axis=0)
        return cls((low + high) / 2, float((high - low).max()), time_s)


class SecondLook:
    """A detector that looks again at parts of the picture.

    Parameters
    ----------
    detector
        One that looks at every picture for itself, and finds people in parts of pictures too.
    people
        How many are looked for, at most.
    """

    def __init__(self, detector: Detector, people: int) -> None:
        self._detector = detector
        self._people = people
        self._seen: list[_Seen] = []
        self._several_s = -math.inf
        self._squares_s = -math.inf

    @property
    def names(self) -> tuple[str, ...]:
        """The points of the detector."""
        return self._detector.names

    def close(self) -> None:
        """Free the detector."""
        self._detector.close()

    def detect(self, image: Image, time_s: float) -> tuple[DetectedPerson, ...]:
        """Return the people in a picture: those of the first look, most prominent first, then the others."""
        found = list(self._detector.detect(image, time_s))
        several = time_s - self._several_s <= SEVERAL_S
        if several:
            for seen in self._missing(found, time_s):
                if len(found) < self._people:
                    self._add(found, self._look(image, time_s, seen.middle_px, ROOM * seen.size_px))
        every_s = SQUARES_AMONG_SEVERAL_S if several else SQUARES_EVERY_S
        if len(found) < self._people and time_s - self._squares_s >= every_s:
            self._squares_s = time_s
            for middle_px, side_px in squares(image.shape[1], image.shape[0]):
                self._add(found, self._look(image, time_s, middle_px, side_px))
        if len(found) > 1:
            self._several_s = time_s
        now = [seen for seen in (_Seen.of(person, time_s) for person in found) if seen is not None]
        self._seen = now + [seen for seen in self._missing(found, time_s) if time_s - seen.time_s <= REMEMBERED_S]
        return tuple(found)

    def _missing(self, found: list[DetectedPerson], time_s: float) -> list[_Seen]:
        """Return the remembered who are not among the found, by place; each found one stands for one remembered."""
        now = [seen for seen in (_Seen.of(person, time_s) for person in found) if seen is not None]
        missing = []
        for seen in self._seen:
            gaps = [float(np.linalg.norm(other.middle_px - seen.middle_px)) for other in now]
            if gaps and min(gaps) <= SAME_PLACE * seen.size_px:
                now.pop(int(np.argmin(gaps)))
            else:
                missing.append(seen)
        return missing

    def _add(self, found: list[DetectedPerson], more: list[DetectedPerson]) -> None:
        for person in more:
            if len(found) < self._people and not any(coincide(person, other) for other in found):
                found.append(person)

    def _look(self, image: Image, time_s: float, middle_px: Array, side_px: float) -> list[DetectedPerson]:
        """Look at a square part of a picture."""
        low = np.maximum(np.round(middle_px - side_px / 2), 0).astype(int)
        high = np.minimum(np.round(middle_px + side_px / 2).astype(int), [image.shape[1], image.shape[0]])
        if (high - low).min() < LEAST_PX:
            return []
        part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
        moved = [replace(person, xy_px=person.xy_px + low) for person in self._detector.detect(part, time_s)]
        return [person for person in moved if np.isfinite(person.xy_px).all(axis=-1).mean() >= LEAST_INSIDE]


def squares(width: int, height: int) -> list[tuple[Array, float]]:
    """Return overlapping squares, middle (2,) and side in pixels, that cover a picture; none if it is about square."""
    side = min(width, height)
    long = max(width, height)
    if long < 1.2 * side:
        return []
    count = max(2, math.ceil(OVERLAP * long / side))
    along = side / 2 + (long - side) * np.arange(count) / (count - 1)
    across = np.full(count, side / 2)
    middles = np.stack([along, across] if width >= height else [across, along], axis=1)
    return [(middle, float(side)) for middle in middles]
