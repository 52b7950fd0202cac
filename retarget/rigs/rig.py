"""A rig: joints in a rest pose, and which of them play the parts of a body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapcap.errors import FitError
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

SIDES = ("left", "right")
NEXT = {
    "hips": "spine",
    "spine": "chest",
    "chest": "neck",
    "neck": "head",
    **{f"{s}_clavicle": f"{s}_upper_arm" for s in SIDES},
    **{f"{s}_upper_arm": f"{s}_forearm" for s in SIDES},
    **{f"{s}_forearm": f"{s}_hand" for s in SIDES},
    **{f"{s}_thigh": f"{s}_shin" for s in SIDES},
    **{f"{s}_shin": f"{s}_foot" for s in SIDES},
    **{f"{s}_foot": f"{s}_toe" for s in SIDES},
}
"""The part at which each part's bone ends."""

ROLES = (*NEXT, "head", *(f"{s}_{part}" for s in SIDES for part in ("hand", "toe", "index", "pinky")))
"""The parts of a body: clapcap's own joints, and two fingers that tell how a hand is turned."""

NEEDED = ("hips", *(f"{s}_{part}" for s in SIDES for part in ("thigh", "shin", "foot", "upper_arm", "forearm")))
"""Without these a rig is no body."""

TRUNK = ("hips", "spine", "chest", "neck", "head")


@dataclass(frozen=True, eq=False)
class Rig:
    """A hierarchy at rest with the parts that its joints play.

    Attributes
    ----------
    joint_names, parents
        As in `Motion`: parents before children, the root first.
    rest_m
        (joints, 3): where the joints are at rest, metres, Z up, the lowest at z = 0.
    role
        By part (`ROLES`): the place of its joint.
    """

    joint_names: tuple[str, ...]
    parents: npt.NDArray[np.int64]
    rest_m: Array
    role: Mapping[str, int]

    @classmethod
    def of(cls, motion: Motion, names: Mapping[str, str]) -> Rig:
        """Make the rig that a motion moves.

        Parameters
        ----------
        motion
            Its joints and rest pose.
        names
            By part: the joint's name.

        Raises
        ------
        FitError
            If a part that a body needs is missing; the message names those.
        """
        missing = [role for role in NEEDED if role not in names]
        if missing:
            raise FitError(
                f"the rig has no {', '.join(missing)}: {len(names)} parts of a body were found among its "
                f"{len(motion.joint_names)} joints ({', '.join(motion.joint_names[:8])}, ...). Name a preset, or write "
                "one: a TOML file that maps parts to joints (docs/retargeting.md)."
            )
        rest = np.zeros((len(motion.joint_names), 3))
        for joint, parent in enumerate(motion.parents):
            if parent >= 0:
                rest[joint] = rest[parent] + motion.rest_offset_m[joint]
        rest[:, 2] -= rest[:, 2].min()
        role = {part: motion.joint_names.index(name) for part, name in names.items()}
        return cls(motion.joint_names, motion.parents, rest, role)

    @property
    def front(self) -> Array:
        """(3,): where the body faces at rest: square to up and to the line from the right hip to the left."""
        across = self.rest_m[self.role["left_thigh"]] - self.rest_m[self.role["right_thigh"]]
        front = np.cross(across, [0.0, 0.0, 1.0])
        return np.asarray(front / np.linalg.norm(front))

    def direction(self, role: str) -> Array:
        """Return where a part's bone points at rest, (3,) unit vector, whether or not the next part is there."""
        at = self.rest_m[self.role[role]]
        end = self._end(role)
        along = end - at if end is not None else self._usual(role)
        length = float(np.linalg.norm(along))
        return np.asarray(along / length) if length > 1e-6 else self._usual(role)

    def _end(self, role: str) -> Array | None:
        if role in ("hips", "spine", "chest", "neck"):
            above = TRUNK[TRUNK.index(role) + 1 :]
            ends = [self.rest_m[self.role[part]] for part in above if part in self.role]
            if ends:
                return np.asarray(ends[0])
            if role == "chest" or "chest" not in self.role:
                arms = [self.rest_m[self.role[f"{side}_upper_arm"]] for side in SIDES]
                return np.asarray(np.mean(arms, axis=0))
            return None
        if role in NEXT and NEXT[role] in self.role:
            return np.asarray(self.rest_m[self.role[NEXT[role]]])
        knuckles = [
            self.rest_m[self.role[f"{role[:-5]}_{f}"]] for f in ("index", "pinky") if f"{role[:-5]}_{f}" in self.role
        ]
        if role.endswith("_hand") and knuckles:
            return np.asarray(np.mean(knuckles, axis=0))
        children = np.flatnonzero(self.parents == self.role[role])
        if len(children) == 1 and not role.endswith("_foot"):
            return np.asarray(self.rest_m[children[0]])
        return None

    def _usual(self, role: str) -> Array:
        """Return where a part without an end points: as the bone before it does, feet to the front, the head up."""
        if role.endswith("_hand"):
            return self.direction(role.replace("hand", "forearm"))
        if role.endswith(("_foot", "_toe")):
            return self.front
        return np.array([0.0, 0.0, 1.0])

    def frame(self, role: str) -> Array:
        """Return a part's axes at rest by the body's own sense, (3, 3): columns along, aside, across.

        Along the bone; aside is square to it, nearest the front (for feet: nearest up; for hands: nearest the index's
        side where the fingers tell). Two rigs whose limbs lie along these axes alike look alike, in whatever pose each
        of them rests.
        """
        along = self.direction(role)
        aside = self.front
        if role.endswith(("_foot", "_toe")):
            aside = np.array([0.0, 0.0, 1.0])
        index, pinky = f"{role[:-5]}_index", f"{role[:-5]}_pinky"
        if role.endswith("_hand") and index in self.role and pinky in self.role:
            aside = self.rest_m[self.role[index]] - self.rest_m[self.role[pinky]]
        aside = aside - (aside @ along) * along
        length = float(np.linalg.norm(aside))
        if length < 1e-3:  # an arm that rests straight to the front
            aside = np.array([0.0, 0.0, 1.0]) - along[2] * along
            length = float(np.linalg.norm(aside))
        aside = aside / length
        return np.stack([along, aside, np.cross(along, aside)], axis=1)

    def arm_m(self) -> float:
        """Return how long the arms are, from shoulder to wrist, the mean of both, metres."""
        total = 0.0
        for side in SIDES:
            upper, lower, hand = (self.rest_m[self.role[f"{side}_{part}"]] for part in ("upper_arm", "forearm", "hand"))
            total += float(np.linalg.norm(lower - upper) + np.linalg.norm(hand - lower))
        return total / 2

    def leg_m(self) -> float:
        """Return how long the legs are, from hip to sole, the mean of both, metres."""
        total = 0.0
        for side in SIDES:
            thigh, shin, foot = (self.rest_m[self.role[f"{side}_{part}"]] for part in ("thigh", "shin", "foot"))
            total += float(np.linalg.norm(shin - thigh) + np.linalg.norm(foot - shin) + foot[2])
        return total / 2
