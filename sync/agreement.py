"""Whether pairs of cameras agree which arrival of a sound is the direct one, and what is in doubt where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sync.joint_fit import SharedMoments
from sync.network import Line, Pair

Array = npt.NDArray[np.float64]

# Ways around the cameras must close to this, or the pair has taken a reflection for the direct sound.
CLOSED_S = 0.0005
# If more than this share of a camera's pairs, by strength, is thrown out so, the others may be the wrong ones: its
# arrivals are uncertain by this much of what the two parties differ by.
CONTESTED_SHARE, CONTESTED_DOUBT = 0.34, 0.3
# By where clear sounds rise, 1,404 pairs of cameras in 335 random scenes of `benchmarks.sync` were right within 0.14 ms
# in 97 of 100 and within 0.49 ms in all (medians): an arrival that is farther from it may be that of a reflection.
RISEN_S = 0.0005
# An arrival found from either camera at the other was right within 50 us in 98 to 100 of 100 where both agree to 20 us,
# and wrong by up to a millisecond in 20 where it was found from one only.
UNCONFIRMED_S = 0.0002
# By so many deviations the two directions differ anyway.
EXPECTED = 2.0
# A sound counts fully if this share of all pairs confirms it (one of four cameras may not hear it); a pair with this
# many such sounds needs no others.
SUPPORT, ENOUGH = 0.5, 3
LEAST_S, ITERATIONS = 0.00005, 60


def closed(
    names: list[str], cameras: list[str], lines: Mapping[str, Line], moments: SharedMoments
) -> npt.NDArray[np.bool_]:
    """Return which moments (n,) agree with the other pairs of cameras that hear the sound."""
    offset_s, rate = (
        np.array([getattr(lines[name], key) if name in lines else np.nan for name in names])
        for key in ("offset_s", "rate")
    )
    first, second = moments.first, moments.second
    late_s = offset_s[second] + rate[second] * moments.second_s - offset_s[first] - rate[first] * moments.first_s
    agree = np.zeros(len(moments), dtype=bool)
    for sound in np.unique(moments.sound):
        mine = np.flatnonzero(moments.sound == sound)
        pairs = [(names[first[k]], names[second[k]]) for k in mine]
        between = dict(zip(pairs, late_s[mine].tolist(), strict=True))
        strength = dict(zip(pairs, np.square(moments.coherence[mine]).tolist(), strict=True))
        late = by_camera(cameras, between, strength)
        agree[mine] = [abs(late[other] - late[hub] - between[hub, other]) <= CLOSED_S for hub, other in pairs]
    return agree


def confirmed(moments: SharedMoments) -> SharedMoments:
    """Return moments with deviations that allow for what the same pair of cameras says the other way around.

    Those of which it says nothing, and those of sounds that few pairs confirm, are left out where the pair has enough
    others: what the reverberation of two rooms has in common by chance is heard by those two only.
    """
    lag_s = {
        (int(first), int(second), int(sound)): second_s - first_s
        for first, second, sound, first_s, second_s in zip(
            moments.first, moments.second, moments.sound, moments.first_s, moments.second_s, strict=True
        )
    }
    back = zip(moments.second.tolist(), moments.first.tolist(), moments.sound.tolist(), strict=True)
    apart_s = moments.second_s - moments.first_s + np.array([lag_s.get(key, np.nan) for key in back])
    alone = np.isnan(apart_s)
    beyond_s = np.maximum(np.abs(apart_s) - EXPECTED * moments.std_s, 0)
    unsure_s = np.where(alone, UNCONFIRMED_S, beyond_s)
    cameras = len(np.union1d(moments.first, moments.second))
    heard = np.bincount(moments.sound[~alone], minlength=moments.sound.max(initial=0) + 1)
    doubtful = alone | (heard[moments.sound] < SUPPORT * cameras * (cameras - 1))
    pair = moments.first * (moments.second.max(initial=0) + 1) + moments.second
    enough = np.bincount(pair[~doubtful], minlength=pair.max(initial=0) + 1) >= ENOUGH
    return replace(moments, std_s=np.hypot(moments.std_s, unsure_s)).only(~(doubtful & enough[pair]))


def doubt_s(
    cameras: list[str],
    reference: str,
    strength: Mapping[Pair, float],
    off_s: Mapping[Pair, float],
    risen_s: Mapping[Pair, tuple[float, int]],
) -> dict[str, float]:
    """Return what all arrivals at a camera, against those at the reference, may be off by together, by camera.

    Parameters
    ----------
    cameras, reference
        Those of the network.
    strength, off_s
        By pair of cameras: what it counts, and by how much the arrivals that it finds by itself are off those of all.
    risen_s
        By pair: by how much later, at its second camera, clear sounds rise than they were taken to arrive, and how many
        there are. Pairs without clear sounds are missing.

    Returns
    -------
    doubt_s
        Standard deviations. Where clear sounds rise elsewhere at a camera, all of what they differ by.
    """
    contested = {camera: _contested_s(camera, off_s, strength) for camera in cameras}
    rise = by_camera(
        cameras,
        {pair: late_s for pair, (late_s, _) in risen_s.items()},
        {pair: float(count) for pair, (_, count) in risen_s.items()},
    )
    doubt = {}
    for camera in cameras:
        apart_s = abs(rise[camera] - rise[reference])
        parts = contested[camera], contested[reference], apart_s if apart_s > RISEN_S else 0.0
        doubt[camera] = float(np.linalg.norm(parts)) if camera != reference else 0.0
    return doubt


def by_camera(
    cameras: list[str], between: Mapping[Pair, float], strength: Mapping[Pair, float], least: float = LEAST_S
) -> dict[str, float]:
    """Return a value by camera whose differences are those of the pairs: all together, least absolute deviations.

    A pair whose first camera took a reflection for the beginning is off by milliseconds; least absolute deviations, by
    reweighted least squares, leave it to the others. Differences below `least` are all the same.
    """
    place = {camera: index for index, camera in enumerate(cameras)}
    rows = np.zeros((len(between), len(cameras)))
    for row, (hub, other) in zip(rows, between, strict=True):
        row[place[other]], row[place[hub]] = 1, -1
    target = np.array(list(between.values()))
    weights = np.array([strength[pair] for pair in between])
    late = np.zeros(len(cameras))
    weight = weights.copy()
    for _ in range(ITERATIONS if len(target) else 0):
        weight = weight / weight.max()
        normal = rows.T @ (weight[:, None] * rows) + 1e-9 * np.eye(len(cameras))
        late = np.linalg.solve(normal, rows.T @ (weight * target))
        weight = weights / np.maximum(np.abs(rows @ late - target), least)
    return {camera: float(late[place[camera]]) for camera in cameras}


def _contested_s(camera: str, off_s: Mapping[Pair, float], strength: Mapping[Pair, float]) -> float:
    """Return the deviation of a camera's arrivals that the pairs which disagree leave; 0 where few do."""
    mine = [pair for pair in off_s if camera in pair]
    total = sum(strength[pair] for pair in mine)
    against = [pair for pair in mine if off_s[pair] > CLOSED_S]
    share = sum(strength[pair] for pair in against) / total if total > 0 else 0.0
    if share <= CONTESTED_SHARE:
        return 0.0
    mean_s = sum(strength[pair] * off_s[pair] for pair in against) / sum(strength[pair] for pair in against)
    return CONTESTED_DOUBT * mean_s
