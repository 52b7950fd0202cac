"""The numbers of a take's page: how sure each joint is, where it jumps, how long bones are, how each camera fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from session.report.take_findings import TakeFindings

if TYPE_CHECKING:
    from skeleton.keypoints import Keypoints3D
    from skeleton.motion import Motion

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LIMBS = ("head", "trunk", "left arm", "right arm", "left leg", "right leg")

ARM = ("shoulder", "elbow", "wrist", "hand", "pinky", "index", "thumb", "clavicle", "arm", "forearm")
LEG = ("hip", "knee", "ankle", "heel", "foot", "toe", "thigh", "shin")
HEAD = ("nose", "eye", "ear", "mouth", "head", "neck")

JUMP_M, JUMP_M_PER_S2, JUMP_SIGMAS = 0.025, 150.0, 3.0
"""A point jumps where it is further than this off the middle of the frames before and after, further than three of its
deviations, and a body would need this acceleration for it. The wildest movement of the embedded example, hands that
clap, takes 147 m/s2 (82 mm at 30 frames a second), all else in it less than 90, but for one elbow that does jump; the
jitter of the recording walk4 (60 frames a second) takes 300 to 700."""

BONES = (
    ("upper arm", "shoulder", "elbow", "forearm"),
    ("forearm", "elbow", "wrist", "hand"),
    ("thigh", "hip", "knee", "shin"),
    ("shin", "knee", "ankle", "foot"),
)
"""What a bone is called, the points at its ends, and the joint of the animation skeleton at which it ends."""

FOOT_POINTS = ("heel", "foot_index", "big_toe", "small_toe", "ankle", "foot")


@dataclass(frozen=True)
class Joint:
    """How sure one point is over the take; lengths in metres.

    Attributes
    ----------
    name, words, limb, place
        The point, in words, the limb it belongs to, and its place in arrays.
    median_m, most_m
        Deviation of a coordinate: half of the frames are below the first, 95 % below the second. NaN: never found.
    views
        Cameras that it rests on, mean.
    guessed, missing
        Shares of frames in which fewer than two cameras saw it, and in which it has no place.
    fastest_m_per_s
        The speed that 99 % of the frames are below.
    jumps
        Frames in which it jumps, increasing.
    """

    name: str
    words: str
    limb: str
    place: int
    median_m: float
    most_m: float
    views: float
    guessed: float
    missing: float
    fastest_m_per_s: float
    jumps: tuple[int, ...]

    @property
    def side(self) -> str:
        """Return "left", "right" or "middle"."""
        return side_of(self.name)


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone of both sides: lengths in metres (left, right), NaN where not known.

    Attributes
    ----------
    name
        In words.
    before_m, spread
        Between the points: median over the take, and the standard deviation as a share of the mean.
    after_m
        After the fit, the same in every frame.
    off
        (2, frames): how far each frame's length is from the median, as a share of it.
    """

    name: str
    before_m: tuple[float, float]
    spread: tuple[float, float]
    after_m: tuple[float, float]
    off: Array


def side_of(name: str) -> str:
    """Return "left", "right" or "middle"."""
    parts = name.split("_")
    return "left" if "left" in parts else "right" if "right" in parts else "middle"


def limb_of(name: str) -> str:
    """Return which of `LIMBS` a point or joint belongs to, by its name."""
    parts = set(name.split("_"))
    side = side_of(name)
    if parts & set(HEAD):
        return "head"
    if side != "middle" and parts & set(ARM) and not parts & {"foot"}:
        return f"{side} arm"
    if side != "middle" and parts & set(LEG):
        return f"{side} leg"
    return "trunk"


def in_words(name: str) -> str:
    """Name a point for people: "left foot index" is a tip of a foot."""
    return name.replace("foot_index", "toes").replace("_", " ")


