"""The subject's bones: lengths between landmarks, and the shape (lengths, landmark offsets) fitted over a take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent
from retarget.composite import Composite, Hanging, landmarks_hanging, pose_twists, within
from retarget.ground import Ground
from retarget.kinematics import ROOT_DOFS, Kinematics, Placed, Poses, Shape
from retarget.landmark_terms import LandmarkTerms
from retarget.observations import Observations

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SHAPE_FRAMES = 200
"""So many frames of a take, spread over it, tell the shape: 100 sightings bring 10 mm down to 1 mm."""

_POSES = 3
"""The neutral pose counts as if so many looks at it had been independent: who stands bent does so in all frames."""

_STEPS = 20
_CONVERGED_M = 1e-4
_CONVERGED = 1e-4
"""The shape is found when a step changes no length and no landmark by more than 0.1 mm, or the cost by this share."""


@dataclass(frozen=True, eq=False)
class BoneLengths:
    """Distances between the two landmarks at the ends of each bone that has them.

    Attributes
    ----------
    names, tails
        The joints at which the bones start, whose names they bear, and those at which they end.
    length_m
        (bones,), median over the frames weighted by 1 / variance; NaN for bones never seen whole.
    spread
        (bones,), standard deviation / mean over the frames; NaN for bones seen in fewer than two.
    frames
        (bones,) of int, frames in which both ends were seen.
    """

    names: tuple[str, ...]
    tails: tuple[str, ...]
    length_m: Array
    spread: Array
    frames: Indices


def measure_bones(kinematics: Kinematics, observed: Observations) -> BoneLengths:
    """Measure the bones between landmarks that are the heads of a joint and of its child."""
    heads = kinematics.head_landmarks
    parents = kinematics.parents
    tails = [j for j in sorted(heads) if int(parents[j]) in heads]
    length, spread, frames = [], [], []
    for joint in tails:
        distance, weight = _distances(observed, heads[int(parents[joint])], heads[joint])
        frames.append(len(distance))
        length.append(_weighted_median(distance, weight))
        spread.append(float(distance.std() / distance.mean()) if len(distance) > 1 else np.nan)
    names = kinematics.skeleton.joint_names
    starts, ends = tuple(names[parents[j]] for j in tails), tuple(names[j] for j in tails)
    return BoneLengths(starts, ends, np.array(length), np.array(spread), np.array(frames, dtype=np.int64))


def _distances(observed: Observations, a: int, b: int) -> tuple[Array, Array]:
    """Return the distances of two landmarks in the frames that show both, and their weights."""
    both = observed.located[:, a] & observed.located[:, b]
    distance = np.linalg.norm(observed.xyz_m[both, a] - observed.xyz_m[both, b], axis=1)
    return distance, 1.0 / (1.0 / observed.information[both, a] + 1.0 / observed.information[both, b])


def _weighted_median(values: Array, weight: Array) -> float:
    if not len(values):
        return float("nan")
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(share, share[-1] / 2)])


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


def overall_scale(kinematics: Kinematics, bones: BoneLengths) -> float:
    """Return the subject's size against the definition's: the median ratio over the measured bones, 1 without any."""
    ratio = _ratios(kinematics, bones)
    return float(np.median([r for r in ratio.values() if np.isfinite(r)] or [1.0]))


def _ratios(kinematics: Kinematics, bones: BoneLengths) -> dict[str, float]:
    """Return each length group's measured size against the definition's, the mean over its bones."""
    skeleton = kinematics.skeleton
    sizes: dict[str, list[float]] = {}
    for tail, length in zip(bones.tails, bones.length_m, strict=True):
        child = skeleton.joints[skeleton.index(tail)]
        if np.isfinite(length):
            sizes.setdefault(child.length_group, []).append(length / float(np.linalg.norm(child.offset_m)))
    return {group: float(np.mean(ratios)) for group, ratios in sizes.items()}


@dataclass(frozen=True, eq=False)
class ShapeFit:
    """The subject's size, and how sure it is.

    Attributes
    ----------
    shape
        Offsets of joints and landmarks.
    model
        What the parameters mean.
    scale
        The subject's size against the definition's, for what no parameter tells.
    parameters, covariance
        (size,) and (size, size).
    """

    shape: Shape
    model: ShapeModel
    scale: float
    parameters: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class _ShapeProblem:
    """Shape and poses of some frames, and what they shall satisfy: see `fit_shape`."""

    model: ShapeModel
    scale: float
    observed: Observations
    data_share: float
    ground: Ground | None

    @property
    def hanging(self) -> Hanging:
        """Where the landmarks hang, and then the points that stand."""
        marks = landmarks_hanging(self.model.kinematics)
        return marks if self.ground is None else marks.beside(self.ground.joint)

    def cost(self, poses: Poses, parameters: Array) -> tuple[float, Placed, Array, LandmarkTerms]:
        """Return the whole cost, the bodies, their points (frames, points, 3), and the points' terms."""
        kinematics = self.model.kinematics
        placed = kinematics.place(poses, self.model.shape(parameters, self.scale))
        points = placed.landmark_m
        data = self.observed.terms(points).scaled(self.data_share)
        if self.ground is not None:
            feet = self.ground.place(placed)
            points, data = (
                np.concatenate([points, feet], axis=1),
                data.beside(self.ground.terms(feet).scaled(self.data_share)),
            )
        neutral, stiffness = _pose_prior(kinematics, len(poses.root_m))
        mean, std = self.model.prior(self.scale)
        bend = (stiffness * (kinematics.vector(poses) - neutral) ** 2).sum()
        bend += (((parameters - mean) / std) ** 2).sum()
        return float(data.cost.sum()) + 0.5 * float(bend), placed, points, data


