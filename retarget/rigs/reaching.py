"""Hands that meet still meet: on a rig with other shoulders and arms, both arms give by as much as that takes.

Where the source's hands are near each other, the vector between them becomes the source's, scaled by the arms; the
middle between them stays where the limbs' directions put it. Far from each other, nothing is changed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retarget.rigs.limbs import bend_limb
from retarget.rigs.rig import SIDES, Rig
from retarget.rigs.transfer import placed, reach
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

TOGETHER, APART = 0.35, 0.80
"""Wrists nearer than the first share of an arm's length meet (palm on palm they are about 0.2 of it apart, with fingers
entwined 0.3); farther than the second they have nothing to do with each other."""


def join_hands(motion: Motion, source: Rig, target: Rig, rotations: Array, root_m: Array) -> Array:
    """Return the target's rotations (joints, frames, 3, 3) in the world with hands that meet where the source's do."""
    chains = [[f"{side}_{part}" for part in ("upper_arm", "forearm", "hand")] for side in SIDES]
    if any(role not in rig.role for rig in (source, target) for chain in chains for role in chain):
        return rotations
    position, _ = placed(motion)
    left, right = (position[source.role[f"{side}_hand"]] for side in SIDES)
    between = left - right
    arm_m = source.arm_m()
    near = np.clip((APART - np.linalg.norm(between, axis=1) / arm_m) / (APART - TOGETHER), 0, 1)
    if not near.any():
        return rotations
    share = (near * near * (3 - 2 * near))[:, None]
    bent = rotations.copy()
    ours, theirs = (root_m + reach(target, rotations, target.role[f"{side}_hand"]) for side in SIDES)
    wanted = between * target.arm_m() / arm_m - (ours - theirs)
    for chain, sign in zip(chains, (0.5, -0.5), strict=True):
        joints = tuple(target.role[role] for role in chain)
        bend_limb(target, bent, joints, root_m, sign * share * wanted, -target.front)
    return bent
