"""Joint angles in the words of gait labs: the fitted humanoid as a table of ISB angles, and as OpenSim's coordinates.

Sources: G. Wu et al., "ISB recommendation on definitions of joint coordinate systems of various joints", part I (ankle,
hip, spine), J. Biomech. 35 (2002) 543, and part II (shoulder, elbow, wrist, hand), J. Biomech. 38 (2005) 981; E. S.
Grood, W. J. Suntay, J. Biomech. Eng. 105 (1983) 136 for the order of knee and hip; R. Baker, "Pelvic angles: a
mathematically rigorous definition", Gait Posture 13 (2001) 1 for the order of pelvis and thorax in the world.

Axes of every segment (ISB): X forward, Y up, Z to the right, in the anatomical position: standing, arms hanging, palms
forward. A left limb is mirrored at the sagittal plane before it is measured, so an angle means the same on both sides.
The humanoid rests in a T-pose instead, palms down: there the humerus is elevated by 90 degrees in the plane of
abduction and the forearm is pronated by 90. Legs, trunk, head and feet (flat on the floor) rest as in the anatomical
position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from clapcap.errors import FitError
from skeleton.motion import Motion
from skeleton.tables import TimeTable

Array = npt.NDArray[np.float64]
Sequence3 = Literal["ZXY", "YXZ", "YXY"]

HELD_DEG = 10.0
"""Nearer than this to a singular pose (the arm along the trunk, ...) the first angle is interpolated over time.

Its noise there is that of the bone's direction divided by the sine of this distance: 2 degrees (10 mm at the elbow of
an arm of 0.3 m) become 11 at 10 degrees and 23 at 5.
"""

_ARM_CENTRE = np.radians(45.0)  # arms go from 90 degrees behind the plane of abduction (0) to 180, across the chest

_REST_DEG = 20.0  # how far a bone may point from where the humanoid's does, before the angles would be of another pose

_SEGMENT_AXES = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Columns: ISB's X, Y, Z of a segment of the rest pose, which faces -Y with its left at +X, in the world's axes."""

WORLD_AXES = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Columns: X (ahead), Y (up), Z (right) of the ground, in the world's axes: those of our TRC files."""

_MIRROR = np.diag([1.0, 1.0, -1.0])

_LEVEL_ARM = Rotation.from_euler("X", -90, degrees=True).as_matrix()
_PALM_DOWN = _LEVEL_ARM @ Rotation.from_euler("Y", 90, degrees=True).as_matrix()
_REST = {"upper_arm": _LEVEL_ARM, "forearm": _PALM_DOWN, "hand": _PALM_DOWN}
"""A right segment's own axes in the rest pose, by those of the anatomical position; the others' are the same."""

