"""The board's corners in all cameras at common moments, and which cameras saw it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from calib.boards.board import Board
from calib.corners.corner_views import CornerViews
from clapcap.errors import CalibrationError
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MAX_GAP_S = 0.2
"""Velocities of corners are taken between frames no further apart than this: a board carried by hand changes its
velocity by about 1 m/s^2, which bends its path by 5 mm within this time."""

AT_REST_PX = 1.0
"""A corner that moved less from one picture to the next was at rest: ten times what corners jitter."""

MAX_DELAY_S = 0.1
"""A frame further from a moment says nothing about where the board was then, to the same measure."""

STILL_S = 0.004
"""Within this time, a board carried at 0.5 m/s moves 2 mm."""


@dataclass(frozen=True, eq=False)
class SharedViews:
    """Corners of all cameras at common moments.

    Attributes
    ----------
    camera_names
        The cameras, in the order of the arrays.
    board
        The board as found.
    image_size_px
        (cameras, 2): width and height.
    time_s
        (moments,), session time, increasing.
    xy_px
        (cameras, moments, corners, 2), pixels, NaN where not seen.
    velocity_px_s
        (cameras, moments, corners, 2): how fast each corner moved in the picture; NaN where not known.
    acceleration_px_s2
        (cameras, moments, corners, 2): how its velocity changed; NaN where it was not seen both before and after.
    delay_s
        (cameras, moments): how long after the moment the camera's frame was taken, by its time stamp; 0 without one.
    frame_index
        (cameras, moments): the frame's place in the camera's video; -1 without one.
    sigma_px
        (cameras, moments, corners): standard deviation of x and of y as the picture tells it; NaN where not known.
    """

    camera_names: tuple[str, ...]
    board: Board
    image_size_px: npt.NDArray[np.int64]
    time_s: Array
    xy_px: Array
    velocity_px_s: Array
    acceleration_px_s2: Array
    delay_s: Array
    frame_index: npt.NDArray[np.int64]
    sigma_px: Array

    def __post_init__(self) -> None:
        shape = (len(self.camera_names), len(self.time_s), len(self.board.corners_m), 2)
        for what in ("xy_px", "velocity_px_s", "acceleration_px_s2"):
            if getattr(self, what).shape != shape:
                raise ValueError(f"{what} has shape {getattr(self, what).shape}, needed {shape}")
        if self.delay_s.shape != shape[:2] or self.frame_index.shape != shape[:2]:
            raise ValueError(
                f"delay_s has shape {self.delay_s.shape}, frame_index {self.frame_index.shape}, needed {shape[:2]}"
            )
        if self.sigma_px.shape != shape[:3]:
            raise ValueError(f"sigma_px has shape {self.sigma_px.shape}, needed {shape[:3]}")
        if self.image_size_px.shape != (shape[0], 2):
            raise ValueError(f"image_size_px has shape {self.image_size_px.shape}, needed {(shape[0], 2)}")

    @property
    def usable(self) -> Mask:
        """(cameras, moments): whether the corners seen fix the board's pose.

        That is the case when there are four, and two or more lie off every row, every column and every diagonal.
        """
        seen = np.isfinite(self.xy_px[..., 0])
        (x, y), step = self.board.corners_m[:, :2].T, np.ptp(self.board.corners_m[:, :2], axis=0).max() * 1e-6
        count = seen.sum(axis=-1)
        enough: Mask = count >= 4
        for line in (np.round(places / step) for places in (x, y, x - y, x + y)):
            on_line = seen @ (line[:, None] == np.unique(line)).astype(np.int64)
            enough = enough & (count - on_line.max(axis=-1) >= 2)
        return enough

    def moments(self, which: slice | npt.NDArray[np.intp] | Mask) -> SharedViews:
        """Return the moments chosen, such as `slice(0, None, 2)`."""
        return replace(
            self,
            time_s=self.time_s[which],
            xy_px=self.xy_px[:, which],
            velocity_px_s=self.velocity_px_s[:, which],
            acceleration_px_s2=self.acceleration_px_s2[:, which],
            delay_s=self.delay_s[:, which],
            frame_index=self.frame_index[:, which],
            sigma_px=self.sigma_px[:, which],
        )

    def at_moments(self, lag_s: Sequence[float] | Array = (0.0,), known_only: bool = False) -> SharedViews:
        """Return the corners moved to where they were at the moments, each on the parabola through its own track.

        Parameters
        ----------
        lag_s
            (cameras,) or one for all: how long after its time stamps each camera exposes.
        known_only
            Whether corners are left out that would have to be moved for longer than `STILL_S` but were not seen in the
            frames before and after. Otherwise they are moved as far as is known.
        """
        late_s = (self.delay_s + np.asarray(lag_s)[:, None])[..., None, None]
        shift = np.nan_to_num(self.velocity_px_s) * late_s - np.nan_to_num(self.acceleration_px_s2) * late_s**2 / 2
        xy_px = self.xy_px - shift
        if known_only:
            xy_px = np.where(np.isfinite(self.acceleration_px_s2) | (np.abs(late_s) <= STILL_S), xy_px, np.nan)
        return replace(self, xy_px=xy_px, delay_s=np.zeros_like(self.delay_s))


def shared_view_matrix(shared: SharedViews) -> npt.NDArray[np.int64]:
    """Return (cameras, cameras): in how many moments two cameras both saw the board; on the diagonal, one."""
    usable = shared.usable.astype(np.int64)
    return usable @ usable.T


def connected_cameras(shared: SharedViews) -> list[tuple[str, ...]]:
    """Return the groups of cameras that shared views connect, the largest first."""
    count, group = connected_components(shared_view_matrix(shared) > 0, directed=False)
    groups = [
        tuple(name for name, own in zip(shared.camera_names, group, strict=True) if own == g) for g in range(count)
    ]
    return sorted(groups, key=len, reverse=True)


def format_matrix(shared: SharedViews) -> str:
    """Return the shared-view matrix as lines of text."""
    width = max(6, *(len(name) for name in shared.camera_names))
    matrix = shared_view_matrix(shared)
    head = " ".join(f"{name:>{width}}" for name in ("", *shared.camera_names))
    lines = [
        " ".join([f"{name:>{width}}", *(f"{count:>{width}}" for count in row)])
        for name, row in zip(shared.camera_names, matrix, strict=True)
    ]
    return "\n".join([head, *lines])


def by_time_map(views: Sequence[CornerViews], time_map: TimeMap) -> SharedViews:
    """Bring corners together by the cameras' clocks; see `by_session_time`."""
    return by_session_time(
        views, {view.camera: time_map.cameras[view.camera].to_session(view.time_s) for view in views}
    )


