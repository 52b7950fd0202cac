"""Boards seen mirrored: from the back of a print on both sides, or in the video of a selfie camera."""

import numpy as np
import pytest

from benchmarks.drawn_boards import draw, held, save_pictures
from calib.boards.board import CharucoBoard
from calib.corners.all_cameras import detect_all_corners, refuse_mirrored
from calib.corners.corner_views import detect_corners
from clapcap.errors import CalibrationError

BOARD = CharucoBoard(4, 5, 0.054, 0.0405, "DICT_4X4_50")
SIZE = (320, 300)


def film(folder, mirrored):
    """Save pictures of which some are mirrored, and return the true corners."""
    rng = np.random.default_rng(3)
    pictures, truth = [], []
    for number, flip in enumerate(mirrored):
        picture, corners = draw(BOARD, held(BOARD, 130, (140 + 6 * number, 150), rng), SIZE, noise=2, rng=rng)
        truth.append(corners * [-1, 1] + [SIZE[0] - 1, 0] if flip else corners)
        pictures.append(picture[:, ::-1] if flip else picture)
    save_pictures(folder, pictures)
    return np.array(truth)


def test_the_back_of_a_board_is_seen_where_it_is(tmp_path):
    mirrored = [False] * 4 + [True] * 4
    truth = film(tmp_path / "cam1", mirrored)
    views = detect_corners(tmp_path / "cam1", BOARD)
    assert views.mirrored.tolist() == mirrored
    assert np.isfinite(views.xy_px).all()
    assert np.abs(views.xy_px - truth).max() < 0.2
    film(tmp_path / "cam2", [True] * 4)
    refuse_mirrored([views, detect_corners(tmp_path / "cam2", BOARD)])  # cam1 shows that the board has two sides


def test_a_mirrored_video_is_named(tmp_path):
    film(tmp_path / "cam1", [False] * 4)
    film(tmp_path / "cam2", [True] * 4)
    views = detect_all_corners({name: tmp_path / name for name in ("cam1", "cam2")}, BOARD)
    with pytest.raises(CalibrationError, match="The video of cam2 is mirrored") as error:
        refuse_mirrored(list(views.values()))
    assert "4 of 4 views" in str(error.value)
    assert "hflip" in str(error.value)
    refuse_mirrored([views["cam1"]])
