"""Every camera's clock from what the cameras hear together: claps best, any sound that does not repeat otherwise.

Each track is reduced to its onsets and its sound in the band of speech (`sync.hearing`); all pairs of tracks are laid
over each other (`sync.alignment`); the pairs that agree give one time line (`sync.network`); there the first arrivals
of the shared sounds are measured (`sync.arrivals`), with the ambient sound (`sync.ambient`), and all clocks are solved
together (`sync.joint_fit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent
from media.audio import Audio
from sync.alignment import PairAlignment, align
from sync.fixed import RATE_STD
from sync.hearing import Hearing, hear
from sync.joint_fit import FittedClock, JointFit, SharedMoments, fit_jointly
from sync.network import (
    NEEDED_AGREEMENT,
    NEEDED_PEAK_RATIO,
    NEEDED_STRENGTH,
    Network,
    Pair,
    connect,
    refusal,
)
from sync.one_sound import fit_doubting_each
from sync.shared_sounds import shared_moments
from sync.time_map import OK, CameraClock, TimeMap

Array = npt.NDArray[np.float64]

# Sound takes 2.9 ms a metre. How far each camera is from what sounds is not known here: two metres (one standard
# deviation) of difference between two cameras; cameras at 1 and 8 m are 7 m apart. From clap to clap it changes by
# about a third of a metre; the fit expects a tenth, so that two claps a minute apart already give the rate, and takes
# what it finds where there are more.
SOUND_M_PER_S = 343.0
COMMON_PATH_M, CLAP_PATH_M, EXPECTED_PATH_M = 2.0, 0.3, 0.1
# Waveforms of a sound that does not move scatter by this beyond their noise: the raster of the peaks.
WAVEFORM_SCATTER_S = 1e-6

# Of the sharpest onset of a track in which a clap can be heard by itself: of steady noise it is up to 2.6 dB in ten
# minutes, of a clap a few metres away 10 to 40 dB.
CLEAR_STEP_DB = 3.0

# Of an offset that was not found: longer than any recording, and finite because JSON has no infinity.
UNKNOWN_STD_S = 1e6


@dataclass(frozen=True)
class Clap:
    """A sound heard by a camera and by others.

    Attributes
    ----------
    camera_s, session_s
        When it arrives, on the camera's clock and in session time.
    coherence
        How alike its first milliseconds are, in [0, 1] (`sync.arrivals`).
    std_s
        Standard deviation of the arrival, as the waveforms tell.
    """

    camera_s: float
    session_s: float
    coherence: float
    std_s: float


@dataclass(frozen=True)
class CameraReport:
    """How a camera's clock was found.

    Attributes
    ----------
    claps
        The sounds that its clock rests on.
    stretches
        How many stretches of ambient sound it rests on besides.
    sharpest_db
        The sharpest onset of the track: rise within 10 ms, mean over the bands; 0 without sound.
    peak_ratio
        What speaks for the second-best alignment over what speaks for the best, 0 to 1, with the camera that it agrees
        with most; NaN where none was tried.
    coherence
        Mean over those claps; NaN without.
    sound
        The clock by which the sounds arrive, with the deviation of the arrivals alone: what the microphones heard, the
        ways of the sound not considered. None for the reference and where it is refused.
    """

    claps: tuple[Clap, ...]
    stretches: int
    sharpest_db: float
    peak_ratio: float
    coherence: float
    sound: FittedClock | None


@dataclass(frozen=True, eq=False)
class SyncResult:
    """The time map, and how it was found.

    Attributes
    ----------
    time_map, report
        By camera.
    reference
        Whose clock is session time; None: no two cameras hear the same.
    moments, sounds_s
        What the clocks were solved from, with the cameras' places in `time_map.cameras`, and the session times
        (sounds,) of the sounds in it (`sync.travel` needs their places).
    contested_s
        By camera: standard deviation of what all its arrivals may be off by together, because pairs of cameras disagree
        which of two arrivals in a room is the direct one.
    """

    time_map: TimeMap
    report: Mapping[str, CameraReport]
    reference: str | None
    moments: SharedMoments | None
    sounds_s: Array
    contested_s: Mapping[str, float] = field(default_factory=dict)


def sync_by_clap(tracks: Mapping[str, Audio | None], *, progress: Progress = silent) -> SyncResult:
    """Find every camera's clock from claps, or any sounds that do not repeat, that the cameras hear together.

    Parameters
    ----------
    tracks
        By camera: its sound, or None. For long takes see `sync_heard`, which needs one track at a time.
    progress
        Told once per camera.

    Returns
    -------
    result
        See `sync_heard`.
    """
    heard: dict[str, Hearing | None] = {}
    for done, (name, audio) in enumerate(tracks.items()):
        heard[name] = None if audio is None else hear(audio)
        progress(done + 1, len(tracks))
    return sync_heard(heard)


def sync_heard(heard: Mapping[str, Hearing | None]) -> SyncResult:
    """Find every camera's clock from what is kept of the tracks.

    Parameters
    ----------
    heard
        By camera: `sync.hearing.hear` of its sound, or None where it has none.

    Returns
    -------
    result
        Session time is the time of the reference: the first camera of the largest group that hears the same. Every
        clock has a verdict: a camera without sound, without a shared sound or with an ambiguous match has the reason
        there, with what was measured and needed, and must not be used.

    Notes
    -----
    The deviations of the time map include what is not known of the ways that the sound took (`COMMON_PATH_M`), which is
    by far the larger part; `CameraReport.sound` has those of the arrivals alone, and `sync.travel` takes the ways out
    once the cameras' places are known. The rate is drawn towards 1 with `RATE_STD`.
    """
    names = list(heard)
    usable = {name: track for name, track in heard.items() if track is not None and len(track.onsets.time_s)}
    pairs: dict[Pair, PairAlignment] = {}
    for first, second in combinations(usable, 2):
        found = align(usable[first], usable[second])
        if found is not None:
            pairs[first, second] = found
    network = connect(list(usable), pairs)
    moments, sounds_s = None, np.zeros(0)
    contested_s: Mapping[str, float] = {}
    fits: tuple[JointFit, JointFit] | None = None
    if network.reference is not None:
        moments, sounds_s, contested_s = shared_moments(names, usable, network, pairs)
        start = {names.index(name): (line.offset_s, line.rate) for name, line in network.to_reference.items()}
        linked = _linked(moments, names.index(network.reference))
        start = {camera: line for camera, line in start.items() if camera in linked}
        used = moments.only(np.isin(moments.first, list(linked)) & np.isin(moments.second, list(linked)))
        moments = used
        if len(start) > 1:
            contested = {names.index(name): value_s for name, value_s in contested_s.items()}
            fits = solve_clocks(moments, names.index(network.reference), start, contested)
    return replace(_result(heard, pairs, network, moments, sounds_s, fits), contested_s=contested_s)


def solve_clocks(
    moments: SharedMoments,
    reference: int,
    start: Mapping[int, tuple[float, float]],
    contested_s: Mapping[int, float],
) -> tuple[JointFit, JointFit]:
    """Solve the clocks twice: by which the sounds arrive, and of the cameras, with what is not known of the ways."""
    common_s = COMMON_PATH_M / SOUND_M_PER_S

    def fit(jitter_s: float, dof: float) -> JointFit:
        solve = partial(
            fit_jointly,
            reference=reference,
            start=start,
            rate_std=RATE_STD,
            jitter_s=jitter_s,
            jitter_dof=dof,
            ambient_std_s=common_s,
            common_std_s=contested_s,
        )
        return fit_doubting_each(solve, moments)

    arrivals = fit(WAVEFORM_SCATTER_S, 1.0)
    expected, cautious = (fit(path_m / SOUND_M_PER_S, 1.0) for path_m in (EXPECTED_PATH_M, CLAP_PATH_M))
    clocks = {
        camera: replace(
            clock,
            middle_s=cautious.clocks[camera].middle_s,
            middle_std_s=float(np.hypot(cautious.clocks[camera].middle_std_s, common_s)),
            rate_std=cautious.clocks[camera].rate_std,
        )
        for camera, clock in expected.clocks.items()
    }
    return arrivals, replace(expected, clocks=clocks)


def _linked(moments: SharedMoments, reference: int) -> set[int]:
    """Return the cameras that moments link to the reference, itself included."""
    linked = {reference}
    while True:
        touching = np.isin(moments.first, list(linked)) | np.isin(moments.second, list(linked))
        grown = linked | set(moments.first[touching].tolist()) | set(moments.second[touching].tolist())
        if grown == linked:
            return linked
        linked = grown


def _result(
    heard: Mapping[str, Hearing | None],
    pairs: Mapping[Pair, PairAlignment],
    network: Network,
    moments: SharedMoments | None,
    sounds_s: Array,
    fits: tuple[JointFit, JointFit] | None,
) -> SyncResult:
    # Where no two cameras hear the same, the first one with a clear sound is what offsets by hand are relative to.
    clear = [name for name, track in heard.items() if track is not None and track.onsets.sharpest_db >= CLEAR_STEP_DB]
    reference = network.reference if fits is not None else next(iter(clear), None)
    clocks: dict[str, CameraClock] = {}
    report: dict[str, CameraReport] = {}
    for index, (name, track) in enumerate(heard.items()):
        sharpest = 0.0 if track is None else track.onsets.sharpest_db
        link = max(
            (found for pair, found in pairs.items() if name in pair), key=lambda found: found.best.score, default=None
        )
        ratio = link.peak_ratio if link else float("nan")
        if name == reference:
            clocks[name] = CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0)
            claps = _claps(moments, fits[0], index, FittedClock(0.0, 1.0, 0.0, 0.0, 0.0)) if moments and fits else ()
            report[name] = CameraReport(claps, 0, sharpest, ratio, _mean_coherence(claps), None)
        elif fits is not None and index in fits[1].clocks:
            assert moments is not None
            clock, sound = fits[1].clocks[index], fits[0].clocks[index]
            clocks[name] = CameraClock(
                clock.offset_s,
                clock.rate,
                clock.offset_std_s,
                clock.rate_std,
                "clap",
                float(np.clip(1 - ratio, 0, 1)),
                OK,
                clock.middle_s,
            )
            claps = _claps(moments, fits[0], index, sound)
            mine = (moments.first == index) | (moments.second == index)
            stretches = int((mine & moments.ambient & fits[0].inlier).sum())
            report[name] = CameraReport(claps, stretches, sharpest, ratio, _mean_coherence(claps), sound)
        else:
            verdict = _verdict(name, track, pairs, network)
            clocks[name] = CameraClock(0.0, 1.0, UNKNOWN_STD_S, RATE_STD, "clap", 0.0, verdict)
            report[name] = CameraReport((), 0, sharpest, ratio, float("nan"), None)
    return SyncResult(TimeMap(clocks), report, reference, moments if fits else None, sounds_s)


def _claps(moments: SharedMoments, fit: JointFit, camera: int, clock: FittedClock) -> tuple[Clap, ...]:
    """Return the sounds that a camera shares with others, each by the pair that is most alike."""
    best: dict[int, Clap] = {}
    for who, time_s in ((moments.first, moments.first_s), (moments.second, moments.second_s)):
        for k in np.flatnonzero((who == camera) & ~moments.ambient & fit.inlier):
            coherence, sound = float(moments.coherence[k]), int(moments.sound[k])
            if sound not in best or best[sound].coherence < coherence:
                camera_s = float(time_s[k])
                session_s = clock.offset_s + clock.rate * camera_s
                best[sound] = Clap(camera_s, session_s, coherence, float(moments.std_s[k]))
    return tuple(sorted(best.values(), key=lambda clap: clap.camera_s))


def _mean_coherence(claps: tuple[Clap, ...]) -> float:
    return float(np.mean([clap.coherence for clap in claps])) if claps else float("nan")


def _verdict(name: str, track: Hearing | None, pairs: Mapping[Pair, PairAlignment], network: Network) -> str:
    """Say why a camera has no clock, and what to do."""
    remedy = f"Give its offset by hand: --offset {name}=SECONDS"
    if track is None or not len(track.sound):
        return f"no sound track. {remedy}" if track is None else f"its sound track is silent. {remedy}"
    if track.onsets.sharpest_db < CLEAR_STEP_DB:
        return (
            f"no clap: the sharpest sound rises by {track.onsets.sharpest_db:.1f} dB within 10 ms, needed "
            f"{CLEAR_STEP_DB:.0f} dB. {remedy}"
        )
    tried = [(pair, found) for pair, found in pairs.items() if name in pair]
    tried = [entry for entry in tried if set(entry[0]) & (set(network.to_reference) - {name})] or tried
    if not tried:
        return f"no clap that another camera hears too. {remedy}"
    pair, found = max(tried, key=lambda entry: entry[1].best.score)
    other = pair[0] if pair[1] == name else pair[1]
    why = refusal(found)
    if why == "ambiguous":
        return (
            f"ambiguous: {min(found.peak_ratio, 1):.2f} of what speaks for the best alignment with {other} speaks for "
            f"another one, needed at most {NEEDED_PEAK_RATIO:.2f}. {remedy}"
        )
    if why == "weak":
        return (
            f"weak: what it has in common with {other} comes to {found.strength:.2f}, needed {NEEDED_STRENGTH:.2f} (a "
            f"clap that agrees well gives 1 or more). {remedy}"
        )
    if why == "contradictory":
        return (
            f"contradictory: {found.agreement:.0%} of the sounds that {name} and {other} hear agree, needed "
            f"{NEEDED_AGREEMENT:.0%}. {remedy}"
        )
    return f"contradictory: it agrees with {other}, but the other cameras say otherwise. {remedy}"