def by_session_time(views: Sequence[CornerViews], session_time_s: Mapping[str, Array]) -> SharedViews:
    """Bring corners together at the times of the frames of one camera: that which saw the board most often.

    Before it began and after it ended, the frames of the camera count that saw the board most often of the rest. Of the
    other cameras, each moment gets the nearest frame, with its delay; no frame serves two moments, and nothing is
    interpolated.

    Parameters
    ----------
    views
        One for each camera.
    session_time_s
        (frames,) by camera: the session time of the frames of `views`.

    Raises
    ------
    CalibrationError
        If the cameras did not see the same kind of board.
    """
    board = _common_board(views)
    time_s = np.zeros(0)
    for view in sorted(views, key=lambda view: int(view.seen.sum()), reverse=True):
        own_s = np.asarray(session_time_s[view.camera])
        outside = (own_s < time_s[0]) | (own_s > time_s[-1]) if len(time_s) else np.ones(len(own_s), dtype=bool)
        time_s = np.sort(np.concatenate([time_s, own_s[outside]]))
    places = []
    for view in views:
        own_s = np.asarray(session_time_s[view.camera])
        nearest = _nearest(own_s, time_s)
        mutual = (_nearest(time_s, own_s)[nearest] == np.arange(len(time_s))) if len(own_s) else np.zeros(0, dtype=bool)
        mutual &= np.abs(own_s[nearest] - time_s) <= MAX_DELAY_S
        places.append((np.flatnonzero(mutual), nearest[mutual]))
    return _shared(views, board, time_s, places, [np.asarray(session_time_s[view.camera]) for view in views])


def _nearest(times_s: Array, wanted_s: Array) -> npt.NDArray[np.intp]:
    """Return, for each of the wanted times, the place of the nearest of the increasing times."""
    right = np.clip(np.searchsorted(times_s, wanted_s), 1, max(1, len(times_s) - 1))
    left = right - 1
    right = np.minimum(right, len(times_s) - 1)
    return np.where(wanted_s - times_s[left] <= times_s[right] - wanted_s, left, right)


def by_frame_index(views: Sequence[CornerViews]) -> SharedViews:
    """Bring together frames of the same number: cameras with synced shutters."""
    return by_group(views, {view.camera: view.frame_index for view in views})


def by_group(
    views: Sequence[CornerViews],
    group: Mapping[str, npt.NDArray[np.int64]],
    session_time_s: Mapping[str, Array] | None = None,
) -> SharedViews:
    """Bring together frames of the same group, as a recording program wrote them down (`sync_index`).

    Parameters
    ----------
    views
        One for each camera.
    group
        (frames,) by camera: the group of each frame of `views`; -1: none.
    session_time_s
        (frames,) by camera; None: the cameras' own clocks.

    Notes
    -----
    A moment's time is that of the first camera that has the group; own clocks are first brought to the first camera's
    by the median difference within groups.
    """
    board = _common_board(views)
    groups = np.unique(np.concatenate([group[view.camera] for view in views]))
    groups = groups[groups >= 0]
    time_s = np.full(len(groups), np.nan)
    pairs, times = [], []
    for view in views:
        here = np.flatnonzero(group[view.camera] >= 0)
        places = np.searchsorted(groups, group[view.camera][here])
        own_s = np.asarray(view.time_s if session_time_s is None else session_time_s[view.camera])
        difference = time_s[places] - own_s[here]
        known = np.isfinite(difference)
        offset = np.median(difference[known]) if session_time_s is None and known.any() else 0.0
        time_s[places] = np.where(known, time_s[places], own_s[here] + offset)
        pairs.append((places, here))
        times.append(own_s + offset)
    return _shared(views, board, time_s, pairs, times)


