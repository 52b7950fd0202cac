"""Made-up takes in which a whole camera goes wrong: a bystander, a moved camera, a detector that fails."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from benchmarks.synthetic_take import Detections, SyntheticTake, corrupt, detect, make_take
from calib.cameras import CameraGroup

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# How far the bystander stands from the person, metres.
BESIDE_M = np.array([1.3, 0.9, 0.0])
# How much a failing detector adds, in pixels (the person is 600 px high), and how often it is wholly wrong.
FAILING_PX, WHOLLY_WRONG, WHOLLY_WRONG_PX = 36.0, 0.3, 200.0


@dataclass(frozen=True, eq=False)
class Troubled:
    """A take with a trouble, and the same take for a solver that knows of it.

    Attributes
    ----------
    name
        What is wrong.
    seen
        What the solver is given.
    known
        The same without the observations that are wrong: what can be reached.
    cameras
        The calibration that the solver is given.
    """

    name: str
    seen: Detections
    known: Detections
    cameras: CameraGroup


def troubles(take: SyntheticTake, rng: np.random.Generator) -> list[Troubled]:
    """Return the troubles that so many cameras are to bear."""
    clean = detect(take, rng)
    count = len(take.cameras)
    third = slice(len(take.time_s) // 5, 3 * len(take.time_s) // 5)
    moved = _with_pose(take.cameras, 1, Rotation.identity(), np.array([0.1, 0.0, 0.0]))
    turned = _with_pose(take.cameras, 1, Rotation.from_euler("y", 2, degrees=True), np.zeros(3))
    second = _without(clean, [1])
    found = [
        Troubled("nothing", clean, clean, take.cameras),
        corrupted(take, clean, rng),
        Troubled("a bystander", bystander(take, clean, rng, 1, third), _without(clean, [1], third), take.cameras),
        Troubled("a pose off by 10 cm", clean, second, moved),
        Troubled("a pose off by 2 degrees", clean, second, turned),
    ]
    if count >= 8:
        found.append(Troubled("two detect badly", failing(clean, rng, [2, 5]), _without(clean, [2, 5]), take.cameras))
    return found


def corrupted(take: SyntheticTake, clean: Detections, rng: np.random.Generator) -> Troubled:
    """Return the take of `benchmarks.synthetic_take.corrupt`; what is known is which observations are missing."""
    spoilt = corrupt(take, clean, rng)
    missing = np.isnan(spoilt.xy_px[..., 0])
    known = Detections(np.where(missing[..., None], np.nan, clean.xy_px), np.where(missing, 0.0, clean.confidence))
    return Troubled("all at once", spoilt, known, take.cameras)


def bystander(
    take: SyntheticTake, seen: Detections, rng: np.random.Generator, camera: int, frames: slice
) -> Detections:
    """Let a camera follow somebody else, who dances another dance beside the person, for some frames."""
    other = make_take(rng, len(take.time_s), len(take.cameras))
    xyz = other.xyz_m + BESIDE_M
    somebody = detect(replace(other, xyz_m=xyz, xy_px=take.cameras.project(xyz)), rng)
    xy, confidence = seen.xy_px.copy(), seen.confidence.copy()
    xy[camera, frames], confidence[camera, frames] = somebody.xy_px[camera, frames], somebody.confidence[camera, frames]
    return Detections(xy, confidence)


def failing(seen: Detections, rng: np.random.Generator, cameras: list[int]) -> Detections:
    """Let cameras detect badly throughout."""
    xy = seen.xy_px.copy()
    for camera in cameras:
        xy[camera] += FAILING_PX * rng.standard_normal(xy[camera].shape)
        wrong = rng.random(xy.shape[1:3]) < WHOLLY_WRONG
        xy[camera][wrong] += WHOLLY_WRONG_PX * rng.standard_normal((int(wrong.sum()), 2))
    return Detections(xy, seen.confidence)


def _without(seen: Detections, cameras: list[int], frames: slice = slice(None)) -> Detections:
    confidence = seen.confidence.copy()
    confidence[cameras, frames] = 0.0
    return Detections(np.where((confidence > 0)[..., None], seen.xy_px, np.nan), confidence)


def _with_pose(group: CameraGroup, place: int, turn: Rotation, shift_m: Array) -> CameraGroup:
    """Return the cameras with one turned and shifted, in its own axes."""
    cameras = list(group.cameras)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = turn.as_matrix(), shift_m
    cameras[place] = replace(cameras[place], T_cam_world=T @ cameras[place].T_cam_world)
    return CameraGroup(tuple(cameras))
