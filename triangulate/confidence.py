"""What a detector's score is worth: from a score to the deviation of the landmark, as measured for each landmark.

The measured curves are files of `data/`, one a set of points. Points without a file follow the rule that the weight of
a squared error is its confidence. Either way the numbers are relative: how noisy a camera (and in a take, a landmark)
is altogether, the take's own residuals tell (`triangulate.pixel_noise`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from skeleton.joint_sets import load_joint_set

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float64]

# Observations below this confidence say nothing and are not used.
MIN_CONFIDENCE = 0.1


@dataclass(frozen=True, eq=False)
class ScoreCurves:
    """Deviation by score, for each point of a set.

    Attributes
    ----------
    names
        The points.
    scores
        (knots,), increasing.
    percent
        (points, knots): standard deviation of a coordinate in percent of the person's size in the picture.
    """

    names: tuple[str, ...]
    scores: Array
    percent: Array

    def relative(self, confidence: Array) -> Array:
        """Return deviations (..., points) in units of the median point's at the highest score."""
        unit = float(np.median(self.percent[:, -1]))
        deviation = np.empty(confidence.shape)
        for point, curve in enumerate(self.percent):
            deviation[..., point] = np.interp(confidence[..., point], self.scores, curve / unit)
        return deviation


def relative_deviation(confidence: Array, names: tuple[str, ...] | None = None) -> Array:
    """Return each observation's standard deviation in units of its camera's noise.

    Parameters
    ----------
    confidence
        (..., points), in [0, 1].
    names
        The points; None, or names that have not been measured: one over the root of the confidence.

    Returns
    -------
    Array
        (..., points): about 1 for a well seen point; infinity below the least confidence.
    """
    curves = None if names is None else measured_curves(names)
    enough = confidence >= MIN_CONFIDENCE
    told = np.where(enough, confidence, 1.0)
    deviation = 1 / np.sqrt(told) if curves is None else curves.relative(told)
    return np.where(enough, deviation, np.inf)


@lru_cache(maxsize=8)
def measured_curves(names: tuple[str, ...]) -> ScoreCurves | None:
    """Return the curves that were measured for exactly these points, None if there are none."""
    for resource in sorted(files("triangulate").joinpath("data").iterdir(), key=lambda file: file.name):
        if resource.name.endswith(".toml"):
            table = tomllib.loads(resource.read_text(encoding="utf-8"))
            if load_joint_set(table["points"]).points == names:
                return _curves(names, table)
    return None


def _curves(names: tuple[str, ...], table: dict[str, Any]) -> ScoreCurves:
    percent = np.array([table["percent"][_without_side(name)] for name in names], dtype=np.float64)
    return ScoreCurves(names, np.array(table["scores"], dtype=np.float64), percent)


def _without_side(name: str) -> str:
    return "_".join(word for word in name.split("_") if word not in ("left", "right"))
