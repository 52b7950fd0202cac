"""Animation skeletons as data: the hierarchy of bones, its rest pose, joint limits and where landmarks sit on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Vector = tuple[float, float, float]
Limits = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

USUAL_LENGTH_STD = 0.1
"""Standard deviation of a segment's proportion, as a share: about twice what adults show, so a weak prior."""

LOCKED: Limits = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
# A swing of 180 degrees can be reached about any axis: there the parametrisation loses a degree of freedom.
_MAX_SWING_DEG = 179.0


@dataclass(frozen=True)
class Joint:
    """One joint of a skeleton definition, with the bone that starts at it.

    Attributes
    ----------
    name, parent
        The joint and its parent; None for the root.
    offset_m
        From the parent to the joint in the rest pose, metres, world axes.
    tail
        The child at which the joint's bone ends; None for a joint that only ends a bone.
    roll_axis
        Direction in the rest pose to which the bone's z axis points as nearly as a right angle to the bone allows.
    limits_deg
        (low, high) of swing x, twist, swing z, see `SkeletonDefinition`; not used for the root, which is free.
    neutral_deg
        Swing x, twist, swing z of the pose towards which unobserved joints are drawn.
    rest_std_deg
        How far swing x, twist, swing z usually depart from the neutral pose.
    length_group
        Joints of one group have offsets of constant proportion; twins of one group are symmetric.
    length_std
        How far people's proportions of this group depart from the definition's, as a share of its length; the smallest
        of a group's counts.
    """

    name: str
    parent: str | None
    offset_m: Vector
    tail: str | None
    roll_axis: Vector
    limits_deg: Limits
    neutral_deg: Vector
    rest_std_deg: Vector
    length_group: str
    length_std: float = USUAL_LENGTH_STD


@dataclass(frozen=True)
class Landmark:
    """A point of a joint set and where it sits on the skeleton.

    Attributes
    ----------
    name
        The point's name in the joint set.
    joint
        The joint in whose frame it rests.
    offset_m
        From the joint, metres, in the joint's axes (parallel to the world in the rest pose).
    offset_std_m
        By how much the subject's offset departs from `offset_m`; 0: not at all.
    std_m
        How far the detector's point strays from a fixed point of the bone, metres.
    axes
        The joint in whose axes the offset is: `joint`, or its parent for a point that does not turn with the limb, such
        as a shoulder. None: `joint`.
    """

    name: str
    joint: str
    offset_m: Vector
    offset_std_m: float
    std_m: float
    axes: str | None = None


@dataclass(frozen=True)
class Contact:
    """A point of the sole: where a foot may stand on the ground.

    Attributes
    ----------
    name
        As reports and files call it, such as left_heel.
    joint, offset_m
        The joint in whose frame it rests, and where: metres, in the joint's axes (parallel to the world in the rest
        pose). It grows with the subject.
    """

    name: str
    joint: str
    offset_m: Vector


