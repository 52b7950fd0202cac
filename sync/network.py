"""Which pairs of tracks to believe: all pairs together, so that those that contradict the others are thrown out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sync.alignment import PairAlignment

# A pair is believed by itself if its evidence, by the share of all onsets that it explains, reaches this: a clap that
# agrees by 0.65 in both tracks. The best that different speech, claps and music had in common by chance was 0.43, in
# 135 pairs; its runner-up is also closer than that of a true match.
NEEDED_STRENGTH = 0.55
NEEDED_PEAK_RATIO = 0.4
# Claps that do not agree outweigh those that do, unless there are many that do: a camera may have its own noises.
NEEDED_AGREEMENT, MANY_SCORE, AGREEMENT_OF_MANY = 0.4, 6.0, 0.1
# Pairs that are too weak by themselves, but say the same of a camera by way of a third, confirm each other; by chance
# they do, too, where two cameras hear the same claps and the third hears others that are a little like them.
WEAK_SCORE, WEAK_STRENGTH = 0.4, 0.2
# Reflections may be what matched: two ways around a triangle then differ by the size of a room.
CYCLE_S, CYCLE_DRIFT = 0.030, 100e-6

Pair = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """first time = offset_s + rate * second time."""

    offset_s: float
    rate: float

    def then(self, other: Line) -> Line:
        """Return the line from the other's second clock to this one's first."""
        return Line(self.offset_s + self.rate * other.offset_s, self.rate * other.rate)

    @property
    def inverse(self) -> Line:
        """Return the line from the first clock to the second."""
        return Line(-self.offset_s / self.rate, 1 / self.rate)


@dataclass(frozen=True)
class Network:
    """The cameras that are on one time line.

    Attributes
    ----------
    reference
        Whose clock it is; None: no two cameras are.
    to_reference
        By camera: the line from its clock to the reference's, good to the reflections of a room.
    rejected
        Pairs that were good by themselves and contradict the others.
    """

    reference: str | None
    to_reference: Mapping[str, Line]
    rejected: tuple[Pair, ...]


def refusal(pair: PairAlignment) -> str | None:
    """Say why a pair is not believed by itself; None: it is."""
    if pair.peak_ratio > NEEDED_PEAK_RATIO:
        return "ambiguous"
    many = pair.best.score >= MANY_SCORE and pair.agreement >= AGREEMENT_OF_MANY
    if pair.agreement < NEEDED_AGREEMENT and not many:
        return "contradictory"
    if pair.strength < NEEDED_STRENGTH:
        return "weak"
    return None


def connect(names: list[str], pairs: Mapping[Pair, PairAlignment]) -> Network:
    """Bring as many cameras as possible onto one time line.

    The strongest pairs come first. One that closes a circle must agree with those before it, or it is rejected; where
    what is rejected outweighs what holds a camera, that camera is taken out and the rest solved again.
    """
    left = list(names)
    while True:
        good = {pair: found for pair, found in pairs.items() if set(pair) <= set(left) and refusal(found) is None}
        good |= _confirmed(left, pairs, good)
        lines, rejected = _spanned(left, good)
        against = {name: 0.0 for name in left}
        support = {name: 0.0 for name in left}
        for pair, found in good.items():
            for name in pair:
                (against if pair in rejected else support)[name] += _weight(found)
        worst = max(left, key=lambda name: against[name] - support[name], default=None)
        if worst is None or against[worst] <= 0.5 * support[worst]:
            break
        left.remove(worst)
    component = max(lines, key=len, default={})
    if len(component) < 2:
        return Network(None, {}, tuple(rejected))
    reference = next(name for name in names if name in component)
    root = component[reference].inverse
    return Network(reference, {name: root.then(line) for name, line in component.items()}, tuple(rejected))


def _weight(pair: PairAlignment) -> float:
    return pair.best.score * (1 - min(pair.peak_ratio, 1.0)) + 1e-6


def _spanned(names: list[str], good: Mapping[Pair, PairAlignment]) -> tuple[list[dict[str, Line]], list[Pair]]:
    """Join cameras by the strongest pairs; return each group's lines to a common clock, and the pairs that disagree."""
    group = {name: {name: Line(0.0, 1.0)} for name in names}
    rejected = []
    for pair, found in sorted(good.items(), key=lambda entry: -_weight(entry[1])):
        first, second = pair
        line = Line(found.best.offset_s, found.best.rate)
        ours, theirs = group[first], group[second]
        if ours is theirs:
            direct, around = line, ours[first].inverse.then(ours[second])
            if not _same(found, direct, around):
                rejected.append(pair)
            continue
        bridge = ours[first].then(line).then(theirs[second].inverse)
        ours |= {name: bridge.then(other) for name, other in theirs.items()}
        for name in theirs:
            group[name] = ours
    distinct: list[dict[str, Line]] = []
    for lines in group.values():
        if all(lines is not other for other in distinct):
            distinct.append(lines)
    return distinct, rejected


def _same(found: PairAlignment, one: Line, other: Line) -> bool:
    heard = found.best.second_s[np.isfinite(found.best.second_s)]
    apart_s = one.offset_s - other.offset_s + (one.rate - other.rate) * heard
    return bool(np.median(np.abs(apart_s)) <= CYCLE_S + CYCLE_DRIFT * np.ptp(heard))


def _confirmed(
    names: list[str], pairs: Mapping[Pair, PairAlignment], good: Mapping[Pair, PairAlignment]
) -> dict[Pair, PairAlignment]:
    """Return weak pairs that a way over a third camera, of weak pairs or good ones, agrees with."""
    weak = {
        pair: found
        for pair, found in pairs.items()
        if set(pair) <= set(names)
        and pair not in good
        and found.peak_ratio <= NEEDED_PEAK_RATIO
        and found.best.score >= WEAK_SCORE
        and found.strength >= WEAK_STRENGTH
    }
    usable = {**weak, **good}

    def line(first: str, second: str) -> Line | None:
        if (first, second) in usable:
            best = usable[first, second].best
            return Line(best.offset_s, best.rate)
        if (second, first) in usable:
            best = usable[second, first].best
            return Line(best.offset_s, best.rate).inverse
        return None

    confirmed = {}
    for (first, second), found in weak.items():
        direct = Line(found.best.offset_s, found.best.rate)
        for third in names:
            before, after = line(first, third), line(third, second)
            if third not in (first, second) and before and after and _same(found, direct, before.then(after)):
                confirmed[first, second] = found
                break
    return confirmed
