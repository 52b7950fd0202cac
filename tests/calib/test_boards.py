import re
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest

from calib.boards.board import CharucoBoard, parse_size
from calib.boards.print_board import fitting_page, print_board
from clapcap.errors import CalibrationError

BOARD = CharucoBoard(4, 5, 0.03, 0.022)


def test_corners_of_a_board_by_hand():
    # 3 x 3 squares of 1 m around the origin: the inner corners lie at +-0.5, first the upper row.
    corners = CharucoBoard(3, 3, 1.0, 0.5).corners_m
    np.testing.assert_allclose(corners, [[-0.5, 0.5, 0], [0.5, 0.5, 0], [-0.5, -0.5, 0], [0.5, -0.5, 0]])


def test_z_comes_out_of_the_print():
    # OpenCV's frame is ours turned by half a turn about x, and moved: its z goes into the board.
    theirs = np.asarray(BOARD.to_cv2().getChessboardCorners(), dtype=float)
    ours = theirs * [1, -1, -1] + [-BOARD.width_m / 2, BOARD.height_m / 2, 0]
    np.testing.assert_allclose(BOARD.corners_m, ours, atol=1e-7)


def test_neighbours_are_one_square_apart():
    pairs = BOARD.neighbours
    assert len(pairs) == 2 * 4 + 3 * 3
    sides = np.linalg.norm(BOARD.corners_m[pairs[:, 0]] - BOARD.corners_m[pairs[:, 1]], axis=1)
    np.testing.assert_allclose(sides, 0.03)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((2, 2, 0.05, 0.03), "2 x 2"),
        ((4, 5, 0.05, 0.05), "marker < square"),
        ((4, 5, float("nan"), 0.05), "marker < square"),
        ((4, 5, 0.05, 0.03, "DICT_4X4"), "no marker dictionary"),
        ((12, 12, 0.05, 0.03, "DICT_4X4_50"), "needs 72 markers, but DICT_4X4_50 has 50"),
    ],
)
def test_impossible_boards_are_refused(arguments, what):
    with pytest.raises(CalibrationError, match=what):
        CharucoBoard(*arguments)


def test_sizes_are_parsed():
    assert parse_size("4x5") == parse_size(" 4 X 5 ") == (4, 5)
    with pytest.raises(CalibrationError, match='"4,5"'):
        parse_size("4,5")


@pytest.mark.parametrize("board", [BOARD, CharucoBoard(4, 6, 0.03, 0.022, legacy=True), CharucoBoard(3, 6, 0.03, 0.02)])
def test_the_drawn_board_is_opencvs(board):
    per_mm = 10
    drawn = np.full((round(1e4 * board.height_m), round(1e4 * board.width_m)), 255, np.uint8)
    for left, top, width, height in 1e3 * board.dark_rectangles_m * per_mm:
        drawn[round(top) : round(top + height), round(left) : round(left + width)] = 0
    theirs = board.to_cv2().generateImage(drawn.shape[::-1])
    assert np.mean(drawn != theirs) < 0.01  # they round edges by a pixel


@pytest.mark.parametrize("inverted", [False, True])
def test_png_is_found_at_true_size(tmp_path, inverted):
    board = CharucoBoard(4, 5, 0.03, 0.022, inverted=inverted)
    path = tmp_path / "board.png"
    assert str(print_board(board, path)) == "A4 portrait, 210 x 297 mm"
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    per_mm = 300 / 25.4
    np.testing.assert_allclose(image.shape, [297 * per_mm, 210 * per_mm], atol=1)
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board.to_cv2()).detectBoard(255 - image if inverted else image)
    assert len(ids) == len(board.corners_m)
    xy_mm = np.empty((len(ids), 2))
    xy_mm[ids.ravel()] = corners[:, 0] / per_mm
    # Upright on the page, squares of 30 mm: as the board's frame says, y down.
    there = board.corners_m[:, :2] * [1e3, -1e3]
    np.testing.assert_allclose(xy_mm - xy_mm.mean(axis=0), there - there.mean(axis=0), atol=0.05)


def test_svg_is_vector_and_true_size(tmp_path):
    path = tmp_path / "board.svg"
    print_board(BOARD, path)
    root = ET.parse(path).getroot()
    points_per_mm = 72 / 25.4
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(210 * points_per_mm, abs=0.01)
    assert not list(root.iter("{http://www.w3.org/2000/svg}image"))
    outlines = [path.get("d", "") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    first = max(outlines, key=len).split("z")[0]
    xy = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", first), dtype=float)
    np.testing.assert_allclose(np.ptp(xy, axis=0), 30 * points_per_mm, atol=0.01)


def test_pdf_is_vector_and_true_size(tmp_path):
    path = tmp_path / "board.pdf"
    print_board(BOARD, path)
    content = path.read_bytes()
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content)
    assert float(box[1]) == pytest.approx(210 * 72 / 25.4, abs=0.01)
    assert float(box[2]) == pytest.approx(297 * 72 / 25.4, abs=0.01)
    assert b"/Subtype /Image" not in content
    again = tmp_path / "again.pdf"
    print_board(BOARD, again)
    assert again.read_bytes() == content


def test_pages_fit_the_board():
    assert fitting_page(CharucoBoard(7, 5, 0.1, 0.075)).name == "A1 landscape"
    assert fitting_page(CharucoBoard(20, 20, 0.1, 0.075)).name == "custom size"
    with pytest.raises(CalibrationError, match="A4 has 210 x 297"):
        fitting_page(CharucoBoard(7, 5, 0.1, 0.075), "A4")
    with pytest.raises(CalibrationError, match="B5"):
        fitting_page(BOARD, "B5")
    with pytest.raises(CalibrationError, match=r"\.jpg"):
        print_board(BOARD, Path("board.jpg"))
