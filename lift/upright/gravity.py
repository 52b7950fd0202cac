"""Which way is up in a camera's frame, from how the subject of a lifted take stands.

Three witnesses, each a log likelihood over all directions that are plausible for a camera, added on a grid:

- feet: a floor tells how far away each place is at which feet stand, by the ray on which it is seen. Sure where
  somebody comes nearer or goes away, silent where not;
- balance: who stands has the body's mass above the feet. Leaning, striding and bending average out; frames in which the
  body lies, sits or leaps are outliers of a mixture;
- camera: phones and tripods are held about level, looking down a little.

On a grid there are no local minima: somebody who lies for most of a take does not turn the world on its side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from lift.points import ANKLES, HIPS, KNEES, POINTS, SHOULDERS

Array = npt.NDArray[np.float64]

_STEP_DEG = 1.0
_PITCH_DEG = np.arange(-70.0, 71.0, _STEP_DEG)
_ROLL_DEG = np.arange(-50.0, 51.0, _STEP_DEG)
"""The grid: up = (sin roll cos pitch, -cos roll cos pitch, sin pitch)."""

_ROLL_STD_DEG, _USUAL_PITCH_DEG, _PITCH_STD_DEG = 8.0, -6.0, 18.0
"""How level cameras are; rolls have Student's tails. Those of walk4 are rolled by -26 to 13 degrees and look down by 18
to 25, those of the rendered example by 0 and 4 to 27."""

_LEAN_STD_DEG, _LEAN_BIAS_DEG = 6.0, 3.0
"""How far a standing body's mass is off the upright over its feet in a moment, and over a take."""

_LOOK_S = 0.3
"""Moments so far apart are new looks at how somebody stands: half a step."""

_UPRIGHT_SHARE = 0.8
"""Of what looks like standing, so much is."""

_WIDEST_DEG = 50.0
"""A body that leans by more in the picture of a level camera is not taken for one that stands."""

_STRETCHED = 0.85
"""Legs shorter than this share of thigh and shin are bent: half of a stand at 0.85, none at 0.7."""

_TAUGHT_PITCH_DEG, _TAUGHT_STD_DEG = -6.0, 12.0
"""Pitch of the cameras that lifters learn from (`lift.cameras`), mean and deviation."""

_ACROSS_DEG = 1.5
"""How far lifted bodies are turned in the picture's plane, over a take."""

_DEPTH_STD, _HEIGHT_STD_M = 0.02, 0.06
"""How far the depth of standing feet is off as a share of it, and how far they are off the floor. Lifted paths of the
validation subjects: 0.6 to 2 % in most sequences, forgotten within 0.3 s."""

_PLACE_S = 0.3
"""A foot that stands is a new witness of the floor after so long."""

_FEWEST_PLACES, _MOST_LOOKS = 3.0, 12.0
"""A floor needs three places; and as errors follow poses, no number of them counts for more than so many."""

_MOST_SAMPLES, _MOST_PLACES = 200, 200

_NEAREST_M = 0.1
_AROUND_DEG = 35.0
"""The answer is the mean within so much of the most probable direction: elsewhere is another answer."""

