from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.solve.anipose_solver import calibrate_anipose
from calib.solve.calibrate import CalibrationOptions, calibrate
from calib.solve.held_out import held_out_error
from clapcap.errors import CalibrationError
from sync.time_map import CameraClock, TimeMap


@pytest.fixture(scope="module")
def noisy(make_rig):
    """480 moments in four cameras, 0.5 px of noise, 5 % strays; and the calibration from the even moments."""
    rig = make_rig(moments=960)
    return rig, calibrate(rig.shared.moments(slice(0, None, 2)))


def test_poses_are_right_in_spite_of_noise_and_strays(noisy, align):
    rig, result = noisy
    position, rotation = align(result.cameras, rig.cameras)
    assert position.max() <= 0.0015
    assert rotation.max() <= 0.1


def test_strays_are_found_and_nothing_else(noisy):
    rig, result = noisy
    strays = rig.strays[:, ::2]
    found = np.zeros_like(strays)
    found[tuple(result.report.outliers.T)] = True
    used = np.isfinite(rig.shared.moments(slice(0, None, 2)).xy_px[..., 0])
    used &= rig.shared.moments(slice(0, None, 2)).usable[..., None]
    # Strays are 10 px off or more, 20 sigma; noise passes 5 sigma 4 times in a million, in 31,000 corners.
    assert found[strays & used].all()
    assert (found & ~strays).sum() <= 2


def test_reported_noise_is_the_noise(noisy):
    _, result = noisy
    # Distances in the plane: 0.5 px in each of two coordinates.
    assert result.report.rmse_px == pytest.approx(0.5 * np.sqrt(2), rel=0.05)
    assert sum(camera.outliers for camera in result.report.cameras) == len(result.report.outliers)


def test_held_out_error_is_that_of_the_noise(noisy):
    rig, result = noisy
    odd = rig.shared.moments(slice(1, None, 2))
    clean = replace(odd, xy_px=np.where(rig.strays[:, 1::2, :, None], np.nan, odd.xy_px))
    error = held_out_error(result.cameras, clean)
    truth = held_out_error(rig.cameras, clean)
    assert error.reprojection_rmse_px == pytest.approx(truth.reprojection_rmse_px, rel=0.02)
    assert error.neighbour_std_mm == pytest.approx(truth.neighbour_std_mm, rel=0.02)
    assert abs(error.neighbour_mean_mm) < 0.05


def test_the_floor_is_where_the_board_lay(noisy):
    rig, result = noisy
    assert "lay still" in result.report.world
    # The board lay at 20 degrees about z, its middle at (0.1, -0.2, 0): that is the world now.
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    for found, true in zip(result.cameras, rig.cameras, strict=True):
        expected = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ (true.center_m - [0.1, -0.2, 0])
        np.testing.assert_allclose(found.center_m, expected, atol=0.006)


def test_covariance_is_of_the_size_of_the_errors(make_rig):
    """Over independent noise, lags scatter as their reported standard deviation says."""
    reports = [calibrate(make_rig(moments=40, cameras=2, arc=0.4, seed=seed).shared).report for seed in range(8)]
    camera = [next(c for c in report.cameras if c.name != report.anchor) for report in reports]
    normalised = np.array([c.lag_s / c.lag_std_s for c in camera])
    # Chi-square of 8: between 1.6 and 20 in 98 % of cases.
    assert 1.6 < np.sum(normalised**2) < 20


def test_exact_corners_give_exact_cameras(make_rig, align):
    rig = make_rig(noise_px=0, stray_share=0)
    result = calibrate(rig.shared)
    position, rotation = align(result.cameras, rig.cameras)
    assert position.max() < 1e-4
    assert rotation.max() < 0.01


def test_lags_are_found(make_rig, align):
    lag = np.array([0.0, 0.03, -0.02, 0.01])
    rig = make_rig(lag_s=tuple(lag))
    result = calibrate(rig.shared)
    anchor = result.cameras.names.index(result.report.anchor)
    found = np.array([result.report.lag_s[name] for name in result.cameras.names])
    np.testing.assert_allclose(found, lag - lag[anchor], atol=0.004)
    believed = calibrate(rig.shared, CalibrationOptions(lag_s_std=0.0))
    assert align(result.cameras, rig.cameras)[0].max() < 0.25 * align(believed.cameras, rig.cameras)[0].max()


