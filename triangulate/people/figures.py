"""Figures: everything a detector took for a person in any picture, with what links them within one camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from skeleton.keypoints import Keypoints2D
from sync.resample import nominal_interval_s
from triangulate.left_right import mirror_order

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# What persons are compared by: faces, fingers and toes follow from these and would outvote them.
BODY = ("nose", *(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
                  for side in ("left", "right")))  # fmt: skip
# Fewer points in common say nothing of a whole person.
LEAST_POINTS = 5
# A figure goes on in the next picture where it lies within this share of its size, and the next best is this many
# times as far: people who cross come closer, and their figures are then not linked.
LINK_SHARE, LINK_CLEAR = 0.20, 2.0
# Over more than so many of the camera's usual intervals it is not the same one for sure.
LINK_GAP = 1.5


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of all cameras, one row a picture, cameras one after the other.

    Attributes
    ----------
    cameras
        The cameras.
    names
        (points,): the points that persons are compared by.
    mirror
        (points,): the order that exchanges left and right.
    xy
        (rows, slots, points, 2): undistorted normalised coordinates, NaN where not observed. Slot 0 is the picture's
        main figure.
    weight
        (rows, slots, points): confidence; 0 where not observed.
    there
        (rows, slots): a figure with enough points.
    time_s
        (rows,): session time.
    camera
        (rows,): place of the picture's camera.
    first_row
        (cameras + 1,): rows of camera c are first_row[c] to first_row[c + 1].
    after, before
        (rows, slots): slot of the same figure in the next and in the previous row of the camera; -1: not known.
    moments_s
        (moments,): session time, in steps of the fastest camera's interval.
    row_at
        (moments, cameras): the row that each camera shows at each moment; -1: none.
    """

    cameras: CameraGroup
    names: tuple[str, ...]
    mirror: Ints
    xy: Array
    weight: Array
    there: Bools
    time_s: Array
    camera: Ints
    first_row: Ints
    after: Ints
    before: Ints
    moments_s: Array
    row_at: Ints

    def rows_of(self, camera: int) -> slice:
        """Return the rows of a camera."""
        return slice(int(self.first_row[camera]), int(self.first_row[camera + 1]))

    def followed(self, row: int, slot: int, rows_on: Ints) -> Ints:
        """Return the slot of a figure in later rows (steps,) of its camera, ascending; -1: lost."""
        slots = np.full(len(rows_on), -1)
        for step, target in enumerate(rows_on):
            while row < target and slot >= 0:
                slot = int(self.after[row, slot])
                row += 1
            if target == row:
                slots[step] = slot
        return slots


def gather_figures(views: Mapping[str, Keypoints2D], cameras: CameraGroup) -> Figures:
    """Collect the figures of all views.

    Parameters
    ----------
    views
        Each camera's keypoints at its own pictures, in session time, with whom else it saw. All have the same points.
    cameras
        The calibration; it knows every view.
    """
    group = cameras.subset(tuple(views))
    every = next(iter(views.values())).names
    names = tuple(name for name in BODY if name in every)
    if len(names) < LEAST_POINTS:
        names = every
    chosen = [every.index(name) for name in names]
    slots = max(1 if view.others_xy_px is None else 1 + view.others_xy_px.shape[1] for view in views.values())
    counts = [len(view.time_s) for view in views.values()]
    first_row = np.concatenate([[0], np.cumsum(counts)])
    xy = np.full((first_row[-1], slots, len(names), 2), np.nan)
    weight = np.zeros(xy.shape[:3])
    after = np.full(xy.shape[:2], -1)
    for c, (camera, view) in enumerate(zip(group, views.values(), strict=True)):
        rows = slice(first_row[c], first_row[c + 1])
        xy_px = np.full(xy[rows].shape, np.nan)
        xy_px[:, 0] = view.xy_px[:, chosen]
        weight[rows, 0] = view.confidence[:, chosen]
        if view.others_xy_px is not None and view.others_confidence is not None:
            xy_px[:, 1 : 1 + view.others_xy_px.shape[1]] = view.others_xy_px[:, :, chosen]
            weight[rows, 1 : 1 + view.others_xy_px.shape[1]] = view.others_confidence[:, :, chosen]
        xy[rows] = camera.undistort(xy_px)
        after[rows] = _links(xy[rows], view.time_s)
    seen = np.isfinite(xy).all(axis=-1) & (weight > 0)
    before = np.full_like(after, -1)
    row, slot = np.nonzero(after >= 0)
    before[row + 1, after[row, slot]] = slot
    moments_s, row_at = _moments([view.time_s for view in views.values()], first_row)
    return Figures(
        cameras=group,
        names=names,
        mirror=mirror_order(names),
        xy=np.where(seen[..., None], xy, np.nan),
        weight=np.where(seen, weight, 0.0),
        there=seen.sum(axis=-1) >= LEAST_POINTS,
        time_s=np.concatenate([view.time_s for view in views.values()]),
        camera=np.repeat(np.arange(len(views)), counts),
        first_row=first_row,
        after=after,
        before=before,
        moments_s=moments_s,
        row_at=row_at,
    )


def _links(xy: Array, time_s: Array) -> Ints:
    """Return for the figures of one camera (frames, slots, points, 2) their slot in the next frame, -1: not clear."""
    apart = np.linalg.norm(xy[:-1, :, None] - xy[1:, None], axis=-1)  # (frames - 1, slots, slots, points)
    known = np.isfinite(apart)
    enough = known.sum(axis=-1) >= LEAST_POINTS
    distance = np.where(known, apart, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    size = np.linalg.norm(
        np.nan_to_num(np.where(np.isfinite(xy), xy, -np.inf).max(axis=2), neginf=0.0)
        - np.nan_to_num(np.where(np.isfinite(xy), xy, np.inf).min(axis=2), posinf=0.0),
        axis=-1,
    )
    distance = np.where(enough, distance / np.maximum(size[:-1, :, None], 1e-9), np.inf)
    after = np.full(xy.shape[:2], -1)
    if len(distance) == 0:
        return after
    best = distance.argmin(axis=2)
    least = distance.min(axis=2)
    rivals = distance.copy()
    np.put_along_axis(rivals, best[..., None], np.inf, axis=2)
    clear = (least <= LINK_SHARE) & (rivals.min(axis=2) >= LINK_CLEAR * least)
    # Also seen from the next frame, it must be the clear best.
    column = np.take_along_axis(distance, best[:, None, :], axis=2)  # (frames - 1, slots, figure): who else goes there
    others = np.where(np.eye(xy.shape[1], dtype=bool)[None], np.inf, column).min(axis=1)
    clear &= others >= LINK_CLEAR * least
    clear &= (np.diff(time_s) <= LINK_GAP * nominal_interval_s(time_s))[:, None]
    after[:-1] = np.where(clear, best, -1)
    return after


def _moments(times_s: list[Array], first_row: Ints) -> tuple[Array, Ints]:
    """Return moments (moments,) in steps of the fastest camera, and the rows (moments, cameras) nearest to them."""
    step_s = min(nominal_interval_s(times) for times in times_s)
    start = min(times[0] for times in times_s)
    number = [np.round((times - start) / step_s).astype(int) for times in times_s]
    count = max(int(numbers[-1]) for numbers in number) + 1
    row_at = np.full((count, len(times_s)), -1)
    for c, numbers in enumerate(number):
        row_at[numbers, c] = first_row[c] + np.arange(len(numbers))
    return start + step_s * np.arange(count), row_at
