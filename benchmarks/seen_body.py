"""A person's bones placed at recorded points: a body at rest of the recorded lengths, and where each bone is over time.

The mesh of `blender.person` is first stretched at rest to a body's lengths and girths (`Build`), then its bones are
turned rigidly (`placed`), each one's start at its recorded joint. The joints of the picture are then the recorded ones,
whatever the skin does; nose, ears, heels and toes are where the bones of head and feet carry them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from blender.armature import BONE_NAMES, REST, SIDES
from lift.points import POINTS, STATURE_M, stature

Array = npt.NDArray[np.float64]

LIMBS = (
    # bone, where it starts, where it ends, the group of girths
    *(("upper_arm", "shoulder", "elbow", "arm"), ("forearm", "elbow", "wrist", "arm")),
    *(("thigh", "hip", "knee", "leg"), ("shin", "knee", "ankle", "leg")),
)
NEEDED = tuple(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in SIDES)
"""The points that must be recorded; the others are made up where they are not."""

BENT_DEG = (10.0, 35.0)
"""Below the first angle a hinge's axis is not seen in the three joints, above the second it is all that counts."""

EAR_MIDDLE = (REST["left_ear"] + REST["right_ear"]) / 2


def _rest_points() -> Array:
    return np.stack([EAR_MIDDLE if name == "head" else REST[name] for name in POINTS])


SIZE = STATURE_M / float(stature(_rest_points()))
"""From the resting person of `blender.armature` to a body of the standard height."""


@dataclass(frozen=True)
class Girth:
    """Factors of the thickness of parts of the body, and of the sizes of head, hands and feet."""

    trunk: float = 1.0
    arm: float = 1.0
    leg: float = 1.0
    head: float = 1.0
    hand: float = 1.0
    foot: float = 1.0


@dataclass(frozen=True, eq=False)
class Build:
    """A body at rest.

    Attributes
    ----------
    joints
        The joints at rest by name, (3,), metres, as in `blender.armature.REST`, and "head_middle" between the ears.
    stretch
        (bones, 3, 3): what each bone does to the person's own rest, about its anchor.
    own_anchor_m, anchor_m
        (bones, 3): a point of each bone in the person's own rest and in this one.
    """

    joints: dict[str, Array]
    stretch: Array
    own_anchor_m: Array
    anchor_m: Array

    def stretched(self, vertices_m: Array, weights: Array) -> Array:
        """Return vertices (vertices, 3) of the person's own rest in this one; weights (vertices, bones)."""
        moved = np.einsum("bij,bvj->bvi", self.stretch, vertices_m - self.own_anchor_m[:, None])
        result: Array = np.einsum("vb,bvi->vi", weights, moved + self.anchor_m[:, None])
        return result


@dataclass(frozen=True, eq=False)
class Placed:
    """Where the bones are: bone b takes a point p of the build at rest to rotation[:, b] @ p + shift_m[:, b].

    rotation (frames, bones, 3, 3); shift_m (frames, bones, 3); truth_m (frames, points of body18, 3), world.
    """

    rotation: Array
    shift_m: Array
    truth_m: Array


