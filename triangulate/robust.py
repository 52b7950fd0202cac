"""Points from views of which some are wrong: several starts, a redescending loss, then the wrong views dropped.

Most points have views that agree, and are solved at once from all of them. Only where they do not, more starts are
tried: the cost stays linear in cameras, as the number of starts does not grow with them (all views together, the pairs
among a point's four most confident views, and a guess if there is one), and each is judged by one projection into every
view. Trying all subsets of views, as others do, takes 2^cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.losses import geman_mcclure, huber
from triangulate.refine import RefinedPoints, gathered, in_cache, polish_points, weights
from triangulate.sight_lines import SightLines, descend, sight_lines, solve_planes, summed

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A right pair among a point's most confident views is missed only when three of these four are wrong; then the start
# from all views has to do.
SEED_VIEWS = 4
# Deviations at which the redescending loss counts half of the squared error. With less it prefers two views that
# happen to agree, and bones stretch: on charuco4, where a board hides the man's arms, bone lengths spread by 9 % at 3.0
# and by 6.7 % at 4.5. Where views are good it makes no difference (rendered dance: 12.3 and 12.2 mm).
LOSS_SCALE = 4.5
# Deviations (of the distance in the picture, two coordinates) beyond which a view is dropped. A detector's errors have
# longer tails than Gaussian ones, of which exp(-5^2 / 2), 4 in a million, lie beyond.
OUTLIER_DEVIATIONS = 5.0
# Huber's usual scale: 95 % efficiency for Gaussian errors of one coordinate.
HUBER_SCALE = 1.345
# Steps of reweighting. Most points need four or five for the last micrometre. Where two views are all there is and both
# lie beyond the limit of Huber's loss, all places between them are equally good, and more steps change nothing.
FIRST_STEPS, DISAGREEING_STEPS, LAST_STEPS = 2, 8, 8


@dataclass(frozen=True, eq=False)
class RobustPoints:
    """Points, and the views that they rest on.

    Attributes
    ----------
    points
        Positions, covariance and the error of every observation, used or not.
    used
        (cameras, points): the views that determine the point; no view where it is NaN.
    """

    points: RefinedPoints
    used: Bools


def best_start(lines: SightLines, shares: Array, weight: Array, guess: tuple[Array, Array] | None = None) -> Array:
    """Return for each point the start of least robust cost: (3, points), metres, NaN with fewer than two views.

    Parameters
    ----------
    lines, shares
        The views and their equations.
    weight
        (cameras, points): one over the variance of a coordinate in square pixels; 0 where the view is not to be used.
    guess
        As the prior of `triangulate.sight_lines.descend`: one more start, and what it costs to be far from it.
    """
    starts = [solve_planes(summed(shares, weight))]
    if guess is not None:
        starts.append(guess[0])
    every = np.arange(weight.shape[1])
    # Stable, so that equal confidences are ranked the same way everywhere.
    ranked = np.argsort(-weight, axis=0, kind="stable")[:SEED_VIEWS]
    chosen = shares[:, ranked, every] * weight[ranked, every]
    seen = weight[ranked, every] > 0
    for first, second in combinations(range(len(ranked)), 2):
        pair = solve_planes(chosen[:, first] + chosen[:, second])
        starts.append(np.where(seen[first] & seen[second], pair, np.nan))
    loss = geman_mcclure(LOSS_SCALE)
    least = np.full(weight.shape[1], np.inf)
    best = np.full((3, weight.shape[1]), np.nan)
    for start in starts:
        x, y, _ = lines.project(start)
        cost = loss.rho(lines.squared_px(x, y) * weight).sum(axis=0)
        if guess is not None:
            cost += loss.rho(((start - guess[0]) ** 2).sum(axis=0) * guess[1])
        better = cost < least
        least = np.where(better, cost, least)
        best = np.where(better, start, best)
    return best


def triangulate_robust(
    cameras: CameraGroup, xy_px: Array, sigma_px: Array, guess: tuple[Array, Array] | None = None
) -> RobustPoints:
    """Triangulate points whose views may be wrong.

    A point that rests on two views only cannot be checked: both are used.

    Parameters
    ----------
    cameras
        The views.
    xy_px
        (cameras, points, 2), NaN where not observed.
    sigma_px
        (cameras, points): standard deviation of a coordinate; infinity where the view is not to be used.
    guess
        Where each point is expected without these views, (points, 3), metres, and the deviation of that, (points,): it
        decides which views are believed, and has no say in where the point is then.
    """
    parts, used = [], []
    for part in list(in_cache(xy_px.shape[1])) or [slice(0, 0)]:
        expected = None if guess is None else (guess[0][part].T, 1 / guess[1][part] ** 2)
        solved = _solved(cameras, xy_px[:, part], sigma_px[:, part], expected)
        parts.append(solved.points)
        used.append(solved.used)
    return RobustPoints(points=gathered(parts), used=np.concatenate(used, axis=1))


def _solved(cameras: CameraGroup, xy_px: Array, sigma_px: Array, guess: tuple[Array, Array] | None) -> RobustPoints:
    lines = sight_lines(cameras, xy_px)
    weight = np.where(lines.seen, weights(xy_px, sigma_px), 0.0)
    shares = lines.equations()
    xyz, used = believed_views(lines, shares, weight, guess)
    weight = np.where(used, weight, 0.0)
    loss = huber(HUBER_SCALE)
    xyz = descend(lines, shares, weight, xyz, loss, LAST_STEPS)
    final = polish_points(cameras, xy_px, weight, xyz, loss)
    return RobustPoints(points=final, used=used & np.isfinite(final.xyz_m).all(axis=-1))


def believed_views(
    lines: SightLines, shares: Array, weight: Array, guess: tuple[Array, Array] | None = None
) -> tuple[Array, Bools]:
    """Return where points are about, (3, points), and which views are within `OUTLIER_DEVIATIONS` (cameras, points).

    Parameters are those of `best_start`.
    """
    loss = geman_mcclure(LOSS_SCALE)
    xyz = solve_planes(summed(shares, weight))
    xyz = descend(lines, shares, weight, xyz, loss, FIRST_STEPS)
    x, y, _ = lines.project(xyz)
    squared = lines.squared_px(x, y) * weight
    views = (weight > 0).sum(axis=0)
    # A lone error that is dropped beyond the limit shows up to this in the residual: the point follows each of 2 V
    # coordinates by 3 / (2 V).
    limit = OUTLIER_DEVIATIONS * (1 - 1.5 / np.maximum(views, 2))
    disagree = np.flatnonzero(~(squared.max(axis=0, initial=0.0) < limit * limit) & (views >= 2))
    if guess is not None:
        disagree = np.flatnonzero(views >= 2)
    if len(disagree):
        some, some_shares, some_weight = lines.of(disagree), shares[..., disagree], weight[:, disagree]
        some_guess = None if guess is None else (guess[0][:, disagree], guess[1][disagree])
        start = best_start(some, some_shares, some_weight, some_guess)
        found = descend(some, some_shares, some_weight, start, loss, DISAGREEING_STEPS, some_guess)
        xyz[:, disagree] = found
        x, y, _ = some.project(found)
        squared[:, disagree] = some.squared_px(x, y) * some_weight
    used = (squared <= OUTLIER_DEVIATIONS**2) & (weight > 0)
    used &= used.sum(axis=0) >= 2
    return xyz, used
