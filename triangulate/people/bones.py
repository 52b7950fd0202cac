"""Bones' lengths as a sign of who somebody is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Each the mean of left and right, so that exchanged sides do not matter.
BONES = (
    (("left_shoulder", "right_shoulder"),),
    (("left_hip", "right_hip"),),
    (("left_shoulder", "left_hip"), ("right_shoulder", "right_hip")),
    (("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow")),
    (("left_elbow", "left_wrist"), ("right_elbow", "right_wrist")),
    (("left_hip", "left_knee"), ("right_hip", "right_knee")),
    (("left_knee", "left_ankle"), ("right_knee", "right_ankle")),
)
# One person's median lengths differ by this share between two parts of a take, as other cameras see them in other
# poses: by 0.003 to 0.05 a bone, and the breadth of hips once by 0.1 (halves of the rendered crossing).
SYSTEMATIC = 0.05
# Detections err alike in neighbouring pictures: so many count as one.
ALIKE = 5


@dataclass(frozen=True, eq=False)
class BoneLengths:
    """Logarithms of a body's bone lengths (bones,), and their deviations; NaN where not seen."""

    log_m: Array
    sigma: Array


def bone_lengths(names: tuple[str, ...], bodies_m: Array) -> BoneLengths:
    """Measure the bones of one person's bodies (moments, points, 3), metres."""
    log_m, sigma = np.full(len(BONES), np.nan), np.full(len(BONES), np.nan)
    for place, sides in enumerate(BONES):
        ends = [(names.index(a), names.index(b)) for a, b in sides if a in names and b in names]
        if not ends or len(bodies_m) == 0:
            continue
        lengths = np.stack([np.linalg.norm(bodies_m[:, a] - bodies_m[:, b], axis=-1) for a, b in ends])
        known = np.isfinite(lengths)
        lengths = lengths[known & (np.where(known, lengths, 0) > 0.02)]
        if len(lengths) == 0:
            continue
        logs = np.log(lengths)
        log_m[place] = np.median(logs)
        spread = 1.48 * float(np.median(np.abs(logs - log_m[place]))) if len(logs) > 2 else 0.3
        sigma[place] = np.hypot(SYSTEMATIC, 1.25 * spread / np.sqrt(max(1.0, len(logs) / ALIKE)))
    return BoneLengths(log_m, sigma)


def difference(first: BoneLengths, second: BoneLengths) -> float:
    """Return how unlike two persons' bones are: mean square in deviations, about 1 for the same; 1 if unknown."""
    variance = first.sigma**2 + second.sigma**2
    squares = (first.log_m - second.log_m) ** 2 / variance
    known = np.isfinite(squares)
    return float(squares[known].mean()) if known.any() else 1.0