def track_velocity(xy_px: Array, time_s: Array, max_gap_s: float) -> Array:
    """Differentiate corner tracks (frames, corners, 2): by both neighbouring frames, else by one, else NaN.

    Neighbours further away in time than `max_gap_s` count as none. The parabola through three frames gives the slope
    between both sides, each weighted by the other's length.
    """
    step = np.diff(time_s)[:, None, None]
    slope = np.where(step <= max_gap_s, np.diff(xy_px, axis=0) / step, np.nan)
    gap = np.full((1, *xy_px.shape[1:]), np.nan)
    before, after = np.concatenate([gap, slope]), np.concatenate([slope, gap])
    share = np.zeros((len(time_s), 1, 1))
    if len(time_s) > 2:
        share[1:-1] = step[:-1] / (step[:-1] + step[1:])
    both = before * (1 - share) + after * share
    velocity: Array = np.where(np.isfinite(both), both, np.where(np.isfinite(before), before, after))
    return velocity


def track_acceleration(xy_px: Array, time_s: Array, max_gap_s: float) -> Array:
    """Differentiate corner tracks (frames, corners, 2) twice: by the parabola through three frames, else NaN."""
    acceleration = np.full_like(xy_px, np.nan)
    if len(time_s) > 2:
        step = np.diff(time_s)[:, None, None]
        slope = np.where(step <= max_gap_s, np.diff(xy_px, axis=0) / step, np.nan)
        acceleration[1:-1] = 2 * np.diff(slope, axis=0) / (step[:-1] + step[1:])
    return acceleration


def _shared(
    views: Sequence[CornerViews],
    board: Board,
    time_s: Array,
    pairs: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    session_time_s: list[Array],
) -> SharedViews:
    """Put frames to moments: for each camera, moments and the frames that belong to them, and all frames' times.

    Of a board that moves, frames that repeat the one before show nothing of their own time: as if it had not been seen
    in them.
    """
    shape = (len(views), len(time_s))
    xy = np.full((*shape, len(board.corners_m), 2), np.nan)
    velocity, acceleration = xy.copy(), xy.copy()
    delay = np.zeros(shape)
    index = np.full(shape, -1, dtype=np.int64)
    sigma = np.full(xy.shape[:3], np.nan)
    for camera, (view, (moment, frame), own_s) in enumerate(zip(views, pairs, session_time_s, strict=True)):
        xy[camera, moment] = np.where(_frozen(view)[frame, None, None], np.nan, view.xy_px[frame])
        velocity[camera, moment] = track_velocity(view.xy_px, own_s, MAX_GAP_S)[frame]
        acceleration[camera, moment] = track_acceleration(view.xy_px, own_s, MAX_GAP_S)[frame]
        delay[camera, moment] = own_s[frame] - time_s[moment]
        index[camera, moment] = view.frame_index[frame]
        sigma[camera, moment] = view.sigma_px[frame]
    return SharedViews(
        camera_names=tuple(view.camera for view in views),
        board=board,
        image_size_px=np.array([view.image_size_px for view in views], dtype=np.int64),
        time_s=time_s,
        xy_px=xy,
        velocity_px_s=velocity,
        acceleration_px_s2=acceleration,
        delay_s=delay,
        frame_index=index,
        sigma_px=sigma,
    )


def _frozen(view: CornerViews) -> Mask:
    """Return (frames,): repeated pictures of a board that was elsewhere when the next picture came.

    A board at rest before a camera at rest gives the same picture again, in rendered and in strongly compressed videos.
    """
    own = np.flatnonzero(~view.repeated)
    if not len(own):
        return np.zeros(len(view.repeated), dtype=bool)
    next_one = own[np.minimum(np.searchsorted(own, np.arange(len(view.repeated))), len(own) - 1)]
    apart = np.linalg.norm(view.xy_px[next_one] - view.xy_px, axis=-1)
    moved: Mask = view.repeated & (np.where(np.isfinite(apart), apart, 0.0).max(axis=1) > AT_REST_PX)
    return moved


def _common_board(views: Sequence[CornerViews]) -> Board:
    """Return the one board of all cameras."""
    if len(views) < 2:
        raise CalibrationError(
            f"{len(views)} camera cannot be calibrated as a group: needed 2 or more. Add the other cameras' videos."
        )
    first = views[0]
    for view in views[1:]:
        if view.board != first.board:
            raise CalibrationError(
                f"{first.camera} saw a board of {first.board}, but {view.camera} one of {view.board}. "
                "Carry one board through the view of all cameras."
            )
    return first.board
