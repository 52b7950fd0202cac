"""Identities: fragments of tracks joined to persons, exchanges after encounters undone, mere appearances dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from triangulate.people.bones import BoneLengths, bone_lengths, difference
from triangulate.people.figures import Figures
from triangulate.people.tracks import Tracked

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Less than this (seconds in which two cameras agree) is no track to build on, and no person.
LEAST_TRACK_S, LEAST_PERSON_S = 0.15, 0.5
# Two tracks of one person at one time: their middles within this distance for most of the moments that they share.
DOUBLE_M = 0.3
# Who was lost comes back where people can get to meanwhile; after long, anywhere.
NEAR_M, WALK_M_S, ANYWHERE_S = 0.6, 1.5, 4.0
# Two fragments are one person's if their bones are no more unlike (`bones.difference`) than this, and the way counts
# this much: halves of the rendered crossing are at 0.1 to 0.2 for one person, at 1.8 to 2.5 for the two, who differ
# by a tenth in height.
UNLIKE, WAY_COST = 1.5, 1.0
# Encounters: nearer than this; the bones of this long before and after are compared, and exchanged only if that fits
# better by this much.
ENCOUNTER_M, ASIDE_S, CLEARLY = 0.8, 3.0, 3.0


@dataclass(eq=False)
class Identity:
    """One person: numbers of the tracks, and where two cameras or more agree.

    Attributes
    ----------
    tracks
        The tracks' numbers, in order of time.
    moments
        (n,), ascending.
    bodies_m
        (n, points, 3), world, metres.
    views
        (n,): how many cameras agree.
    """

    tracks: list[int]
    moments: Ints
    bodies_m: Array
    views: Ints

    @property
    def middles_m(self) -> Array:
        """(n, 3): the middle of the body."""
        middle: Array = np.nanmedian(self.bodies_m, axis=1)
        return middle


def identify(figures: Figures, tracked: Tracked) -> tuple[list[Identity], Ints]:
    """Return the persons, and who has which figure: (rows, slots), place in the list or -1."""
    step_s = float(np.median(np.diff(figures.moments_s))) if len(figures.moments_s) > 1 else 1.0
    people = [
        Identity([track.number], np.array(track.moments), np.array(track.bodies_m), np.array(track.views))
        for track in tracked.tracks
        if len(track.moments) * step_s >= LEAST_TRACK_S
    ]
    people = _without_doubles(people)
    people = _joined(figures, people)
    place_of = np.full(len(tracked.tracks) + 1, -1)  # the last: nobody
    order = sorted(range(len(people)), key=lambda k: int(people[k].moments[0]))
    people = [people[k] for k in order]
    people = [person for person in people if len(person.moments) * step_s >= LEAST_PERSON_S]
    for place, person in enumerate(people):
        place_of[person.tracks] = place
    owner = place_of[tracked.owner]
    _one_figure_a_picture(owner, tracked.owner)
    _undo_exchanges(figures, people, owner)
    _fill_along_links(figures, tracked, owner)
    return people, owner


def _without_doubles(people: list[Identity]) -> list[Identity]:
    """Merge tracks that were the same body at the same time."""
    people = sorted(people, key=lambda person: -len(person.moments))
    kept: list[Identity] = []
    for person in people:
        for other in kept:
            common, ours, theirs = np.intersect1d(person.moments, other.moments, return_indices=True)
            if len(common) * 2 < len(person.moments):
                continue
            apart_m = np.linalg.norm(person.middles_m[ours] - other.middles_m[theirs], axis=-1)
            if np.median(apart_m) <= DOUBLE_M:
                other.tracks.append(person.tracks[0])
                break
        else:
            kept.append(person)
    return kept


def _joined(figures: Figures, people: list[Identity]) -> list[Identity]:
    """Join those who ended with those who began later."""
    while len(people) > 1:
        bones = [bone_lengths(figures.names, person.bodies_m) for person in people]
        cost = np.full((len(people), len(people)), np.inf)
        for a, first in enumerate(people):
            for b, second in enumerate(people):
                if first.moments[-1] < second.moments[0]:
                    cost[a, b] = _join_cost(figures, first, second, bones[a], bones[b])
        limit = UNLIKE + WAY_COST
        rows, columns = linear_sum_assignment(np.where(cost <= limit, cost - limit, 0.0))
        chosen = [(a, b) for a, b in zip(rows, columns, strict=True) if cost[a, b] <= limit]
        if not chosen:
            break
        # One at a time, the surest first: joined, its bones are better known.
        a, b = min(chosen, key=lambda pair: cost[pair])
        first, second = people[a], people[b]
        together = Identity(
            first.tracks + second.tracks,
            np.concatenate([first.moments, second.moments]),
            np.concatenate([first.bodies_m, second.bodies_m]),
            np.concatenate([first.views, second.views]),
        )
        people = [person for k, person in enumerate(people) if k not in (a, b)] + [together]
    return people


def _join_cost(
    figures: Figures, first: Identity, second: Identity, bones: BoneLengths, other_bones: BoneLengths
) -> float:
    """Return how little two fragments look like one person: bones and way; infinity if that cannot be."""
    gap_s = float(figures.moments_s[second.moments[0]] - figures.moments_s[first.moments[-1]])
    unlike = difference(bones, other_bones)
    if unlike > UNLIKE:
        return np.inf
    if gap_s > ANYWHERE_S:
        return unlike + WAY_COST
    way_m = float(np.linalg.norm(np.nanmedian(second.bodies_m[0] - first.bodies_m[-1], axis=0)))
    share = way_m / (NEAR_M + WALK_M_S * gap_s)
    return unlike + WAY_COST * share if share <= 1 else np.inf


def _one_figure_a_picture(owner: Ints, track: Ints) -> None:
    """Let every person have one figure a picture, in place: the later track's."""
    for first in range(owner.shape[1]):
        for second in range(first + 1, owner.shape[1]):
            twice = (owner[:, first] == owner[:, second]) & (owner[:, first] >= 0)
            earlier = twice & (track[:, first] < track[:, second])
            owner[earlier, first] = -1
            owner[twice & ~earlier, second] = -1


