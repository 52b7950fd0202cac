"""One view to 3D with a trained network: from a detector's keypoints to joints, path, contact and uncertainty.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera
from lift.answer import answer
from lift.lens import usual_camera as usual_camera
from lift.mocap.convert import RATE_HZ
from lift.model import Lifter
from lift.points import POINTS, STATURE_M, root
from skeleton.joint_sets import load_joint_set, map_keypoints2d
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LiftedBody:
    """A body in the camera's frame (x right, y down, z forward), frame by frame.

    Attributes
    ----------
    joints_m
        (frames, points of body18, 3): metres about the middle of the hips.
    root_m
        (frames, 3): the hips, metres from the camera; as good as the focal length and the height.
    sigma_m
        (frames, points): the network's own deviation of each joint, per axis.
    contact
        (frames, 2): how probably the left and the right foot stand.
    time_s
        (frames,): as of the keypoints.
    """

    joints_m: Array
    root_m: Array
    sigma_m: Array
    contact: Array
    time_s: Array


def lift_keypoints(model: Lifter, keypoints: Keypoints2D, camera: Camera, height_m: float = STATURE_M) -> LiftedBody:
    """Lift one person's keypoints.

    Parameters
    ----------
    model
        A trained network.
    keypoints
        Of a set from which `body18` can be made, any frame rate.
    camera
        The lens that they were seen by; its place in the world is not used.
    height_m
        The subject's height: joints and path are scaled to it.

    Raises
    ------
    FileFormatError
        The keypoints are of a set that body18 cannot be made of.
    """
    seen = map_keypoints2d(keypoints, load_joint_set("body18"))
    ray = camera.undistort(seen.xy_px)
    confidence = np.where(np.isfinite(ray).all(axis=-1), seen.confidence, 0)
    time_s = even_times(seen.time_s)
    world = None
    if model.settings.world_landmarks:
        unseen = np.full((len(ray), len(POINTS), 3), np.nan)
        given = unseen if seen.world_m is None else seen.world_m - root(seen.world_m)[:, None]
        world = at_times(given, seen.time_s, time_s)[None].astype(np.float32)
    ray60 = at_times(ray, seen.time_s, time_s)[None].astype(np.float32)
    sure = at_times(confidence[..., None], seen.time_s, time_s)[None, ..., 0].astype(np.float32)
    found = answer(model, ray60, sure, world, recorded=not model.settings.causal)
    scale = height_m / STATURE_M
    joints, path, sigma, contact = (
        at_times(value[0].astype(np.float64), time_s, seen.time_s)
        for value in (scale * found.joints_m, scale * found.root_m, scale * found.sigma_m, found.contact)
    )
    return LiftedBody(joints, path, sigma, contact, seen.time_s)


def even_times(time_s: Array) -> Array:
    """Return the network's 60 Hz over a recording."""
    steps = int(np.ceil((time_s[-1] - time_s[0]) * RATE_HZ - 1e-6))
    times: Array = time_s[0] + np.arange(steps + 1) / RATE_HZ
    return times


def at_times(values: Array, time_s: Array, wanted_s: Array) -> Array:
    """Return values (frames, ...) at other times, linearly between frames; NaN between a frame that is NaN and another.

    Before the first and after the last frame theirs are held.
    """
    if len(time_s) == 1:
        return np.repeat(values, len(wanted_s), axis=0)
    after = np.clip(np.searchsorted(time_s, wanted_s), 1, len(time_s) - 1)
    span = time_s[after] - time_s[after - 1]
    part = np.clip((wanted_s - time_s[after - 1]) / span, 0, 1).reshape(-1, *([1] * (values.ndim - 1)))
    before, behind = values[after - 1], values[after]
    mixed: Array = np.where(part == 0, before, np.where(part == 1, behind, (1 - part) * before + part * behind))
    return mixed
