"""A made-up take in which an arm swings as fast as arms do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from benchmarks.synthetic_take import SyntheticTake, make_take

FRAMES = 300
# An arm of 0.56 m at 14.3 rad/s: the wrist has 8 m/s and, round the shoulder, 114 m/s^2. It takes 0.15 s to get there.
SPEED_RAD_S, RAMP_S, SWING_S = 14.3, 0.15, 0.6
ARM = ("left_shoulder", "left_elbow", "left_wrist", "left_pinky", "left_index", "left_thumb")


def swing_an_arm(rng: np.random.Generator) -> tuple[SyntheticTake, npt.NDArray[np.bool_]]:
    """Return a take of a body that stands still but for its left arm, and where that is fast: (frames,).

    The arm is straight. It rests, swings round the shoulder for 0.6 s, and rests; speed rises and falls as a cosine.
    """
    take = make_take(rng, FRAMES)
    xyz = np.repeat(take.xyz_m[:1], FRAMES, axis=0)
    place = [take.names.index(name) for name in ARM]
    lengths = np.linalg.norm(np.diff(take.xyz_m[0, place[:3]], axis=0), axis=-1)
    hand = take.xyz_m[0, place[3:]] - take.xyz_m[0, place[2]]
    start_s = (take.time_s[-1] - SWING_S) / 2
    since = take.time_s - start_s
    rising = np.clip(since / RAMP_S, 0, 1)
    falling = np.clip((SWING_S - since) / RAMP_S, 0, 1)
    speed = SPEED_RAD_S * (1 - np.cos(np.pi * rising)) / 2 * (1 - np.cos(np.pi * falling)) / 2
    angle = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(take.time_s))])
    turned = Rotation.from_rotvec(angle[:, None] * np.array([0.0, 1.0, 0.0]))
    down = np.array([0.0, 0.0, -1.0])
    for point, reach in zip(place[1:3], np.cumsum(lengths), strict=True):
        xyz[:, point] = xyz[:, place[0]] + turned.apply(reach * down)
    for point, offset in zip(place[3:], hand, strict=True):
        xyz[:, point] = xyz[:, place[2]] + turned.apply(offset)
    return replace(take, xyz_m=xyz, xy_px=take.cameras.project(xyz)), speed > 0.1 * SPEED_RAD_S
