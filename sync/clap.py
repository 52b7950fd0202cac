"""One offset per camera from the sound of claps: onsets align the whole tracks, waveforms the claps.

For each camera the onset envelope of its track is correlated with that of the reference. Every high peak of that
correlation is a candidate; the waveforms around the reference's claps are then laid over each other there. The score of
a candidate is the height of its peak times the mean coherence of its waveforms. The best one is believed only if the
second best, more than `DISTINCT_S` away, stays well below it: confidence is 1 - second / best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent
from media.audio import Audio
from sync.clock_fit import fit_clock
from sync.fixed import RATE_STD
from sync.onsets import CLAP_RISE_DB, HOP_S, Onsets, onset_envelope
from sync.time_map import OK, CameraClock, TimeMap
from sync.waveform import ClapWaveform, clap_waveform, match_waveform

Array = npt.NDArray[np.float64]

# All peaks that could compete with the best are looked at; steady music has one for every beat.
CANDIDATE_SHARE = 0.3
MAX_CANDIDATES = 64
# Peaks closer than this are the same alignment: a clap's echo in the room, or the width of an onset.
DISTINCT_S = 0.1
# Coarse alignment is good to two hops; two clocks drift apart by this more: bad telephones have 200 ppm.
SEARCH_S = 0.012
DRIFT = 200e-6

NEEDED_CONFIDENCE = 0.3
# Different claps agreed by 0.3 in the median and by up to 0.6 by chance, in 600 pairs of simulated ones; the same clap
# in two microphones, in 0.6 s of reverberation 3 dB above the direct sound, by 0.62 to 0.8. One clap alone must be
# beyond chance; several that agree in their offset need less.
NEEDED_COHERENCE_ALONE, NEEDED_COHERENCE = 0.65, 0.5
# Claps whose offset lies further from the median of all, crystals' drift apart, are mismatches. More than half must be
# left: of all claps, weighted by the power with which they rise (a step or a word counts little beside a clap), and in
# number of those whose waveforms agree.
AGREEMENT_S = 0.003
NEEDED_AGREEMENT = 0.5

# Sound takes 2.9 ms a metre. How far each camera is from the clap is not known here: one metre (one standard deviation)
# of difference between two cameras, a third of it changing from clap to clap.
SOUND_M_PER_S = 343.0
COMMON_PATH_M, CLAP_PATH_M = 1.0, 0.3

# Of an offset that was not found: longer than any recording, and finite because JSON has no infinity.
UNKNOWN_STD_S = 1e6


@dataclass(frozen=True)
class Clap:
    """A clap heard by a camera and by the reference.

    Attributes
    ----------
    camera_s, session_s
        Its time on the camera's clock and on the reference's, which is session time.
    coherence
        How well the two waveforms agree, in [0, 1] (`sync.waveform`).
    std_s
        Standard deviation of the difference of the two times, as the waveforms tell.
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
        Those that agree, on which the clock rests; for the reference, its own.
    sharpest_db
        The sharpest onset of the track: rise within 10 ms, mean over the bands; 0 without sound.
    peak_ratio
        Score of the second-best alignment over that of the best, 0 to 1; NaN for the reference or where none was tried.
    coherence
        Mean over those claps, weighted by the power with which they rise; NaN likewise.
    """

    claps: tuple[Clap, ...]
    sharpest_db: float
    peak_ratio: float
    coherence: float


@dataclass(frozen=True)
class SyncResult:
    """The time map, and by camera how it was found."""

    time_map: TimeMap
    report: Mapping[str, CameraReport]
    reference: str | None


@dataclass(frozen=True)
class _Track:
    audio: Audio
    onsets: Onsets


@dataclass(frozen=True)
class _Alignment:
    """The best alignment of a camera with a reference."""

    claps: tuple[Clap, ...]  # those whose offsets agree
    agreement: float  # their share, see NEEDED_AGREEMENT
    peak_ratio: float
    coherence: float

    @property
    def confidence(self) -> float:
        return 1 - self.peak_ratio

    @property
    def needed_coherence(self) -> float:
        return NEEDED_COHERENCE if len(self.claps) > 1 else NEEDED_COHERENCE_ALONE

    @property
    def ok(self) -> bool:
        return (
            self.confidence >= NEEDED_CONFIDENCE
            and self.agreement > NEEDED_AGREEMENT
            and self.coherence >= self.needed_coherence
        )


def sync_by_clap(tracks: Mapping[str, Audio | None], *, progress: Progress = silent) -> SyncResult:
    """Find every camera's clock from a clap, or any sharp sound, that the cameras hear together.

    Parameters
    ----------
    tracks
        By camera: its sound, or None.
    progress
        Told once per camera.

    Returns
    -------
    result
        Session time is the time of the reference: the first camera with a usable clap that most others agree with.
        Every clock has a verdict: a camera without sound, without a clap or with an ambiguous match has the reason
        there, with what was measured and needed, and must not be used.

    Notes
    -----
    The offset's standard deviation is that of the waveform matches (`sync.waveform`), plus what is not known of the
    ways that the sound took (`COMMON_PATH_M`), which is by far the larger. The rate is drawn towards 1 with `RATE_STD`:
    only claps that lie minutes apart move it.
    """
    heard: dict[str, _Track] = {}
    for done, (name, audio) in enumerate(tracks.items()):
        if audio is not None and len(audio.samples):
            heard[name] = _Track(audio, onset_envelope(audio))
        progress(done + 1, len(tracks))
    with_clap = [name for name, track in heard.items() if track.onsets.sharpest_db >= CLAP_RISE_DB]
    reference, alignments = _choose_reference(heard, with_clap)

    clocks: dict[str, CameraClock] = {}
    report: dict[str, CameraReport] = {}
    for name in tracks:
        alignment = alignments.get(name)
        sharpest = heard[name].onsets.sharpest_db if name in heard else 0.0
        if name == reference:
            claps = tuple(Clap(time_s, time_s, 1.0, 0.0) for time_s in heard[name].onsets.claps())
            clocks[name] = CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0)
            report[name] = CameraReport(claps, sharpest, float("nan"), float("nan"))
        elif alignment is None or not alignment.ok:
            verdict = _refusal(name, tracks[name], sharpest, alignment, reference)
            confidence = 0.0 if alignment is None else min(alignment.confidence, alignment.coherence)
            clocks[name] = CameraClock(0.0, 1.0, UNKNOWN_STD_S, RATE_STD, "clap", confidence, verdict)
            ratio, coherence = (alignment.peak_ratio, alignment.coherence) if alignment else (float("nan"),) * 2
            report[name] = CameraReport((), sharpest, ratio, coherence)
        else:
            clocks[name] = _clock(alignment)
            report[name] = CameraReport(alignment.claps, sharpest, alignment.peak_ratio, alignment.coherence)
    return SyncResult(TimeMap(clocks), report, reference)


def _choose_reference(heard: Mapping[str, _Track], with_clap: list[str]) -> tuple[str | None, dict[str, _Alignment]]:
    """Return the first camera with which most of the others align, and their alignments with it."""
    best: tuple[str | None, dict[str, _Alignment]] = (None, {})
    most = -1
    for candidate in with_clap:
        alignments = {
            name: alignment
            for name in with_clap
            if name != candidate and (alignment := _align(heard[candidate], heard[name])) is not None
        }
        good = sum(alignment.ok for alignment in alignments.values())
        if good > most:
            most, best = good, (candidate, alignments)
        # The first that aligns with half of the others is no odd one out: no need to try all pairs.
        if good >= 1 and 2 * good >= len(with_clap) - 1:
            break
    return best


def _align(reference: _Track, camera: _Track) -> _Alignment | None:
    """Return the best alignment of a camera's track with the reference's; None if no clap falls into both."""
    waveforms = [
        (waveform, 10 ** (rise_db / 10))
        for time_s, rise_db in reference.onsets.claps().items()
        if (waveform := clap_waveform(reference.audio, time_s)) is not None
    ]
    search_s = SEARCH_S + DRIFT * max(reference.audio.duration_s, camera.audio.duration_s)
    found: list[tuple[float, tuple[Clap, ...], Array]] = []
    for height, shift_s in _candidates(reference.onsets, camera.onsets):
        claps, weights = _match_claps(waveforms, camera, shift_s, search_s)
        if claps:
            found.append((height * float(np.average([c.coherence for c in claps], weights=weights)), claps, weights))
    found.sort(key=lambda entry: -entry[0])
    if not found:
        return None
    score, claps, weights = found[0]
    second = found[1][0] if len(found) > 1 else 0.0

    # Of claps that belong together, the offsets are the same; one that is elsewhere met an echo or another sound.
    coherence = np.array([clap.coherence for clap in claps])
    offset_s = np.array([clap.session_s - clap.camera_s for clap in claps])
    time_s = np.array([clap.session_s for clap in claps])
    good = coherence >= NEEDED_COHERENCE
    if not good.any():
        return _Alignment((), 0.0, second / score, float(coherence.max()))
    from_median_s = np.abs(offset_s - np.median(offset_s[good]))
    coherent = good.copy()
    good &= from_median_s <= AGREEMENT_S + DRIFT * np.abs(time_s - np.median(time_s[good]))
    return _Alignment(
        claps=tuple(clap for clap, agrees in zip(claps, good, strict=True) if agrees),
        agreement=float(min(weights[good].sum() / weights.sum(), good.sum() / coherent.sum())),
        peak_ratio=second / score,
        coherence=float(np.average(coherence[good], weights=weights[good])) if good.any() else 0.0,
    )


def _candidates(reference: Onsets, camera: Onsets) -> list[tuple[float, float]]:
    """Return height and shift (reference time - camera time) of the highest peaks of the envelopes' correlation."""
    from scipy.signal import correlate

    first, second = reference.rise_db, camera.rise_db
    correlation = correlate(first - first.mean(), second - second.mean(), mode="full", method="fft")
    lag = np.arange(len(correlation)) - (len(second) - 1)
    candidates: list[tuple[float, float]] = []
    apart = round(DISTINCT_S / HOP_S)
    highest = float(correlation.max())
    for _ in range(MAX_CANDIDATES):
        peak = int(np.argmax(correlation))
        if not correlation[peak] > CANDIDATE_SHARE * highest:
            break
        candidates.append((float(correlation[peak]), reference.start_s - camera.start_s + float(lag[peak]) * HOP_S))
        correlation[max(0, peak - apart) : peak + apart + 1] = 0
    return candidates


