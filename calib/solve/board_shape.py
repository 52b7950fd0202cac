"""Whether the board is bent: it is believed to be when that explains moments better that had no say in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calib.solve.least_squares import SQUARED, Problem, normal_equations, reduced
from calib.solve.noise import ViewNoise
from calib.solve.reprojection import SHAPE, Scene

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CERTAIN_GAIN = 10.0
"""Squared standard deviations, summed over both halves. By chance, four parameters gain this in less than one of a
thousand flat boards: what noise teaches one half costs the other."""

WORTH_GAIN = 0.005
"""Of the squared standard deviations that there are. The corners of a rendered, flat board gain 0.2 %, since detectors
err by some hundredths of a pixel with the direction of the view; believing it, cameras are 1 mm further off."""

MOST_BEND = 0.02
"""Of half the board's length: how far its edge may rise, as a standard deviation. Foam board bends by 1 %."""

MOST_STRETCH = 0.003
"""Printers feed paper 0.1 to 0.3 % long or short."""


def usual_shape_std(corners_m: Array) -> Array:
    """Return (4,): how far boards depart from flat prints, in the order of `reprojection.SHAPE`."""
    half_m = float(np.abs(corners_m[:, :2]).max())
    return np.array([*np.full(3, MOST_BEND / half_m), MOST_STRETCH])


def is_bent(problem: Problem, scene: Scene, use: Mask, noise: ViewNoise) -> bool:
    """Tell whether the shape explains moments that had no say in it, certainly and by an amount worth it."""
    return shape_gain(problem, scene, use, noise) > max(CERTAIN_GAIN, WORTH_GAIN * 2 * int(use.sum()))


def shape_gain(problem: Problem, scene: Scene, use: Mask, noise: ViewNoise) -> float:
    """Return how much better each half of the moments is explained by the shape that the other half says.

    In squared standard deviations, to first order around the scene, with the cameras held and the board's poses free.
    `problem.prior` must leave the shape free.
    """
    even = (problem.views.moment % 2 == 0)[:, None]
    shape = slice(-len(SHAPE), None)
    halves = []
    for half in (even, ~even):
        matrix, side, _ = reduced(normal_equations(problem, scene, use & half, noise, SQUARED), 1e-9)
        halves.append((matrix[shape, shape], side[shape]))
    precision = np.diag(problem.prior.shape_std**-2.0)
    gain = 0.0
    for (taught, pull), (judged, judged_pull) in (halves, halves[::-1]):
        step = np.linalg.solve(taught, pull)
        # The prior is no observation: it has no part in what is judged.
        judged, judged_pull = judged - precision, judged_pull + precision @ scene.shape
        gain += float(2 * judged_pull @ step - step @ judged @ step)
    return gain
