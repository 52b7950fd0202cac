"""Two people who walk past each other, rendered from code: `benchmarks.people` detects and tells them apart.

They walk along the room in opposite directions, 0.7 m apart: from the cameras at the sides one hides the other for most
of the way, from those in front for a moment. One wears a striped red shirt and jeans and is 1.62 m tall; the other a
green shirt and sand-coloured trousers, is fair, and 1.78 m tall.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from benchmarks.board_scenes import look_at
from blender import person, room
from blender.armature import REST, SIDES, Pose, bend
from calib.cameras import Camera, CameraGroup

Array = npt.NDArray[np.float64]

SIZE_PX = (640, 360)
FPS = 30
FRAMES = 120
# Shutters that are not in step: seconds after the first camera's.
LATE_S = {"cam1": 0.0, "cam2": 0.011, "cam3": 0.021, "cam4": 0.006}
ROOM_SEED = 5
# How far grain and wear may take a surface from its colour: RGB.
DYED = 0.22


def _cameras() -> CameraGroup:
    cameras = []
    for number, (azimuth_deg, height_m, focal_px) in enumerate(
        ((-80, 1.45, 478.0), (-28, 2.10, 492.0), (28, 2.20, 485.0), (78, 1.15, 480.0)), 1
    ):
        azimuth = np.radians(azimuth_deg)
        center = np.array([4.4 * np.sin(azimuth), -4.4 * np.cos(azimuth), height_m])
        matrix = np.array([[focal_px, 0, 321.0], [0, focal_px + 1, 178.5], [0, 0, 1]])
        T = look_at(center, np.array([0.0, 0.0, 0.92]))
        cameras.append(Camera(f"cam{number}", SIZE_PX, matrix, np.array([-0.05, 0.02, 3e-4, -2e-4, 0.0]), T))
    return CameraGroup(tuple(cameras))


CAMERAS = _cameras()


def times_s(camera: str) -> Array:
    """Return (frames,): the true instants of a camera's pictures, in session time."""
    times: Array = LATE_S[camera] + np.arange(FRAMES) / FPS
    return times


@dataclass(frozen=True)
class Walker:
    """Somebody who walks along x at a constant pace.

    Attributes
    ----------
    name
        What the benchmark calls them.
    scale
        Height against the rendered person's 1.62 m.
    start_m, speed_m_s
        (x, y) at time 0, and along x.
    phase
        Of the gait, in cycles.
    colours
        What each of the rendered person's colours is dyed to; none: as they are.
    """

    name: str
    scale: float
    start_m: tuple[float, float]
    speed_m_s: float
    phase: float
    colours: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = ()

    def pose(self, time_s: npt.ArrayLike) -> Pose:
        """Return the pose at session times (times,) or at one of them: in the world, of the body scaled by `scale`."""
        turned = self._turned(time_s)
        at = np.array([*self.start_m, 0.0])
        return Pose(turned.rotation, {bone: self.scale * moved + at for bone, moved in turned.shift_m.items()})

    def joints(self, time_s: npt.ArrayLike) -> Array:
        """Return the joint centres (times, joints, 3) in the order of `armature.JOINT_NAMES`, metres, world."""
        joints: Array = self.scale * self._turned(time_s).joints() + np.array([*self.start_m, 0.0])
        return joints

    def _turned(self, time_s: npt.ArrayLike) -> Pose:
        """Return the pose of the unscaled body that starts at the origin, along x."""
        times = np.atleast_1d(np.asarray(time_s, dtype=np.float64))
        local = walk(times, abs(self.speed_m_s) / self.scale, self.phase)
        # At rest the body faces -y; a quarter turn makes it face along x.
        heading = Rotation.from_euler("Z", 90.0 if self.speed_m_s > 0 else -90.0, degrees=True)
        return Pose(
            {bone: heading * turn for bone, turn in local.rotation.items()},
            {bone: heading.apply(moved) for bone, moved in local.shift_m.items()},
        )

    def bodies(self) -> tuple[person.Body, person.Body]:
        """Return the body at rest, scaled and dyed, and the double that throws its shadow."""
        body = person.build()
        caster = person.build_shadow_caster(body)
        return self._own(body), self._own(caster)

    def _own(self, body: person.Body) -> person.Body:
        colors = body.mesh.face_colors.copy()
        for old, new in self.colours:
            near = np.linalg.norm(body.mesh.face_colors - np.array(old), axis=-1) < DYED
            colors[near] = np.clip(colors[near] - np.array(old) + np.array(new), 0, 1)
        return replace(body, mesh=replace(body.mesh, vertices_m=self.scale * body.mesh.vertices_m, face_colors=colors))