@dataclass(frozen=True)
class LandmarkSet:
    """The landmarks of one joint set; `torso` names those that move nearly as one rigid body."""

    name: str
    landmarks: tuple[Landmark, ...]
    torso: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SkeletonDefinition:
    """A skeleton as the inverse kinematics, the exports and other rigs know it.

    World in the rest pose: right-handed, Z up. Bone axes in the rest pose: y from the joint to its tail, z towards
    `roll_axis`, x = y cross z (Blender's `EditBone.align_roll`).

    A joint's rotation in its bone's axes is `swing * twist`: first a turn by `twist` about the bone, then the swing of
    the bone, a rotation vector (x, 0, z). Each of the three has a range; a knee is a joint with a wide range of one and
    narrow ones of the others. The swing's length stays below 180 degrees, where this description is singular.

    Attributes
    ----------
    name, height_m, front
        What it is, the height of a person with these offsets, and the direction that the rest pose faces.
    joints
        Parents before children, the root first.
    landmark_sets
        Where the points of each joint set sit.
    contacts
        The points that may stand on the ground; none for a skeleton that does not.
    """

    name: str
    height_m: float
    front: Vector
    joints: tuple[Joint, ...]
    landmark_sets: Mapping[str, LandmarkSet]
    contacts: tuple[Contact, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "landmark_sets", MappingProxyType(dict(self.landmark_sets)))
        names = [j.name for j in self.joints]
        if not names:
            raise ValueError("a skeleton needs at least one joint")
        if len(set(names)) != len(names):
            raise ValueError(f"joints repeat: {sorted({n for n in names if names.count(n) > 1})}")
        if self.joints[0].parent is not None:
            raise ValueError(f"the first joint, {names[0]}, must be the root, without a parent")
        if not self.height_m > 0:
            raise ValueError(f"height_m is {self.height_m}, needed more than 0")
        for place, joint in enumerate(self.joints):
            self._check_joint(place, joint, names)
        for set_name, landmarks in self.landmark_sets.items():
            _check_landmarks(set_name, landmarks, {j.name: j.parent for j in self.joints})
        for contact in self.contacts:
            if contact.joint not in names:
                raise ValueError(f"contact {contact.name}: it sits on {contact.joint!r}, which is no joint")
        if len({c.name for c in self.contacts}) != len(self.contacts):
            raise ValueError(f"contacts repeat: {[c.name for c in self.contacts]}")

    def _check_joint(self, place: int, joint: Joint, names: list[str]) -> None:
        if place and joint.parent not in names[:place]:
            raise ValueError(f"joint {joint.name}: parent {joint.parent!r} is not defined before it")
        low, high = np.array(joint.limits_deg).T
        if (low > high).any():
            raise ValueError(f"joint {joint.name}: a limit's low exceeds its high: {joint.limits_deg}")
        extent = np.maximum(np.abs(low), np.abs(high))
        if np.hypot(extent[0], extent[2]) > _MAX_SWING_DEG:
            raise ValueError(
                f"joint {joint.name}: the swing limits allow {np.hypot(extent[0], extent[2]):.0f} degrees, "
                f"needed at most {_MAX_SWING_DEG:.0f}"
            )
        if ((np.array(joint.neutral_deg) < low) | (np.array(joint.neutral_deg) > high)).any():
            raise ValueError(f"joint {joint.name}: neutral_deg {joint.neutral_deg} lies outside limits_deg")
        if not min(joint.rest_std_deg) > 0:
            raise ValueError(f"joint {joint.name}: rest_std_deg is {joint.rest_std_deg}, needed more than 0")
        if not joint.length_std > 0:
            raise ValueError(f"joint {joint.name}: length_std is {joint.length_std}, needed more than 0")
        children = [j.name for j in self.joints if j.parent == joint.name]
        if children and joint.tail not in children:
            raise ValueError(f"joint {joint.name}: tail must be one of its children {children}, not {joint.tail!r}")
        if joint.tail is not None:
            offset = np.array(self.joints[names.index(joint.tail)].offset_m)
            if np.linalg.norm(np.cross(offset, joint.roll_axis)) < 1e-6:
                raise ValueError(f"joint {joint.name}: roll_axis is parallel to the bone, or one of them is zero")

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """The names of the joints."""
        return tuple(j.name for j in self.joints)

    @cached_property
    def parents(self) -> npt.NDArray[np.int64]:
        """(joints,), each joint's parent, -1 for the root."""
        place = {name: k for k, name in enumerate(self.joint_names)}
        return np.array([-1 if j.parent is None else place[j.parent] for j in self.joints], dtype=np.int64)

    @cached_property
    def rest_offset_m(self) -> Array:
        """(joints, 3), from the parent to the joint in the rest pose, metres."""
        return np.array([j.offset_m for j in self.joints], dtype=np.float64)

    @cached_property
    def limits_rad(self) -> Array:
        """(joints, 3, 2), low and high of swing x, twist, swing z, radians."""
        return np.radians(np.array([j.limits_deg for j in self.joints], dtype=np.float64))

    @cached_property
    def bone_axes(self) -> Array:
        """(joints, 3, 3), columns x, y, z of each bone in the rest pose, world axes; an end joint has its parent's."""
        axes = np.empty((len(self.joints), 3, 3))
        for k, joint in enumerate(self.joints):
            if joint.tail is None:
                axes[k] = axes[self.parents[k]] if k else np.eye(3)
                continue
            y = self.rest_offset_m[self.index(joint.tail)]
            y = y / np.linalg.norm(y)
            z = np.array(joint.roll_axis, dtype=np.float64)
            z = z - y * (y @ z)
            z /= np.linalg.norm(z)
            axes[k] = np.stack([np.cross(y, z), y, z], axis=1)
        return axes

    @cached_property
    def twins(self) -> tuple[tuple[int, int], ...]:
        """The pairs (left, right) of joints."""
        names = self.joint_names
        pairs = ((n, twin_name(n)) for n in names if n.startswith("left_"))
        return tuple((names.index(a), names.index(b)) for a, b in pairs if b in names)

    def index(self, joint: str) -> int:
        """Return the place of the joint called `joint`."""
        return self.joint_names.index(joint)


def _check_landmarks(set_name: str, landmarks: LandmarkSet, parents: Mapping[str, str | None]) -> None:
    names = [m.name for m in landmarks.landmarks]
    if len(set(names)) != len(names):
        raise ValueError(f"landmarks.{set_name}: {sorted({n for n in names if names.count(n) > 1})} repeat")
    for mark in landmarks.landmarks:
        if mark.joint not in parents:
            raise ValueError(f"landmarks.{set_name}: {mark.name} sits on {mark.joint!r}, which is no joint")
        if mark.axes is not None and mark.axes not in (mark.joint, parents[mark.joint]):
            raise ValueError(
                f"landmarks.{set_name}: {mark.name} has the axes of {mark.axes!r}, needed {mark.joint!r} or its parent"
            )
        if not mark.std_m > 0 or mark.offset_std_m < 0:
            raise ValueError(f"landmarks.{set_name}: {mark.name} needs std_m > 0 and offset_std_m >= 0")
    missing = [n for n in landmarks.torso if n not in names]
    if missing or len(set(landmarks.torso)) < 3:
        raise ValueError(f"landmarks.{set_name}: torso needs three or more of the points, {missing} are none of them")


def twin_name(name: str) -> str:
    """Return the right one's name for that of a left one."""
    return f"right_{name.removeprefix('left_')}" if name.startswith("left_") else name
