"""Forward kinematics of a skeleton definition with its landmarks, and their derivatives, vectorised over frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from retarget.rotations import exp_and_jacobian, to_swing_twist
from skeleton.hierarchy import SkeletonDefinition

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

ROOT_DOFS = 6
"""The first degrees of freedom: the root's position, then its rotation; a small turn is applied in the world's axes."""


@dataclass(frozen=True, eq=False)
class Shape:
    """The subject's size: what stays constant over a take.

    Attributes
    ----------
    offset_m
        (joints, 3), from the parent to the joint in the rest pose.
    landmark_m
        (landmarks, 3), from its joint to the landmark, in the joint's axes.
    """

    offset_m: Array
    landmark_m: Array


@dataclass(frozen=True, eq=False)
class Poses:
    """The poses of some frames.

    Attributes
    ----------
    root_m
        (frames, 3), the root in the world.
    root_matrix
        (frames, 3, 3), its orientation in the world.
    angles
        (frames, joints, 3), swing x, twist, swing z in each joint's bone axes, radians; zero for the root.
    """

    root_m: Array
    root_matrix: Array
    angles: Array

    def __getitem__(self, frames: slice | Indices) -> Poses:
        """Return the poses of some of the frames."""
        return Poses(self.root_m[frames], self.root_matrix[frames], self.angles[frames])


@dataclass(frozen=True, eq=False)
class Placed:
    """Poses placed in the world.

    Attributes
    ----------
    joint_m
        (joints, frames, 3), positions in the world.
    matrix
        (joints, frames, 3, 3), orientations in the world.
    axis
        (joints, frames, 3, 3), column k: the world axis about which the joint turns when angle k grows.
    landmark_m
        (frames, landmarks, 3), positions in the world.
    """

    joint_m: Array
    matrix: Array
    axis: Array
    landmark_m: Array


class Kinematics:
    """A skeleton definition with the landmarks of one joint set, as index arrays.

    Attributes
    ----------
    skeleton, landmarks
        The definition and the names of its landmarks.
    landmark_joint, landmark_axes
        (landmarks,), the joint at which each sits, and the joint in whose axes its offset is.
    head_landmarks
        The landmark meant to be a joint's head, for joints that have one: joint -> landmark.
    contacts, contact_joint, contact_m
        The names of the points that may stand on the ground, their joints and their offsets (contacts, 3) in the
        definition's size.
    ancestor
        (joints, joints) of bool: the first is the second or above it.
    dof_body
        (dofs,), the joint that each degree of freedom turns; the root for its six.
    dof_joint, dof_axis
        (dofs - 6,), the joint and which of its three angles each degree of freedom after the root's six is.
    low, high
        (dofs,), the limits; infinite for the root.
    """

    def __init__(self, skeleton: SkeletonDefinition, joint_set: str) -> None:
        landmark_set = skeleton.landmark_sets[joint_set]
        self.skeleton = skeleton
        self.landmark_set = landmark_set
        self.landmarks = tuple(m.name for m in landmark_set.landmarks)
        self.landmark_joint: Indices = np.array([skeleton.index(m.joint) for m in landmark_set.landmarks])
        self.landmark_axes: Indices = np.array([skeleton.index(m.axes or m.joint) for m in landmark_set.landmarks])
        self.head_landmarks = {
            skeleton.index(m.joint): k for k, m in enumerate(landmark_set.landmarks) if m.offset_m == (0.0, 0.0, 0.0)
        }
        self.parents = skeleton.parents
        joints = len(skeleton.joints)
        self.ancestor = np.zeros((joints, joints), dtype=bool)  # [a, j]: a is j or above it
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                self.ancestor[:, joint] = self.ancestor[:, parent]
            self.ancestor[joint, joint] = True
        limits = skeleton.limits_rad
        free = limits[..., 1] > limits[..., 0]
        free[0] = False
        self.dof_joint, self.dof_axis = np.nonzero(free)
        unlimited = np.full(ROOT_DOFS, np.inf)
        self.low = np.concatenate([-unlimited, limits[self.dof_joint, self.dof_axis, 0]])
        self.high = np.concatenate([unlimited, limits[self.dof_joint, self.dof_axis, 1]])
        self.dofs = len(self.low)
        self.dof_body: Indices = np.concatenate([np.zeros(ROOT_DOFS, dtype=np.int64), self.dof_joint])
        contacts = skeleton.contacts
        self.contacts = tuple(c.name for c in contacts)
        self.contact_joint: Indices = np.array([skeleton.index(c.joint) for c in contacts], dtype=np.int64)
        self.contact_m = np.array([c.offset_m for c in contacts], dtype=np.float64).reshape(-1, 3)
        self.neutral = np.radians(np.array([j.neutral_deg for j in skeleton.joints]))

    def rest_shape(self, scale: float = 1.0) -> Shape:
        """Return the definition's own proportions, times `scale`."""
        landmark_m = np.array([m.offset_m for m in self.landmark_set.landmarks])
        return Shape(self.skeleton.rest_offset_m * scale, landmark_m * scale)

    def place(self, poses: Poses, shape: Shape, *, with_axes: bool = True) -> Placed:
        """Return joints and landmarks in the world; `with_axes=False` leaves `axis` empty."""
        frames, joints = poses.angles.shape[:2]
        joint_m = np.empty((joints, frames, 3))
        matrix = np.empty((joints, frames, 3, 3))
        axis = np.zeros((joints if with_axes else 0, frames, 3, 3))
        joint_m[0], matrix[0] = poses.root_m, poses.root_matrix
        swing, jacobian = exp_and_jacobian(poses.angles * (1.0, 0.0, 1.0))
        cos, sin = np.cos(poses.angles[..., 1]), np.sin(poses.angles[..., 1])
        for joint in range(1, joints):  # vectorised over frames; children need their parents
            parent = self.parents[joint]
            joint_m[joint] = joint_m[parent] + matrix[parent] @ shape.offset_m[joint]
            bone = self.skeleton.bone_axes[joint]
            turned = matrix[parent] @ bone
            swung = turned @ swing[:, joint]
            if with_axes:
                axis[joint, :, :, 0::2] = turned @ jacobian[:, joint][..., 0::2]
                axis[joint, :, :, 1] = swung[..., 1]
            # twist about y: mix the x and z columns
            c, s = cos[:, joint, None], sin[:, joint, None]
            twisted = np.stack(
                [c * swung[..., 0] - s * swung[..., 2], swung[..., 1], s * swung[..., 0] + c * swung[..., 2]], axis=-1
            )
            matrix[joint] = twisted @ bone.T
        landmark_m = attached(joint_m, matrix, self.landmark_joint, shape.landmark_m, self.landmark_axes)
        return Placed(joint_m, matrix, axis, landmark_m)

    def vector(self, poses: Poses) -> Array:
        """Return (frames, dofs): root position, three zeros for its rotation, which has no vector, then the angles."""
        flat = np.zeros((len(poses.root_m), self.dofs))
        flat[:, :3] = poses.root_m
        flat[:, ROOT_DOFS:] = poses.angles[:, self.dof_joint, self.dof_axis]
        return flat

    def moved(self, poses: Poses, step: Array, slack_rad: float = 0.0) -> Poses:
        """Return the poses moved by a step (frames, dofs), the angles clipped to their limits widened by a slack."""
        turn, _ = exp_and_jacobian(step[:, 3:ROOT_DOFS])
        angles = poses.angles.copy()
        stepped = angles[:, self.dof_joint, self.dof_axis] + step[:, ROOT_DOFS:]
        angles[:, self.dof_joint, self.dof_axis] = np.clip(
            stepped, self.low[ROOT_DOFS:] - slack_rad, self.high[ROOT_DOFS:] + slack_rad
        )
        return Poses(poses.root_m + step[:, :3], turn @ poses.root_matrix, angles)

    def clipped(self, angles: Array) -> Array:
        """Return angles (frames, joints, 3) moved into the limits; locked ones at their only value, the root's zero."""
        limits = self.skeleton.limits_rad.copy()
        limits[0] = 0.0
        inside: Array = np.clip(angles, limits[..., 0], limits[..., 1])
        return inside

    def local_quaternions(self, poses: Poses) -> Array:
        """Return (frames, joints, 4), each joint's rotation relative to its parent as `Motion` holds it, x, y, z, w."""
        frames, joints = poses.angles.shape[:2]
        quaternions = np.empty((frames, joints, 4))
        quaternions[:, 0] = Rotation.from_matrix(poses.root_matrix).as_quat()
        for joint in range(1, joints):
            bone = Rotation.from_matrix(self.skeleton.bone_axes[joint])
            swing = Rotation.from_rotvec(poses.angles[:, joint] * (1.0, 0.0, 1.0))
            twist = Rotation.from_rotvec(poses.angles[:, joint] * (0.0, 1.0, 0.0))
            quaternions[:, joint] = (bone * swing * twist * bone.inv()).as_quat()
        return quaternions


def attached(joint_m: Array, matrix: Array, joint: Indices, offset_m: Array, axes: Indices | None = None) -> Array:
    """Return points (frames, n, 3) in the world, each at an offset (n, 3) from its joint (n,).

    `joint_m`, `matrix`: (joints, frames, 3) and (joints, frames, 3, 3), as in `Placed`; `axes`: (n,), the joints in
    whose axes the offsets are, the points' own unless given.
    """
    points = joint_m[joint] + (matrix[joint if axes is None else axes] @ offset_m[:, None, :, None])[..., 0]
    return np.ascontiguousarray(points.swapaxes(0, 1))


def joint_angles(skeleton: SkeletonDefinition, rotation_xyzw: Array) -> Array:
    """Return swing x, twist, swing z (frames, joints, 3), radians, of local rotations as `Motion` holds them.

    The root's are zero: its rotation has no limits.
    """
    frames, joints = rotation_xyzw.shape[:2]
    angles = np.zeros((frames, joints, 3))
    for joint in range(1, joints):
        bone = Rotation.from_matrix(skeleton.bone_axes[joint])
        angles[:, joint] = to_swing_twist(bone.inv() * Rotation.from_quat(rotation_xyzw[:, joint]) * bone)
    return angles
