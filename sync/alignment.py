"""How two tracks lie over each other: candidates from all their onsets, and the evidence for the best against the rest.

Every onset of one track is compared with every onset of the other, waveform with waveform. Lags that several agree in,
and peaks of the correlation of the onset features, are candidates. For each, all onsets of both tracks are then looked
up in the other one. An onset that is found at two candidates alike, a beat of music, decides nothing between them: the
best candidate is believed by what is found there and not elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from sync.clock_fit import fit_clock
from sync.excerpts import (
    AFTER_S,
    BEFORE_S,
    FINER,
    SIZE,
    Spectra,
    correlation,
    excerpts,
    fraction_s,
    half_whitened,
    onset_spectra,
    peaks,
)
from sync.fixed import RATE_STD
from sync.hearing import RATE_HZ, Hearing
from sync.onsets import HOP_S

Array = npt.NDArray[np.float64]

# Different sounds are alike by up to this by chance: noise by 0.35, claps of the same hands by 0.45, rarely 0.6, vowels
# of one voice by up to 0.8.
CHANCE = 0.45
# More than this much evidence (a coherence of 0.95) no single onset gives.
MOST_EVIDENCE = 2.1
# Attacks of the same onset in two tracks lie apart by the reverberation of the rooms, and clocks by their drift.
VOTE_REACH_S, VOTE_TOLERANCE_S = 0.003, 0.0015
DRIFT = 150e-6
SEARCH_S, NEAR_S = 0.012, 0.002
# What a match may be off by: it may be that of a reflection.
MATCH_STD_S = 0.0005
# Alignments closer than this are one: its reflections in the room. The drums of fast music are 90 ms apart.
DISTINCT_S = 0.06
MAX_VOTES, MAX_CANDIDATES, REFINED = 400, 24, 6
# What is found at the runner-up, too, counts against the best by this share: all of it being equal, they are equal.
SHARED = 0.01
# Steady noise steps up by this at the sharpest moments of a minute (mean over the bands).
NOISE_STEP_DB = 2.5
# Onsets of two tracks that lie so close together in an alignment are of one sound; those of a track are 0.1 s apart.
SAME_S = 0.03
# Coherences of one onset at two candidates differ by this much of evidence from noise alone.
DIFFERENCE = 0.15
# Where another candidate has this share of the best's score, sounds repeat; what the best has alone must then be more
# than small differences between the repeats: a clap that both hear has 1.5 to 4.
REPEATS, DECISIVE = 0.5, 1.0
# The features' correlation: bands are joined and hops paired.
COARSE_BANDS, COARSE_HOPS = 6, 2


@dataclass(frozen=True, eq=False)
class Alignment:
    """One way to lay a second track over a first: first time = offset_s + rate * second time.

    Attributes
    ----------
    offset_s, rate
        The line.
    first_s, second_s
        (onsets,) when each onset of either track is heard in both; NaN where it lies outside one of them.
    coherence
        (onsets,) how alike they are, in [0, 1]; NaN likewise.
    """

    offset_s: float
    rate: float
    first_s: Array
    second_s: Array
    coherence: Array

    @property
    def evidence(self) -> Array:
        """What each onset says for it (onsets,): ln((1 - c0^2) / (1 - c^2)), 0 at chance; NaN where not heard."""
        with np.errstate(invalid="ignore"):
            unlike = 1 - np.square(np.clip(self.coherence, 0, 0.999))
            return np.asarray(np.clip(np.log((1 - CHANCE**2) / unlike), 0, MOST_EVIDENCE))

    @property
    def score(self) -> float:
        """All evidence together."""
        return float(np.nansum(self.evidence))


@dataclass(frozen=True, eq=False)
class PairAlignment:
    """What two tracks say of each other.

    Attributes
    ----------
    best
        The best alignment.
    others
        The candidates that were left, best first.
    peak_ratio
        Evidence for the strongest rival that the best does not share, over that for the best, 0 to 1.
    agreement
        Share of the onsets, by the square of their step, that are found in the other track.
    """

    best: Alignment
    others: tuple[Alignment, ...]
    peak_ratio: float
    agreement: float

    @property
    def strength(self) -> float:
        """What the best rests on: its evidence, by the share of the sounds that it explains."""
        return self.best.score * self.agreement


def align(first: Hearing, second: Hearing) -> PairAlignment | None:
    """Lay a second track over a first; None where nothing is heard in both."""
    spectra = tuple(onset_spectra(heard, heard.onsets.time_s) for heard in (first, second))
    found: list[Alignment] = []
    for candidate in _distinct(_voted(first, second, *spectra), _correlated(first, second)):
        alignment = _looked_up(first, second, spectra, candidate)
        if alignment.score > 0:
            found.append(alignment)
    found.sort(key=lambda alignment: -alignment.score)
    found[:REFINED] = [_refined(first, second, spectra, alignment) for alignment in found[:REFINED]]
    found.sort(key=lambda alignment: -alignment.score)
    distinct: list[Alignment] = []
    for alignment in found:
        if all(_apart_s(alignment, other) > DISTINCT_S for other in distinct):
            distinct.append(alignment)
    if not distinct:
        return None
    return _judged(first, second, distinct)


def _judged(first: Hearing, second: Hearing, distinct: list[Alignment]) -> PairAlignment:
    """Return the one that no other beats, not that of the highest score: a loop of music adds to it at every beat."""
    alone = unshared_evidence(distinct, len(first.onsets.time_s))
    ratios = [
        max((_rivalry(distinct, alone, one, other) for other in range(len(distinct)) if other != one), default=0.0)
        for one in range(len(distinct))
    ]
    best = int(np.argmin(ratios))
    others = tuple(alignment for place, alignment in enumerate(distinct) if place != best)
    repeats = any(other.score > REPEATS * distinct[best].score for other in others)
    decisive = float(np.maximum(alone[best] - DIFFERENCE, 0).sum())
    ratio = 1.0 if repeats and decisive < DECISIVE else ratios[best]
    return PairAlignment(distinct[best], others, ratio, _agreement(first, second, distinct[best]))


def unshared_evidence(alignments: list[Alignment], count: int) -> list[Array]:
    """Return what each onset says for each alignment and for no other; the first `count` are the first track's.

    An onset lies outside of a short track in most alignments. Whether it repeats, the onset of the other track that it
    was found at tells, as a beat of a loop is found at every beat; where there is none, it counts as repeating.
    """
    ours = np.arange(alignments[0].coherence.size) < count
    table = np.nan_to_num(np.array([alignment.evidence for alignment in alignments]))
    alone = []
    for place, alignment in enumerate(alignments):
        elsewhere = np.delete(table, place, axis=0).max(axis=0, initial=0.0)
        apart_s = np.abs(alignment.first_s[:, None] - alignment.first_s)
        same = np.nan_to_num(apart_s, nan=np.inf) <= SAME_S
        shared = np.where(same, elsewhere, 0.0).max(axis=1, initial=0.0)
        met = (same & (ours[:, None] != ours)).any(axis=1)
        alone.append(np.where(met, np.maximum(table[place] - shared, 0.0), 0.0))
    return alone


def _rivalry(alignments: list[Alignment], alone: list[Array], one: int, other: int) -> float:
    """Return what speaks for another alignment and not for the one, over what speaks for the one and not the other.

    Onsets that only one of the two can hear, the other lying outside of a track, count if no third alignment has them.
    """
    mine, theirs = alignments[one].evidence, alignments[other].evidence
    difference = mine - theirs
    difference = np.where(np.isnan(theirs), alone[one], difference)
    difference = np.where(np.isnan(mine), -alone[other], difference)
    shared = SHARED * alignments[other].score
    against = float(np.maximum(-difference - DIFFERENCE, 0).sum()) + shared
    return against / max(float(np.maximum(difference - DIFFERENCE, 0).sum()) + shared, 1e-9)


@dataclass(frozen=True)
class _Candidate:
    """first time = offset_s + rate * second time, by some support.

    `middle_s` is the first track's time around which the line is known: away from there by `DRIFT` less; None: it is
    known to `SEARCH_S` everywhere.
    """

    support: float
    offset_s: float
    rate: float
    middle_s: float | None


def _voted(first: Hearing, second: Hearing, ours: Spectra, theirs: Spectra) -> list[_Candidate]:
    """Return the lines that pairs of like onsets agree in, the best supported first."""
    first_s, second_s = first.onsets.time_s, second.onsets.time_s
    if not len(first_s) or not len(second_s):
        return []
    reach = round(VOTE_REACH_S * RATE_HZ * FINER)
    rows = [peaks(correlation(row[None], theirs, reach)) for row in ours]
    shift_s = np.array([lag for lag, _ in rows])
    coherence = np.array([height for _, height in rows])
    strength = np.log((1 - CHANCE**2) / (1 - np.clip(coherence, CHANCE, 0.95) ** 2))
    place = np.argsort(-strength, axis=None, kind="stable")[:MAX_VOTES]
    row, column = np.unravel_index(place[strength.ravel()[place] > 0], strength.shape)
    offset_s = first_s[row] - second_s[column] - shift_s[row, column]
    apart_s = np.abs(offset_s[:, None] - offset_s)
    tolerance_s = VOTE_TOLERANCE_S + DRIFT * np.abs(first_s[row][:, None] - first_s[row])
    member = apart_s <= tolerance_s
    support = np.where(member, strength[row, column], 0).sum(axis=1)
    candidates: list[_Candidate] = []
    for k in np.argsort(-support, kind="stable"):
        if all(abs(offset_s[k] - other.offset_s) > DISTINCT_S / 4 for other in candidates):
            mine = member[k]
            line = _line(
                first_s[row[mine]],
                second_s[column[mine]] + shift_s[row[mine], column[mine]],
                strength[row[mine], column[mine]],
                float(support[k]),
            )
            candidates.append(line)
        if len(candidates) == MAX_CANDIDATES:
            break
    return candidates


def _line(first_s: Array, second_s: Array, evidence: Array, support: float) -> _Candidate:
    fit = fit_clock(second_s, first_s, MATCH_STD_S / np.sqrt(evidence + 1e-6), rate_std=RATE_STD, common_std_s=0.0)
    middle_s = float(np.average(first_s, weights=evidence + 1e-6))
    return _Candidate(support, fit.offset_s, fit.rate, middle_s)


def _correlated(first: Hearing, second: Hearing) -> list[_Candidate]:
    """Return the lags of the peaks of the onset features' correlation, all bands together."""
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.signal import find_peaks

    ours, theirs = _coarse(first), _coarse(second)
    if not len(ours) or not len(theirs):
        return []
    size = next_fast_len(len(ours) + len(theirs), real=True)
    cross = (rfft(ours, size, axis=0) * rfft(theirs, size, axis=0).conj()).sum(axis=1)
    both = np.roll(irfft(cross, size), len(theirs) - 1)[: len(ours) + len(theirs) - 1]
    # Two clocks drift apart in the take: neighbouring lags belong together.
    hop_s = HOP_S * COARSE_HOPS
    both = np.convolve(both, np.full(3, 1.0), mode="same")
    highest, _ = find_peaks(both, height=4 * float(both.std()), distance=max(1, round(DISTINCT_S / hop_s)))
    highest = highest[np.argsort(-both[highest], kind="stable")[:MAX_CANDIDATES]]
    return [
        _Candidate(float(both[k]), first.start_s - second.start_s + float(k - (len(theirs) - 1)) * hop_s, 1.0, None)
        for k in highest
    ]


