"""The take: what the person does, as a function of session time.

A clap, a step to the left, both arms raised, a turn to either side, a squat, and a wave. Hands and feet are led along
keys and the limbs follow by inverse kinematics, so planted feet stay where they are and palms meet when they should.
Between two keys everything moves by the minimum-jerk profile of human reaching (T. Flash and N. Hogan, "The
coordination of arm movements", Journal of Neuroscience 5, 1985).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from blender.armature import REST, SIDES, Pose, bend
from blender.shoot import DANCE

Array = npt.NDArray[np.float64]
Keys = Sequence[tuple[float, tuple[float, ...]]]

CLAP_S = DANCE.clap_s

# Keys are (session time, values). The arms' keys are what the hands do; the body's are offsets from standing at rest.
PELVIS_SHIFT_M: Keys = (
    (1.40, (0.000, 0.000, -0.012)),
    (1.75, (-0.055, 0.000, -0.020)),
    (2.25, (0.130, 0.000, -0.050)),
    (2.70, (0.300, 0.000, -0.022)),
    (3.10, (0.260, 0.000, -0.012)),
    (6.15, (0.260, 0.000, -0.012)),
    (6.75, (0.260, 0.075, -0.270)),
    (6.90, (0.260, 0.075, -0.270)),
    (7.50, (0.260, 0.000, -0.012)),
    (8.20, (0.225, 0.000, -0.016)),
)
PELVIS_TURN_DEG: Keys = (  # yaw to the person's left, forward tilt, lean to the person's left
    (1.40, (0, 2, 0)),
    (1.75, (0, 2, -3)),
    (2.25, (0, 4, 2)),
    (2.70, (0, 2, 3)),
    (3.10, (0, 2, 0)),
    (4.25, (0, 2, 0)),
    (4.85, (22, 4, 0)),
    (5.65, (-22, 4, 0)),
    (6.15, (0, 2, 0)),
    (6.75, (0, 30, 0)),
    (6.90, (0, 30, 0)),
    (7.50, (0, 2, 0)),
    (8.20, (-6, 2, -3)),
)
BACK_TURN_DEG: Keys = (  # likewise, from pelvis to chest
    (0.40, (0, 2, 0)),
    (CLAP_S, (0, 7, 0)),
    (1.60, (0, 2, 0)),
    (2.25, (0, 4, -4)),
    (2.80, (0, 2, 2)),
    (3.30, (0, 3, 0)),
    (3.95, (0, -8, 0)),
    (4.25, (0, -6, 0)),
    (4.85, (20, 3, 2)),
    (5.65, (-20, 3, -2)),
    (6.15, (0, 3, 0)),
    (6.75, (0, 12, 0)),
    (6.90, (0, 12, 0)),
    (7.50, (0, 2, 4)),
    (8.20, (0, 2, 6)),
)
HEAD_TURN_DEG: Keys = (  # likewise, from chest to head
    (0.40, (0, 0, 0)),
    (CLAP_S, (0, 8, 0)),
    (1.50, (12, 0, 0)),
    (2.30, (10, 6, 0)),
    (3.10, (0, 0, 0)),
    (3.95, (0, -4, 0)),
    (4.85, (12, 0, 0)),
    (5.65, (-12, 0, 0)),
    (6.15, (0, 0, 0)),
    (6.75, (0, -22, 0)),
    (6.90, (0, -22, 0)),
    (7.50, (-10, 0, -4)),
    (8.40, (-6, 0, -6)),
)
FOOT_KEYS = MappingProxyType(
    {  # shift in x, height, yaw to the person's left in degrees, toes down in degrees
        "left": (
            (1.72, (0.00, 0.00, 0, 0)),
            (1.98, (0.12, 0.075, 0, 14)),
            (2.26, (0.26, 0.00, 0, 0)),
            (4.30, (0.26, 0.00, 0, 0)),
            (4.85, (0.26, 0.00, 14, 0)),
            (5.65, (0.26, 0.00, -6, 0)),
            (6.10, (0.26, 0.00, 0, 0)),
        ),
        "right": (
            (2.34, (0.00, 0.00, 0, 0)),
            (2.60, (0.13, 0.065, 0, 14)),
            (2.88, (0.26, 0.00, 0, 0)),
            (4.30, (0.26, 0.00, 0, 0)),
            (4.85, (0.26, 0.00, 6, 0)),
            (5.65, (0.26, 0.00, -14, 0)),
            (6.10, (0.26, 0.00, 0, 0)),
        ),
    }
)

# How an arm is held: the wrist from the shoulder in arm lengths, the side of the elbow (both in the chest's frame of a
# left arm: x outward, y back, z up), then in degrees the forearm's twist and how far the wrist bends back.
_Arm = tuple[float, float, float, float, float, float, float, float]
HANG: _Arm = (0.20, -0.08, -0.95, 0.4, 1.0, 0.0, 0, 0)
OPEN: _Arm = (0.02, -0.66, -0.30, 0.6, 0.2, -1.0, 0, 25)
CLAP: _Arm = (-0.262, -0.63, -0.26, 0.5, 0.2, -1.0, 0, 38)
HIGH: _Arm = (0.80, -0.12, 0.46, 0.3, 1.0, -0.4, 0, 0)
LOOSE: _Arm = (0.26, -0.42, -0.62, 0.6, 0.8, -0.5, 0, 0)
AHEAD: _Arm = (0.02, -0.93, -0.10, 0.7, 0.0, -1.0, 30, 0)
WAVE_OUT: _Arm = (0.74, -0.24, 0.34, 0.7, 0.3, -1.0, -60, 0)
WAVE_IN: _Arm = (0.30, -0.34, 0.44, 0.8, 0.3, -1.0, -60, 0)

ARM_KEYS = MappingProxyType(
    {
        "left": (
            (0.10, HANG), (0.70, OPEN), (CLAP_S, CLAP), (1.25, OPEN), (1.85, HANG), (3.05, HANG), (3.80, HIGH),
            (4.20, HIGH), (4.95, LOOSE), (5.60, LOOSE), (6.15, HANG), (6.75, AHEAD), (6.90, AHEAD), (7.50, HANG),
        ),
        "right": (
            (0.10, HANG), (0.70, OPEN), (CLAP_S, CLAP), (1.25, OPEN), (1.85, HANG), (3.05, HANG), (3.80, HIGH),
            (4.20, HIGH), (4.95, LOOSE), (5.60, LOOSE), (6.15, HANG), (6.75, AHEAD), (6.90, AHEAD), (7.45, WAVE_OUT),
            (7.70, WAVE_IN), (7.95, WAVE_OUT), (8.20, WAVE_IN), (8.45, WAVE_OUT),
        ),
    }
)  # fmt: skip

CLAVICLE_SHARE = 0.18
"""How far the collarbone follows the arm above 30 degrees below the horizontal: the shoulder's rhythm."""