def fit_shape(
    kinematics: Kinematics,
    observed: Observations,
    start: Poses,
    bones: BoneLengths,
    looks: float | None = None,
    ground: Ground | None = None,
    before: ShapeFit | None = None,
    progress: Progress = silent,
) -> ShapeFit:
    """Find the shape that explains a take best, together with the poses of up to `SHAPE_FRAMES` of its frames.

    Gauss-Newton on shape and poses at once (the poses eliminated frame by frame, so the cost is linear in frames), with
    the Cauchy loss of `Observations`, the joints' limits, a weak prior on the poses and one on the proportions.

    Parameters
    ----------
    kinematics, observed, start, bones
        The skeleton, observations and first poses of all frames, and the bones as measured.
    looks
        As how many independent looks the picked frames count, where errors last; None: as many as there are.
    ground
        Where feet stand, frame by frame: that soles lie flat tells how far above them a detector sees ankles.
    before
        A fit to start from, with `start` its poses.
    progress
        Told steps done of `_STEPS`.
    """
    model = ShapeModel(kinematics)
    scale = overall_scale(kinematics, bones)
    mean, _ = model.prior(scale)
    parameters = mean.copy()
    for group, ratio in _ratios(kinematics, bones).items():
        parameters[model.groups.index(group)] = ratio
    frames = _informative_frames(observed)
    share = 1.0 if looks is None else min(1.0, looks / len(frames))
    problem = _ShapeProblem(model, scale, observed[frames], share, None if ground is None else ground[frames])
    poses = start[frames]
    if before is not None:
        parameters = before.parameters
    cost, placed, points, data = problem.cost(poses, parameters)
    damping = 1e-3
    for step in range(_STEPS):
        progress(step, _STEPS)
        change, pose_step, _ = _shape_step(problem, poses, parameters, placed, points, data, damping)
        for _ in range(8):
            candidate = parameters + change, kinematics.moved(poses, pose_step)
            there = problem.cost(candidate[1], candidate[0])
            lower = there[0]
            if lower < cost:
                break
            change, pose_step = change / 4, pose_step / 4
        else:
            break
        parameters, poses = candidate
        gained, cost = cost - lower, lower
        _, placed, points, data = there
        metres = np.where(np.arange(model.size) < len(model.groups), model.longest_m, 1.0)
        if np.abs(change * metres).max() < _CONVERGED_M or gained < _CONVERGED * cost:
            break
    _, _, information = _shape_step(problem, poses, parameters, placed, points, data, 0.0)
    progress(_STEPS, _STEPS)
    return ShapeFit(model.shape(parameters, scale), model, scale, parameters, np.linalg.inv(information))


