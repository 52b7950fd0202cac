"""Golden numbers on recordings made by others."""

import functools

import cv2
import numpy as np
import pytest

from calib.boards.board import CharucoBoard
from calib.corners.corner_views import detect_corners
from calib.interchange import adapt_to_size, load_cameras
from calib.solve.calibrate import calibrate
from calib.solve.held_out import held_out_error
from calib.solve.shared_views import by_group
from sync.timestamps import read_timestamps

pytestmark = pytest.mark.data

BOARD = CharucoBoard(4, 5, 0.054, 0.0405)


@pytest.fixture(scope="module")
def share(data):
    """Detect the board in some frames, and group them as their time stamps do; each choice once."""
    table = read_timestamps(data / "charuco4" / "timestamps.csv", [f"cam_{camera}" for camera in range(4)])

    @functools.lru_cache
    def detect(start, step):
        frames = slice(start, None, step)
        views = [detect_corners(data / "charuco4" / f"{name}.mp4", BOARD, frames=frames) for name in table.cameras]
        groups, times = {}, {}
        for view in views:
            rows = table.cameras[view.camera]
            groups[view.camera] = rows.sync_index[np.searchsorted(rows.frame_index, view.frame_index)]
            times[view.camera] = table.frame_time_s(view.camera, view.frame_index)
        return by_group(views, groups, times)

    return detect


@pytest.fixture(scope="module")
def corners(share):
    return share(0, 1)


@pytest.fixture(scope="module")
def halves(share):
    """The calibrations from the even and from the odd frames alone."""
    return calibrate(share(0, 2)), calibrate(share(1, 2))


def test_the_inverted_print_is_recognised(corners):
    assert corners.board.inverted
    assert corners.usable.sum(axis=1).tolist() == pytest.approx(
        [46, 85, 44, 45], abs=2
    )  # cam_1: also where half of it is out of the picture


@pytest.mark.parametrize("first", [0, 1], ids=["even calibrate", "odd calibrate"])
def test_charuco4_held_out_at_the_times_of_exposure(first, halves, corners):
    result, held_out = halves[first], corners.moments(slice(1 - first, None, 2))
    lag_s = np.array([result.report.lag_s[name] for name in held_out.camera_names])
    error = held_out_error(result.cameras, held_out.at_moments(lag_s - np.median(lag_s), known_only=True))
    assert error.points >= 250
    assert error.reprojection_rmse_px <= 0.6
    assert error.neighbour_std_mm <= 0.3
    assert error.rigid_rmse_mm <= 0.45
    # The webcam of cam_1 exposes a tenth of a second before its stamps, compared to the others.
    assert lag_s[1] - np.median(lag_s) == pytest.approx(-0.12, abs=0.02)


def test_charuco4_is_found_alike_from_both_halves(halves, align):
    even, odd = (half.cameras for half in halves)
    position, rotation = align(even, odd)
    assert position.max() <= 0.006
    assert rotation.max() <= 0.6
    # The reference calibration took its intrinsics from recordings of their own, close to the camera.
    for cameras in (even, odd):
        np.testing.assert_allclose(
            [camera.matrix[0, 0] for camera in cameras], [903.6, 760.3, 650.8, 639.9], rtol=0.035
        )
        assert (np.array([camera.center_m[2] for camera in cameras]) > -1e-9).all()


def test_caliscopes_own_file_is_read(data, corners):
    cameras = load_cameras(data / "charuco4" / "reference_cameras.toml")
    assert cameras.names == corners.camera_names
    error = held_out_error(cameras, corners.moments(slice(1, None, 2)))
    assert error.reprojection_rmse_px == pytest.approx(1.43, abs=0.03)


def test_qualisys_cameras_look_at_the_person(data):
    cameras = load_cameras(data / "walk4" / "Calib.qca.txt")
    assert cameras.names == ("cam01", "cam02", "cam03", "cam04")
    pixels = cameras.project(np.array([-0.9, 0.0, 1.2]))
    assert ((pixels > [200, 400]) & (pixels < [900, 1500])).all()
    assert (np.array([camera.center_m[2] for camera in cameras]) > 1).all()


@pytest.mark.parametrize("name", ["cam01", "cam02"])
def test_walk4_was_scaled_not_cropped(data, name):
    """The still background in the 1080 wide video lies where `adapt_to_size` puts that of the 1088 wide picture."""
    video = cv2.VideoCapture(str(data / "walk4" / f"{name}.mp4"))
    frame = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY)
    still = cv2.imread(str(data / "walk4" / "extrinsics" / f"{name}_ext.png"), cv2.IMREAD_GRAYSCALE)
    sift = cv2.SIFT_create(2000)
    (at_still, of_still), (at_frame, of_frame) = (sift.detectAndCompute(image, None) for image in (still, frame))
    pairs = [a for a, b in cv2.BFMatcher().knnMatch(of_still, of_frame, k=2) if a.distance < 0.7 * b.distance]
    before = np.array([at_still[pair.queryIdx].pt for pair in pairs])
    after = np.array([at_frame[pair.trainIdx].pt for pair in pairs])
    calibrated = load_cameras(data / "walk4" / "Calib.qca.txt")[name]

    def miss(how):
        adapted = adapt_to_size(calibrated, (frame.shape[1], frame.shape[0]), how)
        moved = (before - calibrated.matrix[:2, 2]) / np.diag(calibrated.matrix)[:2]
        return np.median(np.linalg.norm(adapted.to_pixels(moved) - after, axis=1))

    assert miss(None) < 0.6
    assert miss("crop") > 2
