"""Smoothness in time and the pull towards the neutral pose, as terms of the whole-take fit.

Accelerations are treated as white noise of a given density, so a cost is an integral over time: it does not depend on
the frame rate, and uneven time stamps need no care. (A smoothing spline, C. H. Reinsch 1967, is that for one signal.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.kinematics import ROOT_DOFS, Kinematics, Poses
from retarget.rotations import inverse_left_jacobian, log

Array = npt.NDArray[np.float64]

ROOT_ACCELERATION_DENSITY = 10.0
"""(m/s^2)^2 / Hz of the root's acceleration; see `ANGLE_ACCELERATION_DENSITY`."""

ANGLE_ACCELERATION_DENSITY = 150.0
"""(rad/s^2)^2 / Hz of every angle's acceleration, the root's rotation among them.

Chosen on ACCAD recordings with noise of 5 and 15 mm a coordinate added at 60 Hz: the joints' error is flat (some 5 % of
its least) from 30 to 200 for walking and from 100 to 400 for running and jumping; the root's likewise from 2 to 20.
"""

_ROTATION = slice(3, ROOT_DOFS)


@dataclass(frozen=True, eq=False)
class PoseTerms:
    """Cost and derivatives of the smoothness and of the prior.

    The second derivatives link a frame to itself and to the two that follow. Between frames, each degree of freedom is
    linked to itself only, but for the three of the root's rotation, which are linked to each other.

    Attributes
    ----------
    cost
        (frames,), half the weighted sum of squares; an acceleration counts for the middle one of its three frames.
    gradient
        (frames, dofs).
    same, next_, after_next
        (frames, dofs): second derivatives by the same degree of freedom in the frame itself, with the next frame's and
        with the one after. The last frames' are zero.
    rotation
        (3, frames, 3, 3): the same three for the root's rotation, [which, frame, dof of the later, dof of the frame].
    """

    cost: Array
    gradient: Array
    same: Array
    next_: Array
    after_next: Array
    rotation: Array


class PoseModel:
    """Smoothness and prior for the frames at `time_s` (frames,), seconds."""

    def __init__(self, kinematics: Kinematics, time_s: Array) -> None:
        self.kinematics = kinematics
        joints = kinematics.skeleton.joints
        frames = len(time_s)
        step = np.diff(time_s)
        # The share of time that belongs to each frame.
        width = (
            np.convolve(np.concatenate([step[:1], step, step[-1:]]), [0.5, 0.5], "valid") if frames > 1 else np.ones(1)
        )
        density = np.full(kinematics.dofs, ANGLE_ACCELERATION_DENSITY)
        density[:3] = ROOT_ACCELERATION_DENSITY
        self.step = step
        self.acceleration_weight = width[1:-1, None] / density  # (frames - 2, dofs)
        std = np.radians(np.array([j.rest_std_deg for j in joints]))[kinematics.dof_joint, kinematics.dof_axis]
        # As if the neutral pose were seen once a second.
        self.prior_weight = np.zeros((frames, kinematics.dofs))
        self.prior_weight[:, ROOT_DOFS:] = width[:, None] / std**2
        self.neutral = np.zeros(kinematics.dofs)
        self.neutral[ROOT_DOFS:] = kinematics.neutral[kinematics.dof_joint, kinematics.dof_axis]
        if frames > 2:
            before, after = step[:-1, None], step[1:, None]
            self.before, self.after = 2 / (before * (before + after)), 2 / (after * (before + after))

    def cost(self, poses: Poses) -> float:
        """Return half the weighted sum of squares."""
        flat = self.kinematics.vector(poses)
        total = (self.prior_weight * (flat - self.neutral) ** 2).sum()
        if len(self.step) > 1:
            acceleration, _ = self._acceleration(poses, flat)
            total += (self.acceleration_weight * acceleration**2).sum()
        return 0.5 * float(total)

    def _acceleration(self, poses: Poses, flat: Array) -> tuple[Array, Array]:
        """Return (frames - 2, dofs) accelerations, and the root's turns (frames - 1, 3) from frame to frame."""
        acceleration = self.before * flat[:-2] - (self.before + self.after) * flat[1:-1] + self.after * flat[2:]
        turn = log(poses.root_matrix[1:] @ poses.root_matrix[:-1].swapaxes(1, 2))
        acceleration[:, _ROTATION] = self.after * turn[1:] - self.before * turn[:-1]
        return acceleration, turn

    def terms(self, poses: Poses) -> PoseTerms:
        """Return cost, gradient and the Gauss-Newton second derivatives."""
        flat = self.kinematics.vector(poses)
        frames = len(flat)
        gradient = self.prior_weight * (flat - self.neutral)
        cost = (gradient * (flat - self.neutral)).sum(axis=1)
        same = self.prior_weight.copy()
        next_, after_next = np.zeros_like(flat), np.zeros_like(flat)
        rotation = np.zeros((3, frames, 3, 3))
        if frames > 2:
            acceleration, turn = self._acceleration(poses, flat)
            weight = self.acceleration_weight
            weighted = weight * acceleration
            cost[1:-1] += (weighted * acceleration).sum(axis=1)
            b, m, a = self.before, -(self.before + self.after), self.after
            euclid = weighted.copy()
            euclid[:, _ROTATION] = 0.0
            gradient[:-2] += b * euclid
            gradient[1:-1] += m * euclid
            gradient[2:] += a * euclid
            same[:-2] += weight * b * b
            same[1:-1] += weight * m * m
            same[2:] += weight * a * a
            next_[:-2] += weight * m * b
            next_[1:-1] += weight * a * m
            after_next[:-2] += weight * a * b
            same[:, _ROTATION] = next_[:, _ROTATION] = after_next[:, _ROTATION] = 0.0
            self._rotation_terms(turn, weighted[:, _ROTATION], gradient, rotation)
        return PoseTerms(0.5 * cost, gradient, same, next_, after_next, rotation)

    def _rotation_terms(self, turn: Array, weighted: Array, gradient: Array, rotation: Array) -> None:
        """Add the derivatives by the root's rotation, by small turns d in the world's axes.

        log(R' R^T) changes by Jl^-1 d' - Jr^-1 d, Jr^-1 being the transpose of Jl^-1 (Solà et al., section B).
        """
        left = inverse_left_jacobian(turn)
        right = left.swapaxes(1, 2)
        before, after = self.before[..., None], self.after[..., None]
        weight = self.acceleration_weight[:, 3, None, None]
        by_first = before * right[:-1]
        by_middle = -(after * right[1:] + before * left[:-1])
        by_last = after * left[1:]
        blocks = (by_first, by_middle, by_last)
        for shift, block in enumerate(blocks):
            frames = slice(shift, len(gradient) - 2 + shift)
            gradient[frames, _ROTATION] += (block.swapaxes(1, 2) @ weighted[..., None])[..., 0]
            for later in range(shift, 3):
                rotation[later - shift, frames] += weight * (blocks[later].swapaxes(1, 2) @ block)