def build_for(xyz_m: Array, girth: Girth) -> Build:
    """Return a body with the median lengths of recorded points (frames, points of body18, 3), metres.

    The recorded body must have about the standard height; `NEEDED` must be finite. The neck keeps its length.
    """
    at = {name: xyz_m[:, k] for k, name in enumerate(POINTS)}
    middle = {joint: (at[f"left_{joint}"] + at[f"right_{joint}"]) / 2 for joint in ("hip", "shoulder")}
    own_middle = {joint: (REST[f"left_{joint}"] + REST[f"right_{joint}"]) / 2 for joint in ("hip", "shoulder")}
    width = {
        joint: _length(at[f"left_{joint}"] - at[f"right_{joint}"])
        / float(np.linalg.norm(REST[f"left_{joint}"] - REST[f"right_{joint}"]))
        for joint in ("hip", "shoulder")
    }
    own_up = own_middle["shoulder"] - own_middle["hip"]
    trunk = _length(middle["shoulder"] - middle["hip"]) / float(np.linalg.norm(own_up))
    up = own_up / np.linalg.norm(own_up)
    joints: dict[str, Array] = {}
    bones: dict[str, tuple[Array, Array, Array]] = {}  # stretch, own anchor, anchor
    hips = SIZE * own_middle["hip"]
    shoulders = hips + trunk * own_up
    front = np.cross([1.0, 0, 0], up)

    def box(across: float) -> Array:
        deep = SIZE * girth.trunk
        return across * np.diag([1.0, 0, 0]) + trunk * np.outer(up, up) + deep * np.outer(front, front)

    for bone, across, joint, anchor in (
        ("pelvis", width["hip"], "hip", hips),
        ("spine", (width["hip"] + width["shoulder"]) / 2, "hip", hips),
        ("chest", width["shoulder"], "shoulder", shoulders),
        *((f"{side}_clavicle", width["shoulder"], "shoulder", shoulders) for side in SIDES),
    ):
        bones[bone] = box(across), own_middle[joint], anchor
    for name, bone in (("neck", "chest"), ("left_collar", "chest"), ("right_collar", "chest")):
        stretch, own, anchor = bones[bone]
        joints[name] = anchor + stretch @ (REST[name] - own)
    own_neck = EAR_MIDDLE - own_middle["shoulder"]
    reach = SIZE * np.linalg.norm(own_neck)  # recorded heads are anywhere from the skull's base to its middle
    joints["head_middle"] = shoulders + reach * own_neck / np.linalg.norm(own_neck)
    head = SIZE * girth.head
    bones["head"] = head * np.eye(3), EAR_MIDDLE, joints["head_middle"]
    for name in ("head", "crown", "nose"):
        joints[name] = joints["head_middle"] + head * (REST[name] - EAR_MIDDLE)
    bones["neck"] = (
        _along(REST["head"] - REST["neck"], joints["head"] - joints["neck"], head),
        REST["neck"],
        joints["neck"],
    )
    for side in SIDES:
        for joint, centre in (("hip", hips), ("shoulder", shoulders)):
            joints[f"{side}_{joint}"] = centre + width[joint] * (REST[f"{side}_{joint}"] - own_middle[joint])
        for bone, start, end, group in LIMBS:
            own = REST[f"{side}_{end}"] - REST[f"{side}_{start}"]
            new = own * _length(at[f"{side}_{end}"] - at[f"{side}_{start}"]) / np.linalg.norm(own)
            joints[f"{side}_{end}"] = joints[f"{side}_{start}"] + new
            thick = SIZE * (girth.arm if group == "arm" else girth.leg)
            bones[f"{side}_{bone}"] = _along(own, new, thick), REST[f"{side}_{start}"], joints[f"{side}_{start}"]
        for bone, joint, size, carried in (
            ("hand", "wrist", girth.hand, ("fingertips",)),
            ("foot", "ankle", girth.foot, ("heel", "foot_index")),
        ):
            start = f"{side}_{joint}"
            bones[f"{side}_{bone}"] = SIZE * size * np.eye(3), REST[start], joints[start]
            for name in carried:
                joints[f"{side}_{name}"] = joints[start] + SIZE * size * (REST[f"{side}_{name}"] - REST[start])
    joints["hips"], joints["shoulders"] = hips, shoulders
    return Build(joints, *(np.stack([bones[name][k] for name in BONE_NAMES]) for k in range(3)))


def _length(vectors: Array) -> float:
    return float(np.median(np.linalg.norm(vectors, axis=-1)))


def _along(own: Array, new: Array, thick: float) -> Array:
    """Return the matrix that stretches along a bone to its new length, and across it to its girth."""
    along = np.outer(own, own) / (own @ own)
    longer = np.linalg.norm(new) / np.linalg.norm(own)
    result: Array = longer * along + thick * (np.eye(3) - along)
    return result


@dataclass(frozen=True, eq=False)
class Habits:
    """What points do not tell.

    Attributes
    ----------
    nod_deg
        How much lower the recorded nose lies than the person's.
    look_deg
        How far the head is turned to the left and down where no nose is recorded.
    twist_deg, wrist_deg
        Of the forearms, outwards, and of the wrists; left and right.
    foot_pitch_deg
        How much lower the recorded toes lie than the person's while the foot is flat; left and right.
    """

    nod_deg: float = 0.0
    look_deg: tuple[float, float] = (0.0, 0.0)
    twist_deg: tuple[float, float] = (0.0, 0.0)
    wrist_deg: tuple[float, float] = (0.0, 0.0)
    foot_pitch_deg: tuple[float, float] = (0.0, 0.0)