_LEAST_SLOPE = 0.02
"""A floor seen at a flatter angle, as a tangent, is at the horizon."""

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
    ray
        (places, 3): x / z, y / z, 1 in the camera's frame.
    depth_m
        (places,): their z.
    weight
        (places,): in [0, 1], how much each counts.
    """

    ray: Array
    depth_m: Array
    weight: Array


def find_gravity(xyz_m: Array, ray: Array, contact: Array, sigma_m: Array, time_s: Array) -> Gravity:
    """Find up from a body's points.

    Parameters
    ----------
    xyz_m
        (frames, points of body18, 3): metres, camera's frame.
    ray
        (frames, points, 2): x / z and y / z as seen; NaN: not seen.
    contact
        (frames, 2): in [0, 1], how probably the left and the right foot stand.
    sigma_m
        (frames, points): the lifter's deviation of each point.
    time_s
        (frames,): seconds.
    """
    up = _plausible()
    # In the picture's plane, what is seen says more than what is lifted.
    depth = xyz_m[..., 2:]
    seen = np.isfinite(ray).all(axis=-1, keepdims=True) & (depth > _NEAREST_M)
    xyz_m = np.where(seen, depth * np.concatenate([ray, np.ones_like(depth)], axis=-1), xyz_m)
    places = standing_places(xyz_m, ray, contact, time_s)
    picked = np.unique(np.linspace(0, len(xyz_m) - 1, min(len(xyz_m), _MOST_SAMPLES)).round().astype(int))
    direction, weight = _balance(xyz_m[picked], contact[picked])
    return _summary(
        up,
        {
            "feet": _feet_term(places, up),
            "balance": _balance_term(direction, weight, float(time_s[-1] - time_s[0]), tilt_std_deg(sigma_m), up),
            "camera": _level_term(),
        },
    )


def tilt_std_deg(sigma_m: Array) -> float:
    """Return how far lifted bodies (frames, points) are tilted along the view, by the lifter's own doubt of them."""
    ends = np.sqrt((sigma_m[:, ANKLES].mean(axis=1) ** 2 + sigma_m[:, SHOULDERS].mean(axis=1) ** 2) / 2)
    # Their distance is 0.77 of the height of 1.75 m (Winter, figure 4.1).
    return float(np.degrees(np.arctan(np.median(ends) * np.sqrt(2) / 1.35)))


def standing_places(xyz_m: Array, ray: Array, contact: Array, time_s: Array) -> StandingPlaces:
    """Return where feet stood, one place for each `_PLACE_S` that a foot stands."""
    soles = xyz_m[:, SOLES].mean(axis=2)  # (frames, feet, 3)
    depth = np.maximum(soles[..., 2], 0.1)
    seen = ray[:, SOLES].mean(axis=2)
    seen = np.where(np.isfinite(seen), seen, soles[..., :2] / depth[..., None])
    known = np.concatenate([seen, np.log(depth)[..., None]], axis=-1)
    block = np.floor((time_s - time_s[0]) / _PLACE_S).astype(np.int64)
    weight = np.where((contact > 0.5) & (soles[..., 2] > 0.1), contact, 0.0)
    count = int(block[-1]) + 1
    total, sums = np.zeros((count, 2)), np.zeros((count, 2, 3))
    np.add.at(total, block, weight)
    np.add.at(sums, block, weight[..., None] * known)
    frames = np.bincount(block, minlength=count)[:, None]
    good = total > 0.25 * frames
    mean, share = sums[good] / total[good][:, None], (total / np.maximum(frames, 1))[good]
    if len(mean) > _MOST_PLACES:
        kept = np.linspace(0, len(mean) - 1, _MOST_PLACES).round().astype(int)
        mean, share = mean[kept], share[kept]
    return StandingPlaces(np.append(mean[:, :2], np.ones((len(mean), 1)), axis=1), np.exp(mean[:, 2]), share)


def _plausible() -> Array:
    """Return directions of up (pitches, rolls, 3) that a camera can have."""
    pitch, roll = np.meshgrid(np.radians(_PITCH_DEG), np.radians(_ROLL_DEG), indexing="ij")
    return np.stack([np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), np.sin(pitch)], axis=-1)


def _level_term() -> Array:
    """Return how plausible each attitude of a camera is (pitches, rolls)."""
    pitch, roll = _PITCH_DEG[:, None], _ROLL_DEG[None]
    # The grid is finer towards the poles.
    term: Array = (
        -0.5 * ((pitch - _USUAL_PITCH_DEG) / _PITCH_STD_DEG) ** 2
        - 2.5 * np.log1p((roll / _ROLL_STD_DEG) ** 2 / 4)
        + np.log(np.cos(np.radians(pitch)))
    )
    return term


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