def joints_of(findings: TakeFindings) -> list[Joint]:
    """Return the points, limb by limb, in the order of `LIMBS` and of the arrays."""
    keypoints = findings.keypoints
    speed = speeds(keypoints)
    jumps = find_jumps(keypoints)
    joints = []
    for place, name in enumerate(keypoints.names):
        sigma_m = keypoints.sigma_m[:, place]
        known = sigma_m[np.isfinite(keypoints.xyz_m[:, place, 0]) & np.isfinite(sigma_m)]
        fast = speed[:, place][np.isfinite(speed[:, place])]
        joints.append(
            Joint(
                name=name,
                words=in_words(name),
                limb=limb_of(name),
                place=place,
                median_m=float(np.median(known)) if len(known) else float("nan"),
                most_m=float(np.percentile(known, 95)) if len(known) else float("nan"),
                views=float(findings.views[:, place].mean()),
                guessed=float(findings.guessed[:, place].mean()),
                missing=float(1 - (findings.guessed | findings.found)[:, place].mean()),
                fastest_m_per_s=float(np.percentile(fast, 99)) if len(fast) else float("nan"),
                jumps=tuple(np.flatnonzero(jumps[:, place] > 0).tolist()),
            )
        )
    return sorted(joints, key=lambda joint: LIMBS.index(joint.limb))


@dataclass(frozen=True)
class FittedJoint:
    """How sure a joint of the fitted body is.

    Attributes
    ----------
    words, side
        Its name in words, and its side.
    median_m, most_m
        Deviation of its position: median, and what 95 % of the frames are below.
    inferred
        Share of the frames in which nothing of it was seen.
    """

    words: str
    side: str
    median_m: float
    most_m: float
    inferred: float


def fitted_joints(motion: Motion | None) -> list[FittedJoint]:
    """Return the joints of a motion that knows how sure they are; ends of bones are left out."""
    if motion is None or motion.sigma_m is None:
        return []
    inferred = np.zeros(motion.sigma_m.shape, dtype=bool) if motion.inferred is None else motion.inferred
    median_m, most_m = np.percentile(motion.sigma_m, [50, 95], axis=0)
    return [
        FittedJoint(
            in_words(name),
            side_of(name),
            float(median_m[joint]),
            float(most_m[joint]),
            float(inferred[:, joint].mean()),
        )
        for joint, name in enumerate(motion.joint_names)
        if not name.endswith("_end")
    ]


def speeds(keypoints: Keypoints3D) -> Array:
    """Return (frames, points) in metres a second, over the frame before and the one after; NaN at the ends."""
    speed = np.full(keypoints.sigma_m.shape, np.nan)
    if len(keypoints.time_s) > 2:
        way_m = np.linalg.norm(keypoints.xyz_m[2:] - keypoints.xyz_m[:-2], axis=-1)
        speed[1:-1] = way_m / (keypoints.time_s[2:] - keypoints.time_s[:-2])[:, None]
    return speed


def find_jumps(keypoints: Keypoints3D) -> Array:
    """Return (frames, points): how far a point jumps, metres; 0 where it does not.

    That is its distance from where it would be between the frames before and after. Of neighbouring frames that a
    jump makes stand out, the one that does most is marked.
    """
    off_m = np.zeros(keypoints.sigma_m.shape)
    time_s, xyz_m = keypoints.time_s, keypoints.xyz_m
    if len(time_s) < 3:
        return off_m
    share = ((time_s[1:-1] - time_s[:-2]) / (time_s[2:] - time_s[:-2]))[:, None, None]
    between_m = (1 - share) * xyz_m[:-2] + share * xyz_m[2:]
    off_m[1:-1] = np.nan_to_num(np.linalg.norm(xyz_m[1:-1] - between_m, axis=-1))
    step_s2 = ((time_s[1:-1] - time_s[:-2]) * (time_s[2:] - time_s[1:-1]))[:, None]
    jumps = off_m > np.maximum(JUMP_M, JUMP_SIGMAS * np.nan_to_num(keypoints.sigma_m))
    jumps[1:-1] &= 2 * off_m[1:-1] / step_s2 > JUMP_M_PER_S2
    jumps[1:] &= off_m[1:] > off_m[:-1]
    jumps[:-1] &= off_m[:-1] >= off_m[1:]
    return np.where(jumps, off_m, 0.0)


