"""A first pose for every frame, from geometry alone: each bone points at the landmarks that sit on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from retarget.kinematics import Kinematics, Poses, Shape
from retarget.observations import Observations
from retarget.rotations import swing_twist_matrix, to_swing_twist

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MEDIAN_FRAMES = 5
"""Isolated wrong landmarks are kept out of the first pose by a running median over so many frames."""

_SMOOTH_S = 0.06
"""The first poses follow points averaged over a Gaussian window of this deviation: noise of single frames throws angles
about, and the solver needs many steps to bring them back."""

_HINGE_BEND_RAD = np.radians(15.0)
"""A limb bent less than this does not tell how it is twisted."""

_NARROW_RAD = np.radians(30.0)
"""A joint whose swing z has less range than this, and swing x more, is a hinge."""

_ANCHOR = 1e-3
"""Weight of the parent's orientation where landmarks leave a rotation open, against 1 for a landmark."""


def initial_poses(kinematics: Kinematics, observed: Observations, shape: Shape, time_s: Array) -> Poses:
    """Return a pose within the limits for every frame.

    The root is placed by the landmarks that move nearly as one body (`LandmarkSet.torso`), at least three of them; each
    other joint, from the root outwards, is turned so that its bone and its landmarks point as observed; a limb that
    bends in a hinge is twisted into the plane of the bend. What a frame does not show is interpolated in time.

    Raises
    ------
    ValueError
        No frame shows three of the torso's landmarks.
    """
    xyz = _smoothed(_running_median(np.where(observed.located[..., None], observed.xyz_m, np.nan)), time_s)
    root_m, root_matrix = _root(kinematics, xyz, shape, time_s)
    frames, joints = len(xyz), len(kinematics.parents)
    angles = np.zeros((frames, joints, 3))
    joint_m = np.empty((joints, frames, 3))
    matrix = np.empty((joints, frames, 3, 3))
    joint_m[0], matrix[0] = root_m, root_matrix
    heads = kinematics.head_landmarks
    for joint in range(1, joints):  # vectorised over frames
        parent = kinematics.parents[joint]
        bone = kinematics.skeleton.bone_axes[joint]
        joint_m[joint] = joint_m[parent] + matrix[parent] @ shape.offset_m[joint]
        vectors, targets = _aims(kinematics, joint, heads, xyz, joint_m[joint], shape)
        aimed = np.isfinite(targets).all(axis=-1).any(axis=0)
        q = np.broadcast_to(kinematics.neutral[joint], (frames, 3)).copy()
        if aimed.any():
            turned = _turn_onto(vectors, targets, matrix[parent])
            local = bone.T @ matrix[parent].swapaxes(1, 2) @ turned @ bone
            q = to_swing_twist(Rotation.from_matrix(local))
            q = _interpolated(q, aimed, time_s)
            twist, known = _hinge_twist(kinematics, joint, heads, xyz, matrix[parent] @ bone, q)
            if known.any():
                q[:, 1] = _interpolated(np.unwrap(twist[known])[:, None], known, time_s)[:, 0]
                q[:, 1] = (q[:, 1] + np.pi) % (2 * np.pi) - np.pi
        angles[:, joint] = q
        angles[:, joint] = kinematics.clipped(angles)[:, joint]
        matrix[joint] = matrix[parent] @ bone @ swing_twist_matrix(angles[:, joint]) @ bone.T
    return Poses(root_m, root_matrix, angles)


def _running_median(xyz: Array) -> Array:
    half = _MEDIAN_FRAMES // 2
    padded = np.pad(xyz, ((half, half), (0, 0), (0, 0)), constant_values=np.nan)
    window = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_FRAMES, axis=0)
    filtered = np.full_like(xyz, np.nan)
    seen = np.isfinite(xyz).all(axis=-1)
    filtered[seen] = np.nanmedian(window[seen], axis=-1)
    return filtered


def _smoothed(xyz: Array, time_s: Array) -> Array:
    """Return points averaged over time with a Gaussian window; what is missing stays so."""
    if len(time_s) < 2:
        return xyz
    seen = np.isfinite(xyz)
    width = _SMOOTH_S / float(np.median(np.diff(time_s)))
    total = gaussian_filter1d(np.where(seen, xyz, 0.0), width, axis=0, mode="constant")
    share = gaussian_filter1d(seen.astype(np.float64), width, axis=0, mode="constant")
    return np.where(seen, total / np.where(seen, share, 1.0), np.nan)


