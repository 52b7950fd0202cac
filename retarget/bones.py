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
from retarget.shape_model import ShapeModel

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SHAPE_FRAMES = 200
"""So many frames of a take, spread over it, tell the shape: 100 sightings bring 10 mm down to 1 mm."""

_INFERRED_FRAMES = 60
"""Where points are inferred, their errors last: more frames would tell no more."""

_POSES = 3
"""The neutral pose counts as if so many looks at it had been independent: who stands bent does so in all frames."""

_HEIGHT_STD_M = 0.005
"""How near to its stated height a subject is made."""

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
    height_m: float | None

    def too_tall(self, parameters: Array) -> tuple[float, Array]:
        """Return by how many deviations parameters make the subject taller than stated, and the derivatives (size,)."""
        if self.height_m is None:
            return 0.0, np.zeros(self.model.size)
        rest_m, row = self.model.stature(self.scale)
        return (rest_m + float(row @ parameters) - self.height_m) / _HEIGHT_STD_M, row / _HEIGHT_STD_M

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
        bend += (((parameters - mean) / std) ** 2).sum() + self.too_tall(parameters)[0] ** 2
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
    height_m: float | None = None,
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
    height_m
        The subject's height, if it is stated and not to be measured.
    """
    model = ShapeModel(kinematics)
    scale = overall_scale(kinematics, bones) if height_m is None else height_m / kinematics.skeleton.height_m
    mean, _ = model.prior(scale)
    parameters = mean.copy()
    for group, ratio in _ratios(kinematics, bones).items():
        parameters[model.groups.index(group)] = ratio
    frames = _informative_frames(observed, _INFERRED_FRAMES if observed.points_count else SHAPE_FRAMES)
    share = 1.0 if looks is None else min(1.0, looks / len(frames))
    problem = _ShapeProblem(model, scale, observed[frames], share, None if ground is None else ground[frames], height_m)
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


def _informative_frames(observed: Observations, most: int) -> Indices:
    """Return up to so many frames: the best seen one of each of as many equal stretches of the take."""
    seen = np.maximum(observed.views, observed.located).sum(axis=1)
    stretches = np.array_split(np.arange(len(seen)), min(most, len(seen)))
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
    taller, by_parameter = problem.too_tall(parameters)
    shape_shape += np.outer(by_parameter, by_parameter)
    shape_gradient += taller * by_parameter
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
