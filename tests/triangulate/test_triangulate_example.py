"""The rendered dance, whose joints are known: detection and triangulation with the true cameras and clocks."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from detect.run import detect_videos
from skeleton.keypoints import Keypoints2D
from sync.resample import common_timeline, resample_keypoints
from triangulate.report import BODY_JOINTS
from triangulate.triangulate import TriangulationOptions, triangulate

EXAMPLE = Path(__file__).parent.parent.parent / "session" / "example"


@pytest.fixture(scope="module")
def truth():
    with np.load(EXAMPLE / "truth.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def seen(truth):
    """The views on one timeline, and the true cameras."""
    names = [str(name) for name in truth["camera_names"]]
    found = detect_videos({name: EXAMPLE / "takes" / "dance" / f"{name}.mp4" for name in names})
    size = tuple(int(n) for n in truth["image_size_px"])
    clocks = zip(names, truth["take_offset_s"], truth["take_rate"], strict=True)
    views = {
        name: Keypoints2D(
            found[name].names,
            found[name].xy_px,
            found[name].confidence,
            offset_s + rate * found[name].time_s,
            found[name].image_size_px,
        )
        for name, offset_s, rate in clocks
    }
    timeline_s = common_timeline({name: view.time_s for name, view in views.items()})
    cameras = CameraGroup(
        tuple(
            Camera(name, size, truth["matrix"][i], truth["distortion"][i], truth["T_cam_world"][i])
            for i, name in enumerate(names)
        )
    )
    return {name: resample_keypoints(view, timeline_s) for name, view in views.items()}, cameras


@pytest.fixture(scope="module")
def result(seen):
    return triangulate(*seen)


def errors_m(result, truth):
    """(joints, frames, 3): error of each body joint, after one constant offset per joint."""
    keypoints = result.keypoints
    joint_names = [str(name) for name in truth["joint_names"]]
    errors = []
    for joint in BODY_JOINTS:
        path = truth["joints_xyz_m"][:, joint_names.index(joint)]
        true = [np.interp(keypoints.time_s, truth["joints_time_s"], path[:, axis]) for axis in range(3)]
        error = keypoints.xyz_m[:, keypoints.index(joint)] - np.stack(true, axis=-1)
        errors.append(error - np.nanmean(error, axis=0))
    return np.stack(errors)


def test_joints_are_within_the_bar(result, truth):
    distance = np.linalg.norm(errors_m(result, truth), axis=-1)
    assert np.isfinite(distance).mean() > 0.99
    # The bar is 25 mm; measured 12.2 mm on the rendered frames.
    assert 1000 * np.nanmean(distance) < 15
    assert 1000 * np.nanmean(distance, axis=1).max() < 30


def test_stated_deviations_are_honest(result, truth):
    sigma = np.stack([result.keypoints.sigma_m[:, result.keypoints.index(joint)] for joint in BODY_JOINTS])
    within = np.abs(errors_m(result, truth)) < sigma[..., None]
    assert 0.6 < within[np.isfinite(sigma)].mean() < 0.8


def test_no_view_is_called_swapped_or_biased(result):
    for camera in result.report.cameras.values():
        assert len(camera.swapped_frames) <= 3
        assert np.abs(camera.bias_px).max() < 1.0
        assert camera.median_px < 3


def test_with_fewer_cameras_errors_grow_no_faster_than_the_covariance_says(seen, truth):
    views, cameras = seen

    def measured_and_predicted(names):
        found = triangulate({name: views[name] for name in names}, cameras, TriangulationOptions(refine=False))
        joints = [found.keypoints.index(joint) for joint in BODY_JOINTS]
        distance = np.linalg.norm(errors_m(found, truth), axis=-1)
        predicted = np.sqrt(np.trace(found.covariance_m2[:, joints], axis1=2, axis2=3))
        assert np.isfinite(distance).mean() > 0.8
        # No blow-up: the worst point of all is less than an arm's length off.
        assert np.nanmax(distance) < 0.4
        return np.sqrt(np.nanmean(distance**2)), np.sqrt(np.nanmean(predicted**2))

    all_measured, all_predicted = measured_and_predicted(tuple(views))
    for count in (2, 3):
        for names in combinations(views, count):
            measured, predicted = measured_and_predicted(names)
            # Measured: 0.9 to 1.2 times as fast. The covariance knows nothing of the errors that cameras share.
            assert measured / all_measured < 1.3 * predicted / all_predicted, names


def test_nothing_is_found_wrong_with_the_cameras(result):
    assert result.report.findings == ()
