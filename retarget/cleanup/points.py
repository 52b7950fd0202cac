"""Points in space, cleaned up: spikes taken out, short gaps filled, then filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from retarget.cleanup.deviation import deviation_after
from retarget.cleanup.filters import FILTERS, NONE, bridges_gaps, check_parameters
from retarget.cleanup.gaps import fill_gaps
from retarget.cleanup.kalman import kalman_smoother
from retarget.cleanup.spikes import find_spikes
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SEED = 0
"""Of the probes that the deviations after a filter rest on: the same input gives the same output."""


@dataclass(frozen=True)
class CleanUp:
    """What is to be done.

    Attributes
    ----------
    max_gap_s
        Gaps up to this long are filled; 0 fills none.
    spikes
        Whether spikes are taken out.
    filter
        A name of `filters.FILTERS`, or "none".
    parameters
        Of the filter; those not named have its defaults.
    """

    max_gap_s: float = 0.2
    spikes: bool = True
    filter: str = NONE
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_parameters(self.filter, self.parameters)
        if not self.max_gap_s >= 0:
            raise ValueError(f"max_gap_s is {self.max_gap_s}, needed 0 or more")


@dataclass(frozen=True, eq=False)
class Changes:
    """What clean-up did to each track.

    Attributes
    ----------
    names
        Of the points, or the joints.
    spikes
        (frames, tracks) of bool: taken out, and filled if their gap was short enough.
    filled
        (frames, tracks) of bool: not there before, or taken out, and filled now.
    open
        (frames, tracks) of bool: without a position still.
    moved_m
        (frames, tracks): how far each frame that was there lies from where it was, metres; NaN where it was not, or is
        not any more.
    """

    names: tuple[str, ...]
    spikes: Bools
    filled: Bools
    open: Bools
    moved_m: Array


@dataclass(frozen=True, eq=False)
class CleanedPoints:
    """Points after clean-up, and what it did."""

    keypoints: Keypoints3D
    changes: Changes


def clean_points(keypoints: Keypoints3D, wanted: CleanUp) -> CleanedPoints:
    """Take spikes out, fill short gaps, filter; in this order.

    What a spike was taken from is a gap like any other: filled and marked in `filled` if it is short enough, and
    without a view (`reprojection_px` NaN). Deviations of filled points are those of `gaps.fill_gaps`, or of the filter
    if it bridges gaps itself; of filtered ones, those of `deviation.deviation_after`. Points that were marked as filled
    before stay marked.

    Raises
    ------
    CleanupError
        If the filter cannot be had at this frame rate.
    """
    spikes = (
        find_spikes(keypoints.xyz_m, keypoints.time_s, keypoints.sigma_m)
        if wanted.spikes
        else np.zeros(keypoints.filled.shape, dtype=bool)
    )
    observed = without(keypoints, spikes)
    if bridges_gaps(wanted.filter):
        cleaned = _bridged(observed, wanted)
    else:
        cleaned = _filtered(fill_gaps(observed, wanted.max_gap_s), wanted)
    was = np.isfinite(keypoints.xyz_m).all(axis=-1)
    now = np.isfinite(cleaned.xyz_m).all(axis=-1)
    moved = np.linalg.norm(cleaned.xyz_m - keypoints.xyz_m, axis=-1)
    changes = Changes(keypoints.names, spikes, now & (spikes | ~was), ~now, moved)
    return CleanedPoints(cleaned, changes)


def without(keypoints: Keypoints3D, wrong: Bools) -> Keypoints3D:
    """Return the keypoints without the positions that are marked (frames, points)."""
    return replace(
        keypoints,
        xyz_m=np.where(wrong[..., None], np.nan, keypoints.xyz_m),
        sigma_m=np.where(wrong, np.nan, keypoints.sigma_m),
        reprojection_px=np.where(wrong, np.nan, keypoints.reprojection_px),
        filled=keypoints.filled & ~wrong,
    )


def _filtered(keypoints: Keypoints3D, wanted: CleanUp) -> Keypoints3D:
    if wanted.filter == NONE:
        return keypoints
    xyz, sigma, time_s = keypoints.xyz_m, keypoints.sigma_m, keypoints.time_s

    def apply(values: Array) -> Array:
        return FILTERS[wanted.filter](values, time_s, sigma, **wanted.parameters)

    after = apply(xyz)
    left = deviation_after(
        xyz,
        after,
        time_s,
        sigma,
        ~keypoints.filled & np.isfinite(after).all(axis=-1),
        apply,
        np.random.default_rng(SEED),
    )
    return replace(keypoints, xyz_m=after, sigma_m=left)


def _bridged(keypoints: Keypoints3D, wanted: CleanUp) -> Keypoints3D:
    """Let the Kalman smoother fill gaps; there its own deviation stands, with the slow errors of the frames around."""
    xyz, sigma, time_s = keypoints.xyz_m, keypoints.sigma_m, keypoints.time_s

    smoothed = kalman_smoother(xyz, time_s, sigma, max_gap_s=wanted.max_gap_s, **wanted.parameters)
    there = np.isfinite(xyz).all(axis=-1)
    at_frames = np.where(there[..., None], smoothed.values, np.nan)
    left = deviation_after(
        xyz,
        at_frames,
        time_s,
        sigma,
        there,
        lambda values: np.where(
            there[..., None],
            FILTERS[wanted.filter](values, time_s, sigma, max_gap_s=wanted.max_gap_s, **wanted.parameters),
            np.nan,
        ),
        np.random.default_rng(SEED),
    )
    filled = np.isfinite(smoothed.values).all(axis=-1) & ~there
    # What passes at observed frames beyond the smoother's own deviation is slow, and does not stop at a gap.
    beyond = np.maximum(left**2 - smoothed.sigma**2, 0.0)
    for point in np.flatnonzero(filled.any(axis=0)):  # each point has gaps of its own
        at = np.flatnonzero(there[:, point] & np.isfinite(beyond[:, point]))
        if len(at):
            gap = np.flatnonzero(filled[:, point])
            left[gap, point] = np.sqrt(
                smoothed.sigma[gap, point] ** 2 + np.interp(time_s[gap], time_s[at], beyond[at, point])
            )
    return replace(keypoints, xyz_m=smoothed.values, sigma_m=left, filled=keypoints.filled | filled)
