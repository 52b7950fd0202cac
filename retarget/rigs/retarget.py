"""A motion onto another rig, start to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from retarget.rigs.planting import find_contacts, plant_feet, plant_root
from retarget.rigs.reaching import join_hands
from retarget.rigs.rig import Rig
from retarget.rigs.transfer import placed, scaled_root, to_motion, world_rotations
from skeleton.motion import Motion


@dataclass(frozen=True)
class RetargetReport:
    """What was done.

    Attributes
    ----------
    parts
        The parts that both rigs have, and so were moved.
    unmoved
        Joints of the target that play no part: they follow their parents.
    scale
        Of the target's legs against the source's, and so of its path.
    stands
        Stretches in which a foot, or its ball, stands.
    drift_mm
        How far, at most, a standing point leaves its place.
    """

    parts: tuple[str, ...]
    unmoved: tuple[str, ...]
    scale: float
    stands: int
    drift_mm: float


def retarget_motion(
    motion: Motion, target: Motion, source_names: Mapping[str, str], target_names: Mapping[str, str]
) -> tuple[Motion, RetargetReport]:
    """Bring a motion onto another rig.

    Limbs point as the source's do, and are rolled as its are; the path is scaled by the legs; feet that stand
    stay, hands that meet meet.

    Parameters
    ----------
    motion
        What moves.
    target
        The rig: its names, hierarchy and rest pose count, not how it moves.
    source_names, target_names
        By part (`retarget.rigs.rig.ROLES`): the joint that plays it.

    Raises
    ------
    FitError
        If either rig lacks parts that a body needs.
    """
    source_rig, target_rig = Rig.of(motion, source_names), Rig.of(target, target_names)
    rotations = world_rotations(motion, source_rig, target_rig)
    root_m = scaled_root(motion, source_rig, target_rig, rotations)
    contacts = find_contacts(motion, source_rig)
    root_m, stands = plant_root(target_rig, rotations, root_m, contacts, motion.time_s)
    rotations = plant_feet(target_rig, rotations, root_m, stands, motion.time_s)
    rotations = join_hands(motion, source_rig, target_rig, rotations, root_m)
    moved = to_motion(target_rig, rotations, root_m, target.rest_offset_m, motion.time_s)
    position, _ = placed(moved)
    drift = [
        float(np.linalg.norm(position[target_rig.role[s.role], s.start : s.stop] - s.place_m, axis=1).max())
        for s in stands
    ]
    parts = tuple(role for role in target_rig.role if role in source_rig.role)
    playing = {target_rig.role[role] for role in parts}
    report = RetargetReport(
        parts,
        tuple(name for joint, name in enumerate(target.joint_names) if joint not in playing),
        target_rig.leg_m() / source_rig.leg_m(),
        len(stands),
        1000 * max(drift, default=0.0),
    )
    return moved, report
