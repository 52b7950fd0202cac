"""Normal equations of landmarks on a tree of bones, without their Jacobian: sums over whole limbs, then dot products.

Whatever moves a limb, a joint's turn or a bone's growth, moves its landmarks as parts of one rigid body: a landmark at
q (from the frame's origin, here the root's position) is displaced by v + w x q, (v, w) being the motion's twist. So the
landmarks' information, a 3 x 3 matrix each, is carried over to twists once, 6 x 6, and summed over each limb; an
element of the normal equations is then s_a^T M s_b, with M the sum of the smaller of the two limbs. This is the
composite rigid body algorithm (R. Featherstone, Rigid Body Dynamics Algorithms, 2008, section 6.2) with information
instead of mass. The cost does not grow with the number of landmarks that hang on a joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.kinematics import ROOT_DOFS, Kinematics, Placed
from retarget.rotations import cross_matrix

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def pose_twists(kinematics: Kinematics, placed: Placed) -> Array:
    """Return the twists (frames, dofs, 6), linear part first, that a unit of each degree of freedom brings."""
    frames = placed.joint_m.shape[1]
    twists = np.zeros((frames, kinematics.dofs, 6))
    for k in range(ROOT_DOFS):
        twists[:, k, k] = 1.0
    axis = placed.axis[kinematics.dof_joint, :, :, kinematics.dof_axis]  # (dofs - 6, frames, 3)
    pivot = placed.joint_m[kinematics.dof_joint] - placed.joint_m[0]
    twists[:, ROOT_DOFS:, :3] = _cross(pivot, axis).swapaxes(0, 1)
    twists[:, ROOT_DOFS:, 3:] = axis.swapaxes(0, 1)
    return twists


def displaced(twists: Array, q: Array) -> Array:
    """Return the displacements (frames, twists, 3) that twists (frames, twists, 6) bring to points q (frames, 1, 3)."""
    moved: Array = twists[..., :3] + _cross(twists[..., 3:], np.broadcast_to(q, twists[..., 3:].shape))
    return moved


@dataclass(frozen=True, eq=False)
class Hanging:
    """Where points hang.

    Attributes
    ----------
    joint
        (points,), the joint at which each sits: it moves when an offset from a joint to the next above it grows.
    axes
        (points,), the joint with which it turns: that one, or its parent.
    """

    joint: Indices
    axes: Indices

    def beside(self, joint: Indices) -> Hanging:
        """Return these points and others, of joints with which they turn."""
        return Hanging(np.concatenate([self.joint, joint]), np.concatenate([self.axes, joint]))


def landmarks_hanging(kinematics: Kinematics) -> Hanging:
    """Return where the landmarks hang."""
    return Hanging(kinematics.landmark_joint, kinematics.landmark_axes)


class Composite:
    """Gradient and information of points, summed over the bodies of a tree.

    Bodies are numbered: what turns with each joint, then what moves when each joint's offset grows, then each point.

    Attributes
    ----------
    matrix
        (frames, bodies, 6, 6).
    force
        (frames, bodies, 6).
    """

    def __init__(
        self,
        kinematics: Kinematics,
        root_m: Array,
        points: Array,
        hanging: Hanging,
        gradient: Array,
        information: Array,
    ) -> None:
        """Sum over points (frames, n, 3): `gradient` (frames, n, 3), `information` (frames, n, 3, 3).

        `root_m`: (frames, 3), the origin of the twists.
        """
        q = points - root_m[:, None]
        lever = cross_matrix(q)
        turned = lever @ information
        frames, count = q.shape[:2]
        matrix = np.empty((frames, count, 6, 6))
        matrix[..., :3, :3] = information
        matrix[..., 3:, :3] = turned
        matrix[..., :3, 3:] = turned.swapaxes(-1, -2)
        matrix[..., 3:, 3:] = turned @ lever.swapaxes(-1, -2)
        force = np.concatenate([gradient, _cross(q, gradient)], axis=-1)
        hangs = _hangs(kinematics, hanging).astype(np.float64)
        limbs = (hangs @ matrix.reshape(frames, count, 36)).reshape(frames, -1, 6, 6)
        self.matrix = np.concatenate([limbs, matrix], axis=1)
        self.force = np.concatenate([hangs @ force, force], axis=1)

    def gradient(self, twists: Array, body: Indices) -> Array:
        """Return the gradient (frames, n) by motions with `twists` (frames, n, 6) of the bodies `body` (n,)."""
        slope: Array = (twists * self.force[:, body]).sum(axis=-1)
        return slope

    def products(self, twists: Array, body: Indices, others: Array) -> Array:
        """Return s_a^T M s_b (frames, n, m) for all pairs, M of the body of the first, which must be the smaller."""
        carried = (self.matrix[:, body] @ twists[..., None])[..., 0]
        products: Array = carried @ others.swapaxes(1, 2)
        return products

    def total(self, twists: Array, body: Indices) -> Array:
        """Return the sum (n, n) over frames of what `products` gives of a list of motions with itself."""
        carried = (self.matrix[:, body] @ twists[..., None])[..., 0]
        summed: Array = np.tensordot(carried, twists, axes=([0, 2], [0, 2]))
        return summed


def _hangs(kinematics: Kinematics, hanging: Hanging) -> Mask:
    """Return (2 joints, points), which points turn with each joint, and which move with the growth of its offset."""
    return np.concatenate([kinematics.ancestor[:, hanging.axes], kinematics.ancestor[:, hanging.joint]])


def within(kinematics: Kinematics, hanging: Hanging, bodies: Indices, others: Indices) -> Mask:
    """Return (n, m), whether the first body is the second or part of it; bodies as `Composite` numbers them."""
    joints, points = len(kinematics.parents), len(hanging.joint)
    turns, grows, marks = slice(0, joints), slice(joints, 2 * joints), slice(2 * joints, None)
    below = kinematics.ancestor.T
    parts = np.zeros((2 * joints + points, 2 * joints + points), dtype=bool)
    parts[turns, turns] = parts[turns, grows] = parts[grows, grows] = below
    parts[grows, turns] = below & ~np.eye(joints, dtype=bool)
    parts[marks, : 2 * joints] = _hangs(kinematics, hanging).T
    parts[marks, marks] = np.eye(points, dtype=bool)
    inside: Mask = parts[np.ix_(bodies, others)]
    return inside


def _cross(a: Array, b: Array) -> Array:
    """Return a x b of (..., 3); numpy's own is slower by far."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        product[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
    return product
