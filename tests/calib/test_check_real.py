"""Whether cameras were moved, on the recordings of four webcams that nobody touched."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.cameras import CameraGroup
from calib.checks.moved_cameras import check_cameras
from calib.corners.corner_views import detect_corners
from calib.solve.calibrate import calibrate
from calib.solve.shared_views import by_group
from sync.timestamps import read_timestamps

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def shared(data):
    table = read_timestamps(data / "charuco4" / "timestamps.csv", [f"cam_{camera}" for camera in range(4)])
    board = CharucoBoard(4, 5, 0.054, 0.0405)
    views = [detect_corners(data / "charuco4" / f"{name}.mp4", board) for name in table.cameras]
    groups, times = {}, {}
    for view in views:
        rows = table.cameras[view.camera]
        groups[view.camera] = rows.sync_index[np.searchsorted(rows.frame_index, view.frame_index)]
        times[view.camera] = table.frame_time_s(view.camera, view.frame_index)
    return by_group(views, groups, times)


@pytest.fixture(scope="module")
def calibration(shared):
    return calibrate(shared.moments(slice(0, None, 2)))


def test_webcams_that_nobody_touched_are_where_they_were(shared, calibration):
    """The even frames calibrate, the odd ones check: 0.4 to 1.1 mm were measured, and 0.02 to 0.1 degrees."""
    result = check_cameras(
        calibration.cameras, shared.moments(slice(1, None, 2)), calibration.report.diagnostics.errors
    )
    assert result.unchanged, [camera.words for camera in result.cameras]
    for camera in result.cameras:
        assert camera.change.moved_m < 0.003
        assert camera.change.turned_deg < 0.2


def test_a_calibration_that_is_wrong_about_one_webcam_is_told(shared, calibration):
    """Instead of the camera, its calibration is moved, by 15 mm and 1 degree: to the check it is the same."""
    cameras = list(calibration.cameras)
    T = np.linalg.inv(cameras[2].T_cam_world)
    T[:3, :3] = Rotation.from_rotvec([0, 0, 1], degrees=True).as_matrix() @ T[:3, :3]
    T[:3, 3] += [0.009, 0.012, 0]
    cameras[2] = replace(cameras[2], T_cam_world=np.linalg.inv(T))
    later = shared.moments(slice(1, None, 2))
    result = check_cameras(CameraGroup(tuple(cameras)), later, calibration.report.diagnostics.errors)
    assert [camera.verdict for camera in result.cameras] == ["in place", "in place", "moved", "in place"]
    assert result.cameras[2].change.moved_m == pytest.approx(0.015, abs=0.004)
    assert result.cameras[2].change.turned_deg == pytest.approx(1, abs=0.25)