def _match_claps(
    waveforms: list[tuple[ClapWaveform, float]], camera: _Track, shift_s: float, search_s: float
) -> tuple[tuple[Clap, ...], Array]:
    """Find the reference's claps in a camera's track, shifted by about `shift_s`; return them and their weights."""
    claps, weights = [], []
    for waveform, weight in waveforms:
        expected_s = waveform.attack_s - shift_s
        match = match_waveform(waveform, camera.audio, expected_s, search_s)
        if match is not None:
            claps.append(Clap(expected_s + match.shift_s, waveform.attack_s, match.coherence, match.std_s))
            weights.append(weight)
    return tuple(claps), np.array(weights)


def _clock(alignment: _Alignment) -> CameraClock:
    per_clap = CLAP_PATH_M / SOUND_M_PER_S
    fit = fit_clock(
        np.array([clap.camera_s for clap in alignment.claps]),
        np.array([clap.session_s for clap in alignment.claps]),
        np.array([np.hypot(clap.std_s, per_clap) for clap in alignment.claps]),
        rate_std=RATE_STD,
        common_std_s=COMMON_PATH_M / SOUND_M_PER_S,
    )
    return CameraClock(fit.offset_s, fit.rate, fit.offset_std_s, fit.rate_std, "clap", float(alignment.confidence), OK)


