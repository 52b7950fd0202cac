"""New people: figures that nobody has yet, in two cameras or more, whose rays meet in one plausible body.

Two cameras that look level can agree by chance on a body that is not there (one's figure of one person with the other's
of another), so that pairs are followed through the next pictures, and the cameras that ought to see the body as well
are asked: the pair that most others support comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triangulate.people.distance import Geometry, capped_mean, distances_m, rays_meet
from triangulate.people.figures import Figures

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Figures are followed through this many pictures, this far apart: long enough for a step to tell two people apart.
STEPS, STEP_S = 5, 0.1
# Rays of one person's points pass each other at 0.02 to 0.085 m on average, those of two people at 0.13 m and more,
# 0.31 in the median (5 to 95 and 5 % of pairs, rendered crossing of benchmarks.people).
PAIR_M = 0.14
# Another camera's figure belongs to the body within this distance; one as near as the second may hide it.
SUPPORT_M, HIDES_M = 0.25, 0.5
# What a camera that should see the body but does not costs, in cameras that do see it.
MISSING_COST = 0.5
# Nobody is born within this distance of somebody who is there.
APART_M = 0.3
# From between the shoulders to between the hips: small children to giants, with room for error.
TORSO_M = (0.18, 0.85)
LARGEST_M = 2.8
# Pairs that are asked for support at a time, best first: bounds the cost where many are free.
CANDIDATES = 48


@dataclass(frozen=True, eq=False)
class Birth:
    """A new person.

    Attributes
    ----------
    members
        One figure (row, slot) of each of several cameras.
    body_m
        (points, 3), metres: where the rays of the best two meet.
    """

    members: tuple[tuple[int, int], ...]
    body_m: Array


def find_births(
    figures: Figures, geometry: Geometry, moment: int, free: Sequence[tuple[int, int]], there_m: Array
) -> list[Birth]:
    """Find new people at a moment.

    Parameters
    ----------
    figures, geometry
        What the cameras saw, and where they are.
    moment
        Place in `figures.moments_s`.
    free
        The figures (row, slot) at this moment that nobody has.
    there_m
        (people, 3): where those are whom we know, metres.
    """
    camera = figures.camera[[row for row, _ in free]]
    if len(np.unique(camera)) < 2:
        return []
    xy, weight = _followed(figures, moment, free)
    pairs, cost_m, bodies_m = _pairs(figures, geometry, camera, xy, weight)
    far = np.linalg.norm(_middle(bodies_m[:, 0])[:, None] - there_m[None], axis=-1) > APART_M
    kept = far.all(axis=1)
    pairs, cost_m, bodies_m = pairs[kept], cost_m[kept], bodies_m[kept]
    if len(pairs) == 0:
        return []
    near_m = _near(figures, geometry, camera, xy, weight, bodies_m)
    asked = _in_view(figures, bodies_m[:, 0]) & ~_hidden(figures, geometry, moment, bodies_m[:, 0])
    open_ = np.ones(len(free), dtype=bool)
    births: list[Birth] = []
    while True:
        supporting = [
            _nearest_per_camera(np.where(open_, near_m[k], np.inf), camera, pairs[k]) if open_[pairs[k]].all() else []
            for k in range(len(pairs))
        ]
        score = np.full(len(pairs), -np.inf)
        for k, members in enumerate(supporting):
            seen = np.zeros(len(figures.cameras), dtype=bool)
            seen[camera[members]] = True
            missing = int((asked[:, k] & ~seen).sum())
            if len(members) >= 2 and missing <= len(members):
                score[k] = len(members) - MISSING_COST * missing - cost_m[k] / PAIR_M
        best = int(score.argmax())
        if not np.isfinite(score[best]):
            return births
        members = supporting[best]
        births.append(Birth(tuple(free[place] for place in members), bodies_m[best, 0]))
        open_[members] = False
        apart = np.linalg.norm(_middle(bodies_m[:, 0]) - _middle(bodies_m[best, 0]), axis=-1) > APART_M
        pairs, cost_m, bodies_m, near_m = pairs[apart], cost_m[apart], bodies_m[apart], near_m[apart]
        asked = asked[:, apart]
        if len(pairs) == 0:
            return births


def _followed(figures: Figures, moment: int, free: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Return the free figures in this and later pictures: (figures, steps, points, 2) and weights, 0 where lost."""
    step = max(1, round(STEP_S / float(np.median(np.diff(figures.moments_s))))) if len(figures.moments_s) > 1 else 1
    moments = moment + step * np.arange(STEPS)
    moments = moments[moments < len(figures.moments_s)]
    xy = np.full((len(free), len(moments), len(figures.names), 2), np.nan)
    weight = np.zeros(xy.shape[:3])
    for place, (row, slot) in enumerate(free):
        rows = figures.row_at[moments, figures.camera[row]]
        shown = np.flatnonzero(rows >= row)
        slots = figures.followed(row, slot, rows[shown])
        there = slots >= 0
        at = rows[shown[there]], slots[there]
        xy[place, shown[there]], weight[place, shown[there]] = figures.xy[at], figures.weight[at]
    return xy, weight