def placed(body: Build, xyz_m: Array, habits: Habits) -> Placed:
    """Place the bones at recorded points (frames, points of body18, 3), metres, Z up; `NEEDED` must be finite."""
    at = {name: xyz_m[:, k] for k, name in enumerate(POINTS)}
    rest = body.joints
    hips, shoulders = ((at[f"left_{j}"] + at[f"right_{j}"]) / 2 for j in ("hip", "shoulder"))
    up, rest_up = shoulders - hips, rest["shoulders"] - rest["hips"]
    turn: dict[str, Array] = {}
    start: dict[str, tuple[Array, Array]] = {}  # the anchor at rest, and where it is

    for bone, joint, rest_place, place in (
        ("pelvis", "hip", rest["hips"], hips),
        ("chest", "shoulder", rest["shoulders"], shoulders),
    ):
        left, rest_left = at[f"left_{joint}"] - at[f"right_{joint}"], np.array([1.0, 0, 0])
        turn[bone] = _turns(rest_left, rest_up, left, up)
        start[bone] = rest_place, place
    turn["spine"] = _halfway(turn["pelvis"], turn["chest"])
    start["spine"] = (rest["hips"] + rest["shoulders"]) / 2, (hips + shoulders) / 2

    def carried(bone: str, point: str) -> Array:
        moved: Array = (turn[bone] @ (rest[point] - start[bone][0])) + start[bone][1]
        return moved

    turn["head"], middle = _head(at, body, turn["chest"], shoulders, habits)
    start["head"] = rest["head_middle"], middle
    turn["neck"] = _halfway(turn["chest"], turn["head"])
    start["neck"] = rest["neck"], carried("chest", "neck")
    for number, side in enumerate(SIDES):
        joint = {name: at[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
        own = {name: rest[f"{side}_{name}"] for name in (*joint, "collar", "fingertips", "foot_index", "heel")}
        collar = carried("chest", f"{side}_collar")
        clavicle = turn["chest"] @ (own["shoulder"] - own["collar"])
        turn[f"{side}_clavicle"] = _shortest(clavicle, joint["shoulder"] - collar) @ turn["chest"]
        start[f"{side}_clavicle"] = own["shoulder"], joint["shoulder"]
        upper, lower = joint["elbow"] - joint["shoulder"], joint["wrist"] - joint["elbow"]
        own_upper, own_lower = own["elbow"] - own["shoulder"], own["wrist"] - own["elbow"]
        own_axis = np.cross(own_upper, own_lower)
        carried_axis = _shortest(turn["chest"] @ own_upper, upper) @ turn["chest"] @ own_axis[:, None]
        axis = _hinge(upper, lower, carried_axis[..., 0])
        turn[f"{side}_upper_arm"] = _turns(own_upper, own_axis, upper, axis)
        sign = SIDES[side]
        twist = Rotation.from_rotvec(_unit(own_lower) * sign * np.radians(habits.twist_deg[number]) / 2).as_matrix()
        bent = Rotation.from_rotvec(_unit(own_axis) * np.radians(habits.wrist_deg[number])).as_matrix()
        turn[f"{side}_forearm"] = _turns(own_lower, own_axis, lower, axis) @ twist
        turn[f"{side}_hand"] = turn[f"{side}_forearm"] @ twist @ bent
        thigh, shin = joint["knee"] - joint["hip"], joint["ankle"] - joint["knee"]
        own_thigh, own_shin = own["knee"] - own["hip"], own["ankle"] - own["knee"]
        left = turn["pelvis"][..., 0]
        ahead = at[f"{side}_foot_index"] - joint["ankle"]
        told = np.isfinite(ahead).all()
        reference = left + _unit(np.cross(-shin, ahead)) if told else left
        axis = _hinge(thigh, shin, reference)
        own_ahead = own["foot_index"] - own["ankle"]
        own_axis = np.array([1.0, 0, 0]) + (_unit(np.cross(-own_shin, own_ahead)) if told else 0)
        own_axis = _hinge(own_thigh[None], own_shin[None], own_axis[None])[0]
        turn[f"{side}_thigh"] = _turns(own_thigh, own_axis, thigh, axis)
        turn[f"{side}_shin"] = _turns(own_shin, own_axis, shin, axis)
        if told:
            pitch = np.radians(habits.foot_pitch_deg[number])
            across = _unit(axis - _unit(ahead) * _dot(axis, _unit(ahead)))
            ahead = Rotation.from_rotvec(-pitch * across).apply(ahead)
        else:
            ahead = _unrecorded_foot(joint["ankle"], shin, axis, own_ahead)
        turn[f"{side}_foot"] = _turns(own_ahead, own_axis, ahead, axis)
        for bone, name in (
            *(("upper_arm", "shoulder"), ("forearm", "elbow"), ("hand", "wrist")),
            *(("thigh", "hip"), ("shin", "knee"), ("foot", "ankle")),
        ):
            start[f"{side}_{bone}"] = own[name], joint[name]
    rotation = np.stack([turn[name] for name in BONE_NAMES], axis=1)
    anchors = np.stack([start[name][0] for name in BONE_NAMES])
    places = np.stack([start[name][1] for name in BONE_NAMES], axis=1)
    truth = dict(at) | {"head": middle, "nose": carried("head", "nose")}
    for side in SIDES:
        truth |= {f"{side}_{name}": carried(f"{side}_foot", f"{side}_{name}") for name in ("heel", "foot_index")}
    shift = places - np.einsum("fbij,bj->fbi", rotation, anchors)
    return Placed(rotation, shift, np.stack([truth[name] for name in POINTS], axis=1))


def _head(at: dict[str, Array], body: Build, chest: Array, shoulders: Array, habits: Habits) -> tuple[Array, Array]:
    """Return the head's rotations (frames, 3, 3) and the middle between the ears (frames, 3)."""
    rest = body.joints
    own_neck = rest["head_middle"] - rest["shoulders"]
    neck = chest @ own_neck
    if np.isfinite(at["head"]).all():
        neck = _unit(at["head"] - shoulders) * np.linalg.norm(own_neck)
    middle = shoulders + neck
    if np.isfinite(at["nose"]).all():
        ahead = at["nose"] - at["head"]
        # Where the face looks along the neck, left is told by the chest.
        left = _unit(_unit(np.cross(neck, ahead)) + 0.3 * chest[..., 0])
        ahead = Rotation.from_rotvec(-np.radians(habits.nod_deg) * left).apply(ahead)
        return _turns(rest["nose"] - rest["head_middle"], np.array([1.0, 0, 0]), ahead, left), middle
    nodded = _halfway(np.broadcast_to(np.eye(3), chest.shape), _shortest(chest @ own_neck, neck))
    yaw, pitch = habits.look_deg
    look = Rotation.from_euler("zx", [yaw, pitch], degrees=True).as_matrix()
    return nodded @ chest @ look, middle


def _unrecorded_foot(ankle: Array, shin: Array, axis: Array, own_ahead: Array) -> Array:
    """Return where toes point (frames, 3): flat while the ankle is low, hanging from the shin while it is high."""
    front = _unit(np.cross(axis, -shin))
    low = np.percentile(ankle[:, 2], 5)
    raised = np.clip((ankle[:, 2:] - low - 0.05) / 0.15, 0, 1)
    flat = front * [1, 1, 0]
    flat = _unit(flat + 1e-6 * front) * abs(own_ahead[1]) + np.array([0, 0, own_ahead[2]])
    hanging = front + 0.6 * _unit(shin)
    result: Array = (1 - raised) * _unit(flat) + raised * _unit(hanging)
    return result


def _hinge(upper: Array, lower: Array, reference: Array) -> Array:
    """Return the axes (frames, 3) of hinges: square to both bones where they are bent, else near the reference."""
    u, v = _unit(upper), _unit(lower)
    cross = np.cross(u, v)
    angle = np.degrees(np.arctan2(np.linalg.norm(cross, axis=1), _dot(u, v)[:, 0]))
    part = np.clip((angle - BENT_DEG[0]) / (BENT_DEG[1] - BENT_DEG[0]), 0, 1)[:, None]
    square = _unit(reference - u * _dot(reference, u))
    mixed: Array = part * _unit(cross) + (1 - part) * square
    return mixed


def _unit(v: Array) -> Array:
    unit: Array = v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
    return unit


def _dot(a: Array, b: Array) -> Array:
    product: Array = (a * b).sum(axis=-1, keepdims=True)
    return product


def _frame(first: Array, second: Array) -> Array:
    """Return right-handed frames (..., 3, 3), columns: along `first`, then `second` made square to it."""
    x = _unit(first)
    y = _unit(second - x * _dot(second, x))
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _turns(rest_first: Array, rest_second: Array, first: Array, second: Array) -> Array:
    """Return rotations (frames, 3, 3) that take one pair of directions at rest (3,) to others (frames, 3)."""
    turned: Array = _frame(first, second) @ _frame(rest_first, rest_second).T
    return turned


def _shortest(a: Array, b: Array) -> Array:
    """Return the shortest rotations (frames, 3, 3) from directions a to b (frames, 3)."""
    a, b = _unit(a), _unit(b)
    axis = np.cross(a, b)
    angle = np.arctan2(np.linalg.norm(axis, axis=1, keepdims=True), _dot(a, b))
    return Rotation.from_rotvec(_unit(axis) * angle).as_matrix()


def _halfway(a: Array, b: Array) -> Array:
    """Return the rotations half the way from a to b (frames, 3, 3)."""
    first = Rotation.from_matrix(a)
    return (first * Rotation.from_rotvec((first.inv() * Rotation.from_matrix(b)).as_rotvec() / 2)).as_matrix()
