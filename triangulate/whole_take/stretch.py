"""One stretch of frames: the robust problem of all its points, linearised and solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.whole_take.banded import BandedGroup, Group, NotPositiveError
from triangulate.whole_take.bones import Bones
from triangulate.whole_take.redescending import Redescending
from triangulate.whole_take.terms import UPPER, BoneTerms, Reprojection, Smoothness, bone_terms

Array = npt.NDArray[np.float64]

# On corrupted synthetic takes (20 % missing, 5 % gross outliers, a camera mirrored for a third and one 200 px off for
# 2 s) a scale of 4.5 deviations has 12.7 mm, 3.0 has 13.6, Huber's loss 26.7; on clean ones 9.5, 9.7 and 9.6. A good
# start is there: the points of `triangulate.robust`.
LOSS = Redescending(4.5)
# No step is meant to be longer; directions that nothing else determines hold on to where they are by this.
STEP_DEVIATION_M = 0.3
MAX_STEPS = 20
MAX_HALVINGS = 6
# With steps shorter than this, Newton's lead to the minimum twice as fast as Gauss and Newton's; with longer ones they
# may lead to another.
NEAR_M = 0.05
# Newton's steps shrink to the power of two: when the longest is below a tenth of a millimetre, the next would be
# a micrometre or so.
CONVERGED_M = 1e-4
# Where no point moves further than this, second derivatives stay as they are, and their factors serve again.
KEEP_FACTORS_M = 3e-3


@dataclass(frozen=True, eq=False)
class Model:
    """What is the same in all frames.

    Attributes
    ----------
    cameras
        The views.
    bones, groups
        The rigid pairs, and the groups of points that they connect.
    deviation_m
        (bones,): of a bone's length from frame to frame.
    density
        (points,): of accelerations as white noise, (m/s^2)^2/Hz of a coordinate.
    """

    cameras: CameraGroup
    bones: Bones
    groups: tuple[Group, ...]
    deviation_m: Array
    density: Array


@dataclass(frozen=True, eq=False)
class Linearised:
    """The problem at some points: half the robust sum, its gradient, what views say, and the bones."""

    cost: float
    gradient: Array
    curvature: Array
    bones: BoneTerms


class Stretch:
    """The observations of a stretch of frames under a model.

    Parameters
    ----------
    model
        What is the same in all frames.
    xy_px, sigma_px
        (cameras, frames, points, 2) and (cameras, frames, points); infinity: no observation.
    time_s
        (frames,), three or more.
    """

    def __init__(self, model: Model, xy_px: Array, sigma_px: Array, time_s: Array) -> None:
        self.model = model
        self.time_s = time_s
        self.weight = 1 / model.deviation_m**2
        self.views = Reprojection(model.cameras, xy_px, sigma_px, LOSS)
        self.smoothness = Smoothness(time_s, model.density)
        self.bands = self.smoothness.bands()

    def linearise(self, xyz_m: Array, length_m: Array, full: bool = True) -> Linearised:
        """Linearise at points (frames, points, 3) and lengths (bones,).

        `full`: with all second derivatives, for Newton's steps near the minimum; else with those of Gauss and Newton,
        which lead there from afar.
        """
        views = self.views.terms(xyz_m, full)
        smooth_cost, gradient = self.smoothness.cost_and_gradient(xyz_m)
        gradient += views.gradient
        bones = bone_terms(xyz_m, self.model.bones.ends, length_m, full)
        pull = self.weight * bones.residual_m
        force = pull[..., None] * bones.direction
        for bone, (first, second) in enumerate(self.model.bones.ends):
            gradient[:, first] -= force[:, bone]
            gradient[:, second] += force[:, bone]
        cost = views.cost + smooth_cost + 0.5 * float((pull * bones.residual_m).sum())
        return Linearised(cost, gradient, views.curvature, bones)

    def factorised(self, at: Linearised, kind: type = np.float32) -> list[BandedGroup]:
        """Return the factorised second derivatives of each group, with what keeps steps short."""
        curvature = at.curvature + (np.array([i == j for i, j in UPPER]) / STEP_DEVIATION_M**2)[:, None, None]
        factors = []
        for group in self.model.groups:
            views = curvature[:, :, group.points]
            try:
                factor = BandedGroup(group, views, self.band(group), self.spring(at, group, at.bones.bend), kind)
            except NotPositiveError:
                # Compressed bones buckle. Without what makes them do so, every term is positive.
                stiff = self.spring(at, group, np.maximum(at.bones.bend, 0.0))
                factor = BandedGroup(group, views, self.band(group), stiff, np.float64)
            factors.append(factor)
        return factors

    def spring(self, at: Linearised, group: Group, bend: Array) -> Array:
        """Return the second derivatives of a group's bones by their ends, (frames, bones of the group, 3, 3)."""
        direction, bend = at.bones.direction[:, group.bones], bend[:, group.bones]
        weight = self.weight[group.bones]
        stiff: Array = direction[..., :, None] * direction[..., None, :]
        stiff *= ((1 - bend) * weight)[..., None, None]
        for axis in range(3):
            stiff[..., axis, axis] += bend * weight
        return stiff

    def band(self, group: Group) -> tuple[Array, Array, Array]:
        """Return smoothness's second derivatives of a group's points."""
        same, next_, after_next = self.bands
        return same[:, group.points], next_[:, group.points], after_next[:, group.points]

    def settle(self, xyz_m: Array, length_m: Array) -> tuple[Array, Linearised]:
        """Minimise over the points, with the lengths given, from a start; return the points and the problem there.

        Gauss and Newton's method from afar, Newton's near the minimum. A step that does not lower the cost is halved.
        As soon as steps are short, the factors of an earlier step are used again (the chord method: C. T. Kelley,
        "Iterative Methods for Linear and Nonlinear Equations", 1995, 5.4).
        """
        self.views.linearise_lenses(xyz_m)
        full = False
        now = self.linearise(xyz_m, length_m, full)
        factors = self.factorised(now)
        fresh = True
        for _ in range(MAX_STEPS):
            step = np.empty(xyz_m.shape)
            for group, factor in zip(self.model.groups, factors, strict=True):
                step[:, group.points] = factor.solve(-now.gradient[:, group.points])
            length = float(np.abs(step).max())
            full = full or length < NEAR_M
            tried = self._lowered(xyz_m, step, length_m, now, full)
            if tried is None and fresh:
                break
            if tried is not None:
                xyz_m, now = tried
            if length < CONVERGED_M:
                break
            fresh = tried is None or length > KEEP_FACTORS_M
            if fresh:
                factors = self.factorised(now)
        return xyz_m, now

    def _lowered(
        self, xyz_m: Array, step: Array, length_m: Array, now: Linearised, full: bool
    ) -> tuple[Array, Linearised] | None:
        for _ in range(MAX_HALVINGS):
            tried = xyz_m + step
            there = self.linearise(tried, length_m, full)
            # A billionth for rounding: the last steps gain less.
            if there.cost <= now.cost * (1 + 1e-9):
                return tried, there
            step = step / 2
        return None
