"""The time that sound takes from the hands to each camera, taken out of the clocks once the places are known."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from clapcap.errors import SyncError
from sync.clap import COMMON_PATH_M, SOUND_M_PER_S, WAVEFORM_SCATTER_S, SyncResult
from sync.fixed import RATE_STD
from sync.joint_fit import SharedMoments, fit_jointly
from sync.one_sound import fit_doubting_each
from sync.time_map import CameraClock, TimeMap

Array = npt.NDArray[np.float64]

# Where hands meet is known to a hand's width from the wrists.
PLACE_STD_M = 0.05


def sound_speed_m_per_s(celsius: float) -> float:
    """Return the speed of sound in dry air (Bohn 1988, eq. 5): 343.2 m/s at 20 degrees, 0.6 m/s more per degree."""
    return float(331.3 * np.sqrt(1 + celsius / 273.15))


def without_travel(
    result: SyncResult,
    camera_m: Mapping[str, Array],
    source_m: Array,
    *,
    place_std_m: float = PLACE_STD_M,
    speed_m_per_s: float = SOUND_M_PER_S,
) -> TimeMap:
    """Solve the clocks again, with every arrival earlier by the way of the sound.

    Parameters
    ----------
    result
        Of `sync.clap`.
    camera_m
        By camera: its place (3,) in the world, metres.
    source_m
        (3,): where everything sounded, or (sounds, 3): where each of `result.sounds_s` did, metres in the world; rows
        of NaN: unknown, such sounds are left out. Ambient sound comes from anywhere: it tells the rates only.
    place_std_m
        Standard deviation of those places along the way to a camera.
    speed_m_per_s
        Of sound; see `sound_speed_m_per_s`.

    Returns
    -------
    time_map
        Session time is the reference's clock, as before; its deviations no longer hold unknown ways. Cameras that were
        refused stay so, and those whose sounds all have no place keep their clocks.

    Raises
    ------
    SyncError
        If a camera with a clock has no place, or the number of places is not that of the sounds.
    """
    names = list(result.time_map.cameras)
    moments = result.moments
    if moments is None or result.reference is None:
        return result.time_map
    source_m = np.asarray(source_m, dtype=np.float64)
    one_place = source_m.ndim == 1
    if not one_place and len(source_m) != len(result.sounds_s):
        raise SyncError(
            f"{len(source_m)} places for {len(result.sounds_s)} sounds, needed one for each, or one in all."
        )
    missing = [name for name, clock in result.time_map.cameras.items() if clock.ok and name not in camera_m]
    if missing:
        raise SyncError(f"No place of {', '.join(missing)}: calibrate first, or give it.")

    late = [_late_s(who, moments, names, camera_m, source_m, speed_m_per_s) for who in (moments.first, moments.second)]
    known = ~np.isnan(late[0] + late[1])
    moved = SharedMoments(
        moments.first,
        moments.second,
        moments.sound,
        moments.first_s - late[0],
        moments.second_s - late[1],
        moments.std_s,
        moments.coherence,
        moments.ambient,
    ).only(known)
    placed = moved.only(~moved.ambient)
    solvable = set(placed.first.tolist()) | set(placed.second.tolist())
    reference = names.index(result.reference)
    start = {
        index: (result.time_map.cameras[name].offset_s, result.time_map.cameras[name].rate)
        for index, name in enumerate(names)
        if result.time_map.cameras[name].ok and index in solvable
    }
    if reference not in start or len(start) < 2:
        return result.time_map
    moved = moved.only(np.isin(moved.first, list(start)) & np.isin(moved.second, list(start)))
    # The ways to two cameras change by this together when the place is off.
    way_std_s = np.sqrt(2) * place_std_m / speed_m_per_s
    solve = partial(
        fit_jointly,
        reference=reference,
        start=start,
        rate_std=RATE_STD,
        jitter_s=WAVEFORM_SCATTER_S if one_place else float(np.hypot(WAVEFORM_SCATTER_S, way_std_s)),
        jitter_dof=1.0,
        ambient_std_s=COMMON_PATH_M / speed_m_per_s,
        common_std_s={names.index(name): value_s for name, value_s in result.contested_s.items()},
    )
    fit = fit_doubting_each(solve, moved)
    clocks = dict(result.time_map.cameras)
    for index, clock in fit.clocks.items():
        before = clocks[names[index]]
        std_s = float(np.hypot(clock.middle_std_s, way_std_s if one_place else 0.0))
        clocks[names[index]] = CameraClock(
            clock.offset_s,
            clock.rate,
            float(np.hypot(std_s, clock.rate_std * clock.middle_s)),
            clock.rate_std,
            before.method,
            before.confidence,
            before.verdict,
            clock.middle_s,
        )
    return TimeMap(clocks)


def _late_s(
    who: npt.NDArray[np.int64],
    moments: SharedMoments,
    names: list[str],
    camera_m: Mapping[str, Array],
    source_m: Array,
    speed_m_per_s: float,
) -> Array:
    """Return how long each moment's sound took to a camera (n,): 0 for ambient sound, NaN where it is not known."""
    places = np.full((len(names), 3), np.nan)
    for name, place in camera_m.items():
        if name in names:
            places[names.index(name)] = place
    source = np.zeros((len(who), 3))
    clapped = ~moments.ambient
    source[clapped] = source_m if source_m.ndim == 1 else source_m[moments.sound[clapped]]
    way = np.linalg.norm(places[who] - source, axis=1) / speed_m_per_s
    return np.asarray(np.where(moments.ambient, 0.0, way))
