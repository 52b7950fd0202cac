"""What a detector saw beside the truth: drawn people, whose truth is exact, and a real take of several cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.lifter import triangulated
from calib.cameras import Camera
from calib.interchange import load_cameras
from lift.geometry import turn_ahead
from lift.mocap.convert import RATE_HZ
from lift.points import STATURE_M, root, stature
from lift.seen import load_record
from skeleton.formats.npz import load_keypoints2d
from skeleton.joint_sets import load_joint_set, map_keypoints2d
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pair:
    """One camera's detections beside the truth.

    error_m (frames, points, 2): in the picture, metres at the subject, of a body of standard height; truth_m (frames,
    points, 3) in the camera's frame, scaled alike; pose_m and world_m (frames, points, 3): the truth and the detector's
    own 3D about the hips, along the ray to them; beyond (frames, points): how far the truth lies outside the picture,
    as a share of half of it, negative within; NaN: none.
    """

    name: str
    rate_hz: float
    truth_m: Array
    ray: Array
    error_m: Array
    confidence: Array
    pose_m: Array
    world_m: Array
    beyond: Array
    with_bias: bool


def pair(name: str, seen: Keypoints2D, truth_m: Array, camera: Camera, with_bias: bool) -> Pair:
    """Put detections beside the truth (frames, points of body18, 3), metres, world."""
    seen = map_keypoints2d(seen, load_joint_set("body18"))
    cam = camera.to_camera(truth_m)
    scale = STATURE_M / float(np.nanmedian(stature(cam)))
    cam = cam * scale
    ray = camera.undistort(seen.xy_px)
    error = ray * cam[..., 2:] - cam[..., :2]
    assert seen.world_m is not None
    hips = root(cam)
    turn = turn_ahead(hips[:, :2] / hips[:, 2:])
    true_pose = np.einsum("fij,fpj->fpi", turn, cam - hips[:, None])
    world = seen.world_m - root(seen.world_m)[:, None]
    rate = 1 / float(np.median(np.diff(seen.time_s)))
    half = 0.5 * np.array(camera.size_px) / np.diag(camera.matrix)[:2]
    beyond = (np.abs(cam[..., :2] / cam[..., 2:]) / half).max(axis=-1) - 1
    return Pair(name, rate, cam, ray, error, seen.confidence, true_pose, world, beyond, with_bias)


def seen_pairs(folder: Path) -> list[Pair]:
    """Return the clips of a folder in which somebody is seen most of the time."""
    pairs = []
    for path in sorted(folder.glob("*.npz")):
        record = load_record(path)
        time_s = record.keypoints.time_s
        frame = np.minimum(np.rint((time_s - time_s[0]) * RATE_HZ).astype(int), len(record.truth_m) - 1)
        width, height = (int(n) for n in record.keypoints.image_size_px)
        camera = Camera(path.stem, (width, height), record.matrix, np.zeros(5), np.eye(4))
        made = pair(path.stem, record.keypoints, record.truth_m[frame], camera, True)
        if np.isfinite(made.error_m).all(axis=-1).mean() > SEEN_SHARE:
            pairs.append(made)
    return pairs


SEEN_SHARE = 0.7
"""Of a clip's points: with fewer it says more of the picture's edge than of errors."""


def real_pairs(folder: Path) -> list[Pair]:
    """Return the cameras of a real take, with its triangulation as the truth."""
    truth = triangulated(folder)
    return [
        pair(f"real {camera.name}", load_keypoints2d(folder / f"{camera.name}.npz"), truth, camera, False)
        for camera in load_cameras(folder / "cameras.toml")
    ]
