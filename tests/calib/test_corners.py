from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.boards.board import CharucoBoard
from calib.corners.all_cameras import detect_all_corners
from calib.corners.corner_views import CornerViews, detect_corners
from clapcap.errors import CalibrationError, FileFormatError

BOARD = CharucoBoard(4, 6, 0.03, 0.022, "DICT_4X4_50")


def film(folder, board, frames=6, blank=2):
    """Make a folder of pictures of a board that moves, after some without it; return the true corners."""
    folder.mkdir()
    per_square = 60  # OpenCV draws whole pixels: of 30 mm squares and 22 mm markers, 2 a millimetre
    flat = board.to_cv2().generateImage((board.columns * per_square, board.rows * per_square))
    flat = cv2.copyMakeBorder(255 - flat if board.inverted else flat, *[20] * 4, cv2.BORDER_CONSTANT, value=0)
    flat[:20], flat[-20:], flat[:, :20], flat[:, -20:] = [0 if board.inverted else 255] * 4
    rng = np.random.default_rng(1)
    row, column = np.divmod(np.arange(len(board.corners_m)), board.columns - 1)
    corners = np.stack([(column + 1) * per_square, (row + 1) * per_square], axis=1) + 19.5
    truth = np.full((frames, len(corners), 2), np.nan)
    height, width = flat.shape
    for frame in range(frames):
        picture = np.full((360, 480), 128, np.uint8)
        if frame >= blank:
            source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
            target = source * 0.6 + [120 + 8 * frame, 40] + rng.uniform(-12, 12, (4, 2))
            H = cv2.getPerspectiveTransform(source, target.astype(np.float32))
            picture = cv2.warpPerspective(flat, H, (480, 360), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
            truth[frame] = cv2.perspectiveTransform(corners[None], H)[0]
        cv2.imwrite(str(folder / f"{frame:03d}.png"), cv2.GaussianBlur(picture, (3, 3), 0.7))
    return truth


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_every_kind_of_print_is_recognised(tmp_path, legacy, inverted):
    printed = replace(BOARD, legacy=legacy, inverted=inverted)
    truth = film(tmp_path / "cam1", printed)
    done = []
    views = detect_corners(tmp_path / "cam1", BOARD, progress=lambda count, total: done.append(count))
    assert views.board == printed
    assert views.camera == "cam1"
    assert views.image_size_px == (480, 360)
    assert done == [1, 2, 3, 4, 5, 6]
    assert views.seen.tolist() == [False, False, True, True, True, True]
    error = np.linalg.norm(views.xy_px - truth, axis=-1)
    assert np.isfinite(error[2:]).all()
    # The squares are 36 px wide: a few tenths of a pixel, and no bias (OpenCV's own coordinates are off by 0.5).
    assert np.median(error[2:]) < 0.2
    np.testing.assert_allclose((views.xy_px - truth)[2:].mean(axis=(0, 1)), 0, atol=0.08)


def test_slices_choose_frames(tmp_path):
    film(tmp_path / "cam1", BOARD)
    views = detect_corners(tmp_path / "cam1", BOARD, frames=slice(1, None, 2))
    assert views.frame_index.tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        (CharucoBoard(5, 7, 0.03, 0.022), "4 columns and at least 6 rows"),
        (CharucoBoard(4, 6, 0.03, 0.022, "DICT_5X5_50"), "DICT_4X4_1000"),
    ],
)
def test_a_wrong_spec_is_named(tmp_path, stated, named):
    film(tmp_path / "cam1", replace(BOARD, inverted=True), frames=4)
    with pytest.raises(CalibrationError, match=named) as error:
        detect_corners(tmp_path / "cam1", stated)
    assert "none of 4 frames" in str(error.value)
    assert "white on black" in str(error.value)


def test_no_board_at_all(tmp_path):
    film(tmp_path / "cam1", BOARD, frames=3, blank=3)
    with pytest.raises(CalibrationError, match="No marker of any common dictionary"):
        detect_corners(tmp_path / "cam1", BOARD)


def test_corners_survive_the_disk(tmp_path):
    film(tmp_path / "cam1", BOARD, frames=4)
    views = detect_corners(tmp_path / "cam1", BOARD)
    views.save(tmp_path / "cam1.npz")
    again = CornerViews.load(tmp_path / "cam1.npz")
    assert again.board == views.board
    assert again.camera == views.camera
    assert again.image_size_px == views.image_size_px
    for name in ("frame_index", "time_s", "xy_px"):
        np.testing.assert_array_equal(getattr(again, name), getattr(views, name))
    (tmp_path / "cam1.npz").write_bytes(b"no zip")
    with pytest.raises(FileFormatError, match="holds no corners"):
        CornerViews.load(tmp_path / "cam1.npz")


