"""Cameras that were touched after their calibration, seen in a later recording of the board."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.board_scenes import SceneSpec, make_scene, ring
from calib.boards.board import CharucoBoard
from calib.cameras import CameraGroup
from calib.checks.moved_cameras import check_cameras
from clapcap.errors import CalibrationError

SPEC = SceneSpec(board=CharucoBoard(7, 5, 0.1, 0.075), radius_m=1.8, moments=40, rate_hz=8.0, lying=4, seed=3)
CALIBRATED = ring(SPEC)


def touched(camera, step_m=(0, 0, 0), turn_deg=(0, 0, 0)):
    """The camera, moved and turned in the world."""
    T = np.linalg.inv(camera.T_cam_world)
    T[:3, :3] = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix() @ T[:3, :3]
    T[:3, 3] += step_m
    return replace(camera, T_cam_world=np.linalg.inv(T))


def film(names=None, spec=SPEC, **changed):
    """What the cameras see now, those named in `changed` instead of those of the calibration."""
    group = [changed.get(camera.name, camera) for camera in CALIBRATED if names is None or camera.name in names]
    return make_scene(replace(spec, cameras=len(group)), CameraGroup(tuple(group))).shared


def verdicts(result):
    return {camera.name: camera.verdict for camera in result.cameras}


@pytest.fixture(scope="module")
def untouched():
    return check_cameras(CALIBRATED, film())


def test_cameras_that_nobody_touched(untouched):
    assert set(verdicts(untouched).values()) == {"in place"}
    assert untouched.unchanged
    assert untouched.advice == "The calibration still holds."
    # 5 sigma: four cameras, six coordinates each.
    for camera in untouched.cameras:
        assert camera.words.startswith("where it was (within ")
        assert camera.change.moved_m < 5 * camera.change.moved_std_m < 0.01
        assert abs(camera.focal_change) < 5 * camera.focal_change_std


def test_the_one_camera_that_was_moved_is_named_with_how_far():
    # A turn of 0.8 degrees about the vertical, and 23 mm.
    result = check_cameras(CALIBRATED, film(cam2=touched(CALIBRATED["cam2"], (0.023, 0, 0), (0, 0, 0.8))))
    assert verdicts(result) == {"cam1": "in place", "cam2": "moved", "cam3": "in place", "cam4": "in place"}
    change = result.cameras[1].change
    assert change.moved_m == pytest.approx(0.023, abs=5 * change.moved_std_m)
    assert change.moved_std_m < 0.002
    np.testing.assert_allclose(np.degrees(change.turn_rad), [0, 0, 0.8], atol=5 * change.turned_std_deg)
    assert change.turned_std_deg < 0.15
    assert result.cameras[1].words.startswith("was moved: 2")
    assert "Calibrate again before the next take, or leave cam2 out" in result.advice
    assert not result.unchanged


def test_a_camera_that_was_turned_on_its_tripod():
    result = check_cameras(CALIBRATED, film(cam1=touched(CALIBRATED["cam1"], turn_deg=(0, 0, 1.0))))
    assert verdicts(result) == {"cam1": "moved", "cam2": "in place", "cam3": "in place", "cam4": "in place"}
    assert result.cameras[0].change.turned_deg == pytest.approx(1, abs=0.3)
    assert result.cameras[0].change.moved_m < 5 * result.cameras[0].change.moved_std_m


def test_a_camera_that_was_zoomed_is_not_called_moved():
    cam4 = CALIBRATED["cam4"]
    result = check_cameras(
        CALIBRATED, film(cam4=replace(cam4, matrix=cam4.matrix * [[1.08, 1, 1], [1, 1.08, 1], [1, 1, 1]]))
    )
    assert verdicts(result) == {"cam1": "in place", "cam2": "in place", "cam3": "in place", "cam4": "zoomed"}
    assert result.cameras[3].focal_change == pytest.approx(0.08, abs=5 * result.cameras[3].focal_change_std)
    assert "its focal length is +" in result.cameras[3].words


def test_a_phone_that_films_in_another_orientation_is_set_aside():
    cam3 = CALIBRATED["cam3"]
    result = check_cameras(CALIBRATED, film(cam3=replace(cam3, size_px=(720, 1280))))
    assert verdicts(result) == {"cam1": "in place", "cam2": "in place", "cam3": "picture changed", "cam4": "in place"}
    assert "its picture is 720 x 1280 (turned on its side), but was 1280 x 720" in result.cameras[2].words


def test_of_two_cameras_which_one_was_moved_cannot_be_told():
    moved = touched(CALIBRATED["cam3"], (0, 0.05, 0))
    result = check_cameras(CALIBRATED, film(("cam2", "cam3"), cam3=moved))
    assert verdicts(result) == {"cam2": "undecided", "cam3": "undecided"}
    assert "equally many cameras stand to each other as they did (cam2 or cam3)" in result.advice


def test_two_of_two_that_stand_are_in_place():
    assert check_cameras(CALIBRATED, film(("cam2", "cam3"))).unchanged


def test_two_that_were_moved_together_against_two_that_were_not():
    """A shelf with two cameras on it was pushed: who moved depends on who is asked."""
    shelf = {name: touched(CALIBRATED[name], (0.04, 0.02, 0)) for name in ("cam1", "cam2")}
    result = check_cameras(CALIBRATED, film(**shelf))
    assert set(verdicts(result).values()) == {"undecided"}
    assert "(cam1 with cam2 or cam3 with cam4)" in result.advice


def test_a_camera_that_does_not_see_the_board_is_said_so():
    shared = film()
    xy = shared.xy_px.copy()
    xy[1] = np.nan
    result = check_cameras(CALIBRATED, replace(shared, xy_px=xy))
    assert verdicts(result)["cam2"] == "not seen"
    assert "Hold the board where cam2 and another camera see it" in result.advice


def test_a_video_of_no_calibrated_camera():
    later = film()
    with pytest.raises(CalibrationError, match="phone is not among the calibrated cameras"):
        check_cameras(CALIBRATED, replace(later, camera_names=("cam1", "cam2", "cam3", "phone")))


def test_one_camera_alone_cannot_be_checked():
    later = film(("cam1", "cam2"), cam2=replace(CALIBRATED["cam2"], size_px=(640, 360)))
    with pytest.raises(CalibrationError, match="1 camera can be compared, needed 2"):
        check_cameras(CALIBRATED, later)
