"""The same rests of a board in cameras whose clocks have nothing in common."""

import numpy as np
import pytest

from calib.boards.board import CharucoBoard
from calib.checks.rests import by_rests, find_rests
from calib.corners.corner_views import CornerViews
from clapcap.errors import CalibrationError

BOARD = CharucoBoard(4, 5, 0.054, 0.0405)
RATE_HZ = 30


def camera(name, rests, start_s=0.0, seed=0, length_s=14.0, hidden=()):
    """A board that stands during `rests` (start, end; true time) and is carried at 100 px/s in between.

    The camera starts at `start_s`; its clock begins with 0. Corners of the n-th rest stand at 100 n, with 0.1 px of
    noise; rests in `hidden` are not seen.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(round((length_s - start_s) * RATE_HZ)) / RATE_HZ
    xy = np.full((len(time_s), len(BOARD.corners_m), 2), np.nan)
    grid = 300 + 1000 * BOARD.corners_m[:, :2]
    for frame, t in enumerate(time_s + start_s):
        standing = [n for n, (a, b) in enumerate(rests) if a <= t <= b]
        if standing and standing[0] in hidden:
            continue
        xy[frame] = grid + (100 * standing[0] if standing else 100 * t)
    xy += rng.normal(0, 0.1, xy.shape)
    return CornerViews(name, BOARD, np.arange(len(time_s)), time_s, xy, (640, 480))


RESTS = ((1.0, 2.5), (3.5, 4.5), (6.0, 8.5), (9.5, 10.7))


def test_rests_are_found_with_their_median_corners():
    rests = find_rests(camera("cam1", RESTS))
    assert len(rests) == 4
    for rest, (start, end) in zip(rests, RESTS, strict=True):
        assert rest.start_s == pytest.approx(start, abs=0.05)
        assert rest.end_s == pytest.approx(end, abs=0.05)
    # 0.1 px over 30 frames and more: 0.1 * 1.25 / sqrt(30) = 0.023 px for a median; 4 times that.
    np.testing.assert_allclose(rests[2].xy_px, 500 + 1000 * BOARD.corners_m[:, :2], atol=0.1)


def test_a_board_in_the_hands_does_not_rest():
    assert find_rests(camera("cam1", ())) == []


def test_cameras_of_unknown_clocks_share_their_rests():
    views = [camera("cam1", RESTS), camera("cam2", RESTS, 0.8, 1), camera("cam3", RESTS, 2.9, 2, hidden=(2,))]
    shared = by_rests(views)
    assert shared.camera_names == ("cam1", "cam2", "cam3")
    seen = np.isfinite(shared.xy_px[..., 0]).all(axis=2)
    # cam3 began during the gap after the first rest, and did not see the third.
    assert seen.tolist() == [[True] * 4, [True] * 4, [False, True, False, True]]
    for place in range(4):
        there = shared.xy_px[seen[:, place], place]
        np.testing.assert_allclose(there, np.broadcast_to(there[0], there.shape), atol=0.2)
    assert (shared.delay_s == 0).all()
    assert np.nanmax(shared.velocity_px_s) == 0


def test_rests_of_equal_length_cannot_be_told_apart():
    even = tuple((2.0 * n, 2.0 * n + 1.2) for n in range(6))
    with pytest.raises(CalibrationError, match="which rest of the board in cam2"):
        by_rests([camera("cam1", even), camera("cam2", even, 3.0, 1)])


def test_without_rests_nothing_can_be_done():
    with pytest.raises(CalibrationError, match=r"rests found: cam1 4, cam2 0\. Put it down in four places"):
        by_rests([camera("cam1", RESTS), camera("cam2", (), 0.4, 1)])