_REST_BONES = {
    **{f"{side}_{joint}": (0.0, 0.0, -1.0) for side in ("left", "right") for joint in ("shin", "foot")},
    **{f"left_{joint}": (1.0, 0.0, 0.0) for joint in ("forearm", "hand")},
    **{f"right_{joint}": (-1.0, 0.0, 0.0) for joint in ("forearm", "hand")},
    "chest": (0.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class _Measured:
    """A joint, and the names of the three angles in the order of its sequence; `signs` turn them as the names say."""

    proximal: str | None
    distal: str
    sequence: Sequence3
    names: tuple[str, str, str]
    signs: tuple[int, int, int] = (1, 1, 1)


_MIDDLE = (
    _Measured(None, "hips", "YXZ", ("pelvis_rotation", "pelvis_obliquity", "pelvis_tilt"), (1, -1, -1)),
    _Measured(None, "chest", "YXZ", ("thorax_rotation", "thorax_bending", "thorax_extension")),
    _Measured("hips", "chest", "ZXY", ("lumbar_extension", "lumbar_bending", "lumbar_rotation")),
    _Measured("chest", "head", "ZXY", ("neck_extension", "neck_bending", "neck_rotation")),
)
_LIMB = (
    _Measured("hips", "thigh", "ZXY", ("hip_flexion", "hip_adduction", "hip_internal_rotation")),
    _Measured("thigh", "shin", "ZXY", ("knee_flexion", "knee_adduction", "knee_internal_rotation"), (-1, 1, 1)),
    _Measured("shin", "foot", "ZXY", ("ankle_dorsiflexion", "ankle_inversion", "ankle_internal_rotation")),
    _Measured("foot", "toe", "ZXY", ("toes_extension", "", "")),
    _Measured(
        "chest",
        "upper_arm",
        "YXY",
        ("shoulder_plane_of_elevation", "shoulder_elevation", "shoulder_internal_rotation"),
        (1, -1, 1),
    ),
    _Measured("upper_arm", "forearm", "ZXY", ("elbow_flexion", "elbow_adduction", "elbow_pronation")),
    _Measured("forearm", "hand", "ZXY", ("wrist_flexion", "wrist_ulnar_deviation", "")),
)

_OPENSIM_MIDDLE = (
    _Measured(None, "hips", "ZXY", ("pelvis_tilt", "pelvis_list", "pelvis_rotation")),
    _Measured("hips", "chest", "ZXY", ("lumbar_extension", "lumbar_bending", "lumbar_rotation")),
)
_OPENSIM_LIMB = (
    _Measured("hips", "thigh", "ZXY", ("hip_flexion", "hip_adduction", "hip_rotation")),
    _Measured("thigh", "shin", "ZXY", ("knee_angle", "", ""), (-1, 1, 1)),
    _Measured("shin", "foot", "ZXY", ("ankle_angle", "subtalar_angle", "")),
    _Measured("foot", "toe", "ZXY", ("mtp_angle", "", "")),
    _Measured("chest", "upper_arm", "ZXY", ("arm_flex", "arm_add", "arm_rot")),
    _Measured("upper_arm", "forearm", "ZXY", ("elbow_flex", "", "pro_sup")),
    _Measured("forearm", "hand", "ZXY", ("wrist_flex", "wrist_dev", "")),
)
_TRANSLATIONS = ("pelvis_tx", "pelvis_ty", "pelvis_tz")


def isb_angles(motion: Motion) -> TimeTable:
    """Return the angles of all joints, degrees, in columns such as `knee_right_flexion_deg`.

    What grows with each angle is what its name says; docs/files.md lists them with their signs. Angles are continuous
    in time, so a dancer's turns add up in `pelvis_rotation_deg`, shifted by whole turns so that the median lies within
    half a turn of zero. `pelvis_*` and `thorax_*` are those of the body in the world, the others of the distal segment
    against the proximal one; the shoulder's are of the humerus against the thorax.

    Near a singular pose, such as an arm that hangs along the trunk, which has no plane of elevation, the first angle is
    interpolated over time (`HELD_DEG`) and the third takes up the rest. An arm's plane of elevation lies between -135
    and 225 degrees, but for the turns of an arm that circles.

    Parameters
    ----------
    motion
        A motion of the skeleton `humanoid`, with its rest pose.

    Raises
    ------
    FitError
        The motion has other joints, or another rest pose.
    """
    _check(motion)
    middle: dict[str, Array] = {}
    for measured in _MIDDLE:
        middle |= _angles(motion, measured, None)
    apart = np.median(middle["pelvis_rotation"] - middle["thorax_rotation"])
    middle["thorax_rotation"] = middle["thorax_rotation"] + 360 * np.round(apart / 360)  # turns counted alike
    columns = {f"{name}_deg": angle for name, angle in middle.items()}
    for side in ("right", "left"):
        for measured in _LIMB:
            for name, angle in _angles(motion, measured, side).items():
                joint, what = name.split("_", 1)
                columns[f"{joint}_{side}_{what}_deg"] = angle
    return _table(motion.time_s, columns)


def opensim_coordinates(motion: Motion) -> TimeTable:
    """Return OpenSim's coordinates, degrees and metres: names, order and signs of the full-body model Rajagopal 2016.

    `pelvis_tx`, `_ty`, `_tz` are the middle of the hips in the axes of our TRC files. The knee's flexion is positive,
    as in that model; the older gait2392 and gait2354 count it negative. The arms' three angles are taken where flexion
    and rotation together are smallest, so that an arm raised sideways above the shoulder has an adduction beyond -90.

    Raises
    ------
    FitError
        The motion has other joints than the humanoid, or another rest pose.
    """
    _check(motion)
    columns: dict[str, Array] = dict(_angles(motion, _OPENSIM_MIDDLE[0], None))
    columns |= dict(zip(_TRANSLATIONS, np.ascontiguousarray((motion.root_m @ WORLD_AXES).T), strict=True))
    for side in ("right", "left"):
        for measured in _OPENSIM_LIMB:
            found = _angles(motion, measured, side, beyond=measured.distal == "upper_arm")
            columns |= {f"{name}_{side[0]}": angle for name, angle in found.items()}
    columns |= _angles(motion, _OPENSIM_MIDDLE[1], None)
    return _table(motion.time_s, columns)


def _table(time_s: Array, columns: dict[str, Array]) -> TimeTable:
    return TimeTable(tuple(columns), time_s, np.stack(list(columns.values()), axis=1))


def _check(motion: Motion) -> None:
    """Refuse a motion whose rest pose is not the humanoid's."""
    names = motion.joint_names
    limbs = {segment for m in _LIMB for segment in (m.proximal, m.distal)} - {"hips", "chest"}
    sides = [f"{side}_{limb}" for side in ("left", "right") for limb in sorted(str(limb) for limb in limbs)]
    wanted = ["hips", "chest", "head", *sides]
    if missing := [name for name in wanted if name not in names]:
        raise FitError(
            f"joint angles are those of the skeleton 'humanoid', and the motion has no {', '.join(missing)}. "
            "Fit that skeleton, or use BVH, which holds any."
        )
    for name, direction in _REST_BONES.items():
        offset = motion.rest_offset_m[names.index(name)]
        off = np.degrees(np.arccos(np.clip(offset @ direction / max(float(np.linalg.norm(offset)), 1e-12), -1, 1)))
        if off > _REST_DEG:
            raise FitError(
                f"joint angles need the rest pose of 'humanoid' (a T-pose facing -Y, Z up), but the bone to {name} "
                f"points {off:.0f} degrees elsewhere (at most {_REST_DEG:.0f}). Fit that skeleton, or use BVH."
            )


def _angles(motion: Motion, measured: _Measured, side: str | None, *, beyond: bool = False) -> dict[str, Array]:
    """Return the named angles of a joint, degrees, each (frames,)."""
    distal = measured.distal if side is None else f"{side}_{measured.distal}"
    if measured.proximal is None:
        matrix = WORLD_AXES.T @ _between(motion, None, distal) @ _SEGMENT_AXES
    else:
        proximal = measured.proximal if measured.proximal in motion.joint_names else f"{side}_{measured.proximal}"
        matrix = _SEGMENT_AXES.T @ _between(motion, proximal, distal) @ _SEGMENT_AXES
        if side == "left":
            matrix = _MIRROR @ matrix @ _MIRROR
        matrix = _REST.get(measured.proximal, np.eye(3)).T @ matrix @ _REST.get(measured.distal, np.eye(3))
    centre = None if measured.proximal is None else _ARM_CENTRE if measured.distal == "upper_arm" else 0.0
    three = sequence_angles(matrix, measured.sequence, motion.time_s, centre=centre, beyond=beyond)
    degrees = np.degrees(three * np.array(measured.signs, dtype=np.float64))
    return {name: degrees[:, k] for k, name in enumerate(measured.names) if name}


def _between(motion: Motion, proximal: str | None, distal: str) -> Array:
    """Return the orientation of a segment in another, or in the world: (frames, 3, 3), axes of the rest pose."""
    joint = motion.joint_names.index(distal)
    stop = -1 if proximal is None else motion.joint_names.index(proximal)
    rotation = Rotation.identity(len(motion.time_s))
    while joint != stop:
        rotation = Rotation.from_quat(motion.rotation_xyzw[:, joint]) * rotation
        joint = int(motion.parents[joint])
    matrix: Array = rotation.as_matrix()
    return matrix


def sequence_angles(
    matrices: Array, sequence: Sequence3, time_s: Array, *, centre: float | None = 0.0, beyond: bool = False
) -> Array:
    """Return the three angles of a sequence about moving axes, continuous in time: (frames, 3), radians.

    Parameters
    ----------
    matrices
        (frames, 3, 3), R = R1(a) R2(b) R3(c) about the axes that `sequence` names.
    sequence
        With three different axes b lies within a quarter turn; with Y X Y it is negative, down to half a turn.
    time_s
        (frames,), by which a is interpolated over singular poses.
    centre
        Every stretch between singular poses has a median of a within half a turn of it, so an arm that swings from the
        front to the back by the trunk and forward again returns to the angle that it had. None: turns are counted.
    beyond
        Let b pass a quarter turn where that makes a and c smaller.
    """
    # Contiguous: numpy 1.26's arctan2 of strided arrays now and then differs in the last bit from run to run.
    m = np.ascontiguousarray(np.moveaxis(matrices, (-2, -1), (0, 1)))
    if sequence == "ZXY":
        first, level, rise = np.arctan2(-m[0, 1], m[1, 1]), np.hypot(m[0, 1], m[1, 1]), m[2, 1]
    elif sequence == "YXZ":
        first, level, rise = np.arctan2(m[0, 2], m[2, 2]), np.hypot(m[0, 2], m[2, 2]), -m[1, 2]
    else:  # Y X Y with b <= 0: the arm's direction is (sin a sin|b|, -cos b, cos a sin|b|)
        first, level, rise = np.arctan2(-m[0, 1], -m[2, 1]), m[1, 1], -np.hypot(m[0, 1], m[2, 1])
    middle = np.arctan2(rise, level)
    singular = np.abs(rise if sequence == "YXY" else level) < np.sin(np.radians(HELD_DEG))
    if beyond:
        far = np.abs(first) + np.abs(_third(m, sequence, first)) > np.pi  # the other triple has the smaller two
        first = np.where(far, first - np.copysign(np.pi, first), first)
        middle = np.where(far, np.copysign(np.pi, middle) - middle, middle)
    first = _over_singular(first, singular, time_s, centre)
    return np.stack([first, middle, _near(np.unwrap(_third(m, sequence, first)), 0.0)], axis=1)


def _third(m: Array, sequence: Sequence3, first: Array) -> Array:
    """Return the third angle where the first one is given; `m` is (3, 3, frames)."""
    cos, sin = np.cos(first), np.sin(first)
    # The first row of R1(-a) R, which is R2(b) R3(c): b is about x, so it is that of R3(c).
    row = cos * m[0] + sin * m[1] if sequence == "ZXY" else cos * m[0] - sin * m[2]
    third: Array = np.arctan2(-row[1], row[0]) if sequence == "YXZ" else np.arctan2(row[2], row[0])
    return third


def _over_singular(angle: Array, singular: npt.NDArray[np.bool_], time_s: Array, centre: float | None) -> Array:
    """Return the angle continuous, interpolated over singular poses; 0 where there are no others."""
    good = np.flatnonzero(~singular)
    if not len(good):
        return np.zeros_like(angle)
    if centre is None:
        known = _near(np.unwrap(angle[good]), 0.0)
    else:
        stretches = np.split(good, np.flatnonzero(np.diff(good) > 1) + 1)
        known = np.concatenate([_near(np.unwrap(angle[stretch]), centre) for stretch in stretches])
    over: Array = np.interp(time_s, time_s[good], known)
    return over


def _near(angle: Array, centre: float) -> Array:
    """Return the angle moved by whole turns so that its median lies within half a turn of `centre`."""
    moved: Array = angle - 2 * np.pi * np.round((np.median(angle) - centre) / (2 * np.pi))
    return moved
