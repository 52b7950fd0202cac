"""What may change of a skeleton's size from subject to subject, as parameters of a fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retarget.kinematics import Kinematics, Placed, Shape

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class ShapeModel:
    """What may change of a skeleton's size: one scale a length group, and the offsets of landmarks that are left open.

    Landmarks that are left/right twins in the definition share one offset, mirrored.

    Attributes
    ----------
    groups
        The length groups that a landmark depends on, in the order of the first parameters; each is a factor on the
        definition's offsets.
    size
        Number of parameters: the groups, then three for each open landmark.
    """

    def __init__(self, kinematics: Kinematics) -> None:
        self.kinematics = kinematics
        joints = kinematics.skeleton.joints
        moved = kinematics.ancestor[:, kinematics.landmark_joint].any(axis=1)
        moved[0] = False
        self.groups = tuple(dict.fromkeys(j.length_group for j, m in zip(joints, moved, strict=True) if m))
        self.group = np.array(
            [self.groups.index(j.length_group) if j.length_group in self.groups else -1 for j in joints]
        )
        self.mirror = np.ones((len(kinematics.landmarks), 3))
        self.slot = np.full(len(kinematics.landmarks), -1)
        marks = kinematics.landmark_set.landmarks
        twins = dict(kinematics.skeleton.twins)
        open_marks = [k for k, m in enumerate(marks) if m.offset_std_m > 0]
        count = 0
        for k in open_marks:
            mirrored = marks[k].offset_m * np.array([-1.0, 1.0, 1.0])
            for other in open_marks:
                joint, twin = kinematics.landmark_joint[other], kinematics.landmark_joint[k]
                same_pair = twins.get(int(joint)) == twin or (joint == twin and marks[k].name.startswith("right_"))
                is_twin = marks[k].name == marks[other].name.replace("left_", "right_", 1) != marks[other].name
                if is_twin and same_pair and np.allclose(mirrored, marks[other].offset_m):
                    self.slot[k], self.mirror[k, 0] = self.slot[other], -1.0
            if self.slot[k] < 0:
                self.slot[k], count = count, count + 1
        self.size = len(self.groups) + 3 * count
        self.longest_m = float(np.linalg.norm(kinematics.skeleton.rest_offset_m, axis=1).max())

    def shape(self, parameters: Array, scale: float) -> Shape:
        """Return the shape of parameters (size,); groups on which no landmark depends have the overall `scale`."""
        factor = np.where(self.group >= 0, parameters[: len(self.groups)][self.group], scale)
        landmark = self.kinematics.rest_shape(scale).landmark_m
        open_ = self.slot >= 0
        free = parameters[len(self.groups) :].reshape(-1, 3)
        landmark[open_] = (free[self.slot] * self.mirror)[open_]
        return Shape(self.kinematics.skeleton.rest_offset_m * factor[:, None], landmark)

    def prior(self, scale: float) -> tuple[Array, Array]:
        """Return mean and standard deviation (size,) of the parameters of a person `scale` times the default."""
        mean, std = np.full(self.size, scale), np.empty(self.size)
        for place, group in enumerate(self.groups):
            std[place] = scale * min(j.length_std for j in self.kinematics.skeleton.joints if j.length_group == group)
        rest = self.kinematics.rest_shape(scale).landmark_m
        for k, mark in enumerate(self.kinematics.landmark_set.landmarks):
            if self.slot[k] >= 0 and self.mirror[k, 0] > 0:
                at = len(self.groups) + 3 * self.slot[k] + np.arange(3)
                mean[at], std[at] = rest[k], mark.offset_std_m
        return mean, std

    def stature(self, scale: float) -> tuple[float, Array]:
        """Return the height of the rest pose as rest_m + row @ parameters: metres, and (size,) metres a unit.

        From the lowest point that may stand to the highest joint; rest_m is what no parameter changes.
        """
        kinematics = self.kinematics
        offset = kinematics.skeleton.rest_offset_m[:, 2]
        height = kinematics.ancestor.T.astype(np.float64) @ offset  # of each joint above the root's parent
        soles = height[kinematics.contact_joint] + kinematics.contact_m[:, 2]
        share = kinematics.ancestor[:, int(np.argmax(height))].astype(np.float64)
        rest_m = 0.0
        if len(soles):
            lowest = int(np.argmin(soles))
            share -= kinematics.ancestor[:, kinematics.contact_joint[lowest]]
            rest_m = -scale * float(kinematics.contact_m[lowest, 2])
        row = np.zeros(self.size)
        told = self.group >= 0
        np.add.at(row, self.group[told], (share * offset)[told])
        return rest_m + scale * float((share * offset)[~told].sum()), row

    def twists(self, placed: Placed) -> tuple[Array, Indices, Array]:
        """Return what the parameters move, piece by piece.

        Returns
        -------
        twists, body
            (frames, pieces, 6), linear part first, and (pieces,), bodies as `Composite` numbers them: the growth of
            each joint's offset, which moves the joint with all that hangs on it, then the three coordinates of each
            open landmark.
        share
            (pieces, size), how much a unit of each parameter brings of each piece.
        """
        kinematics = self.kinematics
        joints = np.flatnonzero(self.group >= 0)
        marks = np.flatnonzero(self.slot >= 0)
        frames = placed.joint_m.shape[1]
        twists = np.zeros((frames, len(joints) + 3 * len(marks), 6))
        growth = kinematics.skeleton.rest_offset_m[joints]
        twists[:, : len(joints), :3] = (placed.matrix[kinematics.parents[joints]] @ growth[:, None, :, None])[
            ..., 0
        ].swapaxes(0, 1)
        columns = placed.matrix[kinematics.landmark_axes[marks]].transpose(1, 0, 3, 2)
        twists[:, len(joints) :, :3] = columns.reshape(frames, -1, 3)
        share = np.zeros((twists.shape[1], self.size))
        share[np.arange(len(joints)), self.group[joints]] = 1.0
        pieces = len(joints) + np.arange(3 * len(marks))
        share[pieces, (len(self.groups) + 3 * self.slot[marks, None] + np.arange(3)).ravel()] = self.mirror[
            marks
        ].ravel()
        count = len(kinematics.parents)
        body = np.concatenate([count + joints, np.repeat(2 * count + marks, 3)])
        return twists, body, share
