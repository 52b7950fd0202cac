"""The points that are lifted, in order, and how they hang together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from skeleton.joint_sets import load_joint_set

Array = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating[Any]]
Index = npt.NDArray[np.int64]

POINTS = (
    *("head", "nose", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    *("left_heel", "right_heel", "left_foot_index", "right_foot_index"),
)
"""The points of the joint set `body18`, in its order."""

MIRROR: Index = load_joint_set("body18").swap_left_right_indices
"""(points,): `array[..., MIRROR, :]` has left and right exchanged."""

HIPS = np.array([POINTS.index("left_hip"), POINTS.index("right_hip")])
SHOULDERS = np.array([POINTS.index("left_shoulder"), POINTS.index("right_shoulder")])
KNEES = np.array([POINTS.index("left_knee"), POINTS.index("right_knee")])
ANKLES = np.array([POINTS.index("left_ankle"), POINTS.index("right_ankle")])
ARMS_TOLD = np.array([POINTS.index(f"{side}_{point}") for point in ("elbow", "wrist") for side in ("left", "right")])
LEGS_TOLD = np.concatenate([KNEES, ANKLES])
TORSO = np.concatenate([HIPS, SHOULDERS])
FEET = np.array(
    [POINTS.index(f"{side}_{point}") for point in ("ankle", "heel", "foot_index") for side in ("left", "right")]
)

CHAIN = (
    # point, what it hangs on, the group of bones that have one length
    *(("head", "shoulders", "head"), ("nose", "head", "head")),
    *((f"{s}_elbow", f"{s}_shoulder", "upper_arm") for s in ("left", "right")),
    *((f"{s}_wrist", f"{s}_elbow", "forearm") for s in ("left", "right")),
    *((f"{s}_knee", f"{s}_hip", "thigh") for s in ("left", "right")),
    *((f"{s}_ankle", f"{s}_knee", "shin") for s in ("left", "right")),
    *((f"{s}_heel", f"{s}_ankle", "foot") for s in ("left", "right")),
    *((f"{s}_foot_index", f"{s}_ankle", "foot") for s in ("left", "right")),
)
"""The chain of points outside of the trunk, parents first. `shoulders` is the shoulders' middle."""

STATURE_M = 1.75
"""The body that networks see and answer in: every subject is scaled to this height."""

CHAIN_SHARE = 0.245 + 0.246 + 0.288
"""Thigh, shin and trunk (hip to shoulder) as shares of the height.

D. A. Winter, Biomechanics and Motor Control of Human Movement, 4th ed., figure 4.1.
"""


def root(xyz: Points) -> Points:
    """Return the middle of the hips (..., 3) of points (..., points, 3)."""
    middle: Points = xyz[..., HIPS, :].mean(axis=-2)
    return middle


def stature(xyz: Points) -> Points:
    """Return each frame's height of the body (...,) by its thighs, shins and trunk, in the unit of xyz.

    Heads and soles are not needed, which not all sources have; NaN where a hip, knee, ankle or shoulder is missing.
    """
    thigh = np.linalg.norm(xyz[..., KNEES, :] - xyz[..., HIPS, :], axis=-1).mean(axis=-1)
    shin = np.linalg.norm(xyz[..., ANKLES, :] - xyz[..., KNEES, :], axis=-1).mean(axis=-1)
    trunk = np.linalg.norm(xyz[..., SHOULDERS, :].mean(axis=-2) - root(xyz), axis=-1)
    height: Points = (thigh + shin + trunk) / CHAIN_SHARE
    return height
