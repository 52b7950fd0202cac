"""The board's corners in all cameras at common moments, and which cameras saw it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from calib.boards import CharucoBoard
from calib.corners import CornerViews
from clapcap.errors import CalibrationError
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MAX_GAP_S = 0.2
"""Corners are interpolated, and velocities taken, between frames no further apart than this: a board carried by hand
changes its velocity by about 1 m/s^2, which bends its path by 5 mm within this time."""


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
    """

    camera_names: tuple[str, ...]
    board: CharucoBoard
    image_size_px: npt.NDArray[np.int64]
    time_s: Array
    xy_px: Array
    velocity_px_s: Array

    def __post_init__(self) -> None:
        shape = (len(self.camera_names), len(self.time_s), len(self.board.corners_m), 2)
        if self.xy_px.shape != shape or self.velocity_px_s.shape != shape:
            raise ValueError(
                f"xy_px has shape {self.xy_px.shape}, velocity_px_s {self.velocity_px_s.shape}, needed {shape}"
            )
        if self.image_size_px.shape != (shape[0], 2):
            raise ValueError(f"image_size_px has shape {self.image_size_px.shape}, needed {(shape[0], 2)}")

    @property
    def usable(self) -> Mask:
        """(cameras, moments): whether the corners seen fix the board's pose.

        That is the case when there are four, and two or more lie off every row, every column and every diagonal.
        """
        seen = np.isfinite(self.xy_px[..., 0])
        row, column = np.divmod(np.arange(seen.shape[-1]), self.board.columns - 1)
        count = seen.sum(axis=-1)
        enough: Mask = count >= 4
        for line in (row, column, row - column, row + column):
            on_line = seen @ (line[:, None] == np.unique(line)).astype(np.int64)
            enough = enough & (count - on_line.max(axis=-1) >= 2)
        return enough

    def moments(self, which: slice | npt.NDArray[np.intp] | Mask) -> SharedViews:
        """Return the moments chosen, such as `slice(0, None, 2)`."""
        return replace(
            self, time_s=self.time_s[which], xy_px=self.xy_px[:, which], velocity_px_s=self.velocity_px_s[:, which]
        )

    def at_lags(self, lag_s: Sequence[float]) -> SharedViews:
        """Return the corners moved to where they were `lag_s` (cameras,) earlier: as seen by cameras without lag.

        Corners of unknown velocity stay where they are.
        """
        shift = np.nan_to_num(self.velocity_px_s) * np.asarray(lag_s)[:, None, None, None]
        return replace(self, xy_px=self.xy_px - shift)


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


def by_time_map(views: Sequence[CornerViews], time_map: TimeMap, max_gap_s: float = MAX_GAP_S) -> SharedViews:
    """Bring corners together by the cameras' clocks; see `by_session_time`."""
    return by_session_time(
        views, {view.camera: time_map.cameras[view.camera].to_session(view.time_s) for view in views}, max_gap_s
    )


def by_session_time(
    views: Sequence[CornerViews], session_time_s: Mapping[str, Array], max_gap_s: float = MAX_GAP_S
) -> SharedViews:
    """Bring corners together at the times of the frames of one camera: that which saw the board most often.

    Before it began and after it ended, the frames of the camera count that saw the board most often of the rest. The
    other cameras' corners are interpolated in time, each between the neighbouring frames if both saw it.

    Parameters
    ----------
    views
        One for each camera.
    session_time_s
        (frames,) by camera: the session time of the frames of `views`.
    max_gap_s
        The furthest that neighbouring frames may lie apart.

    Raises
    ------
    CalibrationError
        If the cameras did not see the same kind of board, or their frames are too far apart to interpolate.
    """
    board = _common_board(views)
    for view in views:
        interval_s = float(np.median(np.diff(view.time_s))) if len(view.time_s) > 1 else 0.0
        if interval_s > max_gap_s:
            raise CalibrationError(
                f"{view.camera}: its frames are {interval_s:.2f} s apart, but corners that move are interpolated over "
                f"{max_gap_s:g} s at most. Use more of its frames (a smaller step), or a table of time stamps that "
                "groups frames taken together."
            )
    time_s = np.zeros(0)
    for view in sorted(views, key=lambda view: int(view.seen.sum()), reverse=True):
        own_s = np.asarray(session_time_s[view.camera])
        outside = (own_s < time_s[0]) | (own_s > time_s[-1]) if len(time_s) else np.ones(len(own_s), dtype=bool)
        time_s = np.sort(np.concatenate([time_s, own_s[outside]]))
    tracks = [_interpolate(view.xy_px, np.asarray(session_time_s[view.camera]), time_s, max_gap_s) for view in views]
    return _shared(views, board, time_s, tracks)


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
    tracks = []
    for view in views:
        here = np.flatnonzero(group[view.camera] >= 0)
        places = np.searchsorted(groups, group[view.camera][here])
        own_s = np.asarray(view.time_s if session_time_s is None else session_time_s[view.camera])
        xy = np.full((len(groups), *view.xy_px.shape[1:]), np.nan)
        velocity = xy.copy()
        xy[places] = view.xy_px[here]
        velocity[places] = track_velocity(view.xy_px, own_s, MAX_GAP_S)[here]
        tracks.append((xy, velocity))
        difference = time_s[places] - own_s[here]
        known = np.isfinite(difference)
        offset = np.median(difference[known]) if session_time_s is None and known.any() else 0.0
        time_s[places] = np.where(known, time_s[places], own_s[here] + offset)
    return _shared(views, board, time_s, tracks)


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


def _interpolate(xy_px: Array, own_time_s: Array, time_s: Array, max_gap_s: float) -> tuple[Array, Array]:
    """Return positions and velocities (moments, corners, 2) at `time_s`; NaN where a corner was not seen around it."""
    velocity = track_velocity(xy_px, own_time_s, max_gap_s)
    if len(own_time_s) == 1:
        same = np.abs(own_time_s[0] - time_s)[:, None, None] < 1e-6
        return np.where(same, xy_px, np.nan), np.where(same, velocity, np.nan)
    left = np.clip(np.searchsorted(own_time_s, time_s, side="right") - 1, 0, len(own_time_s) - 2)
    gap = own_time_s[left + 1] - own_time_s[left]
    share = ((time_s - own_time_s[left]) / gap)[:, None, None]
    between = np.where((share >= 0) & (share <= 1) & (gap <= max_gap_s)[:, None, None], 1.0, np.nan)
    xy = between * ((1 - share) * xy_px[left] + share * xy_px[left + 1])
    slope = between * (xy_px[left + 1] - xy_px[left]) / gap[:, None, None]
    for place, distance in ((left, share), (left + 1, 1 - share)):  # on a frame, its neighbour need not have seen
        on_frame = np.abs(distance) * gap[:, None, None] < 1e-6
        xy = np.where(on_frame, xy_px[place], xy)
        slope = np.where(on_frame, velocity[place], slope)
    return xy, slope


def _shared(
    views: Sequence[CornerViews], board: CharucoBoard, time_s: Array, tracks: list[tuple[Array, Array]]
) -> SharedViews:
    return SharedViews(
        camera_names=tuple(view.camera for view in views),
        board=board,
        image_size_px=np.array([view.image_size_px for view in views], dtype=np.int64),
        time_s=time_s,
        xy_px=np.stack([xy for xy, _ in tracks]),
        velocity_px_s=np.stack([velocity for _, velocity in tracks]),
    )


def _common_board(views: Sequence[CornerViews]) -> CharucoBoard:
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
