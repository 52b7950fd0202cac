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
MAX_HALVINGS = 6
# Nearly all frames have settled after so many steps, to so much.
FIRST_STEPS, UNSETTLED_M = 4, 2e-3
MOST_STEPS = 30
# Frames around unsettled ones that are solved with them; half of these are kept. Not if that makes more than so much.
MARGIN_S, MOST_SHARE = 0.3, 0.6
# With steps shorter than this, Newton's lead to the minimum twice as fast as Gauss and Newton's; with longer ones they
# may lead to another.
NEAR_M = 0.05
# A stretch is solved when no point has further to go than this: a third of what windows may differ by.
CONVERGED_M = 3e-5
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
        self.xy_px = xy_px
        self.sigma_px = sigma_px
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

        Most frames are there after a few steps. Those that are not are solved by themselves, with some frames around;
        then all together again.
        """
        xyz_m, now, moved = self._descend(xyz_m, length_m, FIRST_STEPS)
        if moved.max() < CONVERGED_M:
            return xyz_m, now
        for part, kept in self._around(moved > UNSETTLED_M):
            inner = Stretch(self.model, self.xy_px[:, part], self.sigma_px[:, part], self.time_s[part])
            solved, *_ = inner._descend(xyz_m[part], length_m, MOST_STEPS)
            xyz_m[kept] = solved[kept.start - part.start : kept.stop - part.start]
        xyz_m, now, _ = self._descend(xyz_m, length_m, MOST_STEPS)
        return xyz_m, now

    def _around(self, unsettled: npt.NDArray[np.bool_]) -> list[tuple[slice, slice]]:
        """Return stretches of frames around unsettled ones, and what of each to keep; none if that is most frames."""
        at = np.flatnonzero(unsettled)
        if not len(at):
            return []
        apart = np.flatnonzero(np.diff(self.time_s[at]) > 2 * MARGIN_S) + 1
        found = []
        for run in np.split(at, apart):
            first, last = self.time_s[run[0]], self.time_s[run[-1]]
            edges = (first - MARGIN_S, first - MARGIN_S / 2, last + MARGIN_S / 2, last + MARGIN_S)
            start, kept, kept_stop, stop = np.searchsorted(self.time_s, edges).tolist()
            found.append((slice(start, stop), slice(kept, kept_stop)))
        frames = sum(part.stop - part.start for part, _ in found)
        return found if frames < MOST_SHARE * len(self.time_s) else []

    def _descend(self, xyz_m: Array, length_m: Array, most: int) -> tuple[Array, Linearised, Array]:
        """Take steps until none is long; return the points, the problem there, and each frame's last step (frames,).

        Gauss and Newton's method from afar, Newton's near the minimum. A step that does not lower the cost is halved.
        As soon as steps are short, the factors of an earlier step are used again (the chord method: C. T. Kelley,
        "Iterative Methods for Linear and Nonlinear Equations", 1995, 5.4).
        """
        self.views.linearise_lenses(xyz_m)
        full = False
        now = self.linearise(xyz_m, length_m, full)
        factors = self.factorised(now)
        fresh, before = True, np.inf
        moved = np.zeros(len(xyz_m))
        for _ in range(most):
            step = np.empty(xyz_m.shape)
            for group, factor in zip(self.model.groups, factors, strict=True):
                step[:, group.points] = factor.solve(-now.gradient[:, group.points])
            moved = np.abs(step).max(axis=(1, 2))
            length = float(moved.max())
            full = full or length < NEAR_M
            tried = self._lowered(xyz_m, step, length_m, now, full)
            if tried is None and fresh:
                break
            if tried is not None:
                xyz_m, now = tried
            # A chord's steps shrink by the same factor every time: what is left is the rest of a geometric series.
            left = length if fresh else length / max(before / max(length, 1e-12) - 1, 1e-3)
            if left < CONVERGED_M:
                break
            fresh = tried is None or length > KEEP_FACTORS_M or length > before / 2
            before = length
            if fresh:
                factors = self.factorised(now)
        return xyz_m, now, moved

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
