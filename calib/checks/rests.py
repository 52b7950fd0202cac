"""Where the board stood still, in cameras whose clocks are not known: needs no sync but the order of things.

A board that stands still looks the same whenever a camera looks. Of cameras without a clap it is enough to know which
rest of the one is which rest of the other, and that is told by when the rests begin and end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.corners.corner_views import CornerViews
from calib.solve.shared_views import SharedViews
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]

REST_S = 0.6
"""The shortest rest that counts; hands that pause are quieter than this for half a second at most."""

STEP_S, STEP_PX = 0.25, 0.6
"""A board is at rest while its corners move less than this far within this time, in the median: detected corners of a
board at rest jitter by 0.05 to 0.3 px, those of a board in the quietest hands by 2 px."""

DECISIVE = 0.8
"""Of the time that a camera's rests overlap at best with another's: if the rests overlap that well with another offset,
too, it cannot be told which is which."""

DIFFERENT_S = 1.0
"""Offsets that differ by less are the same."""


@dataclass(frozen=True, eq=False)
class Rest:
    """A stretch of a camera's frames in which the board stood still.

    Attributes
    ----------
    start_s, end_s
        On the camera's clock.
    xy_px
        (corners, 2): the median of each corner that was seen in half of the frames or more; NaN for the others.
    frame_index
        The frame in the middle.
    """

    start_s: float
    end_s: float
    xy_px: Array
    frame_index: int


def find_rests(views: CornerViews) -> list[Rest]:
    """Return the rests of the board in one camera, in order."""
    time_s, xy = views.time_s, views.xy_px
    later = np.searchsorted(time_s, time_s + STEP_S)
    there = np.flatnonzero(views.seen & (later < len(time_s)))
    there = there[views.seen[later[there]]]
    with np.errstate(invalid="ignore"):
        moved = np.linalg.norm(xy[later[there]] - xy[there], axis=2)
    common = np.isfinite(moved).any(axis=1)
    quiet = np.zeros(len(time_s), dtype=bool)
    quiet[there[common]] = np.nanmedian(moved[common], axis=1) < STEP_PX
    still = np.zeros(len(time_s), dtype=bool)
    for frame in np.flatnonzero(quiet):  # marks overlapping stretches
        still[frame : later[frame] + 1] = True
    frames = np.flatnonzero(still)
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1) if len(frames) else []
    return [_rest(views, run) for run in runs if time_s[run[-1]] - time_s[run[0]] >= REST_S]


def _rest(views: CornerViews, run: npt.NDArray[np.intp]) -> Rest:
    xy = views.xy_px[run]
    often = np.isfinite(xy[..., 0]).mean(axis=0) >= 0.5
    middle = np.full(xy.shape[1:], np.nan)
    middle[often] = np.nanmedian(xy[:, often], axis=0)
    time_s = views.time_s[run]
    return Rest(float(time_s[0]), float(time_s[-1]), middle, int(views.frame_index[run[len(run) // 2]]))


def by_rests(views: Sequence[CornerViews]) -> SharedViews:
    """Bring the rests of all cameras together, whatever their clocks.

    Raises
    ------
    CalibrationError
        If the board never stood still in two cameras, or it cannot be told which rest is which.
    """
    rests = {view.camera: find_rests(view) for view in views}
    counts = ", ".join(f"{camera} {len(found)}" for camera, found in rests.items())
    reference = max(rests, key=lambda camera: len(rests[camera]))
    if sum(bool(found) for found in rests.values()) < 2:
        raise CalibrationError(
            f"Without a clap, the board must stand still where two cameras see it, for {REST_S:g} s or more; rests "
            f"found: {counts}. Put it down in four places or more (on the floor, on a chair, leaning at a wall), each "
            "for two seconds, and take your hands off; or clap once."
        )
    offset_s = {camera: _offset(camera, found, reference, rests[reference]) for camera, found in rests.items() if found}
    timeline = sorted(
        (rest.start_s + offset_s[camera], rest.end_s + offset_s[camera], camera, rest)
        for camera, found in rests.items()
        for rest in found
    )
    moments: list[dict[str, Rest]] = []
    until, time_s = -np.inf, []
    for start_s, end_s, camera, rest in timeline:
        overlaps = min(until, end_s) - start_s > 0.5 * (end_s - start_s)
        if overlaps and camera not in moments[-1]:
            moments[-1][camera] = rest
            until = min(until, end_s)
        else:
            moments.append({camera: rest})
            time_s.append(start_s)
            until = end_s
    return _shared(views, moments, np.array(time_s))


def _offset(camera: str, rests: list[Rest], reference: str, others: list[Rest]) -> float:
    """Return what is to be added to a camera's clock so that its rests are those of the reference."""
    if camera == reference:
        return 0.0
    candidates = np.array([b.start_s - a.start_s for a in rests for b in others])
    score = np.array([_overlap_s(rests, others, offset) for offset in candidates])
    best = int(score.argmax())
    away = np.abs(candidates - candidates[best]) > DIFFERENT_S
    if away.any() and score[away].max() > DECISIVE * score[best]:
        raise CalibrationError(
            f"It cannot be told which rest of the board in {camera} ({len(rests)} of them) is which in {reference} "
            f"({len(others)}): they last equally long. Clap once, so that cameras can be synced, or leave the board "
            "in some places longer than in others."
        )
    return float(candidates[best])


def _overlap_s(rests: list[Rest], others: list[Rest], offset_s: float) -> float:
    """Return for how long both rest, less for how long but one does, over the rests that overlap."""
    a = np.array([(rest.start_s + offset_s, rest.end_s + offset_s) for rest in rests])[:, None]
    b = np.array([(rest.start_s, rest.end_s) for rest in others])[None]
    both = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    either = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 0], b[..., 0])
    return float(np.where(both > 0, 2 * both - either, 0.0).sum())


def _shared(views: Sequence[CornerViews], moments: list[dict[str, Rest]], time_s: Array) -> SharedViews:
    boards = {view.board for view in views}
    if len(boards) > 1:
        raise CalibrationError("The cameras saw different boards. Use one board for all of them.")
    shape = (len(views), len(moments), len(views[0].board.corners_m), 2)
    xy, index = np.full(shape, np.nan), np.full(shape[:2], -1, dtype=np.int64)
    for place, view in enumerate(views):
        for moment, seen in enumerate(moments):
            if view.camera in seen:
                xy[place, moment] = seen[view.camera].xy_px
                index[place, moment] = seen[view.camera].frame_index
    at_rest = np.where(np.isfinite(xy), 0.0, np.nan)
    return SharedViews(
        camera_names=tuple(view.camera for view in views),
        board=views[0].board,
        image_size_px=np.array([view.image_size_px for view in views], dtype=np.int64),
        time_s=time_s,
        xy_px=xy,
        velocity_px_s=at_rest,
        acceleration_px_s2=at_rest.copy(),
        delay_s=np.zeros(shape[:2]),
        frame_index=index,
        sigma_px=np.full(shape[:3], np.nan),
    )
