"""What the cameras have seen of the board while it is filmed, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from calib.boards.board import CharucoBoard
from calib.quality.advice import LYING_S, WANTED_TILTS, missing_link, next_advice
from calib.quality.board_looks import blur_px, board_tilts, name_unseen, seen_regions
from calib.quality.live_views import MOST_BLUR_PX, BoardFinder, LiveViews, Look

SIZE = np.array([1280, 720])
BOARD = CharucoBoard(7, 5, 0.1, 0.075, "DICT_4X4_50")
FLAT = BOARD.corners_m[:, :2] * [1000, -1000]  # seen straight on, squares of 100 px, around (0, 0)


def look(x: float, y: float, blurred: bool = False) -> Look:
    """Return the board, small and straight on, at a place in the picture."""
    return Look(0.4 * FLAT + [x, y], SIZE, blurred)


def film(seen: LiveViews, moments: Sequence[Sequence[Look | None]], start_s: float = 0.0) -> LiveViews:
    for number, looks in enumerate(moments):
        seen = seen.and_then(start_s + number / 10, looks)
    return seen


def two_cameras() -> LiveViews:
    return LiveViews.nothing_yet(("cam1", "cam2"), BOARD)


def wave(count: int, first: bool = True, second: bool = True) -> list[list[Look | None]]:
    """Carry the board about the middle of the pictures of the cameras that see it."""
    moments: list[list[Look | None]] = []
    for number in range(count):
        here = look(500 + 60 * (number % 5), 300 + 50 * (number % 3))
        moments.append([here if first else None, here if second else None])
    return moments


def tilted(angle_deg: float, axis: int) -> npt.NDArray[np.float64]:
    """Return the pixels of the board 3 m away, tilted about x (0) or y (1), by a lens of focal length 1000 px."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(np.radians(angle_deg) * np.eye(3)[axis]).as_matrix()
    xyz = (BOARD.corners_m * [1, -1, -1]) @ turn.T + [0, 0, 3]
    pixels: npt.NDArray[np.float64] = 1000 * xyz[:, :2] / xyz[:, 2:] + (SIZE - 1) / 2
    return pixels


@pytest.mark.parametrize("angle", [0, 10, 30, 45])
@pytest.mark.parametrize("axis", [0, 1])
def test_tilt_and_its_axis_are_told_without_knowing_the_lens(angle: float, axis: int) -> None:
    tilts = board_tilts(tilted(angle, axis)[None], BOARD.corners_m, SIZE)
    assert tilts.angle_deg[0] == pytest.approx(angle, abs=4)  # the lens assumed is 9 % longer
    if angle >= 10:
        assert tilts.leaning[0] == (axis == 0)  # about x, the top or the bottom comes nearer


def test_regions_are_thirds_of_the_picture() -> None:
    seen = seen_regions(np.array([[10.0, 10.0], [640.0, 360.0], [np.nan, 5.0]]), SIZE)
    assert seen.tolist() == [[True, False, False], [False, True, False], [False, False, False]]
    assert name_unseen(seen) == "its right and lower edges"
    assert name_unseen(np.eye(3, dtype=bool) & False) == "all of its edges"
    assert name_unseen(np.ones((3, 3), dtype=bool)) == ""


def test_blur_is_measured_in_pixels() -> None:
    import cv2

    picture = np.full((400, 600), 230, dtype=np.uint8)
    picture[:, (np.arange(600) // 40) % 2 == 1] = 20  # stripes of 40 px
    corners = np.array([[200.0, 100.0], [400.0, 300.0]])
    for sigma in (2.0, 4.0):
        assert blur_px(cv2.GaussianBlur(picture, (0, 0), sigma), corners) == pytest.approx(sigma, rel=0.1)
    assert blur_px(picture, corners) < 1


def test_the_finder_learns_the_print_and_sees_blur() -> None:
    import cv2

    board = CharucoBoard(5, 6, 0.05, 0.0375, "DICT_4X4_50")
    print_ = replace(board, legacy=True).to_cv2().generateImage((500, 600), marginSize=40)
    finder = BoardFinder(board)
    assert finder.look(np.full((600, 500), 200, dtype=np.uint8)) is None
    inverted = 255 - print_
    found = finder.look(inverted)
    assert found is not None
    assert not found.blurred
    assert np.isfinite(found.xy_px).all()
    assert found.size_px.tolist() == [500, 600]
    smeared = finder.look(cv2.GaussianBlur(inverted, (0, 0), 2 * MOST_BLUR_PX))
    assert smeared is not None
    assert smeared.blurred


def test_a_board_held_still_is_one_view() -> None:
    seen = film(two_cameras(), [[look(600, 300), None]] * 20)
    assert seen.views.tolist() == [1, 0]
    assert seen.still_s == pytest.approx(1.9)  # since the first picture
    assert seen.cells[0].sum() == 20 * len(FLAT)


def test_blurred_pictures_do_not_count() -> None:
    seen = film(two_cameras(), [[look(500 + 60 * n, 300, blurred=True), None] for n in range(5)])
    assert seen.views.tolist() == [0, 0]
    assert "Too blurred in cam1" in next_advice(seen).text


def test_first_show_it_then_together_then_tilts_then_edges() -> None:
    seen = two_cameras()
    assert next_advice(seen).text == "Show the board to the cameras, print towards them."
    seen = film(seen, wave(30, second=False))
    assert next_advice(seen).text == "Show the board to cam2: not seen there yet."
    seen = film(seen, wave(30, first=False), 10)
    assert missing_link(seen) == (0, 1)
    assert next_advice(seen).text == "Show the board to cam1 and cam2 together, and move it about there."
    assert next_advice(seen).about == ("cam1", "cam2")
    seen = film(seen, wave(30), 20)
    assert missing_link(seen) is None
    advice = next_advice(seen)
    assert advice.text == "Tilt the board before cam1: its top, then its bottom nearer to the camera."
    enough = np.full(2, WANTED_TILTS)
    seen = replace(seen, leaning=enough, turned=enough)
    assert next_advice(seen).text == "Go to the upper left of cam1's picture."
    assert 0 < advice.progress < next_advice(seen).progress < 1


def test_the_link_asked_for_is_the_one_that_is_nearest_to_being_there() -> None:
    seen = LiveViews.nothing_yet(("a", "b", "c", "d"), BOARD)
    views = np.array([50, 50, 50, 50])
    shared = np.array([[50, 40, 0, 0], [40, 50, 4, 0], [0, 4, 50, 40], [0, 0, 40, 50]])
    assert missing_link(replace(seen, views=views, shared=shared)) == (1, 2)


def test_a_whole_recording_ends_with_the_board_on_the_floor(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(cameras=3, moments=900, noise_px=0.2, stray_share=0.0, lying=20)
    shared = rig.shared
    usable = shared.usable
    seen = LiveViews.nothing_yet(shared.camera_names, shared.board)
    said: list[str] = []
    for moment, time_s in enumerate(shared.time_s):
        looks = [
            Look(shared.xy_px[camera, moment], shared.image_size_px[camera], False) if usable[camera, moment] else None
            for camera in range(3)
        ]
        seen = seen.and_then(float(time_s), looks)
        advice = next_advice(seen)
        if not said or said[-1] != advice.text:
            said.append(advice.text)
        if advice.enough:
            break
    assert said[-1].startswith("Enough"), said
    assert said[-2].startswith("Last: lay the board flat on the floor"), said
    assert shared.time_s[-1] - 2.0 + LYING_S <= time_s < shared.time_s[-1]
