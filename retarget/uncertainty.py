"""How sure each joint's place is: standard deviations from the fit's own covariance.

The covariance is that of the normal equations at the solution, so it knows which views see a limb, how smoothness
bridges what none sees, and what feet on the ground hold. It is sampled, not inverted: with H = L L^T and z of unit
variance, L^-T z has covariance H^-1, which costs one triangular solve a sample (H. Rue, L. Held, "Gaussian Markov
Random Fields", 2005, algorithm 2.4). Each sample also draws a shape (bone lengths, landmark offsets) from its
covariance, and errors that last (see `persistence`), and lets the poses follow.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky_banded
from scipy.linalg.lapack import dpbtrs, dtbtrs
from scipy.ndimage import uniform_filter1d

from retarget.banded import normal_equations
from retarget.bones import ShapeFit
from retarget.composite import pose_twists
from retarget.kinematics import Kinematics, Placed, Poses
from retarget.persistence import FORGOTTEN_S
from retarget.whole_take import TakeProblem, linearise, threads, windows

Array = npt.NDArray[np.float64]

SAMPLES = 16
_AVERAGED_S = 0.25
"""Variances of 3 x 16 draws scatter by 20 %; averaged over so long, over which draws change, by less than 10 %."""

_CALIBRATION = 0.93
"""What the equations say is too large: a landmark's straying is counted beside the views' noise, which holds a
part of it. Without, 79, 77 and 74 % of the errors of made-up takes (4, 3, 2 views, errors that last 0.1 s) lay within
one deviation, and 64 % on the rendered example."""

_SEED = 20260101
_DAMPING = 1e-9
"""Keeps the factor of a matrix positive that rounding has made singular."""


def joint_sigma_m(problem: TakeProblem, poses: Poses, fit: ShapeFit, lasting: float) -> Array:
    """Return the standard deviation (frames, joints) of each joint's position, the root of the mean over x, y and z.

    Parameters
    ----------
    problem, poses
        What was solved, and its solution.
    fit
        The shape and its covariance.
    lasting
        The share of the errors' variance that lasts.
    """
    frames, joints = poses.angles.shape[:2]
    rng = np.random.default_rng(_SEED)
    spread = np.linalg.cholesky(fit.covariance + 1e-12 * np.eye(len(fit.covariance)))
    shapes = (fit.parameters[:, None] + spread @ rng.standard_normal((len(spread), SAMPLES))).T
    drawn = [fit.model.shape(parameters, fit.scale) for parameters in shapes]
    offset = np.stack([shape.offset_m - fit.shape.offset_m for shape in drawn], axis=-1)  # (joints, 3, samples)
    mark = np.stack([shape.landmark_m - fit.shape.landmark_m for shape in drawn], axis=-1)
    variance = np.empty((frames, joints))
    decided = windows(problem)
    with ThreadPoolExecutor(threads()) as pool:
        jobs = [
            pool.submit(_samples, problem.window(reach), poses[reach], offset, mark, lasting, own)
            for (_, _, reach), own in zip(decided, rng.spawn(len(decided)), strict=True)
        ]
        for (begin, end, reach), job in zip(decided, jobs, strict=True):
            moved = job.result()[begin - reach.start : end - reach.start]
            variance[begin:end] = (moved**2).mean(axis=(2, 3))
    if frames > 1:
        width = max(1, round(_AVERAGED_S / float(np.median(np.diff(problem.time_s)))))
        variance = uniform_filter1d(variance, width, axis=0, mode="nearest")
    return _CALIBRATION * np.sqrt(variance)


def _samples(
    problem: TakeProblem, poses: Poses, offset: Array, mark: Array, lasting: float, rng: np.random.Generator
) -> Array:
    """Return draws (frames, joints, 3, samples) of how far the joints may be off."""
    kinematics = problem.kinematics
    state, hessian = linearise(problem, poses)
    frames, dofs = hessian.shape[:2]
    banded = normal_equations(hessian, state.prior, np.ones((frames, dofs), dtype=bool))
    banded[:, 0] *= 1.0 + _DAMPING
    factor = cholesky_banded(banded.T, lower=True, check_finite=False)
    draws, _ = dtbtrs(factor, rng.standard_normal((frames * dofs, SAMPLES)), uplo="L", trans="T")
    # What another shape, and errors that last, would pull the poses to.
    twists = pose_twists(kinematics, state.placed)
    grown, displaced = _grown(kinematics, state.placed, offset, mark)
    marks = displaced.shape[1]
    information = state.data.information[:, :marks]
    values, vectors = np.linalg.eigh(information)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ vectors.swapaxes(-1, -2)
    slow = _slow(rng, problem.time_s, (marks, 3, SAMPLES))
    pull = -information @ displaced + np.sqrt(lasting * problem.data_share) * (root @ slow)
    q = state.placed.landmark_m - poses.root_m[:, None]
    force = np.concatenate([pull, np.cross(q[..., None], pull, axis=2)], axis=2)
    hangs = kinematics.ancestor[:, kinematics.landmark_axes].astype(np.float64)
    bodies = (hangs @ force.reshape(frames, marks, -1)).reshape(frames, -1, 6, SAMPLES)
    right = (twists[..., None] * bodies[:, kinematics.dof_body]).sum(axis=2)
    follow, _ = dpbtrs(factor, right.reshape(frames * dofs, SAMPLES), lower=1)
    steps = (draws + follow).reshape(frames, dofs, SAMPLES)
    return grown + _carried(kinematics, state.placed, twists, steps)


def _grown(kinematics: Kinematics, placed: Placed, offset: Array, mark: Array) -> tuple[Array, Array]:
    """Return how far another shape moves joints and landmarks, both (frames, n, 3, samples), the angles as they are.

    `offset`, `mark`: (joints, 3, samples) and (landmarks, 3, samples), the change of the shape.
    """
    joints, frames = placed.matrix.shape[:2]
    moved = np.zeros((joints, frames, 3, offset.shape[-1]))
    for joint in range(1, joints):  # children need their parents
        parent = kinematics.parents[joint]
        moved[joint] = moved[parent] + placed.matrix[parent] @ offset[joint]
    at, axes = kinematics.landmark_joint, kinematics.landmark_axes
    marks = moved[at] + placed.matrix[axes] @ mark[:, None]
    return moved.swapaxes(0, 1), np.ascontiguousarray(marks.swapaxes(0, 1))


def _carried(kinematics: Kinematics, placed: Placed, twists: Array, steps: Array) -> Array:
    """Return how far steps (frames, dofs, samples) of the degrees of freedom move the joints."""
    frames, dofs, samples = steps.shape
    above = kinematics.ancestor[kinematics.dof_body].T.astype(np.float64)  # (joints, dofs)
    pieces = (twists[..., None] * steps[:, :, None]).reshape(frames, dofs, -1)
    total = (above @ pieces).reshape(frames, -1, 6, samples)
    q = (placed.joint_m - placed.joint_m[0]).swapaxes(0, 1)
    moved: Array = total[:, :, :3] + np.cross(total[:, :, 3:], q[..., None], axis=2)
    return moved


def _slow(rng: np.random.Generator, time_s: Array, shape: tuple[int, ...]) -> Array:
    """Return noise (frames, *shape) of unit variance that changes over `FORGOTTEN_S`, linear between knots."""
    place = (time_s - time_s[0]) / (FORGOTTEN_S / 2)
    knots = rng.standard_normal((int(place[-1]) + 2, *shape))
    first = place.astype(int)
    share = (place - first).reshape(-1, *(1,) * len(shape))
    noise = (1 - share) * knots[first] + share * knots[first + 1]
    even: Array = noise / np.sqrt((1 - share) ** 2 + share**2)
    return even
