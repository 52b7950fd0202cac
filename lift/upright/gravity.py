"""Which way is up in a camera's frame, from how the subject of a lifted take stands.

Three witnesses, each a log likelihood over all directions that are plausible for a camera, added on a grid:

- feet: places where feet stood lie in one horizontal plane. Sure where they spread, along the ray less than across it;
- balance: who stands has the body's mass above the feet. Leaning, striding and bending average out; frames in which the
  body lies, sits or leaps are outliers of a mixture;
- camera: phones and tripods are held about level.

On a grid there are no local minima: somebody who lies for most of a take does not turn the world on its side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lift.points import ANKLES, HIPS, KNEES, POINTS, SHOULDERS

Array = npt.NDArray[np.float64]

_STEP_DEG = 1.0
_STEEPEST_DEG, _MOST_ROLLED_DEG = 70.0, 50.0
"""The grid: pitch and roll of the camera."""

_ROLL_STD_DEG, _PITCH_STD_DEG = 10.0, 20.0
"""How level cameras are. Those of walk4 are rolled by -26 to 13 degrees and look down by 18 to 25, those of the
rendered example by 0 and 4 to 27."""

_LEAN_STD_DEG, _LEAN_BIAS_DEG = 8.0, 3.0
"""How far a standing body's mass is off the upright over its feet in a moment, and over a take."""

_LOOK_S = 0.5
"""Moments so far apart are new looks at how somebody stands: a step."""

_UPRIGHT_SHARE = 0.8
"""Of what looks like standing, so much is."""

_WIDEST_DEG = 50.0
"""A body that leans by more in the picture of a level camera is not taken for one that stands."""

_STRETCHED = 0.85
"""Legs shorter than this share of thigh and shin are bent: half of a stand at 0.85, none at 0.7."""

_FLAT_M, _DEPTH_SHARE = 0.04, 0.05
"""How far places of standing feet are off a plane: across the ray, and along it, as a share of the distance."""

_PLACE_S = 0.3
"""A foot that stands is a new witness of the floor after so long, or in another place."""

_MOST_SAMPLES = 600

_MASSES = {
    # Share of the body's mass by the point at which, or between which, it lies. D. A. Winter, Biomechanics and Motor
    # Control of Human Movement, 4th ed., table 4.1, each segment's mass at its centre between its two joints.
    "head": 0.081,
    **dict.fromkeys(("left_shoulder", "right_shoulder"), 0.497 * 0.5 / 2 + 0.028 * 0.564),
    **dict.fromkeys(("left_hip", "right_hip"), 0.497 * 0.5 / 2 + 0.100 * 0.567),
    **dict.fromkeys(("left_elbow", "right_elbow"), 0.028 * 0.436 + 0.022 * 0.318),
    **dict.fromkeys(("left_wrist", "right_wrist"), 0.022 * 0.682),
    **dict.fromkeys(("left_knee", "right_knee"), 0.100 * 0.433 + 0.0465 * 0.567),
    **dict.fromkeys(("left_ankle", "right_ankle"), 0.0465 * 0.433 + 0.0145),
}
FEET_POINTS = np.array(
    [[POINTS.index(f"{side}_{point}") for point in ("ankle", "heel", "foot_index")] for side in ("left", "right")]
)
SOLES = FEET_POINTS[:, 1:]
"""(feet, points): what a foot consists of, and what of it is near the ground."""

_MASS = np.array([_MASSES.get(point, 0.0) for point in POINTS])

WITNESSES = ("feet", "balance", "camera")


@dataclass(frozen=True, eq=False)
class Gravity:
    """Which way is up.

    Attributes
    ----------
    up
        (3,): unit vector in the camera's frame.
    sigma_deg
        How sure: root mean square of its deviations about two axes.
    told_by
        By witness (`WITNESSES`), its share in what is known of up, summing to 1; zero: it said nothing.
    """

    up: Array
    sigma_deg: float
    told_by: dict[str, float]


