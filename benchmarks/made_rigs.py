"""Rigs of other names, proportions and rest poses, made from clapcap's own skeleton; and a walk with true stands."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from retarget.rigs.presets import load_preset
from skeleton.hierarchy_file import load_skeleton
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

STEP_S, STEPS, RATE_HZ = 0.6, 6, 60.0
STRIDE_M, LIFT_M = 0.30, 0.10


def build_rig(
    preset: str, scale: Mapping[str, float], arms_down_deg: float = 0.0, prefix: str = "", *, extra: bool = False
) -> Motion:
    """Return a rig at rest for one frame.

    `scale` lengthens bones by the part at which they end; `arms_down_deg` makes an A-pose; `extra` puts a root on the
    floor, a second spine joint and a twist bone in.
    """
    skeleton = load_skeleton("humanoid")
    bones = {role: names[0] for role, names in load_preset(preset).bones.items()}
    joints = [j for j in skeleton.joints if j.name in bones]
    names: list[str] = []
    parents: list[int] = []
    offsets: list[Array] = []
    if extra:
        names.append("root_on_floor")
        parents.append(-1)
        offsets.append(np.zeros(3))
    for joint in joints:
        offset = np.array(joint.offset_m) * scale.get(joint.name, scale.get("all", 1.0))
        if arms_down_deg and any(part in joint.name for part in ("forearm", "hand")):
            side = 1.0 if joint.name.startswith("left") else -1.0
            offset = Rotation.from_euler("y", side * arms_down_deg, degrees=True).apply(offset)
        parent = joint.parent
        while parent is not None and parent not in bones:
            offset = offset + np.array(skeleton.joints[skeleton.index(parent)].offset_m)
            parent = skeleton.joints[skeleton.index(parent)].parent
        at = names.index(prefix + bones[parent]) if parent is not None else (0 if extra else -1)
        if parent is None and extra:
            offset = np.array([0.0, 0.0, 0.9])
        if extra and joint.name == "chest":
            names.append("extra_spine")
            parents.append(at)
            offsets.append(offset / 2)
            at, offset = len(names) - 1, offset / 2
        names.append(prefix + bones[joint.name])
        parents.append(at)
        offsets.append(offset)
    if extra:
        names.append("twist_bone")
        parents.append(names.index(prefix + bones["left_forearm"]))
        offsets.append(np.array([0.1, 0, 0]))
    rest = np.array(offsets)
    if parents[0] == -1:
        rest[0] = 0.0
    still = np.tile([0.0, 0, 0, 1], (2, len(names), 1))
    return Motion(tuple(names), np.array(parents), rest, still, np.array([[0.0, 0, 0.95]] * 2), np.array([0.0, 1.0]))


def walk() -> tuple[Motion, dict[str, npt.NDArray[np.bool_]]]:
    """Return a walk of clapcap's skeleton by two-bone legs, arms and trunk swinging, and when its feet stand.

    Returns the motion, and by side (frames,) whether the foot is flat on the floor.
    """
    skeleton = load_skeleton("humanoid")
    rest = np.zeros((len(skeleton.joints), 3))
    for joint in range(1, len(rest)):
        rest[joint] = rest[skeleton.parents[joint]] + skeleton.rest_offset_m[joint]
    index = skeleton.index
    height = -rest[:, 2].min()
    time_s = np.arange(round(STEP_S * STEPS * RATE_HZ)) / RATE_HZ
    phase = time_s / (2 * STEP_S)
    speed = STRIDE_M / STEP_S
    hips = np.stack(
        [0.02 * np.sin(2 * np.pi * phase), -speed * time_s, height - 0.09 - 0.01 * np.cos(4 * np.pi * phase)], 1
    )
    turn = Rotation.from_euler("zx", np.stack([8 * np.sin(2 * np.pi * phase), 4 + 0 * phase], 1), degrees=True)
    world: dict[str, Rotation] = {"hips": turn}
    flat: dict[str, npt.NDArray[np.bool_]] = {}
    for side, start in (("left", 0.0), ("right", 0.5)):
        cycle = (phase + start) % 1.0
        number = np.floor(phase + start)
        stance = cycle < 0.55
        moved = np.where(stance, 0.0, (cycle - 0.55) / 0.45)
        ease = moved * moved * (3 - 2 * moved)
        place = (number + ease - start) * 2 * STRIDE_M - 0.25 * STRIDE_M
        ankle = np.stack(
            [
                np.full_like(place, rest[index(f"{side}_foot"), 0]),
                -place,
                0 * place + rest[index(f"{side}_foot"), 2] + height,
            ],
            1,
        )
        ankle[:, 2] += LIFT_M * np.sin(np.pi * moved) ** 2
        hip = hips + turn.apply(rest[index(f"{side}_thigh")])
        upper = rest[index(f"{side}_shin")] - rest[index(f"{side}_thigh")]
        lower = rest[index(f"{side}_foot")] - rest[index(f"{side}_shin")]
        a, b = np.linalg.norm(upper), np.linalg.norm(lower)
        line = ankle - hip
        d = np.minimum(np.linalg.norm(line, axis=1), 0.9995 * (a + b))
        line = line / np.linalg.norm(line, axis=1, keepdims=True)
        front = np.array([0.0, -1.0, 0.0]) + 0.15 * np.array([1.0 if side == "left" else -1.0, 0, 0])
        ahead = front - (line @ front)[:, None] * line
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        cosine = (a**2 + d**2 - b**2) / (2 * a * d)
        knee = hip + a * (cosine[:, None] * line + np.sqrt(1 - cosine**2)[:, None] * ahead)
        ankle = hip + d[:, None] * line
        across = np.cross(line, ahead)

        def turned(along0: Array, along: Array, across: Array = across) -> Rotation:
            def frame(y: Array, x: Array) -> Array:
                y = y / np.linalg.norm(y, axis=-1, keepdims=True)
                return np.stack([x, y, np.cross(x, y)], axis=-1)

            x0 = np.cross([0.0, 0, -1], [0.0, -1, 0])
            x0 = x0 - (x0 @ along0) * along0 / (along0 @ along0)
            return Rotation.from_matrix(frame(along, across) @ frame(along0, x0 / np.linalg.norm(x0)).T)

        world[f"{side}_thigh"] = turned(upper, knee - hip)
        world[f"{side}_shin"] = turned(lower, ankle - knee)
        world[f"{side}_foot"] = Rotation.identity(len(time_s))
        swing = 25 * np.sin(2 * np.pi * (phase + start))
        sign = 1.0 if side == "left" else -1.0
        arm = Rotation.from_euler("yx", np.stack([sign * 70 + 0 * swing, swing], 1), degrees=True)
        world[f"{side}_upper_arm"] = turn * arm
        bend = Rotation.from_euler("z", -sign * (25 + 0.5 * swing)[:, None], degrees=True)
        world[f"{side}_forearm"] = turn * arm * bend
        flat[side] = stance
    rotation = np.empty((len(time_s), len(rest), 4))
    whole: list[Rotation] = []
    for joint, entry in enumerate(skeleton.joints):
        parent = skeleton.parents[joint]
        above = whole[parent] if parent >= 0 else Rotation.identity(len(time_s))
        whole.append(world.get(entry.name, above))
        rotation[:, joint] = (above.inv() * whole[-1]).as_quat()
    motion = Motion(skeleton.joint_names, skeleton.parents, skeleton.rest_offset_m, rotation, hips, time_s)
    return motion, flat