def _undo_exchanges(figures: Figures, people: list[Identity], owner: Ints) -> None:
    """Exchange two persons after an encounter if their bones then fit clearly better, in place."""
    for a in range(len(people)):
        for b in range(a + 1, len(people)):
            for moment in _encounters(figures, people[a], people[b]):
                _undo_exchange(figures, people, owner, a, b, moment)


def _encounters(figures: Figures, first: Identity, second: Identity) -> list[int]:
    """Return the moments at which two persons part after they have been near each other."""
    common, ours, theirs = np.intersect1d(first.moments, second.moments, return_indices=True)
    if len(common) == 0:
        return []
    near = np.linalg.norm(first.middles_m[ours] - second.middles_m[theirs], axis=-1) < ENCOUNTER_M
    if not near.any():
        return []
    at_s = figures.moments_s[common[near]]
    ends = np.append(np.diff(at_s) > 0.5, True)
    return [int(moment) for moment in common[near][ends]]


def _undo_exchange(figures: Figures, people: list[Identity], owner: Ints, a: int, b: int, moment: int) -> None:
    parts = []
    at_s = figures.moments_s[moment]
    for person in (people[a], people[b]):
        when_s = figures.moments_s[person.moments]
        for inside in (
            (when_s <= at_s) & (when_s > at_s - ASIDE_S),
            (when_s > at_s) & (when_s < at_s + ASIDE_S),
        ):
            if inside.sum() * 0.033 < LEAST_TRACK_S:
                return
            parts.append(bone_lengths(figures.names, person.bodies_m[inside]))
    a_before, a_after, b_before, b_after = parts
    straight = difference(a_before, a_after) + difference(b_before, b_after)
    crossed = difference(a_before, b_after) + difference(b_before, a_after)
    if straight - crossed < CLEARLY:
        return
    later = figures.time_s > at_s
    was_a, was_b = later[:, None] & (owner == a), later[:, None] & (owner == b)
    owner[was_a], owner[was_b] = b, a
    old = (people[a], people[b])
    for place, (mine, other) in ((a, old), (b, old[::-1])):
        before, after = mine.moments <= moment, other.moments > moment
        people[place] = Identity(
            mine.tracks,
            np.concatenate([mine.moments[before], other.moments[after]]),
            np.concatenate([mine.bodies_m[before], other.bodies_m[after]]),
            np.concatenate([mine.views[before], other.views[after]]),
        )


def _fill_along_links(figures: Figures, tracked: Tracked, owner: Ints) -> None:
    """Give figures that nobody has to the person who clearly had them in the picture before or after, in place.

    So a person is known also while one camera alone sees them.
    """
    open_ = figures.there & (owner < 0) & ~tracked.refused
    for links, step in ((figures.before, -1), (figures.after, 1)):
        rows = np.flatnonzero((open_ & (links >= 0)).any(axis=1))
        for row in rows if step < 0 else rows[::-1]:
            for slot in np.flatnonzero(open_[row] & (links[row] >= 0)):
                person = owner[row + step, links[row, slot]]
                if person >= 0 and person not in owner[row]:
                    owner[row, slot] = person
                    open_[row, slot] = False
