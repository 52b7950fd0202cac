"""The person's bones: joints at rest, forward and inverse kinematics, and where the named joint centres are.

At rest the person stands at the origin, faces -y, and holds the arms 40 degrees from the body. `left` is the
person's left, which is +x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]

SCALE = 0.92
"""From the 1.76 m body that all lengths here are written for to the person of 1.62 m, whose head all cameras see."""

SIDES = MappingProxyType({"left": 1.0, "right": -1.0})


@dataclass(frozen=True)
class Bone:
    """One bone: from the joint `head` to the point `tail`, moved by `parent`."""

    name: str
    head: str
    tail: str
    parent: str | None


def _rest_joints() -> dict[str, Array]:
    """Return the joints of the resting person by name, metres."""
    points: dict[str, tuple[float, float, float]] = {
        "pelvis": (0, 0, 0.96),
        "spine": (0, 0.01, 1.10),
        "chest": (0, 0.015, 1.27),
        "neck": (0, 0.02, 1.47),
        "head": (0, 0.005, 1.56),
        "crown": (0, 0, 1.76),
        "nose": (0, -0.115, 1.625),
    }
    drop = np.radians(50)
    for side, x in SIDES.items():
        points[f"{side}_eye"] = (0.031 * x, -0.088, 1.662)
        points[f"{side}_ear"] = (0.080 * x, 0.012, 1.64)
        points[f"{side}_collar"] = (0.03 * x, 0.01, 1.44)
        points[f"{side}_shoulder"] = (0.175 * x, 0.015, 1.43)
        shoulder = np.array(points[f"{side}_shoulder"])
        along = np.array([x * np.cos(drop), 0.0, -np.sin(drop)])
        elbow = shoulder + 0.285 * along
        wrist = elbow + 0.255 * (along + np.array([0.0, -0.08, 0.0]))
        for name, point in (("elbow", elbow), ("wrist", wrist), ("fingertips", wrist + 0.18 * along)):
            points[f"{side}_{name}"] = (float(point[0]), float(point[1]), float(point[2]))
        points[f"{side}_hip"] = (0.095 * x, 0.0, 0.92)
        points[f"{side}_knee"] = (0.105 * x, -0.005, 0.50)
        points[f"{side}_ankle"] = (0.11 * x, 0.03, 0.085)
        points[f"{side}_heel"] = (0.11 * x, 0.06, 0.03)
        points[f"{side}_foot_index"] = (0.12 * x, -0.15, 0.03)
    return {name: SCALE * np.array(point, dtype=np.float64) for name, point in points.items()}


REST = MappingProxyType(_rest_joints())


def _bones() -> tuple[Bone, ...]:
    bones = [
        Bone("pelvis", "pelvis", "spine", None),
        Bone("spine", "spine", "chest", "pelvis"),
        Bone("chest", "chest", "neck", "spine"),
        Bone("neck", "neck", "head", "chest"),
        Bone("head", "head", "crown", "neck"),
    ]
    for side in SIDES:
        chain = (
            ("clavicle", "collar", "shoulder", "chest"),
            ("upper_arm", "shoulder", "elbow", f"{side}_clavicle"),
            ("forearm", "elbow", "wrist", f"{side}_upper_arm"),
            ("hand", "wrist", "fingertips", f"{side}_forearm"),
            ("thigh", "hip", "knee", "pelvis"),
            ("shin", "knee", "ankle", f"{side}_thigh"),
            ("foot", "ankle", "foot_index", f"{side}_shin"),
        )
        bones += [Bone(f"{side}_{bone}", f"{side}_{head}", f"{side}_{tail}", up) for bone, head, tail, up in chain]
    return tuple(bones)


BONES = _bones()
BONE_NAMES = tuple(bone.name for bone in BONES)

_CARRIED = MappingProxyType(
    {
        **dict.fromkeys(("nose", "left_eye", "right_eye", "left_ear", "right_ear"), "head"),
        **{
            f"{side}_{joint}": f"{side}_{bone}"
            for side in SIDES
            for joint, bone in (
                ("shoulder", "upper_arm"),
                ("elbow", "forearm"),
                ("wrist", "hand"),
                ("hip", "thigh"),
                ("knee", "shin"),
                ("ankle", "foot"),
                ("heel", "foot"),
                ("foot_index", "foot"),
            )
        },
    }
)
"""Which bone carries each named point."""
JOINT_NAMES = tuple(_CARRIED)
"""The points of the truth, by BlazePose's names."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Where every bone is, over time: a point p of the resting body moves to rotation @ p + shift_m.

    Attributes
    ----------
    rotation
        By bone: (times,) rotations from rest to the world.
    shift_m
        By bone: (times, 3), metres.
    """

    rotation: Mapping[str, Rotation]
    shift_m: Mapping[str, Array]

    def point(self, bone: str, rest_m: Array) -> Array:
        """Return where a point (3,) of the resting body is when the bone carries it: (times, 3), metres."""
        moved: Array = self.rotation[bone].apply(rest_m) + self.shift_m[bone]
        return moved

    def joints(self) -> Array:
        """Return the named joint centres: (times, joints, 3) in the order of `JOINT_NAMES`, metres, world."""
        return np.stack([self.point(bone, REST[name]) for name, bone in _CARRIED.items()], axis=1)


@dataclass(frozen=True, eq=False)
class Limb:
    """Two bones and a hinge: the solution of `bend`."""

    upper: Rotation
    lower: Rotation
    middle_m: Array
    end_m: Array


def bend(rest: tuple[Array, Array, Array], root_m: Array, target_m: Array, pole: Array) -> Limb:
    """Bend a limb so that it reaches from `root_m` to `target_m` with its hinge towards `pole`.

    Parameters
    ----------
    rest
        Root, hinge and end of the limb at rest, (3,) each, metres; the hinge must lie off the line.
    root_m, target_m, pole
        (times, 3) in the world: where the limb starts, where it should end, and the side the hinge turns to. A target
        out of reach is approached along the straight line to it.

    Notes
    -----
    The law of cosines gives the hinge's place in the plane of root, target and pole; both bones turn with that plane,
    as an elbow or a knee does.
    """
    root0, hinge0, end0 = rest
    upper_m, lower_m = np.linalg.norm(hinge0 - root0), np.linalg.norm(end0 - hinge0)
    reach = target_m - root_m
    span = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / span
    span = np.clip(span, abs(upper_m - lower_m) + 1e-6, upper_m + lower_m - 1e-6)
    cosine = (upper_m**2 + span**2 - lower_m**2) / (2 * upper_m * span)
    side = pole - (pole * along).sum(axis=1, keepdims=True) * along
    side = side / np.linalg.norm(side, axis=1, keepdims=True)
    middle = root_m + upper_m * (cosine * along + np.sqrt(1 - cosine**2) * side)
    end = root_m + span * along
    axis = np.cross(along, side)

    along0 = (end0 - root0) / np.linalg.norm(end0 - root0)
    side0 = (hinge0 - root0) - ((hinge0 - root0) @ along0) * along0
    axis0 = np.cross(along0, side0 / np.linalg.norm(side0))
    upper = _turn(hinge0 - root0, axis0, middle - root_m, axis)
    lower = _turn(end0 - hinge0, axis0, end - middle, axis)
    return Limb(upper, lower, middle, end)


def _turn(direction0: Array, axis0: Array, direction: Array, axis: Array) -> Rotation:
    """Return the rotations that take a rest direction and hinge axis (3,) to those given (times, 3)."""

    def frame(d: Array, a: Array) -> Array:
        d = d / np.linalg.norm(d, axis=-1, keepdims=True)
        return np.stack([d, a, np.cross(d, a)], axis=-1)

    return Rotation.from_matrix(frame(direction, axis) @ frame(direction0, axis0).T)
