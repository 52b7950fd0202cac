"""Lenses of real cameras, against what others found with better recordings."""

import cv2
import numpy as np
import pytest

from calib.boards.board import CharucoBoard
from calib.corners.corner_views import detect_corners
from calib.interchange import load_cameras
from calib.intrinsics.estimate import estimate_lens, estimate_lenses
from calib.intrinsics.lens_warnings import lens_notes
from calib.lenses import brown
from calib.solve.shared_views import by_frame_index
from calib.solve.stray_corners import without_stray_corners

pytestmark = pytest.mark.data

COLUMNS, ROWS, SQUARE_M = 4, 7, 0.06
REFERENCE_FOCAL_PX = [903.6, 760.3, 650.8, 639.9]
"""caliscope's, from recordings of their own, close to each camera."""


@pytest.fixture(scope="module")
def webcams(data):
    board = CharucoBoard(4, 5, 0.054, 0.0405)
    views = [detect_corners(data / "charuco4" / f"cam_{camera}.mp4", board) for camera in range(4)]
    return without_stray_corners(by_frame_index(views))


def test_webcams_with_the_board_small_in_the_picture(webcams):
    """A free `cv2.calibrateCamera` is up to 29 % off here, with 0.1 to 0.4 px of reprojection error."""
    found = estimate_lenses(webcams)
    assert [estimate.lens for estimate in found] == [brown.LENS] * 4
    focal = np.array([estimate.matrix[0, 0] for estimate in found])
    std = np.array([estimate.std[0] for estimate in found])
    np.testing.assert_allclose(focal, REFERENCE_FOCAL_PX, rtol=0.015)
    assert (std / focal < 0.02).all()


def test_half_of_the_frames_agrees_with_the_other_half_within_what_is_reported(webcams):
    """36 differences in standard deviations of the difference: their root mean square is some 1 if those are right."""
    differences = []
    even, odd = (estimate_lenses(webcams.moments(slice(first, None, 2))) for first in (0, 1))
    for a, b in zip(even, odd, strict=True):
        K, L = a.matrix, b.matrix
        step = [*(K - L)[[0, 0, 1], [0, 2, 2]], K[1, 1] / K[0, 0] - L[1, 1] / L[0, 0], *(a.distortion - b.distortion)]
        differences.append(step / np.hypot(a.std, b.std)[[0, 2, 3, 1, *range(4, 9)]])
    rms = np.sqrt(np.mean(np.square(differences)))
    assert rms < 1.2
    assert np.abs(differences).max() < 3


def test_where_webcams_never_saw_the_board_is_said(webcams):
    note = lens_notes(webcams.camera_names, estimate_lenses(webcams))[0]
    assert note.startswith("Lens distortion is extrapolated where no corner of the board was seen")
    assert all(name in note for name in webcams.camera_names)


@pytest.mark.parametrize("name", ["cam01", "cam02", "cam03", "cam04"])
def test_seven_pictures_of_a_checkerboard_agree_with_the_studio(data, name):
    """Qualisys calibrated the same cameras with a wand: focal lengths agree within 0.8 %, k1 within 0.011.

    Its principal points are 25 to 49 px from those of the pictures, for this solver as for OpenCV's: they count from
    another corner of the sensor.
    """
    row, column = np.divmod(np.arange(COLUMNS * ROWS), COLUMNS)
    corners_m = SQUARE_M * np.stack([column, -row, 0 * row], axis=-1).astype(np.float64)
    views = []
    for file in sorted((data / "walk4" / "intrinsics" / f"int_{name}_img").glob("*.jpg")):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        there, corners = cv2.findChessboardCorners(half, (COLUMNS, ROWS))
        if there:
            stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 50, 0.01)
            corners = cv2.cornerSubPix(picture, (2 * corners + 0.5).astype(np.float32), (7, 7), (-1, -1), stop)
            views.append(corners.reshape(-1, 2).astype(np.float64))
    found = estimate_lens(name, corners_m, np.stack(views), (picture.shape[1], picture.shape[0]))
    studio = load_cameras(data / "walk4" / "Calib.qca.txt")[name]
    assert found.matrix[0, 0] == pytest.approx(studio.matrix[0, 0], rel=0.01)
    assert found.matrix[1, 1] == pytest.approx(studio.matrix[1, 1], rel=0.01)
    assert abs(found.matrix[0, 0] - studio.matrix[0, 0]) < 3 * found.std[0]
    assert found.distortion[0] == pytest.approx(studio.distortion[0], abs=0.015)
    assert found.rmse_px < 0.4