@dataclass(frozen=True, eq=False)
class StandingPlaces:
    """Places where feet stood.

    Attributes
    ----------
    xyz_m
        (places, 3): metres, camera's frame.
    weight
        (places,): in [0, 1], how much each counts.
    """

    xyz_m: Array
    weight: Array


def find_gravity(xyz_m: Array, contact: Array, time_s: Array) -> Gravity:
    """Find up from a body's points.

    Parameters
    ----------
    xyz_m
        (frames, points of body18, 3): metres, camera's frame.
    contact
        (frames, 2): in [0, 1], how probably the left and the right foot stand.
    time_s
        (frames,): seconds.
    """
    up, prior = _plausible()
    picked = np.unique(np.linspace(0, len(xyz_m) - 1, min(len(xyz_m), _MOST_SAMPLES)).round().astype(int))
    duration = float(time_s[-1] - time_s[0])
    direction, weight = _balance(xyz_m[picked], contact[picked])
    terms = {
        "feet": _plane_term(standing_places(xyz_m, contact, time_s), up),
        "balance": _balance_term(direction, weight, duration, up),
        "camera": prior,
    }
    total = np.sum(list(terms.values()), axis=0)
    return _summary(up, total, terms)


def standing_places(xyz_m: Array, contact: Array, time_s: Array) -> StandingPlaces:
    """Return where feet stood, one place for each `_PLACE_S` that a foot stands."""
    soles = xyz_m[:, SOLES].mean(axis=2)  # (frames, feet, 3)
    block = np.floor((time_s - time_s[0]) / _PLACE_S).astype(np.int64)
    weight = np.where(contact > 0.5, contact, 0.0)
    count = int(block[-1]) + 1
    total = np.zeros((count, 2))
    np.add.at(total, block, weight)
    places = np.zeros((count, 2, 3))
    np.add.at(places, block, weight[..., None] * soles)
    frames = np.bincount(block, minlength=count)[:, None]
    good = total > 0.25 * frames
    return StandingPlaces(places[good] / total[good][:, None], (total / np.maximum(frames, 1))[good])


def _plausible() -> tuple[Array, Array]:
    """Return directions of up (n, 3) that a camera can have, and how plausible each is (n,), a log likelihood."""
    pitch, roll = (
        np.radians(grid)
        for grid in np.meshgrid(
            np.arange(-_STEEPEST_DEG, _STEEPEST_DEG + 1, _STEP_DEG),
            np.arange(-_MOST_ROLLED_DEG, _MOST_ROLLED_DEG + 1, _STEP_DEG),
            indexing="ij",
        )
    )
    up = np.stack([np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), np.sin(pitch)], axis=-1)
    likely = -0.5 * (np.degrees(pitch) / _PITCH_STD_DEG) ** 2 - 0.5 * (np.degrees(roll) / _ROLL_STD_DEG) ** 2
    likely += np.log(np.cos(pitch))  # the grid is finer towards the poles
    return up.reshape(-1, 3), likely.ravel()


def _balance(xyz_m: Array, contact: Array) -> tuple[Array, Array]:
    """Return directions (frames, 3) from the standing feet to the body's mass, and how much each counts (frames,)."""
    mass = np.einsum("p,fpi->fi", _MASS / _MASS.sum(), xyz_m)
    feet = xyz_m[:, FEET_POINTS].mean(axis=2)
    total = contact.sum(axis=1)
    support = (contact[..., None] * feet).sum(axis=1) / np.maximum(total, 1e-6)[:, None]
    direction = mass - support
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
    bones = np.linalg.norm(xyz_m[:, KNEES] - xyz_m[:, HIPS], axis=-1)
    bones += np.linalg.norm(xyz_m[:, ANKLES] - xyz_m[:, KNEES], axis=-1)
    reach = np.linalg.norm(xyz_m[:, ANKLES] - xyz_m[:, HIPS], axis=-1) / np.maximum(bones, 1e-6)
    stretched = np.clip((reach - (2 * _STRETCHED - 1)) / (2 * (1 - _STRETCHED)), 0, 1)
    trunk = xyz_m[:, SHOULDERS].mean(axis=1) - xyz_m[:, HIPS].mean(axis=1)
    trunk /= np.maximum(np.linalg.norm(trunk, axis=1, keepdims=True), 1e-6)
    raised = np.clip((trunk * direction).sum(axis=1), 0, 1)  # bent over at the hips, all but the legs is elsewhere
    level = np.degrees(np.arccos(np.clip(-direction[:, 1], -1, 1)))
    weight = (contact * stretched).max(axis=1) * raised * (level < _WIDEST_DEG)
    return direction, weight


