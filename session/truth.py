"""How far a session is from a known truth: cameras in mm and degrees, clocks in ms, joints in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import CameraGroup
from clapcap.errors import FileFormatError
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a rendered session.

    Attributes
    ----------
    camera_names
        The cameras, in the order of the arrays.
    T_cam_world
        (cameras, 4, 4): world to camera, metres.
    offset_s, rate
        By recording: (cameras,), session time = offset + rate * camera time.
    joint_names
        The joints, in the order of `joints_xyz_m`.
    joints_xyz_m
        (frames, joints, 3): metres in the world.
    joints_time_s
        (frames,): session time.
    """

    camera_names: tuple[str, ...]
    T_cam_world: Array
    offset_s: Mapping[str, Array]
    rate: Mapping[str, Array]
    joint_names: tuple[str, ...]
    joints_xyz_m: Array
    joints_time_s: Array

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read `truth.npz`.

        Raises
        ------
        FileFormatError
            If it is not one.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    tuple(str(name) for name in file["camera_names"]),
                    file["T_cam_world"],
                    {"calibration": file["calibration_offset_s"], "dance": file["take_offset_s"]},
                    {"calibration": file["calibration_rate"], "dance": file["take_rate"]},
                    tuple(str(name) for name in file["joint_names"]),
                    file["joints_xyz_m"],
                    file["joints_time_s"],
                )
        except (OSError, ValueError, KeyError) as error:
            raise FileFormatError(f"{path} is no truth file ({error}). Install clapcap again.") from error


@dataclass(frozen=True)
class CameraError:
    """One camera against the truth, after aligning the two worlds: distance of the centres and angle between."""

    camera: str
    position_mm: float
    rotation_deg: float


@dataclass(frozen=True)
class JointErrors:
    """Joints against the truth, in mm: mean over frames and joints, as they are and after one offset per joint.

    `by_joint_mm` is after the offset; `share` is the share of joints and frames that could be compared.
    """

    mean_mm: float
    mean_after_offset_mm: float
    by_joint_mm: Mapping[str, float]
    share: float


def align_worlds(cameras: CameraGroup, truth: Truth) -> tuple[Rotation, Array]:
    """Return rotation and translation (3,), metres, from the calibration's world to the truth's: no scale.

    Least squares over the camera centres (Kabsch, "A solution for the best rotation to relate two sets of vectors",
    Acta Crystallographica A32, 1976).
    """
    ours = np.stack([camera.center_m for camera in cameras])
    theirs = np.stack([_center(truth, camera.name) for camera in cameras])
    rotation, _ = Rotation.align_vectors(theirs - theirs.mean(0), ours - ours.mean(0))
    return rotation, theirs.mean(0) - rotation.apply(ours.mean(0))


def camera_errors(cameras: CameraGroup, truth: Truth) -> list[CameraError]:
    """Compare each camera's centre and orientation with the truth."""
    rotation, shift = align_worlds(cameras, truth)
    errors = []
    for camera in cameras:
        true_R = Rotation.from_matrix(truth.T_cam_world[truth.camera_names.index(camera.name), :3, :3])
        our_R = Rotation.from_matrix(camera.T_cam_world[:3, :3]) * rotation.inv()
        distance = np.linalg.norm(rotation.apply(camera.center_m) + shift - _center(truth, camera.name))
        angle = (true_R * our_R.inv()).magnitude()
        errors.append(CameraError(camera.name, 1000 * float(distance), float(np.degrees(angle))))
    return errors


def clock_errors_ms(time_map: TimeMap, truth: Truth, recording: str, at_camera_s: float) -> dict[str, float]:
    """Return each camera's error of session time at one moment of its own clock, in ms, reference camera taken off."""
    error = {}
    for place, name in enumerate(truth.camera_names):
        true_s = truth.offset_s[recording][place] + truth.rate[recording][place] * at_camera_s
        error[name] = 1000 * float(time_map.cameras[name].to_session(at_camera_s) - true_s)
    first = error[truth.camera_names[0]]
    return {name: value - first for name, value in error.items()}


def joint_errors(
    names: Sequence[str], xyz_m: Array, time_s: Array, cameras: CameraGroup, truth: Truth, joints: Sequence[str]
) -> JointErrors:
    """Compare joints with the truth, in the truth's world.

    Parameters
    ----------
    names, xyz_m, time_s
        The points' names, (frames, points, 3) in metres in the world of `cameras`, and session time (frames,).
    cameras
        The calibration, whose cameras align its world with the truth's.
    joints
        The joints to compare; both sides must have them.

    Notes
    -----
    The offset of a joint is one vector in the world for the whole take: it takes off what the detector and the
    renderer disagree on about where, say, a hip is.
    """
    rotation, shift = align_worlds(cameras, truth)
    inside = (time_s >= truth.joints_time_s[0]) & (time_s <= truth.joints_time_s[-1])
    by_joint, raw, after = {}, [], []
    for joint in joints:
        ours = rotation.apply(xyz_m[inside, list(names).index(joint)]) + shift
        path = truth.joints_xyz_m[:, truth.joint_names.index(joint)]
        true = np.stack([np.interp(time_s[inside], truth.joints_time_s, path[:, axis]) for axis in range(3)], axis=1)
        difference = ours - true
        raw.append(np.linalg.norm(difference, axis=1))
        after.append(np.linalg.norm(difference - np.nanmean(difference, axis=0), axis=1))
        by_joint[joint] = 1000 * float(np.nanmean(after[-1]))
    return JointErrors(
        1000 * float(np.nanmean(raw)),
        1000 * float(np.nanmean(after)),
        by_joint,
        float(np.isfinite(raw).mean()),
    )


def _center(truth: Truth, name: str) -> Array:
    T = truth.T_cam_world[truth.camera_names.index(name)]
    center: Array = -T[:3, :3].T @ T[:3, 3]
    return center