def minimum_jerk(keys: Keys, time_s: Array) -> Array:
    """Follow the keys: (times,) session time -> (times, values); rests at every key, and before and after all."""
    at = np.array([key[0] for key in keys])
    values = np.array([key[1] for key in keys], dtype=np.float64)
    after = np.clip(np.searchsorted(at, time_s, side="right"), 1, len(at) - 1)
    s = np.clip((time_s - at[after - 1]) / (at[after] - at[after - 1]), 0.0, 1.0)
    s = s**3 * (10 - 15 * s + 6 * s * s)
    blended: Array = values[after - 1] + (values[after] - values[after - 1]) * s[:, None]
    return blended


def _turn(yaw_tilt_lean_deg: Array) -> Rotation:
    """Yaw to the left, tilt forward, lean to the left, for one who faces -y."""
    return Rotation.from_euler("ZXY", yaw_tilt_lean_deg, degrees=True)


def _direct(vectors: Array) -> Array:
    direction: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return direction


class _Bones:
    """Collects the bones' motion while it is worked out from the pelvis to the fingers."""

    def __init__(self) -> None:
        self.rotation: dict[str, Rotation] = {}
        self.shift: dict[str, Array] = {}

    def put(self, bone: str, joint: str, at_m: Array, rotation: Rotation) -> None:
        """Turn a bone so that its resting joint comes to `at_m` (times, 3)."""
        self.rotation[bone] = rotation
        self.shift[bone] = at_m - rotation.apply(REST[joint])

    def where(self, bone: str, joint: str) -> Array:
        """Return where a resting joint is when this bone carries it: (times, 3)."""
        moved: Array = self.rotation[bone].apply(REST[joint]) + self.shift[bone]
        return moved


def pose(time_s: npt.ArrayLike) -> Pose:
    """Return the person's pose at session times (times,) or at one of them."""
    times = np.atleast_1d(np.asarray(time_s, dtype=np.float64))
    bones = _Bones()
    _trunk(bones, times)
    for side, sign in SIDES.items():
        _leg(bones, times, side, sign)
        _arm(bones, times, side, sign)
    return Pose(bones.rotation, bones.shift)