def mended_jumps(findings: TakeFindings) -> Array:
    """Return (frames, points): how far a point jumped as it was measured, metres, where clean-up has mended it."""
    if findings.measured is None:
        return np.zeros(findings.keypoints.sigma_m.shape)
    before, after = find_jumps(findings.measured), find_jumps(findings.keypoints) > 0
    near = after.copy()
    near[1:] |= after[:-1]
    near[:-1] |= after[1:]
    return np.where(near, 0.0, before)


def bones_of(keypoints: Keypoints3D, motion: Motion | None) -> list[Bone]:
    """Return the bones of `BONES` whose ends are among the points."""
    after_m = _lengths_after(motion)
    bones = []
    for name, start, end, joint in BONES:
        lengths = [_lengths(keypoints, f"{side}_{start}", f"{side}_{end}") for side in ("left", "right")]
        if not all(np.isfinite(length).any() for length in lengths):
            continue
        middle = [float(np.nanmedian(length)) for length in lengths]
        bones.append(
            Bone(
                name,
                (middle[0], middle[1]),
                (_spread(lengths[0]), _spread(lengths[1])),
                (after_m.get(f"left_{joint}", float("nan")), after_m.get(f"right_{joint}", float("nan"))),
                np.stack([length / typical - 1 for length, typical in zip(lengths, middle, strict=True)]),
            )
        )
    return bones


def _lengths_after(motion: Motion | None) -> dict[str, float]:
    if motion is None:
        return {}
    return dict(zip(motion.joint_names, np.linalg.norm(motion.rest_offset_m, axis=-1).tolist(), strict=True))


def _lengths(keypoints: Keypoints3D, start: str, end: str) -> Array:
    if start not in keypoints.names or end not in keypoints.names:
        return np.full(len(keypoints.time_s), np.nan)
    ends = keypoints.xyz_m[:, [keypoints.index(start), keypoints.index(end)]]
    return np.asarray(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1))


def _spread(lengths_m: Array) -> float:
    return float(np.nanstd(lengths_m) / np.nanmean(lengths_m))


def person_px(findings: TakeFindings) -> Array:
    """Return (cameras,): how tall the person is in each picture, median of the largest extent; NaN: never seen."""
    xy_px = np.where(findings.used[..., None], findings.observations.xy_px, np.nan)
    tall = np.full(xy_px.shape[0], np.nan)
    for camera, points in enumerate(xy_px):
        enough = points[np.isfinite(points[..., 0]).sum(axis=1) >= 2]
        if len(enough):
            tall[camera] = float(np.median((np.nanmax(enough, axis=1) - np.nanmin(enough, axis=1)).max(axis=-1)))
    return tall


def foot_heights(keypoints: Keypoints3D) -> dict[str, Array]:
    """Return by side (frames,): how high the lowest point of the foot is, metres; sides without points are left out."""
    heights = {}
    for side in ("left", "right"):
        names = [f"{side}_{part}" for part in FOOT_POINTS if f"{side}_{part}" in keypoints.names]
        z_m = keypoints.xyz_m[:, [keypoints.index(name) for name in names], 2]
        if names and np.isfinite(z_m).any():
            lowest = np.full(len(z_m), np.nan)
            some = np.isfinite(z_m).any(axis=1)
            lowest[some] = np.nanmin(z_m[some], axis=1)
            heights[side] = lowest
    return heights


def spans_of(mask: Mask) -> list[tuple[int, int]]:
    """Return (first, last) of each stretch of frames in which `mask` (frames,) holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(after) - 1) for first, after in zip(edges[::2], edges[1::2], strict=True)]


def spans_in_words(spans: Sequence[tuple[int, int]], time_s: Array, most: int = 3) -> str:
    """Put stretches of frames into words: "0.40 to 1.20 s and 3.10 s"; the longest where there are more than `most`."""
    from session.report.page import listed

    shown = sorted(sorted(spans, key=lambda span: span[0] - span[1])[:most])
    words = [
        f"{time_s[first]:.2f} s" if first == last else f"{time_s[first]:.2f} to {time_s[last]:.2f} s"
        for first, last in shown
    ]
    more = len(spans) - len(shown)
    return listed([*words, f"{more} more stretches" if more > 1 else "one more"]) if more else listed(words)
