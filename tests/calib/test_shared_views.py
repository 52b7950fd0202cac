from dataclasses import replace

import numpy as np
import pytest

from calib.boards.board import CharucoBoard
from calib.corners.corner_views import CornerViews
from calib.solve.shared_views import (
    by_frame_index,
    by_group,
    by_session_time,
    by_time_map,
    connected_cameras,
    format_matrix,
    shared_view_matrix,
    track_acceleration,
    track_velocity,
)
from clapcap.errors import CalibrationError
from sync.time_map import CameraClock, TimeMap

BOARD = CharucoBoard(3, 3, 0.1, 0.07)


def corner_views(name, time_s, seen=None, board=BOARD):
    """Corners of a square that moves right by 100 px/s from the session's time zero."""
    time_s = np.asarray(time_s, dtype=float)
    square = np.array([[0, 0], [50, 0], [0, 50], [50, 50.0]])
    xy = square + np.stack([100 * time_s, 0 * time_s], axis=1)[:, None]
    if seen is not None:
        xy[~np.asarray(seen, dtype=bool)] = np.nan
    return CornerViews(name, board, np.arange(len(time_s)), time_s, xy, (640, 480))


def test_velocity_of_a_steady_track_is_its_slope():
    views = corner_views("a", [0, 0.1, 0.25, 0.3, 1.0])
    velocity = track_velocity(views.xy_px, views.time_s, 0.2)
    np.testing.assert_allclose(velocity[:4, :, 0], 100)
    assert np.isnan(velocity[4]).all()  # too long after the frame before


def test_velocity_at_the_vertex_of_a_parabola():
    time_s = np.array([-0.1, 0.0, 0.2])
    track = (time_s**2)[:, None, None] * np.ones((1, 1, 2))
    np.testing.assert_allclose(track_velocity(track, time_s, 0.5)[1], 0, atol=1e-12)


def test_acceleration_of_a_parabola_between_uneven_frames():
    time_s = np.array([-0.1, 0.0, 0.15, 0.2])
    track = (3 * time_s**2)[:, None, None] * np.ones((1, 1, 2))
    acceleration = track_acceleration(track, time_s, 0.5)
    np.testing.assert_allclose(acceleration[1:-1], 6)
    assert np.isnan(acceleration[[0, -1]]).all()


def test_each_moment_gets_the_nearest_frame_with_its_delay():
    # Camera b's clock is 0.33 s behind and it films every 0.1 s; a is the reference: it sees the board more often.
    a = corner_views("a", np.arange(0, 1.01, 0.05))
    b = corner_views("b", np.arange(0, 1.01, 0.1) + 0.01)
    b = CornerViews("b", BOARD, b.frame_index, b.time_s - 0.33, b.xy_px, b.image_size_px)
    clocks = {"a": CameraClock(0, 1, 0, 0, "reference", 1), "b": CameraClock(0.33, 1, 0, 0, "clap", 1)}
    shared = by_time_map([a, b], TimeMap(clocks))
    np.testing.assert_allclose(shared.time_s[:21], a.time_s)
    assert shared.frame_index[1, :5].tolist() == [0, -1, 1, -1, 2]
    np.testing.assert_allclose(shared.delay_s[1, :20:2], 0.01)
    np.testing.assert_allclose(shared.velocity_px_s[1, :20:2, :, 0], 100)
    moved = shared.at_moments()
    np.testing.assert_allclose(moved.xy_px[1, :20:2], moved.xy_px[0, :20:2], atol=1e-9)


def test_moments_before_the_reference_began_count_too():
    a, b, c = (
        corner_views("a", [0.5, 0.6, 0.7]),
        corner_views("b", [0.3, 0.4, 0.5, 0.55]),
        corner_views("c", [0.2, 0.4]),
    )
    shared = by_session_time([a, b, c], {view.camera: view.time_s for view in (a, b, c)})
    np.testing.assert_allclose(shared.time_s, [0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7])
    assert shared_view_matrix(shared).tolist() == [[3, 1, 0], [1, 4, 1], [0, 1, 2]]


def test_a_frame_far_from_a_moment_does_not_belong_to_it():
    a = corner_views("a", [0, 0.3, 0.6])
    b = corner_views("b", [0.05, 0.15, 0.6], seen=[1, 1, 0])
    shared = by_session_time([a, b], {"a": a.time_s, "b": b.time_s})
    assert shared.frame_index.tolist() == [[0, 1, 2], [0, -1, 2]]
    np.testing.assert_allclose(shared.delay_s[1], [0.05, 0, 0])


