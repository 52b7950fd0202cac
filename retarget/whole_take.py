"""The whole-take fit: all frames' joint angles at once, by Levenberg-Marquardt with block-banded normal equations.

The step is kept inside the joints' limits by the two-metric projection of D. Bertsekas, "Projected Newton methods for
optimization problems with simple constraints", SIAM J. Control Optim. 20 (1982): angles that stand at a limit and want
to pass it are left out of the step's equations, and the step is clipped. So the limits hold in every frame, exactly.

A long take is solved in windows: first every other one, each looking past both of its ends, then those between, joined
to what their neighbours have decided. The cost is linear in frames, the memory flat, and windows of one round are
solved at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from clapcap.progress import Progress, silent
from retarget.banded import normal_equations, solve_step
from retarget.composite import Composite, Hanging, landmarks_hanging, pose_twists, within
from retarget.ground import Ground
from retarget.kinematics import Kinematics, Placed, Poses, Shape
from retarget.landmark_terms import LandmarkTerms
from retarget.observations import Observations
from retarget.smoothness import PoseModel, PoseTerms

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WINDOW_FRAMES = 240
"""Frames decided by one window: 30 MB of normal equations."""

LOOK_S = 1.0
"""So far a window sees past its ends: at densities of `smoothness` an observation is forgotten within 0.3 s."""

_JOIN = 2
"""Decided frames that carry position and speed into a window."""

_THREADS = 4
"""At most so many windows at a time: more would bring memory, not speed, where Python itself takes its share."""

_SLACK_RAD = np.radians(20.0)
_LIMIT_STD_RAD = np.radians(2.0)
"""At first angles may pass their limits by so much, at the price of a deviation of so much: a step that stops at one
limit after the other takes many times as many steps until it has found those that hold."""

_STEPS = 30
CONVERGED = 1e-3
"""A window is usually solved when a step lowers its cost by less than this share."""

_DAMPING_START, _DAMPING_LEAST, _DAMPING_MAX = 1e-4, 1e-8, 1e8
_NEIGHBOURS = 7
"""Damping is a frame's own, by what the last step brought to it and its neighbours, so many frames in all: one limb
that finds its way in one moment does not slow the rest of the take."""

_MOST_LOST = 0.25
"""A step that loses more in some frames, as a share of what it wins in others, is tried again, damped there."""


@dataclass(frozen=True, eq=False)
class TakeProblem:
    """What the poses of a take shall satisfy.

    Attributes
    ----------
    kinematics, shape
        The skeleton and the subject's size.
    observed, time_s
        Observations and (frames,) seconds, frame by frame.
    data_share
        What an observation counts: 1 where errors are new in every frame, less where they last.
    ground
        Contacts with the ground, or None.
    """

    kinematics: Kinematics
    shape: Shape
    observed: Observations
    time_s: Array
    data_share: float = 1.0
    ground: Ground | None = None

    def window(self, frames: slice) -> TakeProblem:
        """Return the problem of some of the frames."""
        ground = None if self.ground is None else self.ground[frames]
        return TakeProblem(
            self.kinematics, self.shape, self.observed[frames], self.time_s[frames], self.data_share, ground
        )


@dataclass(frozen=True, eq=False)
class Solution:
    """Poses (within the limits) of a take, and how the solver fared: the largest number of steps any window took."""

    poses: Poses
    steps: int
    converged: bool


@dataclass(frozen=True, eq=False)
class State:
    """Poses with their cost (frames,), and all that the next step needs: points, where they hang, and their terms."""

    poses: Poses
    cost: Array
    placed: Placed
    points: Array
    hanging: Hanging
    data: LandmarkTerms
    prior: PoseTerms


def solve_take(
    problem: TakeProblem, start: Poses, progress: Progress = silent, converged: float = CONVERGED
) -> Solution:
    """Return the poses that minimise the robust distance to the observations, roughness, and distance from neutral.

    `start`: first poses, frame by frame. `progress` is told the frames done. `converged`: a window is solved when a
    step lowers its cost by less than this share.
    """
    frames = len(problem.time_s)
    root_m, root_matrix, angles = start.root_m.copy(), start.root_matrix.copy(), start.angles.copy()
    decided = windows(problem)
    done, most_steps, all_good = 0, 0, True
    progress(0, frames)
    with ThreadPoolExecutor(threads()) as pool:
        for first in (0, 1):
            jobs = []
            for begin, end, reach in decided[first::2]:
                free = np.ones(reach.stop - reach.start, dtype=bool)
                if first == 1:
                    reach = slice(max(begin - _JOIN, 0), min(end + _JOIN, frames))
                    free = np.ones(reach.stop - reach.start, dtype=bool)
                    free[: begin - reach.start] = False
                    free[end - reach.start :] = False
                poses = Poses(root_m[reach], root_matrix[reach], angles[reach])
                job = pool.submit(_solve_window, problem.window(reach), poses, free, converged)
                jobs.append((begin, end, reach, job))
            for begin, end, reach, job in jobs:
                poses, steps, good = job.result()
                own = slice(begin - reach.start, end - reach.start)
                kept = slice(begin, end)
                root_m[kept], root_matrix[kept], angles[kept] = (
                    poses.root_m[own],
                    poses.root_matrix[own],
                    poses.angles[own],
                )
                most_steps, all_good = max(most_steps, steps), all_good and good
                done += end - begin
                progress(done, frames)
    return Solution(Poses(root_m, root_matrix, angles), most_steps, all_good)


def threads() -> int:
    """Return how many windows to solve at a time."""
    return min(_THREADS, os.cpu_count() or 1)


def windows(problem: TakeProblem) -> list[tuple[int, int, slice]]:
    """Return the windows of a take: the frames from begin to end that each decides, and those that it sees."""
    frames = len(problem.time_s)
    edges = np.linspace(0, frames, max(1, round(frames / WINDOW_FRAMES)) + 1).round().astype(int).tolist()
    return [(begin, end, _reach(problem, begin, end)) for begin, end in pairwise(edges)]


def linearise(problem: TakeProblem, poses: Poses) -> tuple[State, Array]:
    """Return all terms at poses, and the data's second derivatives (frames, dofs, dofs), lower triangle."""
    state = _evaluator(problem, 0.0)(poses)
    return state, _derivatives(problem.kinematics, state)[1]


