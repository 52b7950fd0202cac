"""Appearances: figures that are nobody: posters, mirror images, coats on a chair, people whom one camera alone sees."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from triangulate.people.figures import Figures

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Shorter ones are the detector's mistakes of a moment, and are not named.
LEAST_S = 0.5
# A figure half of whose points lie this near to a person's in the same picture, in shares of the size, is that person
# seen twice; one that mostly is, or is mostly missing from first to last (shares of its pictures), is no appearance.
TWICE_SHARE, MOSTLY = 0.25, 0.5
# Figures that nobody has are a person's if that person goes on within this share of the size and this long after them;
# fewer pictures are not worth the risk.
CLAIMED_SHARE, CLAIMED_S, CLAIMED_PICTURES = 0.3, 0.35, 3
# The same appearance goes on within this share of its size and this long after.
SAME_SHARE, SAME_S = 0.5, 1.0


@dataclass(frozen=True, eq=False)
class Appearance:
    """What one camera took for a person and no other camera agrees on.

    Attributes
    ----------
    camera
        The camera.
    from_s, to_s
        Session time of its first and last picture.
    share
        Of the camera's pictures.
    rows, slots
        (n,): its figures in `Figures`; empty once read from a file.
    """

    camera: str
    from_s: float
    to_s: float
    share: float
    rows: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    slots: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(eq=False)
class _Chain:
    at: Array
    size: float
    time_s: float
    members: list[tuple[int, int]]


def claim_continued(figures: Figures, owner: Ints, solid_s: list[Array]) -> None:
    """Give persons the figures that one camera alone saw of them before others did, or after, in place.

    Parameters
    ----------
    figures
        What the cameras saw.
    owner
        (rows, slots): place of the person, -1: nobody.
    solid_s
        For each person the session times at which two cameras agree on where they are: a figure that nobody has is not
        theirs then.
    """
    for c in range(len(figures.cameras)):
        rows = figures.rows_of(c)
        free = figures.there[rows] & (owner[rows] < 0)
        if not (free.any() and (owner[rows] >= 0).any()):
            continue
        for chain in _chains(figures, rows.start, free):
            person = _continues(figures, owner, rows, chain) if len(chain.members) >= CLAIMED_PICTURES else None
            if person is None:
                continue
            row, slot = (np.array(part) for part in zip(*chain.members, strict=True))
            first_s, last_s = figures.time_s[row[0]], figures.time_s[row[-1]]
            elsewhere = (solid_s[person] >= first_s) & (solid_s[person] <= last_s)
            if not elsewhere.any() and not (owner[row[0] : row[-1] + 1] == person).any():
                owner[row, slot] = person


def _continues(figures: Figures, owner: Ints, rows: slice, chain: _Chain) -> int | None:
    """Return whose figure goes on where a chain of figures ends, or ended where it begins; None: nobody's."""
    beside = set(owner[[row for row, _ in chain.members]].ravel().tolist())  # who is seen elsewhere meanwhile
    for end, step in ((chain.members[-1], 1), (chain.members[0], -1)):
        at, size = _place(figures.xy[end])
        row = end[0] + step
        while rows.start <= row < rows.stop and abs(figures.time_s[row] - figures.time_s[end[0]]) <= CLAIMED_S:
            near = []
            for slot in np.flatnonzero(owner[row] >= 0):
                other, other_size = _place(figures.xy[row, slot])
                share = float(np.linalg.norm(other - at)) / max(size, other_size)
                if share <= CLAIMED_SHARE and int(owner[row, slot]) not in beside:
                    near.append((share, int(owner[row, slot])))
            if near:
                return min(near)[1]
            row += step
    return None


def find_appearances(figures: Figures, owner: Ints) -> list[Appearance]:
    """Return the lasting figures that nobody has, owner (rows, slots) -1, camera by camera in order of time."""
    found = []
    for c, name in enumerate(figures.cameras.names):
        rows = figures.rows_of(c)
        free = figures.there[rows] & (owner[rows] < 0)
        if not free.any():
            continue
        twice = _seen_twice(figures, owner, rows)
        interval_s = float(np.median(np.diff(figures.time_s[rows])))
        for chain in _chains(figures, rows.start, free):
            row, slot = (np.array(part) for part in zip(*chain.members, strict=True))
            lasting = len(row) * interval_s >= LEAST_S and len(row) >= MOSTLY * (row[-1] - row[0] + 1)
            if lasting and twice[row - rows.start, slot].mean() < MOSTLY:
                times_s = figures.time_s[row]
                share = len(row) / (rows.stop - rows.start)
                found.append(Appearance(name, float(times_s[0]), float(times_s[-1]), share, row, slot))
    return found


def _seen_twice(figures: Figures, owner: Ints, rows: slice) -> npt.NDArray[np.bool_]:
    """Tell which figures (rows, slots) of a camera lie over somebody's."""
    twice = np.zeros(owner[rows].shape, dtype=bool)
    several = np.flatnonzero((figures.there[rows].sum(axis=1) > 1) & (owner[rows] >= 0).any(axis=1))
    for place in several:
        row = rows.start + int(place)
        for slot in np.flatnonzero(figures.there[row] & (owner[row] < 0)):
            for other in np.flatnonzero(owner[row] >= 0):
                apart = np.linalg.norm(figures.xy[row, slot] - figures.xy[row, other], axis=-1)
                size = _place(figures.xy[row, other])[1]
                near = np.median(apart[np.isfinite(apart)]) if np.isfinite(apart).any() else np.inf
                twice[place, slot] |= near <= TWICE_SHARE * size
    return twice


def _place(xy: Array) -> tuple[Array, float]:
    """Return middle and size of a figure (points, 2)."""
    xy = xy[np.isfinite(xy).all(axis=-1)]
    return np.median(xy, axis=0), float(np.linalg.norm(np.ptp(xy, axis=0)))


def _chains(figures: Figures, first_row: int, free: npt.NDArray[np.bool_]) -> list[_Chain]:
    """Return the free figures of a camera, those that go on from one another together."""
    chains: list[_Chain] = []
    going: list[_Chain] = []
    for place, slot in zip(*np.nonzero(free), strict=True):
        row = first_row + int(place)
        (at, size), now_s = _place(figures.xy[row, slot]), float(figures.time_s[row])
        going = [chain for chain in going if now_s - chain.time_s <= SAME_S]
        near = [
            (float(np.linalg.norm(chain.at - at)), k)
            for k, chain in enumerate(going)
            if chain.time_s < now_s and np.linalg.norm(chain.at - at) <= SAME_SHARE * max(size, chain.size)
        ]
        if near:
            chain = going[min(near)[1]]
            chain.at, chain.size, chain.time_s = at, size, now_s
            chain.members.append((row, int(slot)))
        else:
            chain = _Chain(at, size, now_s, [(row, int(slot))])
            chains.append(chain)
            going.append(chain)
    return chains
