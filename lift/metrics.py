"""How far a lifted body is from the truth: the measures of the literature, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lift.points import POINTS

Array = npt.NDArray[np.floating[Any]]

BODY = np.array(
    [
        POINTS.index(f"{side}_{joint}")
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ]
)
"""The twelve joints that all recordings have, and over which errors are averaged."""

_ANGLES = tuple(
    tuple(POINTS.index(f"{side}_{joint}") for joint in chain)
    for chain in (
        ("shoulder", "elbow", "wrist"),
        ("hip", "knee", "ankle"),
        ("elbow", "shoulder", "hip"),
        ("shoulder", "hip", "knee"),
    )
    for side in ("left", "right")
)
"""The joints whose angles are compared: elbow, knee, shoulder, hip, each as the angle between its two bones."""


@dataclass(frozen=True)
class Errors:
    """Means over frames and the twelve body joints.

    Attributes
    ----------
    mpjpe_mm
        Distance, after shifting both bodies' hips to one place.
    pa_mpjpe_mm
        After the best rotation, shift and scale of each frame.
    n_mpjpe_mm
        After shifting the hips and the best scale of each frame.
    acceleration_mm
        Length of the difference of second differences, mm per frame squared at 60 frames a second.
    angle_deg
        Difference of the angles at elbows, knees, shoulders and hips.
    frames
        How many frames could be compared.
    """

    mpjpe_mm: float
    pa_mpjpe_mm: float
    n_mpjpe_mm: float
    acceleration_mm: float
    angle_deg: float
    frames: int


def errors(found_m: Array, true_m: Array) -> Errors:
    """Compare two sequences of points of `body18`.

    Parameters
    ----------
    found_m, true_m
        (frames, points, 3): metres, both about the hips or both in one frame of reference, at 60 Hz. Frames in which
        a body joint is NaN on either side are left out.
    """
    hips = np.array([POINTS.index("left_hip"), POINTS.index("right_hip")])
    found = (found_m - found_m[:, hips].mean(axis=1, keepdims=True)).astype(np.float64)
    true = (true_m - true_m[:, hips].mean(axis=1, keepdims=True)).astype(np.float64)
    a, b = found[:, BODY], true[:, BODY]
    known = np.isfinite(a).all(axis=(1, 2)) & np.isfinite(b).all(axis=(1, 2))
    if not known.any():
        nan = float("nan")
        return Errors(nan, nan, nan, nan, nan, 0)
    three = known[2:] & known[1:-1] & known[:-2]
    second = np.diff(a - b, n=2, axis=0)[three]
    a, b = a[known], b[known]
    scale = (a * b).sum(axis=(1, 2)) / np.maximum((a * a).sum(axis=(1, 2)), 1e-12)
    return Errors(
        mpjpe_mm=_mm(a - b),
        pa_mpjpe_mm=_mm(aligned(a, b) - b),
        n_mpjpe_mm=_mm(scale[:, None, None] * a - b),
        acceleration_mm=_mm(second) if len(second) else float("nan"),
        angle_deg=float(np.degrees(np.abs(angles(found[known]) - angles(true[known])).mean())),
        frames=int(known.sum()),
    )


def mean_errors(parts: list[Errors]) -> Errors:
    """Return the mean of several sequences, each counting by its frames."""
    told = [part for part in parts if part.frames]
    weights = np.array([part.frames for part in told], dtype=np.float64)
    values = {}
    for name in (field.name for field in fields(Errors) if field.name != "frames"):
        numbers = np.array([getattr(part, name) for part in told])
        good = np.isfinite(numbers)
        values[name] = float(np.average(numbers[good], weights=weights[good])) if good.any() else float("nan")
    return Errors(**values, frames=int(weights.sum()))


def aligned(moved: Array, fixed: Array) -> Array:
    """Return the similarity images of `moved` (frames, points, 3) nearest to `fixed`, frame by frame.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 13(4), 1991.
    """
    a, b = moved - moved.mean(axis=1, keepdims=True), fixed - fixed.mean(axis=1, keepdims=True)
    U, singular, Vt = np.linalg.svd(np.swapaxes(b, 1, 2) @ a)
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(U @ Vt))
    rotation = (U * sign[:, None]) @ Vt
    scale = (singular * sign).sum(axis=1) / np.maximum((a * a).sum(axis=(1, 2)), 1e-12)
    result: Array = scale[:, None, None] * (a @ np.swapaxes(rotation, 1, 2)) + fixed.mean(axis=1, keepdims=True)
    return result


def angles(xyz: Array) -> Array:
    """Return the angles (frames, joints), radians, between the bones at elbows, knees, shoulders and hips."""
    start, middle, end = (xyz[:, [chain[k] for chain in _ANGLES]] for k in range(3))
    u, v = start - middle, end - middle
    # atan2 keeps its accuracy for straight and folded limbs, where the cosine is flat.
    angle: Array = np.arctan2(np.linalg.norm(np.cross(u, v), axis=-1), (u * v).sum(axis=-1))
    return angle


def mpjpe_m(found_m: Array, true_m: Array) -> float:
    """Return the mean distance over windows (windows, frames, points, 3) that are about the hips, body joints only."""
    distance = np.linalg.norm(found_m[:, :, BODY] - true_m[:, :, BODY], axis=-1)
    return float(np.nanmean(distance))


def _mm(difference: Array) -> float:
    return 1000 * float(np.linalg.norm(difference, axis=-1).mean())