def _balance_term(direction: Array, weight: Array, duration_s: float, up: Array) -> Array:
    """Return the log likelihood (n,) of each up, of a mixture of standing with noise and anything else."""
    total = float(weight.sum())
    if total <= 0:
        return np.zeros(len(up))
    looks = max(1.0, duration_s / _LOOK_S) * total / len(weight)
    looks = 1.0 / (1.0 / looks + (_LEAN_BIAS_DEG / _LEAN_STD_DEG) ** 2)
    used = weight > 0.02
    off = np.arccos(np.clip(direction[used] @ up.T, -1, 1))
    std = np.radians(_LEAN_STD_DEG)
    standing = _UPRIGHT_SHARE / (2 * np.pi * std**2) * np.exp(-0.5 * (off / std) ** 2)
    term: Array = looks / total * (weight[used] @ np.log(standing + (1 - _UPRIGHT_SHARE) / (4 * np.pi)))
    return term


def _plane_term(places: StandingPlaces, up: Array) -> Array:
    """Return the log likelihood (n,) of each up: how well the places lie in one plane square to it."""
    if places.weight.sum() < 3:
        return np.zeros(len(up))
    distance = np.linalg.norm(places.xyz_m, axis=1)
    ray = places.xyz_m / distance[:, None]
    height = places.xyz_m @ up.T  # (places, n)
    deviation = np.hypot(_FLAT_M, _DEPTH_SHARE * distance[:, None] * np.abs(ray @ up.T))
    weight = places.weight[:, None] / deviation**2
    level = (weight * height).sum(axis=0) / weight.sum(axis=0)
    for _ in range(4):  # reweighted: a step up, or a foot in the air, is no floor
        square = ((height - level) / deviation) ** 2
        robust = weight / (1 + square / 4)
        level = (robust * height).sum(axis=0) / robust.sum(axis=0)
    square = ((height - level) / deviation) ** 2
    term: Array = -(places.weight[:, None] * (2 * np.log1p(square / 4) + np.log(deviation))).sum(axis=0)
    return term


def _summary(up: Array, total: Array, terms: dict[str, Array]) -> Gravity:
    """Return mean and spread of the grid's most probable direction and its surroundings."""
    best = int(np.argmax(total))
    near = up @ up[best] > np.cos(np.radians(15.0))
    weight = np.where(near, np.exp(total - total[best]), 0.0)
    weight /= weight.sum()
    mean = weight @ up
    mean /= np.linalg.norm(mean)
    off = np.degrees(np.arccos(np.clip(up @ mean, -1, 1)))
    sigma = float(np.sqrt((weight * off**2).sum() / 2 + _STEP_DEG**2 / 12))
    # How much each says: its curvature about the mean, on the ring of the grid some degrees around.
    ring = near & (off > 3) & (off < 6)
    curvature = {name: max(float((term[best] - term[ring]).mean()), 0.0) for name, term in terms.items()}
    whole = sum(curvature.values())
    told = {name: value / whole if whole > 0 else float(name == "camera") for name, value in curvature.items()}
    return Gravity(mean, sigma, told)