def _informative_frames(observed: Observations) -> Indices:
    """Return up to `SHAPE_FRAMES` frames: the best seen one of each of as many equal stretches of the take."""
    seen = np.maximum(observed.views, observed.located).sum(axis=1)
    stretches = np.array_split(np.arange(len(seen)), min(SHAPE_FRAMES, len(seen)))
    best = np.array([s[np.argmax(seen[s])] for s in stretches])
    picked: Indices = best[seen[best] > 0]
    return picked


def _pose_prior(kinematics: Kinematics, frames: int) -> tuple[Array, Array]:
    """Return the neutral degrees of freedom and the prior's weights (dofs,); the root has none."""
    joints = kinematics.skeleton.joints
    neutral = np.concatenate([np.zeros(ROOT_DOFS), kinematics.neutral[kinematics.dof_joint, kinematics.dof_axis]])
    std = np.radians(np.array([j.rest_std_deg for j in joints]))[kinematics.dof_joint, kinematics.dof_axis]
    return neutral, np.concatenate([np.zeros(ROOT_DOFS), min(1.0, _POSES / frames) / std**2])


def _shape_step(
    problem: _ShapeProblem,
    poses: Poses,
    parameters: Array,
    placed: Placed,
    points: Array,
    data: LandmarkTerms,
    damping: float,
) -> tuple[Array, Array, Array]:
    """Return the Gauss-Newton steps of shape (size,) and poses (frames, dofs), and the shape's information."""
    model, kinematics = problem.model, problem.model.kinematics
    mean, std = model.prior(problem.scale)
    turns, turned = pose_twists(kinematics, placed), kinematics.dof_body
    grows, grown, share = model.twists(placed)
    sums = Composite(kinematics, poses.root_m, points, problem.hanging, data.gradient, data.information)
    slope = sums.gradient(turns, turned)
    neutral, stiffness = _pose_prior(kinematics, len(poses.root_m))
    flat = kinematics.vector(poses)
    gradient = slope + stiffness * (flat - neutral)
    pose_pose = _whole(sums.products(turns, turned, turns), within(kinematics, problem.hanging, turned, turned))
    pose_pose += np.diag(stiffness)
    inner = within(kinematics, problem.hanging, turned, grown)
    outer = within(kinematics, problem.hanging, grown, turned)
    crossed = sums.products(turns, turned, grows) * inner
    crossed += (sums.products(grows, grown, turns) * outer).swapaxes(1, 2)
    piece_piece = _whole(sums.total(grows, grown), within(kinematics, problem.hanging, grown, grown))
    shape_shape = share.T @ piece_piece @ share + np.diag(1.0 / std**2)
    shape_gradient = sums.gradient(grows, grown).sum(axis=0) @ share + (parameters - mean) / std**2
    # Angles that stand at a limit and want to pass it stay there in this step.
    held = ((flat <= kinematics.low) & (gradient > 0)) | ((flat >= kinematics.high) & (gradient < 0))
    gradient = np.where(held, 0.0, gradient)
    pose_pose = np.where(held[:, :, None] | held[:, None, :], 0.0, pose_pose)
    diagonal = np.arange(kinematics.dofs)
    pose_pose[:, diagonal, diagonal] += np.where(held, 1.0, damping * (1.0 + pose_pose[:, diagonal, diagonal]))
    pose_shape = np.where(held[:, :, None], 0.0, crossed @ share)
    # Eliminate the poses (Schur complement).
    solved = np.linalg.solve(pose_pose, np.concatenate([pose_shape, gradient[:, :, None]], axis=2))
    reduced: Array = shape_shape - np.tensordot(pose_shape, solved[:, :, :-1], axes=([0, 1], [0, 1]))
    change = -np.linalg.solve(
        reduced, shape_gradient - np.tensordot(pose_shape, solved[:, :, -1], axes=([0, 1], [0, 1]))
    )
    pose_step = -solved[:, :, -1] - solved[:, :, :-1] @ change
    return change, pose_step, reduced


def _whole(products: Array, inside: Mask) -> Array:
    """Return symmetric matrices (..., n, n) of products that hold where the first body is `inside` the second."""
    lower = products * inside
    whole: Array = lower + (products * (inside & ~inside.T)).swapaxes(-1, -2)
    return whole