def _coarse(heard: Hearing) -> npt.NDArray[np.float32]:
    steps = heard.onsets.steps_db
    whole = len(steps) // COARSE_HOPS * COARSE_HOPS
    joined = steps[:whole].reshape(-1, COARSE_HOPS, COARSE_BANDS, steps.shape[1] // COARSE_BANDS).mean(axis=(1, 3))
    return np.asarray(joined - joined.mean(axis=0) if len(joined) else joined, dtype=np.float32)


def _distinct(*kinds: list[_Candidate]) -> Iterator[_Candidate]:
    """Yield the candidates of each kind, without those that one before has."""
    given: list[_Candidate] = []
    for candidate in chain(*kinds):
        if all(abs(candidate.offset_s - other.offset_s) > DISTINCT_S / 4 for other in given):
            given.append(candidate)
            yield candidate


def _looked_up(first: Hearing, second: Hearing, spectra: tuple[Spectra, ...], candidate: _Candidate) -> Alignment:
    """Look up all onsets of both tracks in the other one, near where a candidate puts them."""
    ours_s, theirs_s = first.onsets.time_s, second.onsets.time_s
    offset_s, rate = candidate.offset_s, candidate.rate

    def near(time_s: Array) -> Array:
        if candidate.middle_s is None:
            return np.full(len(time_s), SEARCH_S)
        return np.asarray(np.minimum(NEAR_S + DRIFT * np.abs(time_s - candidate.middle_s), SEARCH_S))

    there_s, like = _found(second, spectra[0], (ours_s - offset_s) / rate, near(ours_s))
    here_s, alike = _found(first, spectra[1], offset_s + rate * theirs_s, near(offset_s + rate * theirs_s))
    return Alignment(
        offset_s,
        rate,
        np.concatenate([np.where(np.isnan(like), np.nan, ours_s), here_s]),
        np.concatenate([there_s, np.where(np.isnan(alike), np.nan, theirs_s)]),
        np.concatenate([like, alike]),
    )


def _found(heard: Hearing, spectra: Spectra, expected_s: Array, near_s: Array) -> tuple[Array, Array]:
    """Return when onsets (n,) are heard and how alike they are there; NaN outside of the track."""
    from scipy.fft import rfft

    time_s, coherence = np.full(len(expected_s), np.nan), np.full(len(expected_s), np.nan)
    inside = (expected_s - BEFORE_S > heard.start_s) & (expected_s + AFTER_S < heard.end_s)
    if not inside.any():
        return time_s, coherence
    from_s = expected_s[inside] - BEFORE_S - SEARCH_S
    field = excerpts(heard, from_s, round((BEFORE_S + AFTER_S + 2 * SEARCH_S) * RATE_HZ))
    late_s = fraction_s(heard, from_s)
    reach = round(2 * SEARCH_S * RATE_HZ * FINER)
    both = correlation(spectra[inside], half_whitened(rfft(field, SIZE, axis=1), late_s), reach)
    # The field begins SEARCH_S early: lag SEARCH_S is the expected place.
    lag_s = np.arange(-reach, reach + 1) / (FINER * RATE_HZ) - SEARCH_S
    both[np.abs(lag_s) > near_s[inside][:, None]] = -1
    rough_s = expected_s[inside] + lag_s[both.argmax(axis=1)]
    there = onset_spectra(heard, rough_s)
    fine_s, height = peaks(correlation(spectra[inside], there, round(0.0005 * RATE_HZ * FINER)))
    time_s[inside], coherence[inside] = rough_s + fine_s, np.clip(height, 0, 1)
    return time_s, coherence


def _refined(first: Hearing, second: Hearing, spectra: tuple[Spectra, ...], alignment: Alignment) -> Alignment:
    """Fit the line to what was found, twice, and look all up again."""
    for _ in range(2):
        good = alignment.coherence > CHANCE
        if not good.any():
            return alignment
        evidence = alignment.evidence[good]
        first_s, second_s = alignment.first_s[good], alignment.second_s[good]
        # The lag that most evidence lies near, not the mean: chance matches lie anywhere.
        lag_s = first_s - alignment.rate * second_s
        near = np.abs(lag_s[:, None] - lag_s) <= NEAR_S + DRIFT * np.abs(first_s[:, None] - first_s)
        members = near[int(np.argmax(near @ evidence))]
        line = _line(first_s[members], second_s[members], evidence[members], alignment.score)
        alignment = _looked_up(first, second, spectra, line)
    return alignment


def _apart_s(one: Alignment, other: Alignment) -> float:
    """Return by how much two alignments differ where they are known, seconds."""
    middle_s = float(np.nanmean(one.second_s)) if np.isfinite(one.second_s).any() else 0.0
    return abs(one.offset_s - other.offset_s + (one.rate - other.rate) * middle_s)


def _agreement(first: Hearing, second: Hearing, alignment: Alignment) -> float:
    step = np.concatenate([first.onsets.step_db, second.onsets.step_db])
    heard = ~np.isnan(alignment.coherence)
    # Steps of noise say nothing of what should be in both.
    weight = np.maximum(step - NOISE_STEP_DB, 0.01) ** 2
    return float(weight[heard & (alignment.coherence > CHANCE)].sum() / max(weight[heard].sum(), 1e-9))