def _rgb(colour: Array) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in colour)
    return red, green, blue


WALKERS = (
    Walker("red", 1.0, (-1.5, -0.35), 0.78, 0.0),
    Walker(
        "green",
        1.10,
        (1.55, 0.35),
        -0.80,
        0.4,
        (
            (_rgb(person.SHIRT), (0.16, 0.45, 0.25)),
            (_rgb(person.DENIM), (0.62, 0.54, 0.40)),
            (_rgb(person.HAIR), (0.72, 0.58, 0.32)),
        ),
    ),
)

STANCE = 0.62  # of a step's cycle is the foot on the ground
CYCLE_S = 1.05


class _Gait:
    """Collects the bones' motion while it is worked out from the pelvis to the hands."""

    def __init__(self) -> None:
        self.rotation: dict[str, Rotation] = {}
        self.shift_m: dict[str, Array] = {}

    def put(self, bone: str, joint: str, at_m: Array, turn: Rotation) -> None:
        """Turn a bone so that its resting joint comes to `at_m` (times, 3)."""
        self.rotation[bone], self.shift_m[bone] = turn, at_m - turn.apply(REST[joint])

    def where(self, bone: str, joint: str) -> Array:
        """Return where a resting joint is when this bone carries it: (times, 3)."""
        moved: Array = self.rotation[bone].apply(REST[joint]) + self.shift_m[bone]
        return moved


def walk(times: Array, speed_m_s: float, phase: float) -> Pose:
    """Return the gait of the unscaled body along -y, from the origin: feet planted, arms against the legs."""
    cycle = times / CYCLE_S + phase
    gait = _Gait()
    turning = np.sin(2 * np.pi * cycle)
    steady = np.zeros_like(times)
    bob_m = -0.035 + 0.012 * np.cos(4 * np.pi * cycle)
    pelvis_m = REST["pelvis"] + np.stack([0.015 * turning, -speed_m_s * times, bob_m], axis=1)
    turn = Rotation.from_euler("ZX", np.stack([6 * turning, steady + 3], axis=1), degrees=True)
    gait.put("pelvis", "pelvis", pelvis_m, turn)
    below = "pelvis"
    for bone, share_deg in (("spine", -6), ("chest", -6), ("neck", 3), ("head", 3)):
        turn = turn * Rotation.from_euler("Z", (share_deg * turning)[:, None], degrees=True)
        gait.put(bone, bone, gait.where(below, bone), turn)
        below = bone
    for side, sign in SIDES.items():
        own_phase = phase + (0.0 if sign > 0 else 0.5)
        _leg(gait, side, sign, times / CYCLE_S, own_phase, speed_m_s * CYCLE_S)
        _arm(gait, side, sign, times / CYCLE_S + own_phase)
    return Pose(gait.rotation, gait.shift_m)


def _leg(gait: _Gait, side: str, sign: float, cycles: Array, phase: float, stride_m: float) -> None:
    count, within = np.floor(cycles + phase), np.mod(cycles + phase, 1.0)
    s = np.clip((within - STANCE) / (1 - STANCE), 0.0, 1.0)
    swing = s**3 * (10 - 15 * s + 6 * s * s)
    # In the middle of the stance the foot is below the pelvis.
    ahead_m = (count + swing + 0.5 * STANCE - phase) * stride_m
    foot = Rotation.from_euler("X", (18 * np.sin(np.pi * s))[:, None], degrees=True)
    ankle_m = REST[f"{side}_ankle"] + np.stack([0 * s, -ahead_m, 0.07 * np.sin(np.pi * s)], axis=1)
    hip_m = gait.where("pelvis", f"{side}_hip")
    pole = gait.rotation["pelvis"].apply([0.08 * sign, -1.0, 0.0])
    limb = bend((REST[f"{side}_hip"], REST[f"{side}_knee"], REST[f"{side}_ankle"]), hip_m, ankle_m, pole)
    gait.put(f"{side}_thigh", f"{side}_hip", hip_m, limb.upper)
    gait.put(f"{side}_shin", f"{side}_knee", limb.middle_m, limb.lower)
    gait.put(f"{side}_foot", f"{side}_ankle", limb.end_m, foot)


