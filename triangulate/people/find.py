"""Who is in a take: the use case, from every camera's figures to numbered persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from clapcap.progress import Progress, silent
from skeleton.keypoints import Keypoints2D
from triangulate.people.appearances import Appearance, claim_continued, find_appearances
from triangulate.people.figures import Figures, gather_figures
from triangulate.people.identities import Identity, identify
from triangulate.people.tracks import follow_people

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NOBODY = -1


@dataclass(frozen=True)
class Person:
    """One person of a take, as far as words go.

    Attributes
    ----------
    number
        From 1: the longer and the better somebody is seen, the smaller.
    from_s, to_s
        Session time of the first and the last figure.
    solid_s
        Seconds in which two cameras or more agree on where the person is.
    cameras
        Share of each camera's pictures that show the person.
    """

    number: int
    from_s: float
    to_s: float
    solid_s: float
    cameras: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class People:
    """Who is where.

    Attributes
    ----------
    persons
        By number; the first is the main one.
    slots
        By camera: (pictures, persons) of int: which figure of the picture is the person: 0 the main one of
        `Keypoints2D`, k its row k - 1 of the others; -1: not seen.
    time_s
        (moments,): session time of `middle_m`.
    middle_m
        (persons, moments, 3): where each person is, world, metres; NaN where fewer than two cameras agree.
    appearances
        Figures that no two cameras agree on.
    alone
        There is one person at most, always as the main figure: views are as if nobody had looked for people.
    """

    persons: tuple[Person, ...]
    slots: Mapping[str, Ints]
    time_s: Array
    middle_m: Array
    appearances: tuple[Appearance, ...]
    alone: bool = False

    def view(self, camera: str, keypoints: Keypoints2D, person: int) -> Keypoints2D:
        """Return what a camera saw of one person.

        Parameters
        ----------
        camera, keypoints
            The camera, and all that it saw.
        person
            The number.

        Raises
        ------
        TriangulationError
            If there is no person of that number, or the keypoints are not those that persons were looked for in.
        """
        if not 1 <= person <= len(self.persons):
            known = ", ".join(str(one.number) for one in self.persons) or "nobody"
            raise TriangulationError(f"there is no person {person} in this take: found {known}. Choose one of them.")
        if camera not in self.slots or len(self.slots[camera]) != len(keypoints.time_s):
            raise TriangulationError(
                f"{camera}: its keypoints are not those that the people were found in. Process the take again."
            )
        return chosen_figures(keypoints, self.slots[camera][:, person - 1])


def chosen_figures(keypoints: Keypoints2D, slots: Ints) -> Keypoints2D:
    """Return the keypoints of one figure a picture: slots (pictures,) as in `People.slots`."""
    main = slots == 0
    if main.all():
        return replace(keypoints, others_xy_px=None, others_confidence=None)
    xy_px = np.where(main[:, None, None], keypoints.xy_px, np.nan)
    confidence = np.where(main[:, None], keypoints.confidence, 0.0)
    other = np.flatnonzero(slots > 0)
    if keypoints.others_xy_px is not None and keypoints.others_confidence is not None:
        xy_px[other] = keypoints.others_xy_px[other, slots[other] - 1]
        confidence[other] = keypoints.others_confidence[other, slots[other] - 1]
    world_m = keypoints.world_m
    if world_m is not None:
        world_m = np.where(main[:, None, None], world_m, np.nan)
    return replace(
        keypoints, xy_px=xy_px, confidence=confidence, world_m=world_m, others_xy_px=None, others_confidence=None
    )


def find_people(views: Mapping[str, Keypoints2D], cameras: CameraGroup, progress: Progress = silent) -> People:
    """Tell which figure of which picture is which person.

    Parameters
    ----------
    views
        Each camera's keypoints at its own pictures, with whom else it saw, in session time; clocks may be some
        hundredths of a second off.
    cameras
        The calibration, which knows every view.
    progress
        Told moments.

    Returns
    -------
    People
        Nobody, if no two cameras agree on anybody.

    Notes
    -----
    With one person in the take, every picture's main figure is that person, unless it is an appearance of its own:
    whatever a detector saw is then used as it would be without looking for people.
    """
    figures = gather_figures(views, cameras)
    people, owner = identify(figures, follow_people(figures, progress))
    claim_continued(figures, owner, [figures.moments_s[person.moments] for person in people])
    appearances = find_appearances(figures, owner)
    if len(people) == 1:
        main = figures.there[:, 0].copy()
        for appearance in appearances:
            main[appearance.rows[appearance.slots == 0]] = False
        owner[main] = NOBODY
        owner[main, 0] = 0
    ranks = np.argsort([-_prominence(figures, owner, place) for place in range(len(people))], kind="stable")
    step_s = float(np.median(np.diff(figures.moments_s))) if len(figures.moments_s) > 1 else 0.0
    slots = _slots(figures, owner, ranks)
    return People(
        persons=tuple(
            _person(figures, owner, people[place], int(place), number, step_s) for number, place in enumerate(ranks, 1)
        ),
        slots={name: slots[figures.rows_of(c)] for c, name in enumerate(figures.cameras.names)},
        time_s=figures.moments_s,
        middle_m=_middles(figures, [people[place] for place in ranks]),
        appearances=tuple(appearances),
        alone=not people or (len(people) == 1 and bool((owner[figures.there[:, 0], 0] >= 0).all())),
    )


def _prominence(figures: Figures, owner: Ints, place: int) -> float:
    """Return how long and how well somebody is seen: confidence times size in the picture, over all pictures."""
    row, slot = np.nonzero(owner == place)
    xy, weight = figures.xy[row, slot], figures.weight[row, slot]
    known = np.isfinite(xy).all(axis=-1, keepdims=True)
    low, high = np.where(known, xy, np.inf).min(axis=1), np.where(known, xy, -np.inf).max(axis=1)
    size = np.linalg.norm(np.where(known.any(axis=1), high - low, 0.0), axis=-1)
    return float((weight.mean(axis=-1) * size).sum())


def _slots(figures: Figures, owner: Ints, ranks: Ints) -> Ints:
    slots = np.full((len(owner), len(ranks)), NOBODY)
    for column, place in enumerate(ranks):
        row, slot = np.nonzero(owner == place)
        slots[row, column] = slot
    return slots


def _person(figures: Figures, owner: Ints, identity: Identity, place: int, number: int, step_s: float) -> Person:
    shown = (owner == place).any(axis=1)
    when_s = figures.time_s[shown]
    return Person(
        number=number,
        from_s=float(when_s.min()),
        to_s=float(when_s.max()),
        solid_s=len(identity.moments) * step_s,
        cameras={name: float(shown[figures.rows_of(c)].mean()) for c, name in enumerate(figures.cameras.names)},
    )


def _middles(figures: Figures, people: list[Identity]) -> Array:
    middle_m = np.full((len(people), len(figures.moments_s), 3), np.nan)
    for place, person in enumerate(people):
        middle_m[place, person.moments] = person.middles_m
    return middle_m
