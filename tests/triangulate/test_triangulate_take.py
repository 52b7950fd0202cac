"""The use case from views to points, on a synthetic take whose truth is known."""

import dataclasses
import json

import numpy as np
import pytest

from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from triangulate.anipose_solver import triangulate_anipose
from triangulate.left_right import exchange, mirror_order
from triangulate.triangulate import TriangulationOptions, triangulate

NOISE_PX = 4.0
FRAME_BY_FRAME = TriangulationOptions(refine=False)


@pytest.fixture
def noisy(ring, walk, rng):
    """Four cameras, 60 frames, Gaussian noise: cameras, truth (frames, points, 3), pixels, times."""
    cameras = ring(4)
    xyz, time_s = walk(60)
    xy = cameras.project(xyz)
    return cameras, xyz, xy + NOISE_PX * rng.normal(size=xy.shape), time_s


def errors(result, xyz):
    return np.linalg.norm(result.keypoints.xyz_m - xyz, axis=-1)


def test_errors_are_those_the_covariance_states(noisy, views):
    cameras, xyz, xy, time_s = noisy
    result = triangulate(views(cameras, xy, time_s), cameras)
    difference = (result.keypoints.xyz_m - xyz).reshape(-1, 3)
    whitened = np.einsum("ni,nij,nj->n", difference, np.linalg.inv(result.covariance_m2.reshape(-1, 3, 3)), difference)
    # Mean of chi squared with 3 degrees of freedom, over 1980 points within 5 x 0.055; the noise itself is estimated
    # from the take, to about 10 % (20 % in squares).
    assert 2.2 < whitened.mean() < 3.8
    root = np.sqrt(np.trace(result.covariance_m2, axis1=2, axis2=3) / 3)
    np.testing.assert_allclose(result.keypoints.sigma_m, root)
    assert result.report.share == 1
    assert result.used.mean() > 0.99
    for camera in result.report.cameras.values():
        assert camera.noise_px == pytest.approx(NOISE_PX, rel=0.2)
        assert camera.swapped_frames == ()
        assert np.abs(camera.bias_px).max() < 1.0


def test_reprojection_is_of_the_used_views_and_in_pixels(noisy, views):
    cameras, _, xy, time_s = noisy
    result = triangulate(views(cameras, xy, time_s), cameras, FRAME_BY_FRAME)
    error = np.linalg.norm(cameras.project(result.keypoints.xyz_m) - xy, axis=-1)
    np.testing.assert_allclose(result.keypoints.reprojection_px[result.used], error[result.used], atol=1e-9)
    assert np.isnan(result.keypoints.reprojection_px[~result.used]).all()
    # Two coordinates of noise, of which 3 of 8 degrees of freedom go into the point.
    assert result.report.rmse_px == pytest.approx(NOISE_PX * np.sqrt(2 * 5 / 8), rel=0.05)


def test_missing_and_gross_errors_and_swaps_cost_little(noisy, views, rng):
    cameras, xyz, xy, time_s = noisy
    clean = errors(triangulate(views(cameras, xy, time_s), cameras), xyz)
    spoilt = xy.copy()
    spoilt[rng.random(xy.shape[:3]) < 0.1] = np.nan
    gross = rng.random(xy.shape[:3]) < 0.05
    spoilt[gross] += rng.uniform(-300, 300, size=(gross.sum(), 2))
    swapped = np.zeros(xy.shape[:2], dtype=bool)
    swapped[2, 20:40] = True
    names = next(iter(views(cameras, xy, time_s).values())).names
    result = triangulate(views(cameras, exchange(spoilt, swapped, mirror_order(names)), time_s), cameras)
    spoilt_error = errors(result, xyz)
    assert result.report.cameras["cam3"].swapped_frames == tuple(range(20, 40))
    # 10 % missing and 5 % dropped of 4 views: about 15 % fewer, so 8 % more error by counting; some points are left
    # with two views, along whose rays the error is larger, and with a third that is wrong and cannot be told.
    assert np.nanmedian(spoilt_error) < 1.2 * np.median(clean)
    assert np.nanpercentile(spoilt_error, 99) < 3 * np.percentile(clean, 99)
    assert np.isfinite(spoilt_error).mean() > 0.97
    assert not result.used[gross & np.isfinite(spoilt).all(axis=-1)].mean() > 0.15


def test_mending_can_be_switched_off(noisy, views):
    cameras, xyz, xy, time_s = noisy
    given = views(cameras, xy, time_s)
    names = given["cam1"].names
    swapped = np.zeros(xy.shape[:2], dtype=bool)
    swapped[2] = True
    given = views(cameras, exchange(xy, swapped, mirror_order(names)), time_s)
    on = triangulate(given, cameras)
    off = triangulate(given, cameras, TriangulationOptions(mend_left_right=False))
    assert len(on.report.cameras["cam3"].swapped_frames) == 60
    assert off.report.cameras["cam3"].swapped_frames == ()
    assert np.nanmean(errors(on, xyz)) < np.nanmean(errors(off, xyz))