def test_only_lags_beyond_the_clocks_own_errors_are_certain(make_rig):
    rig = make_rig(lag_s=(0.0, 0.03, 0.0, 0.0), stray_share=0)
    report = calibrate(rig.shared).report

    def certain(offset_std_s):
        clock = CameraClock(0, 1, offset_std_s, 0, "clap", 1)
        return report.certain_lag_s(TimeMap({name: clock for name in rig.cameras.names}))

    relative = {name: 0.03 * ((name == "cam2") - (report.anchor == "cam2")) for name in rig.cameras.names}
    assert dict(certain(0.002)) == pytest.approx(relative, abs=0.003)
    assert set(certain(0.02).values()) == {0.0}


def test_aniposelib_solves_the_same_corners(make_rig):
    rig = make_rig(moments=24, cameras=2, arc=0.5, stray_share=0)
    result = calibrate_anipose(rig.shared)
    assert result.report.solver == "anipose"
    found, true = ([camera.T_cam_world for camera in cameras] for cameras in (result.cameras, rig.cameras))
    between = np.linalg.inv(true[1] @ np.linalg.inv(true[0])) @ found[1] @ np.linalg.inv(found[0])
    # It knows one distortion coefficient and no principal point: 5 px off at 900 px are 0.3 degrees or 10 mm.
    assert np.degrees(Rotation.from_matrix(between[:3, :3]).magnitude()) < 1.5
    assert np.linalg.norm(between[:3, 3]) < 0.05


def test_a_camera_that_never_saw_the_board(make_rig):
    shared = make_rig(moments=30).shared
    xy = shared.xy_px.copy()
    xy[2] = np.nan
    with pytest.raises(CalibrationError, match="cam3: the board was never seen"):
        calibrate(replace(shared, xy_px=xy))


def test_a_camera_with_too_few_views(make_rig):
    shared = make_rig(moments=30, stray_share=0).shared
    xy = shared.xy_px.copy()
    seen = np.flatnonzero(shared.usable[3] & shared.usable[2])
    xy[3, np.setdiff1d(np.arange(30), seen[:2])] = np.nan
    with pytest.raises(CalibrationError, match=r"cam4: .* in 2 moments, needed 3"):
        calibrate(replace(shared, xy_px=xy))


def test_cameras_that_share_no_view(make_rig):
    shared = make_rig(moments=40, stray_share=0).shared
    xy = shared.xy_px.copy()
    xy[:2, 20:] = np.nan
    xy[2:, :20] = np.nan
    with pytest.raises(CalibrationError, match="cam1 with cam2; cam3 with cam4") as error:
        calibrate(replace(shared, xy_px=xy))
    assert "Hold the board where one of cam1, cam2 and one of cam3, cam4" in str(error.value)
    assert len([line for line in str(error.value).splitlines() if line.split()[:1] == ["cam3"]]) == 1


def test_cameras_need_not_all_see_the_board_at_once(make_rig, align):
    rig = make_rig(moments=240)
    xy = rig.shared.xy_px.copy()
    xy[2:, :120] = np.nan
    xy[:1, 120:] = np.nan
    xy[1, 160:] = np.nan  # cameras 2, 3 and 4 share 4 s
    chained = replace(rig.shared, xy_px=xy, velocity_px_s=np.full_like(xy, np.nan))
    assert "cam4" in str(chained.camera_names)
    position, rotation = align(calibrate(chained).cameras, rig.cameras)
    assert position.max() < 0.02
    assert rotation.max() < 0.6


def test_a_camera_out_of_sync_contradicts(make_rig):
    shared = make_rig(moments=120, lag_s=(0, 0, 1.0, 0), stray_share=0).shared
    with pytest.raises(CalibrationError, match="out of sync"):
        calibrate(shared)
