"""Points from views of which some are wrong: several starts, a redescending loss, then the wrong views dropped.

The cost is linear in cameras: the number of starts does not grow with them (all views together, and the pairs among a
point's four most confident views), and each is judged by one projection into every view. Trying all subsets of views,
as others do, takes 2^cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from triangulate.linear import normal_equations, solve3, undistort
from triangulate.refine import RefinedPoints, geman_mcclure, huber, refine_points, robust_cost

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


def best_start(cameras: CameraGroup, xy_px: Array, sigma_px: Array) -> Array:
    """Return for each point the start of least robust cost: (points, 3), metres, NaN with fewer than two views.

    Parameters
    ----------
    cameras
        The views.
    xy_px
        (cameras, points, 2), NaN where not observed.
    sigma_px
        (cameras, points): standard deviation of a coordinate; infinity where the view is not to be used.
    """
    weight = np.where(np.isfinite(xy_px).all(axis=-1), 1 / sigma_px**2, 0.0)
    shares = [normal_equations(*view) for view in zip(cameras, undistort(cameras, xy_px), weight, strict=True)]
    H = np.stack([H for H, _ in shares])
    g = np.stack([g for _, g in shares])
    starts = [solve3(H.sum(axis=0), g.sum(axis=0))]
    every = np.arange(xy_px.shape[1])
    # Stable, so that equal confidences are ranked the same way everywhere.
    ranked = np.argsort(-weight, axis=0, kind="stable")[:SEED_VIEWS]
    for first, second in combinations(ranked, 2):
        seen = (weight[first, every] > 0) & (weight[second, every] > 0)
        pair = solve3(H[first, every] + H[second, every], g[first, every] + g[second, every])
        starts.append(np.where(seen[:, None], pair, np.nan))
    loss = geman_mcclure(LOSS_SCALE)
    costs = np.stack([robust_cost(cameras, xy_px, sigma_px, start, loss) for start in starts])
    best: Array = np.stack(starts)[costs.argmin(axis=0), every]
    return best


def triangulate_robust(cameras: CameraGroup, xy_px: Array, sigma_px: Array) -> RobustPoints:
    """Triangulate points whose views may be wrong.

    Parameters as for `best_start`. A point that rests on two views only cannot be checked: both are used.
    """
    start = best_start(cameras, xy_px, sigma_px)
    robust = refine_points(cameras, xy_px, sigma_px, start, geman_mcclure(LOSS_SCALE))
    used = robust.error_px <= OUTLIER_DEVIATIONS * sigma_px
    used &= np.isfinite(sigma_px)
    used &= used.sum(axis=0) >= 2
    final = refine_points(cameras, xy_px, np.where(used, sigma_px, np.inf), robust.xyz_m, huber(HUBER_SCALE))
    used &= np.isfinite(final.xyz_m).all(axis=-1)
    return RobustPoints(points=final, used=used)
