"""The moments that cameras share, once it is roughly known how their tracks lie: first arrivals, and ambient sound."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import numpy.typing as npt

from sync.agreement import by_camera, closed, confirmed, doubt_s
from sync.alignment import CHANCE, PairAlignment
from sync.ambient import ambient_stretches
from sync.arrivals import Rises, arrivals, clearness, common_lag, likeness, rises, with_rises
from sync.hearing import Hearing
from sync.joint_fit import SharedMoments
from sync.network import Line, Network, Pair

Array = npt.NDArray[np.float64]

# Matches closer than this are of one sound; the onsets of a track are 0.1 s apart.
SAME_S = 0.03
MAX_SOUNDS = 32
# Below this likeness the first milliseconds of two tracks have nothing in common: noise reached 0.45.
NEEDED_COHERENCE = 0.5
# Of more cameras than this only the ones with the clearest sound are compared with all others.
MAX_HUBS = 4
# Shifts of stretches that hold one clap each differed by this from clap to clap in rooms and in 60 ppm of drift.
AMBIENT_S, AMBIENT_DOF = 0.00001, 4
# Drifts closer than this are the same.
LEAST_DRIFT = 1e-6


def shared_moments(
    names: list[str], heard: Mapping[str, Hearing], network: Network, pairs: Mapping[Pair, PairAlignment]
) -> tuple[SharedMoments, Array, Mapping[str, float]]:
    """Measure when the cameras of a network hear the same, as exactly as the sound tells.

    Returns
    -------
    moments
        With the places of the cameras in `names`.
    sounds_s
        (sounds,) reference time of each sound that is no ambient stretch; `moments.sound` counts on beyond them.
    contested_s
        By camera: deviation of what all its arrivals may be off by, because pairs disagree which is the direct sound.
    """
    cameras = [name for name in names if name in network.to_reference]
    sounds_s = _sounds(network, pairs)
    parts, contested_s = _arrivals(names, cameras, heard, network, sounds_s)
    count = len(sounds_s)
    rate_std = 60e-6 if not parts else 20e-6
    middle_s = float(np.mean(sounds_s)) if len(sounds_s) else 0.0
    for camera in cameras:
        if camera == network.reference:
            continue
        part = _ambient(names, heard, network, camera, middle_s, rate_std, count)
        count += len(part)
        parts.append(part)
    return SharedMoments.joined(parts), sounds_s, contested_s


def _sounds(network: Network, pairs: Mapping[Pair, PairAlignment]) -> Array:
    """Return the reference times (sounds,) of what pairs have in common, the most alike ones, sorted."""
    times, evidence = [], []
    for pair, found in pairs.items():
        if set(pair) <= set(network.to_reference) and pair not in network.rejected:
            line = network.to_reference[pair[0]]
            alike = found.best.coherence > CHANCE
            times.append(line.offset_s + line.rate * found.best.first_s[alike])
            evidence.append(found.best.evidence[alike])
    time_s, weight = np.concatenate(times), np.concatenate(evidence)
    order = np.argsort(time_s)
    time_s, weight = time_s[order], weight[order]
    group = np.concatenate([[0], np.cumsum(np.diff(time_s) > SAME_S)]) if len(time_s) else np.zeros(0, dtype=int)
    total = np.bincount(group, weight)
    middle = np.bincount(group, weight * time_s) / np.maximum(total, 1e-12)
    return np.asarray(np.sort(middle[np.argsort(-total, kind="stable")[:MAX_SOUNDS]]))


def _arrivals(
    names: list[str], cameras: list[str], heard: Mapping[str, Hearing], network: Network, sounds_s: Array
) -> tuple[list[SharedMoments], dict[str, float]]:
    lines = network.to_reference
    risen = {camera: rises(heard[camera], _at(lines[camera].inverse, sounds_s)) for camera in cameras}
    hubs = sorted(cameras, key=lambda camera: -_clearness(risen[camera]))[:MAX_HUBS]
    alike, favoured, near, which, found_lag, rise_lag_s, certain = {}, {}, {}, {}, {}, {}, {}
    middle_s = float(np.mean(sounds_s))
    for hub, other in permutations(cameras, 2):
        if hub not in hubs and other not in hubs:
            continue
        expected_s = _at(lines[other].inverse, _at(lines[hub], risen[hub].time_s))
        there = np.isfinite(risen[hub].time_s) & np.isfinite(risen[other].time_s)
        if not there.any():
            continue
        found = likeness(heard[hub], risen[hub].time_s[there], heard[other], expected_s[there])
        clear = found.max(axis=1) >= NEEDED_COHERENCE
        if not clear.any():
            continue
        pair = hub, other
        which[pair] = np.flatnonzero(there)[clear]
        alike[pair], near[pair] = found[clear], expected_s[there][clear]
        away_s = sounds_s[which[pair]] - middle_s
        headroom = np.minimum(risen[hub].headroom, risen[other].headroom)[which[pair]]
        clear_rise = clearness(headroom)
        certain[pair] = clear_rise >= 1
        rise_lag_s[pair] = risen[other].time_s[which[pair]] - near[pair]
        favoured[pair] = with_rises(alike[pair], rise_lag_s[pair], headroom)
        found_lag[pair] = common_lag(favoured[pair], away_s, lines[other].rate / lines[hub].rate, clear_rise)
    strength = {pair: found.coherence**2 * len(which[pair]) for pair, found in found_lag.items()}
    late_s = by_camera(cameras, {pair: found.lag_s for pair, found in found_lag.items()}, strength)
    drift = by_camera(cameras, {pair: found.drift for pair, found in found_lag.items()}, strength, LEAST_DRIFT)
    parts = []
    off_s: dict[Pair, float] = {}
    risen_s: dict[Pair, tuple[float, int]] = {}
    for pair, found_together in found_lag.items():
        hub, other = pair
        sound = which[pair]
        away_s = sounds_s[sound] - middle_s
        together_s = late_s[other] - late_s[hub] + (drift[other] - drift[hub]) * away_s
        alone_s = found_together.lag_s + found_together.drift * away_s
        off_s[pair] = float(np.median(np.abs(alone_s - together_s)))
        found_there = arrivals(
            heard[hub], risen[hub].time_s[sound], near[pair], alike[pair], favoured[pair], together_s, rise_lag_s[pair]
        )
        good = found_there.coherence >= NEEDED_COHERENCE
        if certain[pair].any():
            taken_s = np.where(good, found_there.second_s - near[pair], together_s)[certain[pair]]
            risen_s[pair] = float(np.median(rise_lag_s[pair][certain[pair]] - taken_s)), int(certain[pair].sum())
        n = int(good.sum())
        parts.append(
            SharedMoments(
                np.full(n, names.index(hub)),
                np.full(n, names.index(other)),
                sound[good],
                found_there.first_s[good],
                found_there.second_s[good],
                found_there.std_s[good],
                found_there.coherence[good],
                np.zeros(n, dtype=bool),
            )
        )
    if parts:
        together = SharedMoments.joined(parts)
        parts = [confirmed(together.only(closed(names, cameras, lines, together)))]
    assert network.reference is not None
    return parts, doubt_s(cameras, network.reference, strength, off_s, risen_s)


def _clearness(risen: Rises) -> float:
    return float(np.median(np.log(np.maximum(risen.headroom, 1e-3)))) if len(risen.headroom) else 0.0


def _ambient(
    names: list[str],
    heard: Mapping[str, Hearing],
    network: Network,
    camera: str,
    middle_s: float,
    rate_std: float,
    count: int,
) -> SharedMoments:
    """Return the ambient stretches of a camera with the reference, those that do not lie on a line left out."""
    assert network.reference is not None
    line = network.to_reference[camera]
    found = ambient_stretches(heard[network.reference], heard[camera], line.offset_s, line.rate, middle_s, rate_std)
    residual_s = found.first_s - _at(line, found.second_s)
    kept = np.ones(len(residual_s), dtype=bool)
    scatter_s = 0.0
    if len(residual_s) >= 4:
        slope, level = _median_line(found.second_s, residual_s)
        away_s = residual_s - level - slope * found.second_s
        scatter_s = 1.4826 * float(np.median(np.abs(away_s)))
        kept = np.abs(away_s) <= 4 * scatter_s + 2e-5
        # Of few stretches the scatter says little by itself: an inverse-gamma prior, as in `sync.joint_fit`.
        freedom = len(residual_s) - 2
        scatter_s = float(np.sqrt((AMBIENT_DOF * AMBIENT_S**2 + freedom * scatter_s**2) / (AMBIENT_DOF + freedom)))
    n = int(kept.sum()) if len(residual_s) >= 4 else 0
    kept &= n > 0
    return SharedMoments(
        np.full(n, names.index(network.reference)),
        np.full(n, names.index(camera)),
        count + np.arange(n),
        found.first_s[kept],
        found.second_s[kept],
        np.hypot(found.std_s[kept], scatter_s),
        found.coherence[kept],
        np.ones(n, dtype=bool),
    )


def _median_line(x: Array, y: Array) -> tuple[float, float]:
    """Return slope and level of the line through points by the medians of all pairs (Theil 1950, Sen 1968)."""
    row, column = np.triu_indices(len(x), 1)
    slope = float(np.median((y[column] - y[row]) / (x[column] - x[row])))
    return slope, float(np.median(y - slope * x))


def _at(line: Line, time_s: Array) -> Array:
    return np.asarray(line.offset_s + line.rate * time_s)