def test_frozen_pictures_do_not_count_but_a_board_at_rest_does():
    a = corner_views("a", [0, 0.1, 0.2, 0.3, 0.4])
    hung = replace(a, xy_px=a.xy_px[[0, 1, 1, 3, 4]], repeated=np.array([0, 0, 1, 0, 0], dtype=bool))
    rest = replace(a, xy_px=a.xy_px[[0, 1, 1, 1, 4]], repeated=np.array([0, 0, 1, 1, 0], dtype=bool))
    rest.xy_px[4:] = rest.xy_px[1]
    seen = np.isfinite(by_frame_index([hung, rest]).xy_px[:, :, 0, 0])
    assert seen.tolist() == [[True, True, False, True, True], [True] * 5]


def test_no_frame_serves_two_moments():
    a = corner_views("a", [0, 0.02, 0.04, 0.06])
    b = corner_views("b", [0.01, 0.05], seen=[1, 0])
    shared = by_session_time([a, b], {"a": a.time_s, "b": b.time_s})
    assert (shared.frame_index[1] == 0).sum() == 1
    assert (shared.frame_index[1] == 1).sum() == 1


def test_groups_bring_frames_together():
    a, b = corner_views("a", [0, 0.1, 0.2]), corner_views("b", [0.1, 0.2, 0.3])
    b = CornerViews("b", BOARD, b.frame_index, b.time_s + 7, b.xy_px, b.image_size_px)
    shared = by_group([a, b], {"a": np.array([4, 5, -1]), "b": np.array([5, 6, 9])})
    np.testing.assert_allclose(shared.time_s, [0, 0.1, 0.2, 0.3])
    assert np.isfinite(shared.xy_px[:, :, 0, 0]).tolist() == [[True, True, False, False], [False, True, True, True]]
    np.testing.assert_allclose(shared.xy_px[0, 1], shared.xy_px[1, 1])


def test_lags_are_taken_back():
    a, b = corner_views("a", [0, 0.1, 0.2]), corner_views("b", [0, 0.1, 0.2])
    late = CornerViews("b", BOARD, b.frame_index, b.time_s, b.xy_px + np.array([3.0, 0.0]), b.image_size_px)
    shared = by_frame_index([a, late]).at_moments([0.0, 0.03])  # 100 px/s for 0.03 s
    np.testing.assert_allclose(shared.xy_px[1], shared.xy_px[0])


def test_corners_whose_motion_is_not_known_may_be_left_out():
    a, b = corner_views("a", [0, 0.1, 0.2]), corner_views("b", [0, 0.1, 0.2])
    known = by_frame_index([a, b]).at_moments([0.0, 0.03], known_only=True)
    assert np.isfinite(known.xy_px[:, :, 0, 0]).tolist() == [[True, True, True], [False, True, False]]


def test_matrix_and_groups_of_cameras():
    views = [
        corner_views("a", [0, 0.1, 0.2], seen=[1, 1, 0]),
        corner_views("b", [0, 0.1, 0.2], seen=[0, 1, 0]),
        corner_views("c", [0, 0.1, 0.2], seen=[0, 0, 1]),
    ]
    shared = by_frame_index(views)
    assert shared_view_matrix(shared).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert connected_cameras(shared) == [("a", "b"), ("c",)]
    assert format_matrix(shared).splitlines()[1].split() == ["a", "2", "1", "0"]


def test_a_line_of_corners_fixes_no_pose():
    board = CharucoBoard(5, 4, 0.1, 0.07)
    xy = np.full((6, 12, 2), np.nan)
    xy[0, :4] = 1  # one row
    xy[1, :5] = 1  # a row and one more: still no four points without three in line
    xy[2, [0, 1, 4, 5]] = 1
    xy[3, [0, 6, 9]] = 1  # three, of which no two share a row or a column
    xy[4, [0, 5, 10]] = 1  # a diagonal
    xy[5, [0, 5, 10, 3]] = 1  # a diagonal and one more
    views = CornerViews("a", board, np.arange(6), np.arange(6.0), xy, (640, 480))
    assert by_frame_index([views, views]).usable[0].tolist() == [False, False, True, False, False, False]


def test_different_boards_are_refused():
    other = CharucoBoard(3, 3, 0.1, 0.07, inverted=True)
    with pytest.raises(CalibrationError, match="white on black"):
        by_frame_index([corner_views("a", [0]), corner_views("b", [0], board=other)])
    with pytest.raises(CalibrationError, match="1 camera"):
        by_frame_index([corner_views("a", [0])])
