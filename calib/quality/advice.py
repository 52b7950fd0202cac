"""What to do next while the board is being filmed, and when it is enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from calib.quality.board_looks import REGION_NAMES
from calib.quality.live_views import LiveViews
from calib.quality.verdict import WANTED_SHARED_VIEWS, WANTED_VIEWS

WANTED_TILTS = 4
"""Views leaning, and views turned: Zhang (2000, section 5.1) gains little from more than some ten views in all."""

WANTED_REGIONS = 6
"""Of the nine thirds of a picture: ceilings and walls behind furniture cannot be reached with a board."""

LYING_S = 1.0
"""So long must the board lie still at the end; twice what the search for the floor needs."""


@dataclass(frozen=True)
class Advice:
    """What to do next.

    Attributes
    ----------
    text
        A sentence.
    about
        The cameras it is about.
    progress
        Share of what is wanted that is done, 0 to 1.
    enough
        Whether nothing more is wanted.
    """

    text: str
    about: tuple[str, ...]
    progress: float
    enough: bool


def next_advice(seen: LiveViews) -> Advice:
    """Say what to do next: the first that is lacking of what follows, each for the camera that lacks most of it.

    Sharp pictures; the board in every camera; every camera with another one, until all are connected; tilts; the
    picture's edges; the number of views; and last the board on the floor.
    """
    progress = _progress(seen)
    for advise in (_hold_still, _show, _connect, _tilt, _spread, _go_on):
        found = advise(seen)
        if found is not None:
            text, about = found
            return Advice(text, tuple(seen.names[camera] for camera in about), progress, False)
    if seen.still_s < LYING_S:
        return Advice("Last: lay the board flat on the floor, print up, in view of the cameras, and step back.",
                      (), 1.0, False)  # fmt: skip
    return Advice("Enough: every camera has seen what it needs.", (), 1.0, True)


def missing_link(seen: LiveViews) -> tuple[int, int] | None:
    """Return two cameras that should see the board together; None where shared views connect all cameras.

    Of two groups that are not connected, those of one another that have shared most, else that have seen most.
    """
    groups, label = connected_components(seen.shared >= WANTED_SHARED_VIEWS, directed=False)
    if groups == 1:
        return None
    apart = label[:, None] != label
    worth = np.where(apart, seen.shared + np.minimum(seen.views[:, None], seen.views) / (1 + seen.views.max()), -1.0)
    first, second = np.unravel_index(int(worth.argmax()), worth.shape)
    return int(first), int(second)


def _progress(seen: LiveViews) -> float:
    """Return the share of what is wanted that is done; the floor apart."""
    most_shared = np.where(np.eye(len(seen.names), dtype=bool), 0, seen.shared).max(axis=1, initial=0)
    parts = [
        seen.views / WANTED_VIEWS,
        most_shared / WANTED_SHARED_VIEWS,
        seen.leaning / WANTED_TILTS,
        seen.turned / WANTED_TILTS,
        seen.regions.sum(axis=(1, 2)) / WANTED_REGIONS,
    ]
    return float(np.minimum(parts, 1).mean())


def _show(seen: LiveViews) -> tuple[str, tuple[int, ...]] | None:
    blind = tuple(int(camera) for camera in np.flatnonzero(seen.views == 0))
    if not blind:
        return None
    if len(blind) == len(seen.names):
        return "Show the board to the cameras, print towards them.", blind
    return f"Show the board to {_and([seen.names[camera] for camera in blind])}: not seen there yet.", blind


def _hold_still(seen: LiveViews) -> tuple[str, tuple[int, ...]] | None:
    smeared = tuple(int(camera) for camera in np.flatnonzero(seen.blurred))
    if not smeared or len(smeared) < seen.here.sum():
        return None
    names = _and([seen.names[camera] for camera in smeared])
    return f"Too blurred in {names}: move the board more slowly, focus, or make more light.", smeared


def _connect(seen: LiveViews) -> tuple[str, tuple[int, ...]] | None:
    link = missing_link(seen)
    if link is None:
        return None
    one, other = (seen.names[camera] for camera in link)
    return f"Show the board to {one} and {other} together, and move it about there.", link


def _tilt(seen: LiveViews) -> tuple[str, tuple[int, ...]] | None:
    for counts, how in ((seen.leaning, "its top, then its bottom"), (seen.turned, "its left, then its right side")):
        camera = int(counts.argmin())
        if counts[camera] < WANTED_TILTS:
            return f"Tilt the board before {seen.names[camera]}: {how} nearer to the camera.", (camera,)
    return None


def _spread(seen: LiveViews) -> tuple[str, tuple[int, ...]] | None:
    counts = seen.regions.sum(axis=(1, 2))
    camera = int(counts.argmin())
    if counts[camera] >= WANTED_REGIONS:
        return None
    # Corners of the picture first: they tell most of the lens, and their neighbours come on the way.
    order = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 0), (1, 2), (0, 1), (2, 1), (1, 1)]
    row, column = next(place for place in order if not seen.regions[camera][place])
    return f"Go to {REGION_NAMES[row][column]} of {seen.names[camera]}'s picture.", (camera,)


def _go_on(seen: LiveViews) -> tuple[str, tuple[int, ...]] | None:
    camera = int(seen.views.argmin())
    if seen.views[camera] >= WANTED_VIEWS:
        return None
    return f"Go on before {seen.names[camera]}: near, far, in other places.", (camera,)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