def _balance_term(direction: Array, weight: Array, duration_s: float, tilt_deg: float, up: Array) -> Array:
    """Return the log likelihood (pitches, rolls) of each up.

    Moments are a mixture of standing with noise and of anything else. All of a take are off by one lean of the subject
    and by one tilt of the lifter, which answers with the mean of what could be: it is drawn towards the cameras that it
    has learnt from, by as much as it is unsure (the shrinking of a Gaussian posterior's mean), and is drawn back here.
    """
    total = float(weight.sum())
    if total <= 0:
        return np.zeros(up.shape[:2])
    used = weight > 0.02
    looks = max(1.0, duration_s / _LOOK_S * total / len(weight))
    off = np.arccos(np.clip(direction[used] @ up.reshape(-1, 3).T, -1, 1))
    std = np.radians(_LEAN_STD_DEG)
    standing = _UPRIGHT_SHARE / (2 * np.pi * std**2) * np.exp(-0.5 * (off / std) ** 2)
    moments = looks / total * (weight[used] @ np.log(standing + (1 - _UPRIGHT_SHARE) / (4 * np.pi)))
    moments = moments.reshape(up.shape[:2])
    drawn = min(tilt_deg / _TAUGHT_STD_DEG, 0.8) ** 2
    blur = (
        np.hypot(_LEAN_BIAS_DEG, tilt_deg * np.sqrt(1 - drawn)) / _STEP_DEG,
        np.hypot(_LEAN_BIAS_DEG, _ACROSS_DEG) / _STEP_DEG,
    )
    likely = gaussian_filter(np.exp(moments - moments.max()), blur, mode="constant")
    shown = _TAUGHT_PITCH_DEG + (1 - drawn) * (_PITCH_DEG - _TAUGHT_PITCH_DEG)
    place = np.interp(shown, _PITCH_DEG, np.arange(len(_PITCH_DEG)))
    low = np.minimum(place.astype(int), len(_PITCH_DEG) - 2)
    part = (place - low)[:, None]
    likely = (1 - part) * likely[low] + part * likely[low + 1]
    term: Array = np.log(likely / likely.max() + 1e-6)
    return term


def _feet_term(places: StandingPlaces, up: Array) -> Array:
    """Return the log likelihood (pitches, rolls) of each up, by how well one floor tells the places' depths."""
    shape = up.shape[:2]
    if float(places.weight.sum()) < _FEWEST_PLACES:
        return np.zeros(shape)
    # On a floor `height` below the camera, depth = height / slope.
    slope = -(places.ray @ up.reshape(-1, 3).T)
    above = slope > _LEAST_SLOPE
    slope = np.maximum(slope, _LEAST_SLOPE)
    log_height = np.log(places.depth_m)[:, None] + np.log(slope)
    weight = places.weight[:, None]
    level = np.median(log_height, axis=0)
    for _ in range(3):  # reweighted: a step up, or a foot in the air, is no floor
        deviation = np.hypot(_DEPTH_STD, _HEIGHT_STD_M / np.exp(level))
        robust = weight / (1 + ((log_height - level) / deviation) ** 2 / 4)
        level = (robust * log_height).sum(axis=0) / robust.sum(axis=0)
    square = ((log_height - level) / np.hypot(_DEPTH_STD, _HEIGHT_STD_M / np.exp(level))) ** 2
    # Both ray and depth are noisy: squares alone, as the densities' factors would only tell how high the camera is.
    looks = min(1.0, _MOST_LOOKS / float(places.weight.sum()))
    term: Array = -looks * (weight * (2.5 * np.log1p(square / 4) + 3.0 * ~above)).sum(axis=0)
    return term.reshape(shape)


def _summary(up: Array, terms: dict[str, Array]) -> Gravity:
    """Return mean and spread of the grid's most probable direction and its surroundings."""
    flat = up.reshape(-1, 3)
    flat_terms = {name: term.ravel() for name, term in terms.items()}
    total = np.sum(list(flat_terms.values()), axis=0)
    best = int(np.argmax(total))
    weight = np.where(flat @ flat[best] > np.cos(np.radians(_AROUND_DEG)), np.exp(total - total[best]), 0.0)
    weight /= weight.sum()
    mean = weight @ flat
    mean /= np.linalg.norm(mean)
    off = np.degrees(np.arccos(np.clip(flat @ mean, -1, 1)))
    sigma = float(np.sqrt((weight * off**2).sum() / 2 + _STEP_DEG**2 / 12))
    # How much each says: how far it falls on the ring of the grid some degrees around.
    ring = (off > 4) & (off < 6)
    centre = off < 1.5 * _STEP_DEG
    fall = {name: max(float(term[centre].mean() - term[ring].mean()), 0.0) for name, term in flat_terms.items()}
    whole = sum(fall.values())
    told = {name: value / whole if whole > 0 else float(name == "camera") for name, value in fall.items()}
    return Gravity(mean, sigma, told)
