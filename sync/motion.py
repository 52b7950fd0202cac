"""Every camera's clock from what moves: for recordings whose sound is of no use, calibrated or not.

Two views of a person far away against the person's size are two affine views: of a point's velocity in both pictures,
four numbers, only three are free, and one direction in the first picture sees the very motion that some direction in
the second sees, whatever the cameras are (J. Koenderink, A. van Doorn, "Affine structure from motion", 1991; L.
Shapiro et al., "3D motion recovery via affine epipolar geometry", 1995). Which directions these are is not known, but
at the right lag they exist: the canonical correlations (H. Hotelling, 1936) between the velocities of all joints in the
one picture and in the other are largest there. The covariances at all lags come from a few Fourier transforms. Nothing
constant, such as where a detector believes a hip to be, tells here; people who repeat themselves give several lags, and
are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import scipy.fft

from clapcap.progress import Progress, silent
from skeleton.keypoints import Keypoints2D
from sync.fixed import RATE_STD
from sync.motion_tracks import MotionTrack, motion_track
from sync.time_map import OK, CameraClock, TimeMap

Array = npt.NDArray[np.float64]

# Tracks are compared at so many moments a second: joints move at 10 Hz at most.
RATE_HZ = 60.0
# Two cameras must see the person move together for this long.
LEAST_OVERLAP_S = 1.0
# A second alignment counts beside the best where it is a peak of its own: further away than this.
LOBE_S = 0.15
# Of 190 pairs of short walks (motion capture seen by two cameras each, with the noise, outliers and swaps of a
# detector) wrong alignments reached 1.6, some of them with peak ratios of 0.5 to 0.7; 8 s of dance give 5 to 9.
NEEDED_EVIDENCE = 2.5
NEEDED_PEAK_RATIO = 0.7
# Blocks that are left out in turn to see how sure the lag is: errors of a detector last for tenths of a second.
BLOCKS = 12
# Perspective is not affine, which no block knows: on the same pairs 49 % of the errors were within the jackknife's
# deviation, 76 % within so many.
PERSPECTIVE = 1.5
# Nothing that moves tells time better than this: a tenth of a frame at 60 fps.
FLOOR_STD_S = 1.5e-3
# Offsets around a triangle of cameras add up to zero within this many deviations, or one of them is wrong.
CYCLE_SIGMA, CYCLE_S = 4.0, 0.02
# Of an offset that was not found; finite, because JSON has no infinity.
UNKNOWN_STD_S = 1e6


@dataclass(frozen=True)
class PairLag:
    """How two cameras' clocks lie to each other by motion.

    Attributes
    ----------
    lag_s
        First camera's time minus second camera's time of the same moment.
    std_s
        Its standard deviation.
    evidence
        What speaks for it: seconds of overlap times the mutual information of the two views' velocities, in nats.
    peak_ratio
        Evidence of the best alignment elsewhere over that of this one.
    second_s
        The lag of that one; NaN where there is none.
    correlation
        The larger canonical correlation at the lag.
    """

    lag_s: float
    std_s: float
    evidence: float
    peak_ratio: float
    second_s: float
    correlation: float


@dataclass(frozen=True)
class MotionSync:
    """The time map, and the pairs that it comes from."""

    time_map: TimeMap
    pairs: Mapping[tuple[str, str], PairLag]


def sync_by_motion(views: Mapping[str, Keypoints2D], *, progress: Progress = silent) -> MotionSync:
    """Find every camera's clock from the keypoints of one moving person.

    Parameters
    ----------
    views
        By camera: the keypoints, `time_s` on the camera's own clock. The same points in all; one person.
    progress
        Told pairs.

    Returns
    -------
    MotionSync
        Session time is that of the first camera of the largest group that agrees. Cameras that cannot be aligned, or
        could be in several ways, have the reason as their verdict. Rates are taken as 1, give or take `RATE_STD`:
        `triangulate.clocks` refines offsets and rates once the cameras are calibrated.
    """
    tracks = {name: motion_track(view, RATE_HZ) for name, view in views.items()}
    pairs: dict[tuple[str, str], PairLag] = {}
    every = list(combinations(views, 2))
    for done, (first, second) in enumerate(every):
        lag = pair_lag(tracks[first], tracks[second])
        if lag is not None:
            pairs[first, second] = lag
        progress(done + 1, len(every))
    return MotionSync(time_map_of(views, pairs, NEEDED_EVIDENCE, NEEDED_PEAK_RATIO), pairs)


def pair_lag(first: MotionTrack, second: MotionTrack) -> PairLag | None:
    """Return the lag between two tracks; None where they are never seen to move for long enough together."""
    correlations = _Correlations.of(first, second)
    evidence, correlation, overlap_s = correlations.evidence()
    allowed = overlap_s >= LEAST_OVERLAP_S
    if not allowed.any():
        return None
    evidence = np.where(allowed, evidence, 0.0)
    best = int(evidence.argmax())
    if evidence[best] <= 0:
        return None
    interval_s = 1 / RATE_HZ
    peaks = np.flatnonzero((evidence[1:-1] >= evidence[:-2]) & (evidence[1:-1] > evidence[2:])) + 1
    others = peaks[np.abs(peaks - best) * interval_s > LOBE_S]
    second_best = int(others[evidence[others].argmax()]) if len(others) else None
    lag_frames, std_frames = _sharpened(first, second, int(correlations.lags[best]))
    zero_s = first.start_s - second.start_s
    return PairLag(
        lag_s=zero_s + lag_frames * interval_s,
        std_s=float(np.hypot(PERSPECTIVE * std_frames * interval_s, FLOOR_STD_S)),
        evidence=float(evidence[best]),
        peak_ratio=float(evidence[second_best] / evidence[best]) if second_best is not None else 0.0,
        second_s=zero_s + float(correlations.lags[second_best]) * interval_s if second_best is not None else np.nan,
        correlation=float(correlation[best]),
    )


@dataclass(frozen=True, eq=False)
class _Correlations:
    """Second moments of two tracks' velocities at many lags: first[t] beside second[t - lag].

    Attributes
    ----------
    lags
        (lags,), in steps.
    aa, bb, ab
        (lags, 2, 2): sums over joints and moments that both saw.
    joints
        (lags,): how many there are of these.
    points
        How many joints there are at one moment.
    """

    lags: npt.NDArray[np.int64]
    aa: Array
    bb: Array
    ab: Array
    joints: Array
    points: int

    @classmethod
    def of(cls, first: MotionTrack, second: MotionTrack) -> _Correlations:
        """Sum at all lags."""
        a, b = first.velocity, second.velocity
        size = scipy.fft.next_fast_len(len(a) + len(b) - 1, real=True)

        def spectrum(values: Array) -> npt.NDArray[np.complex128]:
            return np.asarray(scipy.fft.rfft(values, size, axis=0))

        def crossed(x: Array, y: Array) -> Array:
            """Sum over joints (last axis) and time of x[t] y[t - lag]."""
            summed = (spectrum(x) * np.conj(spectrum(y))).sum(axis=-1)
            back = scipy.fft.irfft(summed, size)
            return np.concatenate([back[size - len(b) + 1 :], back[: len(a)]])

        seen_a, seen_b = first.seen.astype(np.float64), second.seen.astype(np.float64)
        aa = np.empty((len(a) + len(b) - 1, 2, 2))
        bb, ab = np.empty_like(aa), np.empty_like(aa)
        for i in range(2):
            for j in range(2):
                ab[:, i, j] = crossed(a[..., i], b[..., j])
                if j >= i:
                    aa[:, i, j] = aa[:, j, i] = crossed(a[..., i] * a[..., j], seen_b)
                    bb[:, i, j] = bb[:, j, i] = crossed(seen_a, b[..., i] * b[..., j])
        joints = np.round(crossed(seen_a, seen_b))
        return cls(np.arange(-len(b) + 1, len(a)), aa, bb, ab, joints, a.shape[1])

    def evidence(self) -> tuple[Array, Array, Array]:
        """Return evidence, larger canonical correlation and overlap in seconds at each lag, all (lags,)."""
        overlap_s = self.joints / self.points / RATE_HZ
        squared = _canonical_squared(self.aa, self.bb, self.ab)
        information = -0.5 * np.log1p(-np.minimum(squared, 0.9999)).sum(axis=-1)
        return overlap_s * information, np.sqrt(squared.max(axis=-1)), overlap_s


def _canonical_squared(aa: Array, bb: Array, ab: Array) -> Array:
    """Return the two squared canonical correlations (..., 2) of 2-vectors with these second moments (..., 2, 2)."""
    # The eigenvalues of aa^-1 ab bb^-1 ba by trace and determinant; a view that hardly moves correlates with nothing.
    ridge = 1e-9 + 1e-6 * (np.trace(aa, axis1=-2, axis2=-1) + np.trace(bb, axis1=-2, axis2=-1))
    eye = ridge[..., None, None] * np.eye(2)
    product = np.linalg.solve(aa + eye, ab) @ np.linalg.solve(bb + eye, np.swapaxes(ab, -1, -2))
    half = np.trace(product, axis1=-2, axis2=-1) / 2
    root = np.sqrt(np.maximum(half**2 - np.linalg.det(product), 0.0))
    return np.asarray(np.clip(np.stack([half + root, half - root], axis=-1), 0.0, 1.0))


def _sharpened(first: MotionTrack, second: MotionTrack, lag: int) -> tuple[float, float]:
    """Return the lag in steps to a fraction, and its deviation by leaving out one block of time after the other."""
    around = np.arange(lag - 2, lag + 3)
    fine = np.linspace(-2, 2, 4001)
    a, b = first.velocity, second.velocity
    start, stop = max(0, lag), min(len(a), len(b) + lag)
    edges = np.linspace(start, stop, BLOCKS + 1).astype(int)
    sums = np.zeros((BLOCKS, len(around), 3, 2, 2))
    for place, step in enumerate(around):
        low, high = max(start, step), min(stop, len(b) + step)
        now = slice(low, high)
        then = slice(low - step, high - step)
        both = first.seen[now] & second.seen[then]
        x, y = np.where(both[..., None], a[now], 0.0), np.where(both[..., None], b[then], 0.0)
        block = np.clip(np.searchsorted(edges, np.arange(low, high), side="right") - 1, 0, BLOCKS - 1)
        for kind, (p, q) in enumerate(((x, x), (y, y), (x, y))):
            moments = np.einsum("tji,tjk->tik", p, q)
            np.add.at(sums[:, place, kind], block, moments)

    def peak(total: Array) -> float:
        squared = _canonical_squared(total[:, 0], total[:, 1], total[:, 2])
        information = -np.log1p(-np.minimum(squared, 0.9999)).sum(axis=-1)
        # The polynomial through the five points, on a fine grid.
        curve = np.vander(fine, 5) @ np.linalg.solve(np.vander(around - lag, 5), information)
        return float(lag + fine[curve.argmax()])

    whole = sums.sum(axis=0)
    without = np.array([peak(whole - block) for block in sums])
    # The jackknife (J. Tukey, 1958).
    std = float(np.sqrt((BLOCKS - 1) / BLOCKS * ((without - without.mean()) ** 2).sum()))
    return peak(whole), std


def time_map_of(
    views: Mapping[str, Keypoints2D],
    pairs: Mapping[tuple[str, str], PairLag],
    needed_evidence: float,
    needed_peak_ratio: float,
) -> TimeMap:
    """Bring as many cameras as possible onto one time line: strongest pairs first, those that contradict left out.

    Parameters
    ----------
    views
        By camera, as in `sync_by_motion`.
    pairs
        How they lie to each other.
    needed_evidence, needed_peak_ratio
        What makes a pair believed by itself: at least this evidence, at most that ratio.
    """
    needed = needed_evidence, needed_peak_ratio
    names = list(views)
    offset = {name: {name: 0.0} for name in names}  # each camera's group: its members' offsets
    kept: list[tuple[str, str]] = []
    for (first, second), pair in sorted(pairs.items(), key=lambda entry: -entry[1].evidence):
        if pair.evidence < needed_evidence or pair.peak_ratio > needed_peak_ratio:
            continue
        one, other = offset[first], offset[second]
        if one is other:
            wrong_s = one[second] - one[first] - pair.lag_s
            if abs(wrong_s) <= max(CYCLE_S, CYCLE_SIGMA * pair.std_s):
                kept.append((first, second))
            continue
        shift_s = one[first] + pair.lag_s - other[second]
        one.update({name: value + shift_s for name, value in other.items()})
        for name in other:
            offset[name] = one
        kept.append((first, second))
    largest = max(offset.values(), key=len)
    reference = next(name for name in names if name in largest)
    solved = _solved(reference, [name for name in names if name in largest], kept, pairs)
    clocks = {}
    for name in names:
        if name in solved and len(largest) > 1:
            offset_s, std_s = solved[name]
            if name == reference:
                clocks[name] = CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0)
                continue
            best = min(pair.peak_ratio for key, pair in pairs.items() if name in key and key in kept)
            middle_s = float(views[name].time_s.mean())
            at_zero_s = float(np.hypot(std_s, RATE_STD * middle_s))
            clocks[name] = CameraClock(
                offset_s, 1.0, at_zero_s, RATE_STD, "motion", float(np.clip(1 - best, 0, 1)), OK, middle_s
            )
        else:
            verdict = _verdict(name, views[name], pairs, needed)
            clocks[name] = CameraClock(0.0, 1.0, UNKNOWN_STD_S, RATE_STD, "motion", 0.0, verdict)
    return TimeMap(clocks)


def _solved(
    reference: str, names: list[str], kept: list[tuple[str, str]], pairs: Mapping[tuple[str, str], PairLag]
) -> dict[str, tuple[float, float]]:
    """Solve the offsets of a group by least squares over its pairs: offset and deviation by camera."""
    place = {name: i for i, name in enumerate(name for name in names if name != reference)}
    inside = [key for key in kept if key[0] in names and key[1] in names]
    rows, right = np.zeros((len(inside), len(place))), np.zeros(len(inside))
    for row, (first, second) in enumerate(inside):
        pair = pairs[first, second]
        for name, sign in ((first, -1.0), (second, 1.0)):
            if name != reference:
                rows[row, place[name]] = sign / pair.std_s
        right[row] = pair.lag_s / pair.std_s
    solved = {reference: (0.0, 0.0)}
    if place:
        covariance = np.linalg.pinv(rows.T @ rows)
        offsets = covariance @ rows.T @ right
        # Pairs share their cameras' errors: three pairs are no surer than the best of them.
        least_s = np.array([min(pairs[key].std_s for key in inside if name in key) for name in place])
        std_s = np.maximum(np.sqrt(np.diag(covariance)), least_s)
        solved |= {name: (float(offsets[i]), float(std_s[i])) for name, i in place.items()}
    return solved


def _verdict(
    name: str, view: Keypoints2D, pairs: Mapping[tuple[str, str], PairLag], needed: tuple[float, float]
) -> str:
    """Say why a camera has no clock, and what to do."""
    remedy = f"Give its offset by hand: --offset {name}=SECONDS"
    mine = {key: pair for key, pair in pairs.items() if name in key}
    if not (view.confidence > 0).any():
        return f"nobody is seen in it. {remedy}"
    if not mine:
        return f"no other camera sees the person move at the same time for {LEAST_OVERLAP_S:.0f} s. {remedy}"
    key, best = max(mine.items(), key=lambda entry: entry[1].evidence)
    other = key[0] if key[1] == name else key[1]
    if best.evidence < needed[0]:
        return (
            f"too little motion: what it has in common with {other} comes to {best.evidence:.1f}, needed "
            f"{needed[0]:.1f}. {remedy}"
        )
    if best.peak_ratio > needed[1]:
        return (
            f"ambiguous: the motion repeats itself, {best.lag_s - best.second_s:+.2f} s further {best.peak_ratio:.2f} "
            f"of what speaks for the best alignment with {other} speaks for another, needed at most "
            f"{needed[1]:.2f}. {remedy}"
        )
    return f"contradictory: it agrees with {other}, but the other cameras say otherwise. {remedy}"
