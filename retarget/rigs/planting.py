"""Feet that stand stay where they stand: the root's path gives way first, then the legs by a little.

Each stretch of a foot's contact has one place on the floor, an unknown. The root's path is the smoothest departure
from the scaled one that keeps the standing feet at their places (linear least squares over the take, as the limbs'
directions are given). With legs of other proportions two standing feet cannot both be kept so; what is left, two-bone
IK takes up, faded in and out over `FADE_S`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.rigs.limbs import bend_limb
from retarget.rigs.rig import SIDES, Rig
from retarget.rigs.transfer import placed, reach
from retarget.rigs.turns import turned
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPEED_M_S, LIFTED_M = 0.12, 0.035
"""A point of the foot stands while it is slower and less lifted above its own standing height than this.

At 1.75 m; smaller and larger bodies by their legs. Walking feet swing at 3 to 5 m/s. What a foot moves in the first and
last frame of a stand, its leg has to give, or the limbs' directions: so the speed is low.
"""

LEAST_S = 0.08
"""A shorter touch is no stand."""

FADE_S = 0.12
"""Over this the legs take up what the root leaves, and give it back."""

PLANTED_M, PLACED_M, DEPARTED, ACCELERATED = 0.002, 0.02, 0.02, 0.5
"""What counts as much: a standing foot 2 mm off its place for a frame, the place 2 cm off the scaled one; and, for a
second, the root 2 cm off the scaled path, or accelerated by half a metre a second squared more than it is. (Where the
source's own feet slide, a root that followed them for nothing would walk away from the path, step by step.)
"""

USUAL_LEG_M = 0.90


@dataclass(frozen=True, eq=False)
class Contacts:
    """When points of the feet stand.

    Attributes
    ----------
    standing
        By part ("left_toe": the ball of the foot; "left_foot": the ankle, where the ball does not stand): (frames,) of
        bool.
    """

    standing: dict[str, Mask]


def find_contacts(motion: Motion, rig: Rig) -> Contacts:
    """Find when the source's feet stand: slow, and near the lowest they ever are."""
    position, _ = placed(motion)
    scale = rig.leg_m() / USUAL_LEG_M
    standing = {}
    for side in SIDES:
        for part in ("foot", "toe"):
            role = f"{side}_{part}"
            if role not in rig.role:
                continue
            path = position[rig.role[role]]
            speed = np.linalg.norm(np.gradient(path, motion.time_s, axis=0), axis=1) if len(path) > 1 else np.zeros(1)
            # A take in which the foot never stands has no floor here: nothing is slow enough, then.
            floor = float(np.quantile(path[:, 2], 0.05))
            still = (speed < SPEED_M_S * scale) & (path[:, 2] < floor + LIFTED_M * scale)
            standing[role] = _long_enough(still, motion.time_s)
        if f"{side}_toe" in standing:
            # One point at a time: where the ball stands, how the ankle is above it is the foot's own rotation.
            standing[f"{side}_foot"] = _long_enough(standing[f"{side}_foot"] & ~standing[f"{side}_toe"], motion.time_s)
    return Contacts(standing)


def _long_enough(still: Mask, time_s: Array) -> Mask:
    kept = np.zeros_like(still)
    for start, stop in spans(still):
        if time_s[stop - 1] - time_s[start] >= LEAST_S:
            kept[start:stop] = True
    return kept


def spans(mask: Mask) -> list[tuple[int, int]]:
    """Return the stretches of True, as start and stop."""
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Stand:
    """A stretch of contact: which part, from which frame to which, and where it stands (3,), metres."""

    role: str
    start: int
    stop: int
    place_m: Array


def plant_root(
    target: Rig, rotations: Array, root_m: Array, contacts: Contacts, time_s: Array
) -> tuple[Array, list[Stand]]:
    """Return the root's path (frames, 3) that keeps standing feet at their places, and these places."""
    stretches = [
        (role, start, stop)
        for role, standing in contacts.standing.items()
        if role in target.role
        for start, stop in spans(standing)
    ]
    if not stretches or len(time_s) < 3:
        return root_m, []
    from_root = {role: reach(target, rotations, target.role[role]) for role in contacts.standing if role in target.role}
    # Unknowns: the root's departure from the scaled path in every frame, and the place of every stand. The places are
    # eliminated: their columns are few, and what couples the frames otherwise is a band of five.
    frames = len(time_s)
    band = _departure_terms(time_s)
    towards = np.zeros((frames, 3))
    columns = np.zeros((frames, len(stretches)))
    place_weight, place_pull = np.zeros(len(stretches)), np.zeros((len(stretches), 3))
    weight = 1 / PLANTED_M**2
    for k, (role, start, stop) in enumerate(stretches):
        foot = (root_m + from_root[role])[start:stop]
        band[0, start:stop] += weight
        towards[start:stop] -= weight * foot
        columns[start:stop, k] = -weight
        # On the floor where the source's foot is, at the height that the rig's own rest has.
        usual = foot.mean(axis=0)
        usual[2] = target.rest_m[target.role[role], 2]
        place_weight[k] = weight * (stop - start) + 1 / PLACED_M**2
        place_pull[k] = weight * foot.sum(axis=0) + usual / PLACED_M**2
    solved = solve_banded(band, np.concatenate([towards, columns], axis=1))
    of_towards, of_columns = solved[:, :3], solved[:, 3:]
    reduced = np.diag(place_weight) - columns.T @ of_columns
    places = np.linalg.solve(reduced, place_pull - columns.T @ of_towards)
    path: Array = root_m + of_towards - of_columns @ places
    stands = [Stand(role, start, stop, places[k]) for k, (role, start, stop) in enumerate(stretches)]
    return path, stands


def _departure_terms(time_s: Array) -> Array:
    """Return what a departure costs by its size and acceleration: band (3, frames), [k, i] links frames i and i + k."""
    frames = len(time_s)
    step = np.diff(time_s)
    width = (step[:-1] + step[1:]) / 2
    before, after = 1 / (step[:-1] * width), 1 / (step[1:] * width)
    weight = width / ACCELERATED**2
    middle = -(before + after)
    band = np.zeros((3, frames))
    band[0] += float(np.median(step)) / DEPARTED**2
    for shift, value in ((0, before), (1, middle), (2, after)):
        band[0, shift : frames - 2 + shift] += weight * value**2
    band[1, : frames - 2] += weight * before * middle
    band[1, 1 : frames - 1] += weight * middle * after
    band[2, : frames - 2] += weight * before * after
    return band


def solve_banded(band: Array, right: Array) -> Array:
    """Solve A x = right (n, k) for a symmetric positive A of half bandwidth 2, band[j, i] = A[i + j, i]: Cholesky."""
    n = band.shape[1]
    factor = np.zeros((n, 3))
    x = np.array(right, dtype=np.float64)
    for i in range(n):  # a recursion: five numbers a step, and the right-hand sides at once
        two = band[2, i - 2] / factor[i - 2, 0] if i > 1 else 0.0
        one = (band[1, i - 1] - two * (factor[i - 1, 2] if i > 1 else 0.0)) / factor[i - 1, 0] if i else 0.0
        factor[i] = np.sqrt(band[0, i] - one * one - two * two), two, one
        if i:
            x[i] -= one * x[i - 1]
        if i > 1:
            x[i] -= two * x[i - 2]
        x[i] /= factor[i, 0]
    for i in range(n - 1, -1, -1):
        if i + 1 < n:
            x[i] -= factor[i + 1, 2] * x[i + 1]
        if i + 2 < n:
            x[i] -= factor[i + 2, 1] * x[i + 2]
        x[i] /= factor[i, 0]
    return x


def plant_feet(target: Rig, rotations: Array, root_m: Array, stands: list[Stand], time_s: Array) -> Array:
    """Return the rotations with the legs bent so that standing feet are exactly at their places."""
    bent = rotations.copy()
    for side in SIDES:
        foot = target.role[f"{side}_foot"]
        ankle = root_m + reach(target, rotations, foot)
        correction, held = np.zeros_like(ankle), np.zeros(len(ankle), dtype=bool)
        for stand in stands:
            if not stand.role.startswith(side):
                continue
            inside = slice(stand.start, stand.stop)
            to_ankle = np.zeros((stand.stop - stand.start, 3))
            if stand.role.endswith("_toe"):
                rest = target.rest_m[foot] - target.rest_m[target.role[stand.role]]
                to_ankle = turned(rotations[foot, inside], rest)
            correction[inside] = stand.place_m + to_ankle - ankle[inside]
            held[inside] = True
        if not held.any():
            continue
        chain = tuple(target.role[f"{side}_{part}"] for part in ("thigh", "shin", "foot"))
        bend_limb(target, bent, chain, root_m, _faded(correction, held, time_s), target.front)
    return bent


def _faded(correction: Array, held: Mask, time_s: Array) -> Array:
    """Return corrections (frames, 3) that go smoothly to nothing before and after each stand, or over to the next."""
    at = np.flatnonzero(held)
    between = np.stack([np.interp(time_s, time_s[at], correction[at, axis]) for axis in range(3)], axis=1)
    last = np.maximum.accumulate(np.where(held, np.arange(len(held)), -1))
    following = np.minimum.accumulate(np.where(held, np.arange(len(held)), len(held))[::-1])[::-1]
    since = np.where(last >= 0, time_s - time_s[np.maximum(last, 0)], np.inf)
    until = np.where(following < len(held), time_s[np.minimum(following, len(held) - 1)] - time_s, np.inf)
    away = np.clip(np.minimum(since, until) / FADE_S, 0, 1)
    fade = 1 - away * away * (3 - 2 * away)
    faded: Array = between * fade[:, None]
    return faded