def _refusal(
    name: str, audio: Audio | None, sharpest_db: float, alignment: _Alignment | None, reference: str | None
) -> str:
    """Say why a camera has no clock, and what to do."""
    remedy = f"Give its offset by hand: --offset {name}=SECONDS"
    if audio is None:
        return f"no sound track. {remedy}"
    if sharpest_db < CLAP_RISE_DB:
        return (
            f"no clap: the sharpest sound rises by {sharpest_db:.1f} dB within 10 ms, needed {CLAP_RISE_DB:.0f} dB. "
            f"{remedy}"
        )
    if reference is None or alignment is None:
        return f"no clap that another camera hears too. {remedy}"
    if alignment.confidence < NEEDED_CONFIDENCE:
        return (
            f"ambiguous: the second-best alignment with {reference} scores {alignment.peak_ratio:.2f} of the best, "
            f"needed at most {1 - NEEDED_CONFIDENCE:.2f}. {remedy}"
        )
    if alignment.coherence >= NEEDED_COHERENCE and alignment.agreement <= NEEDED_AGREEMENT:
        return (
            f"contradictory: {alignment.agreement:.0%} of the claps that {reference} hears give one offset, needed "
            f"more than {NEEDED_AGREEMENT:.0%}. {remedy}"
        )
    return (
        f"weak: the waveforms that should be the claps of {reference} agree with them by {alignment.coherence:.2f}, "
        f"needed {alignment.needed_coherence:.2f}. {remedy}"
    )