def test_progress_reaches_the_end_and_parts_change_nothing(noisy, views, monkeypatch):
    cameras, _, xy, time_s = noisy
    told = []
    given = views(cameras, xy, time_s)
    whole = triangulate(given, cameras, FRAME_BY_FRAME, lambda done, total: told.append((done, total)))
    assert told == [(60, 60)]
    monkeypatch.setattr("triangulate.triangulate.POINTS_AT_ONCE", 33 * 7)
    told.clear()
    parts = triangulate(given, cameras, FRAME_BY_FRAME, lambda done, total: told.append((done, total)))
    assert told == [(done, 60) for done in (7, 14, 21, 28, 35, 42, 49, 56, 60)]
    np.testing.assert_allclose(parts.keypoints.xyz_m, whole.keypoints.xyz_m, atol=5e-6)


def test_report_is_plain_data(noisy, views):
    cameras, _, xy, time_s = noisy
    report = triangulate(views(cameras, xy, time_s), cameras).report
    assert json.loads(json.dumps(report.as_dict()))["survivors"]["points"] == 60 * 33


def test_cameras_without_a_view_are_ignored(noisy, views):
    cameras, _, xy, time_s = noisy
    given = {name: view for name, view in views(cameras, xy, time_s).items() if name != "cam2"}
    assert triangulate(given, cameras).keypoints.camera_names == ("cam1", "cam3", "cam4")


def test_bad_views_are_named(noisy, views):
    cameras, _, xy, time_s = noisy
    given = views(cameras, xy, time_s)
    with pytest.raises(TriangulationError, match=r"1 view given \(cam1\), needed two"):
        triangulate({"cam1": given["cam1"]}, cameras)
    with pytest.raises(TriangulationError, match="no calibration for cam4: it knows cam1, cam2, cam3"):
        triangulate(given, CameraGroup(cameras.cameras[:3]))
    late = dataclasses.replace(given["cam2"], time_s=time_s + 0.001)
    with pytest.raises(TriangulationError, match="cam2 is not on the timeline of cam1"):
        triangulate({**given, "cam2": late}, cameras)
    turned = dataclasses.replace(given["cam3"], image_size_px=np.array([720, 1280]))
    with pytest.raises(
        TriangulationError, match="cam3 is calibrated for pictures of 1280 x 720, its video has 720 x 1280"
    ):
        triangulate({**given, "cam3": turned}, cameras)
    other = dataclasses.replace(given["cam3"], names=tuple(f"p{i}" for i in range(33)))
    with pytest.raises(TriangulationError, match="cam3 has other points than cam1"):
        triangulate({**given, "cam3": other}, cameras)


def test_nobody_seen_is_an_error_that_says_so(noisy, views):
    cameras, _, xy, time_s = noisy
    with pytest.raises(TriangulationError, match=r"0 were detected.*1\. nobody was detected"):
        triangulate(views(cameras, np.full_like(xy, np.nan), time_s), cameras)


def test_never_seen_at_the_same_time_is_an_error_that_says_so(noisy, views):
    cameras, _, xy, time_s = noisy
    alternating = np.full_like(xy, np.nan)
    for c in range(4):
        alternating[c, c::4] = xy[c, c::4]
    with pytest.raises(
        TriangulationError, match=r"0 by two or more.*1\. the cameras do not see the person at the same"
    ):
        triangulate(views(cameras, alternating, time_s), cameras)


def test_contradicting_cameras_are_an_error_that_says_so(noisy, views):
    cameras, _, xy, time_s = noisy
    two = cameras.subset(("cam1", "cam2"))
    moved = xy[:2].copy()
    moved[0, ..., 1] -= 5000  # far beyond what any point in front of both explains
    with pytest.raises(TriangulationError, match=r"0 of these had two views that agree.*1\. the views contradict"):
        triangulate(views(two, moved, time_s), two)


def test_one_camera_out_of_place_does_not_spoil_the_rest(noisy, views):
    cameras, xyz, xy, time_s = noisy
    clean = errors(triangulate(views(cameras, xy, time_s), cameras), xyz)
    displaced = xy.copy()
    displaced[1] += [60.0, -20.0]
    result = triangulate(views(cameras, displaced, time_s), cameras)
    assert np.nanmedian(errors(result, xyz)) < 2 * np.median(clean)
    report = result.report.cameras
    assert report["cam2"].median_px > 5 * max(report[name].median_px for name in ("cam1", "cam3", "cam4"))
    np.testing.assert_allclose(report["cam2"].bias_px, [-60, 20], atol=10)


def test_anipose_solver_gives_the_same_kind_of_result(noisy, views):
    cameras, xyz, xy, time_s = noisy
    xy = xy.copy()
    xy[:3, 10, 5] = np.nan  # one view left: no point
    xy[:, :, 0] = np.nan  # a point that is never seen
    result = triangulate_anipose(views(cameras, xy, time_s), cameras)
    error = errors(result, xyz)
    assert np.isnan(error[10, 5])
    assert np.isnan(error[:, 0]).all()
    assert np.isfinite(np.delete(error, 0, axis=1)).sum() == 60 * 32 - 1
    assert np.nanmedian(error) < 0.03
    assert result.report.solver == "anipose"
    assert np.isfinite(result.covariance_m2[20, 20]).all()
    with pytest.raises(TriangulationError, match="aniposelib needs 20"):
        triangulate_anipose(views(cameras, np.full_like(xy, np.nan), time_s), cameras)