def test_repeated_pictures_are_noticed_and_not_searched(tmp_path):
    film(tmp_path / "cam1", BOARD, frames=5, blank=0)
    pictures = sorted((tmp_path / "cam1").iterdir())
    pictures[3].write_bytes(pictures[2].read_bytes())
    views = detect_corners(tmp_path / "cam1", BOARD)
    assert views.repeated.tolist() == [False, False, False, True, False]
    np.testing.assert_array_equal(views.xy_px[3], views.xy_px[2])


def test_several_cameras_at_once_are_as_one_by_one(tmp_path):
    folders = {name: tmp_path / name for name in ("cam1", "cam2", "cam3")}
    for number, folder in enumerate(folders.values()):
        film(folder, BOARD, frames=3 + number)
    told, finished = [], []
    together = detect_all_corners(
        folders,
        BOARD,
        workers=2,
        progress=lambda done, total: told.append((done, total)),
        on_done=lambda camera, views: finished.append(camera),
    )
    assert list(together) == list(folders)
    assert sorted(finished) == list(folders)
    assert told[-1] == (12, 12)
    for name, folder in folders.items():
        np.testing.assert_array_equal(together[name].xy_px, detect_corners(folder, BOARD).xy_px)


def test_a_camera_without_the_board_does_not_cost_the_others(tmp_path):
    film(tmp_path / "cam1", BOARD, frames=4)
    film(tmp_path / "cam2", BOARD, frames=2, blank=2)
    finished = []
    with pytest.raises(CalibrationError, match="cam2: the board"):
        detect_all_corners(
            {name: tmp_path / name for name in ("cam2", "cam1")},
            BOARD,
            on_done=lambda camera, views: finished.append(camera),
        )
    assert finished == ["cam1"]


def test_a_size_stated_the_other_way_round_is_named(tmp_path):
    film(tmp_path / "cam1", BOARD, frames=4)
    with pytest.raises(CalibrationError, match='columns = 4, rows = 6, dictionary = "DICT_4X4_1000"'):
        detect_corners(tmp_path / "cam1", CharucoBoard(6, 4, 0.03, 0.022, "DICT_4X4_50"))


def test_files_of_older_versions_are_refused(tmp_path):
    film(tmp_path / "cam1", BOARD, frames=3)
    detect_corners(tmp_path / "cam1", BOARD).save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as file:
        np.savez(tmp_path / "old.npz", **{name: file[name] for name in file.files if name != "sigma_px"})
    with pytest.raises(FileFormatError, match="clapcap calibrate"):
        CornerViews.load(tmp_path / "old.npz")


def test_a_board_larger_than_any_threshold_window_is_found():
    per_square = 400
    picture = BOARD.to_cv2().generateImage((BOARD.columns * per_square, BOARD.rows * per_square), marginSize=100)
    seen = BOARD.finder().find(picture)
    assert seen is not None
    assert seen.count == len(BOARD.corners_m)


@pytest.mark.data
def test_no_fewer_corners_than_a_full_search_of_charuco4(data):
    """OpenCV's own search of whole pictures found 542, 400, 517 and 521 corners, here 46, 33, 44 and 45 views."""
    videos = {f"cam_{camera}": data / "charuco4" / f"cam_{camera}.mp4" for camera in range(4)}
    views = detect_all_corners(videos, CharucoBoard(4, 5, 0.054, 0.0405)).values()
    assert all(view.board.inverted for view in views)
    for view, corners, frames in zip(views, (542, 400, 517, 521), (46, 33, 44, 45), strict=True):
        assert np.isfinite(view.xy_px[..., 0]).sum() >= corners
        assert view.seen.sum() >= frames
        # The sides of a board carried by hand are alike: corners are where they belong, not on other squares.
        pair = view.board.neighbours
        side = np.linalg.norm(view.xy_px[:, pair[:, 0]] - view.xy_px[:, pair[:, 1]], axis=-1)
        assert (np.nanmax(side[view.seen], axis=1) < 2.5 * np.nanmin(side[view.seen], axis=1)).all()
