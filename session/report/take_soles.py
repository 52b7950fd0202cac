"""The points under the feet of a take that stand on the floor, from what the fit of the bones has noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from session.report.take_findings import Sole

if TYPE_CHECKING:
    from skeleton.hierarchy import Contact, SkeletonDefinition
    from skeleton.motion import Motion

Array = npt.NDArray[np.float64]


def soles_of(motion: Motion, skeleton: SkeletonDefinition) -> tuple[Sole, ...]:
    """Return the points of the soles with their paths and when they stand; empty where the motion does not tell.

    Parameters
    ----------
    motion
        Whose contacts are those of the skeleton.
    skeleton
        It says where they sit.
    """
    known = {contact.name: contact for contact in skeleton.contacts}
    if motion.contact is None:
        return ()
    scale = _scale(motion, skeleton)
    return tuple(
        Sole(name, _path(motion, known[name], scale), motion.contact[:, place])
        for place, name in enumerate(motion.contact_names)
        if name in known and known[name].joint in motion.joint_names
    )


def _path(motion: Motion, contact: Contact, scale: float) -> Array:
    """Return where a point of a sole is in the world (frames, 3), metres."""
    joint = motion.joint_names.index(contact.joint)
    offset_m = scale * np.array(contact.offset_m)
    path: Array = motion.world_positions()[:, joint] + motion.world_rotations()[joint].apply(offset_m)
    return path


def _scale(motion: Motion, skeleton: SkeletonDefinition) -> float:
    """Return how large the subject is against the skeleton as defined: contacts grow with it."""
    defined_m = {joint.name: float(np.linalg.norm(joint.offset_m)) for joint in skeleton.joints}
    shared = [place for place, name in enumerate(motion.joint_names) if name in defined_m]
    whole_m = sum(defined_m[motion.joint_names[place]] for place in shared)
    return float(np.linalg.norm(motion.rest_offset_m[shared], axis=1).sum() / whole_m) if whole_m else 1.0