def _trunk(bones: _Bones, times: Array) -> None:
    # Nobody stands still: slow sway and breath, with periods that do not repeat within the take.
    sway = np.stack([0.006 * np.sin(1.9 * times), 0.005 * np.sin(1.3 * times + 1), 0 * times], axis=1)
    pelvis_m = REST["pelvis"] + minimum_jerk(PELVIS_SHIFT_M, times) + sway
    pelvis = _turn(minimum_jerk(PELVIS_TURN_DEG, times))
    back = minimum_jerk(BACK_TURN_DEG, times)
    back[:, 1] += 0.8 * np.sin(1.6 * times)
    head = minimum_jerk(HEAD_TURN_DEG, times)
    bones.put("pelvis", "pelvis", pelvis_m, pelvis)
    turn = pelvis
    for bone, joint, below, share in (
        ("spine", "spine", "pelvis", 0.5 * back),
        ("chest", "chest", "spine", 0.5 * back),
        ("neck", "neck", "chest", 0.4 * head),
        ("head", "head", "neck", 0.6 * head),
    ):
        turn = turn * _turn(share)
        bones.put(bone, joint, bones.where(below, joint), turn)


def _leg(bones: _Bones, times: Array, side: str, sign: float) -> None:
    shift_x, height, yaw, toes_down = minimum_jerk(FOOT_KEYS[side], times).T
    foot = Rotation.from_euler("ZX", np.stack([yaw, toes_down], axis=1), degrees=True)
    # The foot turns about the ground below the ankle; lifted toes-down, its tip stays above the floor.
    below = REST[f"{side}_ankle"] * [1.0, 1.0, 0.0]
    ankle_m = below + np.stack([shift_x, 0 * times, height], axis=1) + foot.apply(REST[f"{side}_ankle"] - below)
    hip_m = bones.where("pelvis", f"{side}_hip")
    # The knee follows the foot and the pelvis, a little outward.
    ahead = _direct(foot.apply([0.0, -1.0, 0.0]) + bones.rotation["pelvis"].apply([0.12 * sign, -1.0, 0.0]))
    rest = tuple(REST[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
    limb = bend((rest[0], rest[1], rest[2]), hip_m, ankle_m, ahead)
    bones.put(f"{side}_thigh", f"{side}_hip", hip_m, limb.upper)
    bones.put(f"{side}_shin", f"{side}_knee", limb.middle_m, limb.lower)
    bones.put(f"{side}_foot", f"{side}_ankle", limb.end_m, foot)


def _arm(bones: _Bones, times: Array, side: str, sign: float) -> None:
    keys = [(at, (*_direct(np.array(arm[:3])), np.linalg.norm(arm[:3]), *arm[3:])) for at, arm in ARM_KEYS[side]]
    led = minimum_jerk(keys, times)
    mirror = np.array([sign, 1.0, 1.0])
    direction, extension, pole = _direct(led[:, :3]), led[:, 3:4], led[:, 4:7]
    twist, back = led[:, 7], led[:, 8]

    chest = bones.rotation["chest"]
    elevation = np.degrees(np.arcsin(direction[:, 2]))
    lift = CLAVICLE_SHARE * np.clip(elevation + 30, 0, None)
    clavicle = chest * Rotation.from_euler("Y", -sign * lift[:, None], degrees=True)
    collar, shoulder, elbow, wrist = (f"{side}_{joint}" for joint in ("collar", "shoulder", "elbow", "wrist"))
    bones.put(f"{side}_clavicle", collar, bones.where("chest", collar), clavicle)

    shoulder_m = bones.where(f"{side}_clavicle", shoulder)
    rest = (REST[shoulder], REST[elbow], REST[wrist])
    length = np.linalg.norm(rest[1] - rest[0]) + np.linalg.norm(rest[2] - rest[1])
    target_m = shoulder_m + chest.apply(direction * extension * length * mirror)
    limb = bend(rest, shoulder_m, target_m, chest.apply(pole * mirror))
    bones.put(f"{side}_upper_arm", shoulder, shoulder_m, limb.upper)

    # In the resting body's frame: the forearm's length, and the axis across the palm's edge that bends the wrist.
    forearm0 = _direct(rest[2] - rest[1])
    across0 = _direct(np.cross(forearm0, np.cross(rest[1] - rest[0], rest[2] - rest[1])))
    half = Rotation.from_rotvec(np.radians(0.5 * sign * twist)[:, None] * forearm0)
    bones.put(f"{side}_forearm", elbow, limb.middle_m, limb.lower * half)
    wrist_bend = Rotation.from_rotvec(np.radians(-sign * back)[:, None] * across0)
    bones.put(f"{side}_hand", wrist, limb.end_m, limb.lower * half * half * wrist_bend)