def _pairs(figures: Figures, geometry: Geometry, camera: Ints, xy: Array, weight: Array) -> tuple[Ints, Array, Array]:
    """Return pairs (pairs, 2) of figures that agree, by how far their rays pass (pairs,), and their bodies.

    Bodies are (pairs, steps, points, 3), metres, sides as in the first figure.
    """
    first, second = np.triu_indices(len(camera), 1)
    differ = camera[first] != camera[second]
    first, second = first[differ], second[differ]
    direction = geometry.directions(xy, camera)
    center = geometry.center_m[camera][:, None, None]
    best_m, bodies = np.full(len(first), np.inf), np.full((len(first), *xy.shape[1:3], 3), np.nan)
    for order in (np.arange(len(figures.names)), figures.mirror):
        apart_m, middle = rays_meet(center[first], direction[first], center[second], direction[second][:, :, order])
        both = np.minimum(weight[first], weight[second][:, :, order])
        cost_m = capped_mean(apart_m.reshape(len(first), -1), both.reshape(len(first), -1))
        better = cost_m < best_m
        best_m = np.where(better, cost_m, best_m)
        bodies[better] = middle[better]
    good = np.flatnonzero((best_m <= PAIR_M) & _plausible(figures, bodies[:, 0]))
    good = good[np.argsort(best_m[good], kind="stable")][:CANDIDATES]
    return np.stack([first[good], second[good]], axis=1), best_m[good], bodies[good]


def _plausible(figures: Figures, body_m: Array) -> Bools:
    """Tell which bodies (bodies, points, 3) have a person's size."""
    known = np.isfinite(body_m).all(axis=-1)
    low = np.where(known[..., None], body_m, np.inf).min(axis=1)
    high = np.where(known[..., None], body_m, -np.inf).max(axis=1)
    with np.errstate(invalid="ignore"):
        fits = known.any(axis=1) & ((high - low).max(axis=-1) <= LARGEST_M)
    torso_m = torso_length_m(figures.names, body_m)
    # A torso that is not seen whole speaks neither for nor against.
    result: Bools = fits & ~((torso_m < TORSO_M[0]) | (torso_m > TORSO_M[1]))
    return result


def torso_length_m(names: tuple[str, ...], body_m: Array) -> Array:
    """Return the way from between the shoulders to between the hips of bodies (..., points, 3), metres; else NaN."""
    ends = []
    for joint in ("shoulder", "hip"):
        pair = [names.index(f"{side}_{joint}") for side in ("left", "right") if f"{side}_{joint}" in names]
        if len(pair) < 2:
            return np.full(body_m.shape[:-2], np.nan)
        ends.append(body_m[..., pair, :].mean(axis=-2))
    length: Array = np.linalg.norm(ends[0] - ends[1], axis=-1)
    return length


def _middle(body_m: Array) -> Array:
    """Return the middle of bodies (bodies, points, 3), or of one: median over the known points."""
    middle: Array = np.nanmedian(body_m, axis=-2)
    return middle


def _near(figures: Figures, geometry: Geometry, camera: Ints, xy: Array, weight: Array, bodies_m: Array) -> Array:
    """Return how far free figures are from bodies over all steps: (bodies, figures), metres."""
    P = geometry.R[camera], geometry.t[camera]
    local = np.einsum("nij,kspj->knspi", P[0], bodies_m) + P[1][None, :, None, None]
    depth = np.where(local[..., 2] > 0, local[..., 2], np.nan)
    expected = local[..., :2] / depth[..., None]
    distance = np.full(expected.shape[:2], np.inf)
    for order in (np.arange(len(figures.names)), figures.mirror):
        apart_m = np.linalg.norm(expected - xy[:, :, order], axis=-1) * depth
        flat = apart_m.reshape(*apart_m.shape[:2], -1)
        distance = np.minimum(distance, capped_mean(flat, weight[:, :, order].reshape(1, len(camera), -1)))
    return distance


def _nearest_per_camera(near_m: Array, camera: Ints, pair: Ints) -> list[int]:
    """Return the pair, and of each other camera its nearest figure that supports the body."""
    members = [int(place) for place in pair]
    for c in np.unique(camera):
        if c in camera[pair]:
            continue
        own = np.flatnonzero(camera == c)
        nearest = own[near_m[own].argmin()]
        if near_m[nearest] <= SUPPORT_M:
            members.append(int(nearest))
    return members


def _in_view(figures: Figures, body_m: Array) -> Bools:
    """Tell which cameras have the middle of which bodies (bodies, points, 3) in their picture: (cameras, bodies)."""
    middle = _middle(body_m)
    inside = np.zeros((len(figures.cameras), len(body_m)), dtype=bool)
    for c, camera in enumerate(figures.cameras):
        xy_px = camera.project(middle)
        with np.errstate(invalid="ignore"):
            inside[c] = ((xy_px >= 0) & (xy_px <= np.array(camera.size_px) - 1)).all(axis=-1)
    return inside


def _hidden(figures: Figures, geometry: Geometry, moment: int, body_m: Array) -> Bools:
    """Tell where a body may be hidden by, or taken for, another figure, or no picture was taken: (cameras, bodies)."""
    rows = figures.row_at[moment]
    bodies = np.broadcast_to(body_m, (len(rows), *body_m.shape))
    distance, _ = distances_m(geometry, bodies, figures.xy[rows], figures.weight[rows], figures.mirror)
    hidden: Bools = (distance <= HIDES_M).any(axis=2) | (rows < 0)[:, None]
    return hidden
