"""Cameras whose pose is off: a constant part of the error, and which camera it comes from.

A camera that was moved after the calibration sees the person beside where the others do, by the same few pixels all the
time. It pulls the points, so that all cameras show a constant part; the guilty one is that without which the others
agree. Three cameras are enough to tell, as long as the other two contradict each other less without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triangulate.pixel_noise import person_size_px
from triangulate.report import BODY_JOINTS
from triangulate.sight_lines import SightLines, sight_lines, solve_planes, summed
from triangulate.views import Views

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A constant offset of this share of the person's size (3.5 cm in space) tells of a pose that is off, if without the
# camera the constant offsets of all others shrink to this share of what they were, each by its degrees of freedom. The
# third camera of the walk4 recording (0.8 degrees off) has 0.037; those of the rendered example at most 0.004.
POSE_OFF, SHRINKS_TO = 0.02, 0.6
# A camera that is wrong for more than this share of the take is looked at all the same.
MOSTLY = 0.6
# Frames that tell a constant offset.
SAMPLED_FRAMES = 60


@dataclass(frozen=True, eq=False)
class PoseOffsets:
    """How far cameras see the person beside where the others do.

    Attributes
    ----------
    px, m
        (cameras,): in the picture and at the person's distance; 0 for cameras that are not guilty.
    """

    px: Array
    m: Array


def find_pose_offsets(views: Views, wrong: Bools) -> PoseOffsets:
    """Find the cameras whose pose is off, the worst first, as long as three are left to tell.

    Parameters
    ----------
    views
        The views, left and right mended.
    wrong
        (cameras, frames): views that show something else and have no say.
    """
    cameras = views.cameras
    count = len(cameras)
    offsets = PoseOffsets(np.zeros(count), np.zeros(count))
    body = [i for i, name in enumerate(views.names) if name in BODY_JOINTS] or list(range(len(views.names)))
    frames = np.unique(np.linspace(0, len(views.time_s) - 1, min(len(views.time_s), SAMPLED_FRAMES)).astype(int))
    chosen = np.ix_(np.arange(count), frames, np.array(body))
    lines = sight_lines(cameras, views.xy_px[chosen].reshape(count, -1, 2))
    # Who is wrong nearly all the time may be so because of the pose.
    wrong = wrong & (wrong.mean(axis=1, keepdims=True) < MOSTLY)
    observed = lines.seen & np.repeat(~wrong[:, frames], len(body), axis=1)
    focal = np.array([camera.matrix[0, 0] for camera in cameras])
    weight = np.where(observed, views.confidence[chosen].reshape(count, -1) / focal[:, None] ** 2, 0.0)
    sizes = person_size_px(views.xy_px[:, frames])
    shares = lines.equations()
    members = observed.any(axis=1)
    while members.sum() >= 3:
        candidates = np.flatnonzero(members)
        remaining = [_without(members, c) for c in candidates]
        left = [_offsets(lines, shares, weight, rest) / sizes for rest in remaining]
        after = [np.nansum(offset[rest]) for offset, rest in zip(left, remaining, strict=True)]
        best = int(np.argmin(after))
        guilty = int(candidates[best])
        before = np.nansum((_offsets(lines, shares, weight, members) / sizes)[members])
        # Less one camera there is less to disagree about: by degrees of freedom.
        shrinks = after[best] / (2 * remaining[best].sum() - 3) / max(before / (2 * members.sum() - 3), 1e-12)
        if not (left[best][guilty] > POSE_OFF and shrinks < SHRINKS_TO):
            break
        members = remaining[best]
        offsets.px[guilty] = left[best][guilty] * sizes[guilty]
        _, _, inverse_depth = lines.project(solve_planes(summed(shares, np.where(members[:, None], weight, 0.0))))
        depth_m = 1 / float(np.nanmedian(inverse_depth[guilty]))
        offsets.m[guilty] = offsets.px[guilty] / focal[guilty] * depth_m
    return offsets


def _without(members: Bools, camera: int) -> Bools:
    rest = members.copy()
    rest[camera] = False
    return rest


def _offsets(lines: SightLines, shares: Array, weight: Array, members: Bools) -> Array:
    """Return each camera's constant offset (cameras,), pixels, from the members' points; NaN where nothing is known."""
    xyz = solve_planes(summed(shares, np.where(members[:, None], weight, 0.0)))
    x, y, _ = lines.project(xyz)
    scale = (lines.factor[0] + lines.factor[2]) / 2  # pixels a unit, near enough for an offset
    offsets = np.full(len(members), np.nan)
    for c in range(len(members)):
        told = (weight[c] > 0) & np.isfinite(x[c])
        if told.any():
            dx = np.median(((x[c] - lines.xy[0, c]) * scale[c])[told])
            dy = np.median(((y[c] - lines.xy[1, c]) * scale[c])[told])
            offsets[c] = np.hypot(dx, dy)
    return offsets
