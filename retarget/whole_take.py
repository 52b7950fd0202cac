"""The whole-take fit: all frames' joint angles at once, by Levenberg-Marquardt with block-banded normal equations.

The step is kept inside the joints' limits by the two-metric projection of D. Bertsekas, "Projected Newton methods for
optimization problems with simple constraints", SIAM J. Control Optim. 20 (1982): angles that stand at a limit and want
to pass it are left out of the step's equations, and the step is clipped. So the limits hold in every frame, exactly.

A long take is solved in windows. Each looks ahead past its end, and keeps what the one before it has decided; the cost
is linear in frames and the memory flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, solveh_banded

from clapcap.progress import Progress, silent
from retarget.kinematics import ROOT_DOFS, Kinematics, Poses, Shape
from retarget.observations import Observations
from retarget.smoothness import PoseModel, PoseTerms

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WINDOW_FRAMES = 400
"""Frames decided by one window: 40 MB of normal equations."""

LOOK_AHEAD_S = 0.7
"""So far a window sees past its end: at densities of `smoothness` an observation is forgotten within 0.2 s."""

_STEPS = 30
_CONVERGED = 1e-4
"""A window is solved when a step lowers its cost by less than this share."""

_DAMPING_START, _DAMPING_MAX = 1e-4, 1e8


@dataclass(frozen=True, eq=False)
class Solution:
    """Poses (within the limits) of a take, and how the solver fared: the largest number of steps any window took."""

    poses: Poses
    steps: int
    converged: bool


def solve_take(
    kinematics: Kinematics,
    shape: Shape,
    observed: Observations,
    time_s: Array,
    start: Poses,
    progress: Progress = silent,
) -> Solution:
    """Return the poses that minimise the robust distance to the observations, roughness, and distance from neutral.

    Parameters
    ----------
    kinematics, shape
        The skeleton and the subject's size.
    observed, time_s, start
        Observations, (frames,) seconds and first poses, frame by frame.
    progress
        Told the frames done.
    """
    frames = len(time_s)
    root_m, root_matrix, angles = start.root_m.copy(), start.root_matrix.copy(), start.angles.copy()
    done, most_steps, converged = 0, 0, True
    while done < frames:
        progress(done, frames)
        keep = min(done + WINDOW_FRAMES, frames)
        stop = _look_ahead(observed, time_s, keep)
        first = max(done - 2, 0)  # two decided frames carry position and speed into the window
        window = slice(first, stop)
        poses, steps, good = _solve_window(
            kinematics,
            shape,
            observed[window],
            PoseModel(kinematics, time_s[window]),
            Poses(root_m[window], root_matrix[window], angles[window]),
            done - first,
        )
        root_m[window], root_matrix[window], angles[window] = poses.root_m, poses.root_matrix, poses.angles
        most_steps, converged = max(most_steps, steps), converged and good
        done = frames if stop == frames else keep
    progress(frames, frames)
    return Solution(Poses(root_m, root_matrix, angles), most_steps, converged)


def _look_ahead(observed: Observations, time_s: Array, keep: int) -> int:
    """Return the end of the window that decides the frames before `keep`: `LOOK_AHEAD_S` of seen frames later."""
    if keep >= len(time_s):
        return len(time_s)
    shows = observed.seen[keep:].any(axis=1)
    step = np.diff(time_s[keep - 1 :])
    enough = np.flatnonzero(np.cumsum(np.where(shows, step, 0.0)) >= LOOK_AHEAD_S)
    return keep + int(enough[0]) + 1 if len(enough) else len(time_s)


def _solve_window(
    kinematics: Kinematics, shape: Shape, observed: Observations, model: PoseModel, poses: Poses, decided: int
) -> tuple[Poses, int, bool]:
    """Return the poses of a window, of which the first `decided` frames stay; the steps taken; whether it converged."""
    damping = _DAMPING_START
    cost = np.inf
    for step in range(1, _STEPS + 1):
        placed = kinematics.place(poses, shape)
        data_cost, weight, difference = observed.weighted(placed.landmark_m)
        terms = model.terms(poses)
        cost = data_cost + terms.cost
        jacobian = kinematics.jacobian(placed)
        frames, dofs = jacobian.shape[:2]
        weighted = (jacobian * weight[:, None, :, None]).reshape(frames, dofs, -1)
        gradient = (weighted @ difference.reshape(frames, -1, 1))[..., 0] + terms.gradient
        hessian = weighted @ jacobian.reshape(frames, dofs, -1).swapaxes(1, 2)
        flat = kinematics.vector(poses)
        free = ~(((flat <= kinematics.low) & (gradient > 0)) | ((flat >= kinematics.high) & (gradient < 0)))
        free[:decided] = False
        banded = normal_equations(hessian, terms, free)
        refused = False
        while True:
            change = _step(banded, np.where(free, -gradient, 0.0), damping)
            candidate = kinematics.moved(poses, change)
            landmark_m = kinematics.place(candidate, shape, with_axes=False).landmark_m
            lower = observed.weighted(landmark_m)[0] + model.cost(candidate)
            if lower <= cost:
                break
            refused = True
            damping *= 10
            if damping > _DAMPING_MAX:  # no step, however short, lowers the cost: this is the minimum
                return poses, step, True
        poses = candidate
        if not refused:
            damping = max(damping / 10, 1e-9)
        if cost - lower < _CONVERGED * cost:
            return poses, step, True
    return poses, _STEPS, False


def normal_equations(hessian: Array, terms: PoseTerms, free: Mask) -> Array:
    """Return the normal equations' matrix in LAPACK's lower banded form, transposed: (frames * dofs, 2 * dofs + 3).

    Element [i, k] is the matrix's (i + k, i). The unknowns are ordered by frame; frames are linked to the next two,
    each degree of freedom to itself or, in the root's rotation, to one of three. Unknowns that are not `free` (frames,
    dofs) have a row and column of the identity.
    """
    frames, dofs = free.shape
    banded = np.zeros((frames, dofs, 2 * dofs + 3))
    row, column = np.tril_indices(dofs)
    block = hessian[:, row, column]
    block[:, row == column] += terms.same
    banded[:, column, row - column] = block
    banded[:, :, dofs] = terms.next_
    banded[:, :, 2 * dofs] = terms.after_next
    first = ROOT_DOFS - 3
    for i in range(3):
        for j in range(3):
            if i >= j:
                banded[:, first + j, i - j] += terms.rotation[0, :, i, j]
            banded[:, first + j, dofs + i - j] = terms.rotation[1, :, i, j]
            banded[:, first + j, 2 * dofs + i - j] = terms.rotation[2, :, i, j]
    equations = banded.reshape(frames * dofs, -1)
    flat = free.ravel()
    if not flat.all():
        width = equations.shape[1]
        equations *= np.lib.stride_tricks.sliding_window_view(np.pad(flat, (0, width - 1)), width)
        equations[~flat] = 0.0
        equations[~flat, 0] = 1.0
    return equations


def _step(equations: Array, downhill: Array, damping: float) -> Array:
    """Solve for the step (frames, dofs), with the diagonal raised by a share `damping`, more if it is not definite."""
    while True:
        damped = equations.copy()
        damped[:, 0] *= 1 + damping
        try:
            step = solveh_banded(damped.T, downhill.ravel(), lower=True, overwrite_ab=True, check_finite=False)
        except LinAlgError:
            damping = max(10 * damping, 1e-6)
            continue
        result: Array = step.reshape(downhill.shape)
        return result
