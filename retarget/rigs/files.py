"""A rig from a BVH file, whatever unit and axes it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from clapcap.errors import FileFormatError
from retarget.bvh import read_bvh
from skeleton.motion import Motion

SIZES_M = (0.4, 3.5)
"""Bodies are so large, from the lowest joint at rest to the highest: by that the unit is told."""

UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
"""Per metre, the likelier first."""


@dataclass(frozen=True, eq=False)
class RigFile:
    """A rig, and how its file writes lengths: `scale` units a metre, called `unit`."""

    motion: Motion
    scale: float
    unit: str


def load_rig(path: Path) -> RigFile:
    """Read a rig; the unit is told by the body's size, the upward axis by the rest pose.

    Raises
    ------
    FileFormatError
        If the file cannot be read, or no unit makes its rest pose as large as a body.
    """
    standing: Literal["Y", "Z"] = "Y"
    motion = read_bvh(path)
    size = np.ptp(_rest(motion), axis=0)
    if size[2] < 0.5 * max(size[0], size[1]) and size.argmin() == 2:
        # Lying down as if Y were up: a rest pose is deeper than high only then.
        lying, motion = motion, read_bvh(path, up="Z")
        standing = "Z"
        if np.ptp(_rest(motion), axis=0)[2] < np.ptp(_rest(lying), axis=0)[2]:
            motion, standing = lying, "Y"
    height = float(np.ptp(_rest(motion)[:, 2]))
    for unit, scale in UNITS.items():
        if SIZES_M[0] <= height / scale <= SIZES_M[1]:
            return RigFile(read_bvh(path, scale=scale, up=standing), scale, unit)
    raise FileFormatError(
        f"{path}: its rest pose is {height:g} units high, and no unit ({', '.join(UNITS)}) makes that a body of "
        f"{SIZES_M[0]:g} to {SIZES_M[1]:g} m. Export the rig in metres or centimetres, standing, with Y up."
    )


def _rest(motion: Motion) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rest = np.zeros((len(motion.joint_names), 3))
    for joint in range(1, len(rest)):
        rest[joint] = rest[motion.parents[joint]] + motion.rest_offset_m[joint]
    return rest