def _root(kinematics: Kinematics, xyz: Array, shape: Shape, time_s: Array) -> tuple[Array, Array]:
    """Return the root's position and orientation: the torso in the rest pose turned onto the observed one (Kabsch)."""
    frames, joints = len(xyz), len(kinematics.parents)
    rest = Poses(np.zeros((1, 3)), np.eye(3)[None], np.zeros((1, joints, 3)))
    torso = [kinematics.landmarks.index(n) for n in kinematics.landmark_set.torso]
    model = kinematics.place(rest, shape, with_axes=False).landmark_m[0, torso]
    seen = np.isfinite(xyz[:, torso]).all(axis=-1)
    usable = seen.sum(axis=1) >= 3
    if not usable.any():
        raise ValueError("no frame shows three landmarks of the torso")
    weight = seen[usable, :, None] / seen[usable].sum(axis=1)[:, None, None]
    points = np.where(seen[usable, :, None], xyz[usable][:, torso], 0.0)
    centre, model_centre = (weight * points).sum(axis=1), (weight * model).sum(axis=1)
    spread = (weight * (points - centre[:, None])).swapaxes(1, 2) @ (model - model_centre[:, None])
    turned = _nearest_rotation(spread)
    root_m = np.empty((frames, 3))
    where = time_s[usable]
    at = centre - (turned @ model_centre[..., None])[..., 0]
    for axis in range(3):
        root_m[:, axis] = np.interp(time_s, where, at[:, axis])
    if len(where) == 1:
        return root_m, np.broadcast_to(turned, (frames, 3, 3)).copy()
    slerp = Slerp(where, Rotation.from_matrix(turned))
    return root_m, slerp(np.clip(time_s, where[0], where[-1])).as_matrix()


def _nearest_rotation(matrices: Array) -> Array:
    """Return the rotations (n, 3, 3) that maximise trace(R^T M) (Kabsch 1976; the sign: Umeyama 1991, eq. 39)."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.ones((len(matrices), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation: Array = (u * sign[:, None]) @ vt
    return rotation


def _aims(
    kinematics: Kinematics, joint: int, heads: dict[int, int], xyz: Array, joint_m: Array, shape: Shape
) -> tuple[Array, Array]:
    """Return vectors in the joint's frame (n, 3) and where they should point (n, frames, 3), NaN where not seen."""
    origin = joint_m
    if joint in heads:
        own = xyz[:, heads[joint]]
        origin = np.where(np.isfinite(own), own, joint_m)
    vectors, targets = [], []
    for child in np.flatnonzero(kinematics.parents == joint):
        if child in heads:
            vectors.append(shape.offset_m[child])
            targets.append(xyz[:, heads[child]] - origin)
    for mark in np.flatnonzero(kinematics.landmark_joint == joint):
        if heads.get(joint) != mark:
            vectors.append(shape.landmark_m[mark])
            targets.append(xyz[:, mark] - origin)
    return np.array(vectors).reshape(-1, 3), np.array(targets).reshape(-1, len(xyz), 3)


def _turn_onto(vectors: Array, targets: Array, anchor: Array) -> Array:
    """Return the orientations (frames, 3, 3) that turn the vectors onto their targets, otherwise near the anchor."""
    seen = np.isfinite(targets).all(axis=-1, keepdims=True)
    targets = np.where(seen, targets, 0.0)
    length = np.linalg.norm(vectors, axis=-1)[:, None, None] * np.linalg.norm(targets, axis=-1, keepdims=True)
    weight = 1.0 / np.maximum(length.max(axis=0), 1e-9)  # of order 1 for the longest pair of a frame
    spread = np.moveaxis(targets * weight, 0, -1) @ vectors
    return _nearest_rotation(spread + _ANCHOR * anchor)


def _interpolated(values: Array, known: Mask, time_s: Array) -> Array:
    """Return (frames, n): values of the known frames (given for all or for them only), interpolated in time."""
    given = values[known] if len(values) == len(known) else values
    return np.stack([np.interp(time_s, time_s[known], column) for column in given.T], axis=1)


def _hinge_twist(
    kinematics: Kinematics, joint: int, heads: dict[int, int], xyz: Array, parent_axes: Array, q: Array
) -> tuple[Array, Mask]:
    """Return the twist (frames,) that brings the hinge at the bone's tail into the observed bend; where it is known."""
    nothing = np.zeros(len(xyz)), np.zeros(len(xyz), dtype=bool)
    skeleton = kinematics.skeleton
    tail = skeleton.joints[joint].tail
    twist_range = skeleton.limits_rad[joint, 1]
    if tail is None or twist_range[0] == twist_range[1]:
        return nothing
    hinge = skeleton.index(tail)
    limits = skeleton.limits_rad[hinge]
    end = skeleton.joints[hinge].tail
    span = limits[:, 1] - limits[:, 0]
    is_hinge = span[2] < _NARROW_RAD < span[0]
    if not is_hinge or end is None or hinge not in heads or skeleton.index(end) not in heads:
        return nothing
    # The hinge's bone, bent, leaves the straight line towards its z axis (or away from it, as the limits say).
    side = np.sign(limits[0].sum())
    towards = side * (skeleton.bone_axes[joint].T @ skeleton.bone_axes[hinge])[:, 2]
    limb = xyz[:, heads[skeleton.index(end)]] - xyz[:, heads[hinge]]
    limb = limb / np.linalg.norm(limb, axis=1, keepdims=True)
    swung = parent_axes @ swing_twist_matrix(q * (1.0, 0.0, 1.0))
    # Contiguous: numpy 1.26's arctan2 of strided arrays now and then differs in the last bit from run to run.
    x, _, z = np.ascontiguousarray((swung.swapaxes(1, 2) @ limb[..., None])[..., 0].T)
    known = np.hypot(x, z) > np.sin(_HINGE_BEND_RAD)  # NaN compares false
    twist = np.arctan2(x, z) - np.arctan2(towards[0], towards[2])
    return twist, known
