"""Checkerboards and AprilGrids: found on drawings and on real pictures, numbered the right way round, printed."""

import cv2
import numpy as np
import pytest

from benchmarks.drawn_boards import draw, held, save_pictures
from calib.boards.aprilgrid import AprilGrid
from calib.boards.board import CharucoBoard, board_from_json, board_to_json
from calib.boards.checkerboard import Checkerboard
from calib.boards.print_board import print_board
from calib.corners.corner_views import CornerViews, detect_corners
from clapcap.errors import CalibrationError

CHECKERBOARD = Checkerboard(6, 5, 0.03)
APRILGRID = AprilGrid(3, 2, 0.05)


@pytest.mark.parametrize("board", [CHECKERBOARD, Checkerboard(6, 5, 0.03, inverted=True), APRILGRID], ids=str)
@pytest.mark.parametrize("half_turn", [False, True])
def test_corners_are_found_and_numbered(board, half_turn):
    rng = np.random.default_rng(7)
    for _ in range(3):
        H = held(board, 300, (210, 210), rng)
        if half_turn:
            H = np.array([[-1, 0, 420], [0, -1, 420], [0, 0, 1]]) @ H
        picture, truth = draw(board, H, (420, 420), noise=3, rng=rng)
        seen = board.finder().find(picture)
        assert seen.count == len(board.corners_m)
        assert np.abs(seen.xy_px - truth).max() < 0.15
        assert np.median(seen.sigma_px) < 0.02


def test_tags_whose_top_is_elsewhere_are_read():
    rng = np.random.default_rng(8)
    turned = AprilGrid(3, 2, 0.05)
    turned.__dict__["dark_rectangles_m"] = turned._dark(2)
    picture, truth = draw(turned, held(turned, 300, (210, 210), rng), (420, 420), noise=3, rng=rng)
    seen = APRILGRID.finder().find(picture)
    assert seen.count == 24
    assert np.abs(seen.xy_px - truth).max() < 0.15


def test_part_of_an_aprilgrid_is_enough():
    rng = np.random.default_rng(9)
    picture, truth = draw(APRILGRID, held(APRILGRID, 300, (330, 210), rng), (420, 420), noise=3, rng=rng)
    seen = APRILGRID.finder().find(picture)
    there = np.isfinite(seen.xy_px[:, 0])
    assert 8 <= there.sum() < 24
    assert np.abs(seen.xy_px - truth)[there].max() < 0.15


@pytest.mark.parametrize(("columns", "rows"), [(6, 4), (5, 7)])
def test_checkerboards_without_an_upside_are_refused(columns, rows):
    with pytest.raises(CalibrationError, match="looks the same upside down"):
        Checkerboard(columns, rows, 0.03)


@pytest.mark.parametrize("board", [CharucoBoard(4, 5, 0.03, 0.022), CHECKERBOARD, APRILGRID], ids=str)
def test_boards_survive_json(board):
    assert board_from_json(board_to_json(board)) == board


def test_corners_of_an_aprilgrid_by_hand():
    # 2 x 1 tags of 1 m, gaps of 0.5 m: sides of the tags at 0.5, 1.5, 2, 3 m of 3.5 m, and at 0.5, 1.5 m of 2 m.
    corners = AprilGrid(2, 1, 1.0, 0.5).corners_m
    np.testing.assert_allclose(corners[:4], [[-1.25, 0.5, 0], [-0.25, 0.5, 0], [0.25, 0.5, 0], [1.25, 0.5, 0]])
    np.testing.assert_allclose(corners[4:, 1], -0.5)


@pytest.mark.parametrize("board", [CHECKERBOARD, APRILGRID], ids=str)
def test_the_printed_board_is_found_at_true_size(tmp_path, board):
    print_board(board, tmp_path / "board.png")
    image = cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE)
    seen = board.finder().find(cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    assert seen.count == len(board.corners_m)
    xy_m = seen.xy_px * 4 * 0.0254 / 300
    there = board.corners_m[:, :2] * [1, -1]
    np.testing.assert_allclose(xy_m - xy_m.mean(axis=0), there - there.mean(axis=0), atol=1e-4)


def test_a_checkerboard_instead_of_markers_is_named(tmp_path):
    rng = np.random.default_rng(1)
    pictures = [draw(CHECKERBOARD, held(CHECKERBOARD, 300, (210, 210), rng), (420, 420))[0] for _ in range(2)]
    with pytest.raises(CalibrationError, match='kind = "checkerboard"'):
        detect_corners(save_pictures(tmp_path / "cam1", pictures), CharucoBoard(4, 5, 0.03, 0.022))


def test_markers_instead_of_a_checkerboard_are_named(tmp_path):
    rng = np.random.default_rng(1)
    charuco = CharucoBoard(5, 6, 0.03, 0.022, "DICT_4X4_50")
    pictures = [draw(charuco, held(charuco, 260, (210, 210), rng), (420, 420))[0] for _ in range(2)]
    with pytest.raises(CalibrationError, match='kind = "charuco", columns = 5, rows = 6, dictionary = "DICT_4X4_1000"'):
        detect_corners(save_pictures(tmp_path / "cam1", pictures), CHECKERBOARD)


def test_views_of_other_boards_survive_the_disk(tmp_path):
    rng = np.random.default_rng(1)
    pictures = [draw(APRILGRID, held(APRILGRID, 300, (210, 210), rng), (420, 420))[0] for _ in range(2)]
    views = detect_corners(save_pictures(tmp_path / "cam1", pictures), APRILGRID)
    views.save(tmp_path / "cam1.npz")
    again = CornerViews.load(tmp_path / "cam1.npz")
    assert again.board == APRILGRID
    np.testing.assert_array_equal(again.sigma_px, views.sigma_px)


@pytest.mark.data
def test_walk4s_checkerboard(data):
    """4 x 7 inner corners of 60 mm, photographed by each of four cameras."""
    board = Checkerboard(5, 8, 0.06)
    for camera in sorted((data / "walk4" / "intrinsics").iterdir()):
        views = detect_corners(camera, board)
        assert views.seen.sum() >= len(views.seen) - 1
        # A homography and the bending of the lens: neighbours' distances change smoothly over the print.
        pair = board.neighbours
        xy = views.xy_px[views.seen]
        side = np.linalg.norm(xy[:, pair[:, 0]] - xy[:, pair[:, 1]], axis=-1)
        assert (np.nanstd(side, axis=1) / np.nanmean(side, axis=1) < 0.5).all()
