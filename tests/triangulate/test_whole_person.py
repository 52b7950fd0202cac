"""Cameras that are wrong as a whole: found, switched off, and named with the times."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.cameras import CameraGroup
from skeleton.joint_sets import load_joint_set
from triangulate.left_right import exchange, mirror_order
from triangulate.pixel_noise import person_size_px
from triangulate.triangulate import TriangulationOptions, triangulate
from triangulate.whole_person import wrong_at_moments, wrong_stretches

NOISE_PX = 6.0
NAMES = load_joint_set("blazepose33").points
MIRROR = mirror_order(NAMES)
POINTS_ALONE = TriangulationOptions(refine=False)
FRAMES = 120  # of 30 Hz: 4 s


@pytest.fixture
def seen(ring, walk, rng):
    """Return so many cameras, the truth, noisy pixels (cameras, frames, points, 2) and times."""

    def make(count):
        cameras = ring(count)
        xyz, time_s = walk(FRAMES)
        xy = cameras.project(xyz)
        return cameras, xyz, xy + NOISE_PX * rng.normal(size=xy.shape), time_s

    return make


def somebody_else(cameras, camera, walk, rng):
    """Return what a camera sees of a person who stands 1.2 m aside and does something else."""
    other, _ = walk(FRAMES, rate_hz=17.0)
    other = other[::-1] + np.array([0.9, 0.8, 0.0])
    xy = cameras.cameras[camera].project(other)
    return xy + NOISE_PX * rng.normal(size=xy.shape)


def mean_error(result, xyz):
    return np.nanmean(np.linalg.norm(result.keypoints.xyz_m - xyz, axis=-1))


def kinds(result):
    return [(finding.camera, finding.kind) for finding in result.report.findings]


@pytest.mark.parametrize("count", [3, 4, 6])
def test_a_camera_that_follows_a_bystander_is_off_for_as_long(seen, walk, views, rng, count):
    cameras, xyz, xy, time_s = seen(count)
    wrong = slice(30, 90)
    xy[1, wrong] = somebody_else(cameras, 1, walk, rng)[wrong]
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    off = ~np.isfinite(result.observations.sigma_px)
    # To the frame, but for one at each end.
    assert off[1, 31:89].all()
    assert off[1, :29].mean() < 0.01
    assert off[1, 91:].mean() < 0.01
    assert off[[c for c in range(count) if c != 1]].mean() < 0.01
    assert kinds(result) == [("cam2", "somebody else")]
    assert "cam2 follows somebody else from 1.0 to 3.0 s" in result.report.findings[0].text
    gone = xy.copy()
    gone[1, wrong] = np.nan
    known = triangulate(views(cameras, gone, time_s), cameras, POINTS_ALONE)
    assert mean_error(result, xyz) < 1.03 * mean_error(known, xyz)


def test_two_of_six_follow_others_at_the_same_time(seen, walk, views, rng):
    cameras, _, xy, time_s = seen(6)
    for camera, wrong in ((1, slice(30, 90)), (4, slice(60, 110))):
        xy[camera, wrong] = somebody_else(cameras, camera, walk, rng)[wrong]
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    assert kinds(result) == [("cam2", "somebody else"), ("cam5", "somebody else")]
    off = ~np.isfinite(result.observations.sigma_px)
    assert off[1, 31:89].all()
    assert off[4, 61:109].all()
    assert off[[0, 2, 3, 5]].mean() < 0.01


@pytest.mark.parametrize("count", [3, 4])
def test_mirrored_labels_are_no_bystander(seen, views, count):
    cameras, _, xy, time_s = seen(count)
    swapped = np.zeros(xy.shape[:2], dtype=bool)
    swapped[2, 40:80] = True
    result = triangulate(views(cameras, exchange(xy, swapped, MIRROR), time_s), cameras, POINTS_ALONE)
    assert result.report.cameras["cam3"].swapped_frames == tuple(range(40, 80))
    assert kinds(result) == []
    assert result.used.mean() > 0.99


def test_a_picture_that_moves_for_two_seconds_is_named_so(seen, views):
    cameras, _, xy, time_s = seen(4)
    xy[3, 30:90] += [110.0, -60.0]
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    assert kinds(result) == [("cam4", "displaced")]
    assert "from 1.0 to 3.0 s: was it bumped" in result.report.findings[0].text
    assert not result.used[3, 31:89].any()


@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize(
    ("turn_deg", "shift_m"), [(0.0, [0.1, 0.0, 0.0]), (1.5, [0.0, 0.0, 0.0])], ids=["shifted", "turned"]
)
def test_a_pose_that_is_off_is_named_and_counts_little(seen, views, count, turn_deg, shift_m):
    cameras, xyz, xy, time_s = seen(count)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_euler("y", turn_deg, degrees=True).as_matrix(), shift_m
    off = list(cameras.cameras)
    off[1] = dataclasses.replace(off[1], T_cam_world=T @ off[1].T_cam_world)
    result = triangulate(views(cameras, xy, time_s), CameraGroup(tuple(off)), POINTS_ALONE)
    assert kinds(result) == [("cam2", "pose off")]
    text = result.report.findings[0].text
    assert text.startswith("cam2's pose is off: it sees the person ")
    assert text.endswith("Calibrate again")
    told_deg = float(text.split("turned by ")[1].split(" degrees")[0])
    # 10 cm at 4 m are 1.4 degrees; the points follow the camera a little.
    assert told_deg == pytest.approx(1.45, abs=0.3)
    without = triangulate(
        {name: view for name, view in views(cameras, xy, time_s).items() if name != "cam2"}, cameras, POINTS_ALONE
    )
    assert mean_error(result, xyz) < 1.05 * mean_error(without, xyz)


def test_two_of_eight_that_detect_badly_cost_what_they_would_have_given(seen, views, rng):
    cameras, xyz, xy, time_s = seen(8)
    for camera in (2, 5):
        xy[camera] += 40 * rng.normal(size=xy[camera].shape)
        nonsense = rng.random(xy.shape[1:3]) < 0.4
        xy[camera][nonsense] += rng.uniform(-300, 300, size=(nonsense.sum(), 2))
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    without = {name: view for name, view in views(cameras, xy, time_s).items() if name not in ("cam3", "cam6")}
    assert mean_error(result, xyz) < 1.03 * mean_error(triangulate(without, cameras, POINTS_ALONE), xyz)
    assert kinds(result) == [("cam3", "detects badly"), ("cam6", "detects badly")]


def test_where_all_detect_badly_nobody_is_to_blame(seen, views, rng):
    cameras, _, xy, time_s = seen(4)
    xy += 20 * rng.normal(size=xy.shape)
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    assert kinds(result) == []
    assert result.report.share == 1


def test_two_cameras_say_what_they_cannot_know(seen, views):
    cameras, _, xy, time_s = seen(2)
    result = triangulate(views(cameras, xy, time_s), cameras, POINTS_ALONE)
    assert kinds(result) == [("", "two cameras")]
    assert "nobody can tell which of them is wrong" in result.report.findings[0].text


def test_clean_views_are_not_looked_at_further(seen):
    cameras, _, xy, time_s = seen(4)
    wrong = wrong_at_moments(cameras, xy, np.ones(xy.shape[:3]), person_size_px(xy), MIRROR, time_s)
    assert not wrong.any()


def test_the_last_two_views_are_never_switched_off():
    disagreement = np.full((3, 20), 0.95)
    seen = np.ones((3, 20), dtype=bool)
    # All as wrong as each other: nobody is.
    assert not wrong_stretches(disagreement, seen, np.zeros(3)).any()
    disagreement[:2] = 0.1
    assert wrong_stretches(disagreement, seen, np.zeros(3)).tolist() == [[False] * 20, [False] * 20, [True] * 20]
    # With a camera less there would be one left.
    seen[0] = False
    assert not wrong_stretches(disagreement, seen, np.zeros(3)).any()