def _reach(problem: TakeProblem, begin: int, end: int) -> slice:
    """Return what a window sees that decides the frames from `begin` to `end`: `LOOK_S` of seen frames past both."""
    time_s = problem.time_s
    shows = problem.observed.seen.any(axis=1)
    elapsed = np.concatenate([[0.0], np.cumsum(np.where(shows[1:], np.diff(time_s), 0.0))])
    first = int(np.searchsorted(elapsed, elapsed[begin] - LOOK_S, side="right")) - 1
    last = int(np.searchsorted(elapsed, elapsed[end - 1] + LOOK_S, side="left")) + 1
    return slice(max(first, 0), min(last, len(time_s)))


def _solve_window(problem: TakeProblem, poses: Poses, free_frames: Mask, enough: float) -> tuple[Poses, int, bool]:
    """Return the poses of a window, of which those not free stay; the steps taken; whether it converged."""
    poses, loose_steps, _ = _descend(problem, poses, free_frames, _SLACK_RAD, enough)
    clipped = problem.kinematics.moved(poses, np.zeros((len(poses.root_m), problem.kinematics.dofs)))
    poses, steps, good = _descend(problem, clipped, free_frames, 0.0, enough)
    return poses, loose_steps + steps, good


def _descend(
    problem: TakeProblem, poses: Poses, free_frames: Mask, slack_rad: float, share: float
) -> tuple[Poses, int, bool]:
    """Take steps of Levenberg-Marquardt; with a slack, angles may pass their limits at a price."""
    kinematics = problem.kinematics
    evaluate = _evaluator(problem, slack_rad)
    damping = np.full(len(poses.root_m), _DAMPING_START)
    state = evaluate(poses)
    for step in range(1, _STEPS + 1):
        gradient, hessian = _derivatives(kinematics, state)
        free = np.broadcast_to(free_frames[:, None], gradient.shape)
        if slack_rad == 0:
            flat = kinematics.vector(state.poses)
            free = free & ~(((flat <= kinematics.low) & (gradient > 0)) | ((flat >= kinematics.high) & (gradient < 0)))
        banded = normal_equations(hessian, state.prior, free)
        downhill = np.where(free, -gradient, 0.0)
        while True:
            candidate = evaluate(kinematics.moved(state.poses, solve_step(banded, downhill, damping), slack_rad))
            gained = uniform_filter1d(state.cost - candidate.cost, _NEIGHBOURS, mode="nearest")
            worse = gained < 0
            won, lost = float(gained[~worse].sum()), -float(gained[worse].sum())
            enough = share * float(state.cost.sum())
            if won < enough and lost < enough:
                better = candidate if candidate.cost.sum() <= state.cost.sum() else state
                return better.poses, step, True
            if lost <= _MOST_LOST * won and candidate.cost.sum() <= state.cost.sum():
                break
            damping = np.where(worse, np.maximum(10 * damping, _DAMPING_START), damping)
            if damping.max() > _DAMPING_MAX:  # no step, however short, lowers the cost: this is the minimum
                return state.poses, step, True
        damping = np.where(worse, 10 * damping, np.maximum(damping / 10, _DAMPING_LEAST))
        state = candidate
    return state.poses, _STEPS, False


def _evaluator(problem: TakeProblem, slack_rad: float) -> Callable[[Poses], State]:
    """Return the function that places poses and weighs them."""
    kinematics, ground = problem.kinematics, problem.ground
    model = PoseModel(kinematics, problem.time_s)

    def evaluate(poses: Poses) -> State:
        placed = kinematics.place(poses, problem.shape)
        data = problem.observed.terms(placed.landmark_m).scaled(problem.data_share)
        points, hanging = placed.landmark_m, landmarks_hanging(kinematics)
        if ground is not None:
            feet = ground.place(placed)
            points, hanging = np.concatenate([points, feet], axis=1), hanging.beside(ground.joint)
            data = data.beside(ground.terms(feet))
        prior = model.terms(poses)
        cost = data.cost + prior.cost
        if slack_rad > 0:
            flat = kinematics.vector(poses)
            past = flat - np.clip(flat, kinematics.low, kinematics.high)
            cost = cost + 0.5 * (past * past).sum(axis=1) / _LIMIT_STD_RAD**2
            prior.gradient[:] += past / _LIMIT_STD_RAD**2
            prior.same[:] += np.where(past == 0.0, 0.0, 1.0 / _LIMIT_STD_RAD**2)
        return State(poses, cost, placed, points, hanging, data, prior)

    return evaluate


def _derivatives(kinematics: Kinematics, state: State) -> tuple[Array, Array]:
    """Return the gradient (frames, dofs), and the data's second derivatives (frames, dofs, dofs), lower triangle."""
    body = kinematics.dof_body
    twists = pose_twists(kinematics, state.placed)
    sums = Composite(
        kinematics, state.poses.root_m, state.points, state.hanging, state.data.gradient, state.data.information
    )
    hessian = sums.products(twists, body, twists)
    hessian *= within(kinematics, state.hanging, body, body)
    return sums.gradient(twists, body) + state.prior.gradient, hessian
