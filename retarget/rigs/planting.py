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
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from retarget.rigs.rig import SIDES, Rig
from retarget.rigs.transfer import reach
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
    position = motion.world_positions()
    scale = rig.leg_m() / USUAL_LEG_M
    standing = {}
    for side in SIDES:
        for part in ("foot", "toe"):
            role = f"{side}_{part}"
            if role not in rig.role:
                continue
            path = position[:, rig.role[role]]
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
    target: Rig, rotations: list[Rotation], root_m: Array, contacts: Contacts, time_s: Array
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
    frames = len(time_s)
    from_root = {role: reach(target, rotations, target.role[role]) for role in contacts.standing if role in target.role}
    rows, columns, values, right = [], [], [], []
    count = 0
    for k, (role, start, stop) in enumerate(stretches):
        n = stop - start
        rows += [np.arange(count, count + n)] * 2
        columns += [np.arange(start, stop), np.full(n, frames + k)]
        values += [np.full(n, 1 / PLANTED_M), np.full(n, -1 / PLANTED_M)]
        right.append(-(root_m[start:stop] + from_root[role][start:stop]) / PLANTED_M)
        count += n
    # Places come as departures too: on the floor where the source's foot is, the height as the target's rest has it.
    for k, (role, start, stop) in enumerate(stretches):
        place = (root_m + from_root[role])[start:stop].mean(axis=0)
        place[2] = target.rest_m[target.role[role], 2]
        rows.append(np.array([count]))
        columns.append(np.array([frames + k]))
        values.append(np.array([1 / PLACED_M]))
        right.append(place[None] / PLACED_M)
        count += 1
    step = np.diff(time_s)
    width = (step[:-1] + step[1:]) / 2
    middle = np.arange(1, frames - 1)
    second = {-1: 1 / (step[:-1] * width), 0: -(1 / step[:-1] + 1 / step[1:]) / width, 1: 1 / (step[1:] * width)}
    for offset, value in second.items():
        rows.append(count + middle - 1)
        columns.append(middle + offset)
        values.append(value * np.sqrt(width) / ACCELERATED)
    right.append(np.zeros((frames - 2, 3)))
    count += frames - 2
    rows.append(count + np.arange(frames))
    columns.append(np.arange(frames))
    values.append(np.sqrt(np.median(step)) / DEPARTED * np.ones(frames))
    right.append(np.zeros((frames, 3)))
    count += frames
    size = frames + len(stretches)
    A: csr_matrix = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, size)
    ).tocsr()
    normal = (A.T @ A).tocsc()
    solved = splu(normal).solve(A.T @ np.concatenate(right))
    path: Array = root_m + solved[:frames]
    stands = [Stand(role, start, stop, solved[frames + k]) for k, (role, start, stop) in enumerate(stretches)]
    return path, stands


def plant_feet(
    target: Rig, rotations: list[Rotation], root_m: Array, stands: list[Stand], time_s: Array
) -> list[Rotation]:
    """Return the rotations with the legs bent so that standing feet are exactly at their places."""
    turned = list(rotations)
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
                to_ankle = rotations[foot][inside].apply(rest)
            correction[inside] = stand.place_m + to_ankle - ankle[inside]
            held[inside] = True
        if not held.any():
            continue
        _bend_leg(target, turned, side, root_m, _faded(correction, held, time_s))
    return turned


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


def _bend_leg(target: Rig, rotations: list[Rotation], side: str, root_m: Array, correction: Array) -> None:
    """Move a leg's ankle by `correction` (frames, 3): the knee opens or closes, then the leg turns to the place.

    The knee stays in its plane but for the leg's own turn, and the foot keeps its direction.
    """
    thigh, shin, foot = (target.role[f"{side}_{part}"] for part in ("thigh", "shin", "foot"))
    hip = root_m + reach(target, rotations, thigh)
    knee = root_m + reach(target, rotations, shin)
    ankle = root_m + reach(target, rotations, foot)
    wanted = ankle + correction
    upper, lower = np.linalg.norm(knee - hip, axis=1), np.linalg.norm(ankle - knee, axis=1)
    now = np.linalg.norm(ankle - hip, axis=1)
    length = np.linalg.norm(wanted - hip, axis=1)
    longest = 0.9999 * (upper + lower)
    length = np.clip(length, np.abs(upper - lower) + 1e-4, np.maximum(longest, now))
    axis = np.cross(ankle - hip, knee - hip)
    size = np.linalg.norm(axis, axis=1, keepdims=True)
    # A straight leg has no plane: its knee bends to the front.
    front = np.cross(ankle - hip, rotations[thigh].apply(target.front))
    axis = np.where(size > 1e-5, axis / np.maximum(size, 1e-12), front / np.linalg.norm(front, axis=1, keepdims=True))

    def at_hip(distance: Array) -> Array:
        return np.asarray(np.arccos(np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1)))

    def at_knee(distance: Array) -> Array:
        return np.asarray(np.arccos(np.clip((upper**2 + lower**2 - distance**2) / (2 * upper * lower), -1, 1)))

    # About the axis, the knee lies on the positive side of the line from hip to ankle.
    hip_turn = Rotation.from_rotvec(axis * (at_hip(length) - at_hip(now))[:, None])
    knee_turn = Rotation.from_rotvec(axis * (at_knee(length) - at_knee(now))[:, None])
    line = (ankle - hip) / now[:, None]
    towards = (wanted - hip) / np.linalg.norm(wanted - hip, axis=1, keepdims=True)
    swing = _shortest(line, towards)
    moved = np.linalg.norm(correction, axis=1) > 0
    for joint, turn in ((thigh, swing * hip_turn), (shin, swing * hip_turn * knee_turn)):
        turned = (turn * rotations[joint]).as_quat()
        rotations[joint] = Rotation.from_quat(np.where(moved[:, None], turned, rotations[joint].as_quat()))


def _shortest(first: Array, second: Array) -> Rotation:
    """Return the shortest rotations from unit vectors to others, (frames, 3) each."""
    cross = np.cross(first, second)
    sine = np.linalg.norm(cross, axis=1, keepdims=True)
    angle = np.arctan2(sine, (first * second).sum(axis=1, keepdims=True))
    return Rotation.from_rotvec(np.where(sine > 1e-12, cross / np.maximum(sine, 1e-12) * angle, 0.0))
