"""The path of a carried board around each moment: how it moves between the frames that saw it.

Cameras do not expose at one time: their time stamps differ by some milliseconds, and each camera's shutter lags behind
its stamps by a delay of its own, up to a tenth of a second. A board carried at 0.5 m/s moves 5 mm in 10 ms. The bundle
adjustment therefore asks where the board was some milliseconds before or after a moment. Around each moment its pose
follows a parabola:

    R(t) = exp(w t + alpha t^2 / 2) R,    x(t) = x + v t + a t^2 / 2

whose velocities and accelerations come from the poses of all moments of the same run: they are smoothed as a motion
whose acceleration is a random walk (white noise on jerk; T. Barfoot, "State Estimation for Robotics", 2017, section
3.4; the stationary matrices are those of Bar-Shalom et al., "Estimation with Applications to Tracking and Navigation",
2001, section 6.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MAX_GAP_S = 0.5
"""The board's path over a longer pause is not known."""

MIN_STEP_S = 1e-3
"""Moments closer together (where one camera's frames end and another's begin) are smoothed as if this far apart: over
shorter steps, positions and accelerations differ by more digits than a number has. Measured to hold down to 2e-4 s."""

MAX_TWIST = np.repeat([30.0, 6.0], 3)
"""rad/s and m/s: nobody carries a board faster. Between poses further apart it was not carried but put elsewhere."""

WANDER = np.repeat([10.0, 3.0], 3)
"""How the acceleration wanders, rad/s^2 and m/s^2 within a second (as a random walk; charuco4's board: 9 and 2.5)."""

START_TWIST, START_ACCELERATION = np.repeat([3.0, 1.0], 3), np.repeat([10.0, 3.0], 3)
"""Standard deviations at the beginning of a run."""

POSE_NOISE = np.repeat([0.004, 0.001], 3)
"""Of a pose, rad and m, as the bundle adjustment finds it for a board of some decimetres a few metres away."""


@dataclass(frozen=True, eq=False)
class Path:
    """The board's motion around each moment. World frame, rotation first, then translation.

    Attributes
    ----------
    known
        (moments,): whether the board was seen shortly before or after. Where not, the rest is 0.
    twist
        (moments, 6): angular velocity, rad/s, and velocity of the board's origin, m/s.
    acceleration
        (moments, 6): their derivatives.
    """

    known: Mask
    twist: Array
    acceleration: Array

    @classmethod
    def unknown(cls, moments: int) -> Path:
        """Return the path of a board of which only poses are known."""
        return cls(np.zeros(moments, dtype=bool), *np.zeros((2, moments, 6)))


def path_through(T_world_board: Array, time_s: Array) -> Path:
    """Find velocities and accelerations at every moment from the poses of the moments around it.

    Parameters
    ----------
    T_world_board
        (moments, 4, 4), all known.
    time_s
        (moments,), increasing.
    """
    count = len(time_s)
    if count < 2:
        return Path.unknown(count)
    step = np.diff(time_s)
    turn = Rotation.from_matrix(T_world_board[1:, :3, :3] @ np.swapaxes(T_world_board[:-1, :3, :3], 1, 2)).as_rotvec()
    moved = np.concatenate([turn, np.diff(T_world_board[:, :3, 3], axis=0)], axis=1)
    linked = (
        (step <= MAX_GAP_S)
        & (step > 0)
        & (np.abs(moved) <= MAX_TWIST * np.maximum(step, MIN_STEP_S)[:, None]).all(axis=1)
    )
    track = np.concatenate([np.zeros((1, 6)), np.cumsum(np.where(linked[:, None], moved, 0.0), axis=0)])
    known = np.append(False, linked) | np.append(linked, False)
    twist, acceleration = np.zeros((2, count, 6))
    for axis in (slice(3), slice(3, 6)):  # rotation and translation differ in their noise alone
        noise = POSE_NOISE[axis][0], WANDER[axis][0], START_TWIST[axis][0], START_ACCELERATION[axis][0]
        twist[:, axis], acceleration[:, axis] = _smooth(track[:, axis], np.maximum(step, MIN_STEP_S), linked, *noise)
    return Path(known, np.where(known[:, None], twist, 0.0), np.where(known[:, None], acceleration, 0.0))


def _smooth(
    track: Array, step_s: Array, linked: Mask, noise: float, wander: float, speed: float, push: float
) -> tuple[Array, Array]:
    """Return the velocities and accelerations (moments, axes) of the likeliest motion through a track (moments, axes).

    Least squares over all states (position, velocity, acceleration); only neighbours meet, so that the normal matrix
    has a band.
    """
    count = len(track)
    first = np.append(True, ~linked)
    H = np.zeros((count, 3, 3))  # the diagonal blocks, and those to the right of them
    right = np.zeros((count, 3, 3))
    H[:, 0, 0] = noise**-2
    H[first, 1, 1] += speed**-2
    H[first, 2, 2] += push**-2
    dt = np.where(linked, step_s, 1.0)
    F = np.tile(np.eye(3), (count - 1, 1, 1))
    F[:, 0, 1] = F[:, 1, 2] = dt
    F[:, 0, 2] = dt**2 / 2
    Q = np.empty((count - 1, 3, 3))
    Q[:, 0, 0], Q[:, 1, 1], Q[:, 2, 2] = dt**5 / 20, dt**3 / 3, dt
    Q[:, 0, 1] = Q[:, 1, 0] = dt**4 / 8
    Q[:, 0, 2] = Q[:, 2, 0] = dt**3 / 6
    Q[:, 1, 2] = Q[:, 2, 1] = dt**2 / 2
    precision = np.linalg.inv(wander**2 * Q) * linked[:, None, None]
    H[:-1] += np.swapaxes(F, 1, 2) @ precision @ F
    H[1:] += precision
    right[:-1] = -np.swapaxes(F, 1, 2) @ precision
    band = np.zeros((6, 3 * count))  # upper form: band[5 - k, j] = matrix[j - k, j]
    columns = 3 * np.arange(count)
    for row in range(3):
        for column in range(3):
            if column >= row:
                band[5 - (column - row), columns + column] = H[:, row, column]
            band[5 - (3 + column - row), columns[1:] + column] = right[:-1, row, column]
    side = np.zeros((count, 3, track.shape[1]))
    side[:, 0] = track / noise**2
    state = cho_solve_banded((cholesky_banded(band), False), side.reshape(3 * count, -1)).reshape(count, 3, -1)
    return state[:, 1], state[:, 2]