def _arm(gait: _Gait, side: str, sign: float, cycle: Array) -> None:
    collar, shoulder, elbow, wrist = (f"{side}_{joint}" for joint in ("collar", "shoulder", "elbow", "wrist"))
    chest = gait.rotation["chest"]
    gait.put(f"{side}_clavicle", collar, gait.where("chest", collar), chest)
    shoulder_m = gait.where(f"{side}_clavicle", shoulder)
    rest = (REST[shoulder], REST[elbow], REST[wrist])
    length_m = np.linalg.norm(rest[1] - rest[0]) + np.linalg.norm(rest[2] - rest[1])
    # The arm is behind while the leg of its side is ahead.
    angle = np.radians(-6 + 24 * np.cos(2 * np.pi * cycle))
    direction = np.stack([0.20 * sign + 0 * angle, np.sin(angle), -np.cos(angle)], axis=1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    pole = chest.apply([0.3 * sign, 1.0, 0.0])
    limb = bend(rest, shoulder_m, shoulder_m + chest.apply(0.95 * length_m * direction), pole)
    gait.put(f"{side}_upper_arm", shoulder, shoulder_m, limb.upper)
    gait.put(f"{side}_forearm", elbow, limb.middle_m, limb.lower)
    gait.put(f"{side}_hand", wrist, limb.end_m, limb.lower)


def frame_path(folder: Path, camera: str, frame: int) -> Path:
    """Return where a rendered picture is kept."""
    return folder / "frames" / camera / f"{frame:05d}.png"


def render(folder: Path, workers: int = 2) -> None:
    """Draw the pictures that `folder` does not hold yet, each kept as soon as it is there; 0.6 s a picture and core.

    Raises
    ------
    RuntimeError
        If a renderer fails: with where it said why.
    """
    wanted = [(camera, frame) for frame in range(FRAMES) for camera in CAMERAS.names]
    missing = [job for job in wanted if not frame_path(folder, *job).exists()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "LP_NUM_THREADS": "1"}
    running = []
    for worker in range(workers):
        log, job = (folder / f"render-{worker}.{kind}" for kind in ("log", "json"))
        job.write_text(json.dumps({"folder": str(folder), "frames": missing[worker::workers]}))
        with log.open("wb") as output, job.open("rb") as task:
            command = [sys.executable, "-m", "benchmarks.people_scene"]
            running.append(
                (subprocess.Popen(command, stdin=task, stdout=output, stderr=subprocess.STDOUT, env=environment), log)
            )
    for process, log in running:
        if process.wait() != 0:
            raise RuntimeError(
                f"a renderer stopped with code {process.returncode}: {log} says why; start again to go on"
            )


def _work(folder: Path, frames: list[tuple[str, int]]) -> None:
    """Draw the given pictures."""
    import cv2

    from blender.stage import Stage

    rng = np.random.default_rng(ROOM_SEED)
    stage = Stage()
    stage.add("floor", room.floor(rng), casts_shadow=False)
    stage.add("walls", room.walls(rng), casts_shadow=False)
    shown = []
    for walker in WALKERS:
        body, caster = walker.bodies()
        shown += [
            (walker, body, stage.add(walker.name, body.mesh, casts_shadow=False)),
            (walker, caster, stage.add(f"{walker.name}'s shadow", caster.mesh)),
        ]
    for camera, frame in frames:
        path = frame_path(folder, camera, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        for walker, body, placed in shown:
            stage.deform(placed, body.deform(walker.pose(times_s(camera)[frame])))
        partial = path.with_suffix(f".{os.getpid()}.png")
        cv2.imwrite(str(partial), stage.photograph(CAMERAS[camera]))
        partial.replace(path)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    code = 0
    try:
        _work(Path(task["folder"]), [(camera, frame) for camera, frame in task["frames"]])
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender crashes at a normal interpreter exit
