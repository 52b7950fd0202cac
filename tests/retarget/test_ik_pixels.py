"""The fit on the pixels of made-up takes: a person of other proportions among cameras with strong lenses."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.synthetic_take import ring_of_cameras
from clapcap.errors import FitError
from retarget.ik import fit_motion
from retarget.kinematics import Poses
from retarget.pixels import PixelViews, pixel_term
from skeleton.keypoints import Keypoints3D, Observations2D

NOISE_PX = 4.0


def filmed(points, names, time_s, cameras, noise_px, rng, located_m=0.01, lasts_s=0.0):
    """What cameras see of points (frames, points, 3), and points in space a centimetre off to start from."""
    xy = cameras.project(points)
    noise = rng.standard_normal(xy.shape)
    if lasts_s > 0:
        keep = np.exp(-float(np.median(np.diff(time_s))) / lasts_s)
        for frame in range(1, xy.shape[1]):
            noise[:, frame] = keep * noise[:, frame - 1] + np.sqrt(1 - keep**2) * noise[:, frame]
    sigma = np.full(xy.shape[:3], max(noise_px, 0.1))
    shape = points.shape[:2]
    keypoints = Keypoints3D(
        names,
        points + located_m * rng.standard_normal(points.shape),
        np.full(shape, located_m),
        time_s,
        np.zeros((len(cameras), *shape)),
        cameras.names,
        np.zeros(shape, dtype=bool),
    )
    return keypoints, Observations2D(cameras.names, names, xy + noise_px * noise, sigma, time_s)


@pytest.fixture(scope="module")
def cameras():
    return ring_of_cameras(4)


@pytest.fixture(scope="module")
def near(actor):
    """The actor without the walk, in the middle of the ring."""
    poses = Poses(actor.poses.root_m * (0.3, 0.3, 1.0), actor.poses.root_matrix, actor.poses.angles)
    return replace(actor, poses=poses, placed=actor.kinematics.place(poses, actor.shape))


@pytest.fixture(scope="module")
def scene(near, cameras):
    rng = np.random.default_rng(21)
    names = near.kinematics.landmarks
    return filmed(near.placed.landmark_m, names, near.time_s, cameras, NOISE_PX, rng)


def error_m(actor, motion):
    joints = sorted(actor.kinematics.head_landmarks)
    return np.linalg.norm(motion.world_positions()[:, joints] - actor.joint_m[:, joints], axis=-1)


@pytest.fixture(scope="module")
def fitted(scene, cameras, humanoid):
    keypoints, observations = scene
    return fit_motion(keypoints, humanoid, pixels=PixelViews(observations, cameras))


def test_the_term_is_zero_at_the_truth_and_its_derivatives_are_right(near, cameras):
    rng = np.random.default_rng(1)
    xyz = near.placed.landmark_m[::60]
    names, time_s = near.kinematics.landmarks, near.time_s[::60]
    _, exact = filmed(xyz, names, time_s, cameras, 0.0, rng)
    std = np.full(len(names), 0.01)
    term = pixel_term(PixelViews(exact, cameras), names, std, xyz, time_s)
    assert term.terms(xyz).cost.max() < 1e-15
    # A pixel off: as many deviations as sigma_px and the landmark's straying at its depth say.
    shifted = replace(exact, xy_px=exact.xy_px + np.array([1.0, 0.0]))
    depth = cameras.cameras[0].to_camera(xyz)[..., 2]
    stray_px = 0.01 * np.diag(cameras.cameras[0].matrix)[:2].mean() / depth
    square = pixel_term(PixelViews(shifted, cameras), names, std, xyz, time_s).squares(xyz)[0]
    np.testing.assert_allclose(square, 1.0 / (0.1**2 + stray_px**2), rtol=0.02)
    off = xyz + 0.002 * rng.standard_normal(xyz.shape)
    terms = term.terms(off)
    step = 1e-6
    for k in range(3):
        ahead, back = (term.terms(off + s * np.eye(3)[k]).cost for s in (step, -step))
        np.testing.assert_allclose(terms.gradient[..., k].sum(axis=1), (ahead - back) / (2 * step), rtol=1e-4)


def test_pixels_tell_the_joints_better_than_the_points_do(near, scene, fitted, humanoid):
    # 4 px at 4 m and 1400 px of focal length are 11 mm in each of four views: 7 mm a coordinate, 11 in space.
    on_points = fit_motion(scene[0], humanoid).motion
    assert error_m(near, fitted.motion).mean() < 0.9 * error_m(near, on_points).mean()
    assert error_m(near, fitted.motion).mean() < 0.009
    assert fitted.report.limits_kept_share == 1.0
    assert fitted.report.spread_after < 1e-12
    # The mean distance of errors of 4 px in two coordinates is 4 sqrt(pi / 2); the fit has taken in a little.
    assert fitted.report.reprojection_px == pytest.approx(NOISE_PX * np.sqrt(np.pi / 2), rel=0.12)


def test_deviations_are_those_of_the_errors(near, cameras, humanoid):
    rng = np.random.default_rng(8)
    keypoints, seen = filmed(
        near.placed.landmark_m, near.kinematics.landmarks, near.time_s, cameras, 8.0, rng, lasts_s=0.1
    )
    motion = fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras)).motion
    joints = sorted(near.kinematics.head_landmarks)
    error = (motion.world_positions() - near.joint_m)[:, joints]
    assert 0.55 < (np.abs(error) < motion.sigma_m[:, joints, None]).mean() < 0.85
    assert not motion.inferred.any()


def test_gross_errors_in_one_view_do_little_harm(near, scene, fitted, cameras, humanoid):
    keypoints, seen = scene
    rng = np.random.default_rng(2)
    xy = seen.xy_px.copy()
    wild = rng.random(xy.shape[:3]) < 0.05
    xy[wild] += 300.0
    fit = fit_motion(keypoints, humanoid, pixels=PixelViews(replace(seen, xy_px=xy), cameras))
    assert error_m(near, fit.motion).mean() < 1.2 * error_m(near, fitted.motion).mean()
    assert fit.report.outlier_share == pytest.approx(0.05, abs=0.01)


def unseen(keypoints, seen, points, cameras, frames=slice(None)):
    """Take points from some cameras; what fewer than two see has no place in space."""
    sigma = seen.sigma_px.copy()
    marks = [seen.names.index(p) for p in points]
    for camera in cameras:
        view = sigma[camera, frames]
        view[:, marks] = np.inf
        sigma[camera, frames] = view
    xyz = keypoints.xyz_m.copy()
    xyz[np.isfinite(sigma).sum(axis=0) < 2] = np.nan
    return replace(keypoints, xyz_m=xyz), replace(seen, sigma_px=sigma)


ARM = ("left_elbow", "left_wrist", "left_pinky", "left_index", "left_thumb")


def test_a_limb_in_one_view_follows_that_view_and_says_how_sure_it_is(near, scene, fitted, cameras, humanoid):
    keypoints, seen = unseen(*scene, ARM, (1, 2, 3))
    fit = fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras))
    wrist = humanoid.index("left_hand")
    camera = cameras.cameras[0]
    seen_at = camera.project(fit.motion.world_positions()[:, wrist])
    error_px = np.linalg.norm(seen_at - camera.project(near.joint_m[:, wrist]), axis=-1)
    assert np.median(error_px) < 12
    # Two lengths and one view leave open whether a limb points to the camera or away: half its length, not metres.
    error = np.linalg.norm(fit.motion.world_positions()[:, wrist] - near.joint_m[:, wrist], axis=-1)
    assert error.mean() < 0.3
    assert np.median(fit.motion.sigma_m[:, wrist]) > 1.5 * np.median(fitted.motion.sigma_m[:, wrist])
    assert not fit.motion.inferred.any()


def test_a_limb_that_nobody_sees_for_a_second_is_bridged_and_marked(near, scene, fitted, cameras, humanoid):
    keypoints, seen = unseen(*scene, ARM, range(4), slice(90, 150))
    fit = fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras))
    hand, forearm, knee = (humanoid.index(j) for j in ("left_hand", "left_forearm", "left_shin"))
    np.testing.assert_array_equal(np.flatnonzero(fit.motion.inferred[:, hand]), np.arange(90, 150))
    assert not fit.motion.inferred[:, knee].any()
    sigma = fit.motion.sigma_m
    assert sigma[120, hand] > 3 * np.median(sigma[:80, hand])
    assert sigma[120, hand] > sigma[120, forearm] > sigma[120, humanoid.index("left_upper_arm")]
    error = np.linalg.norm(fit.motion.world_positions() - near.joint_m, axis=-1)
    assert error[90:150, hand].max() < 4 * sigma[90:150, hand].max()
    assert np.median(error[:80, hand]) < 0.02


def test_two_views_are_enough(near, scene, cameras, humanoid):
    keypoints, seen = scene
    fewer = replace(seen, camera_names=seen.camera_names[:2], xy_px=seen.xy_px[:2], sigma_px=seen.sigma_px[:2])
    fit = fit_motion(keypoints, humanoid, pixels=PixelViews(fewer, cameras))
    assert error_m(near, fit.motion).mean() < 0.014


@pytest.mark.parametrize("turn", [(90.0, 0.0), (180.0, 0.0), (0.0, 90.0)])
def test_lying_and_upside_down_are_as_good_as_upright(near, fitted, cameras, humanoid, turn):
    rotation = Rotation.from_euler("xy", turn, degrees=True)
    centre = np.array([0.0, 0.0, 0.95])
    points = (
        rotation.apply((near.placed.landmark_m - centre).reshape(-1, 3)).reshape(near.placed.landmark_m.shape) + centre
    )
    joints = rotation.apply((near.joint_m - centre).reshape(-1, 3)).reshape(near.joint_m.shape) + centre
    keypoints, seen = filmed(
        points, near.kinematics.landmarks, near.time_s, cameras, NOISE_PX, np.random.default_rng(21)
    )
    motion = fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras)).motion
    marked = sorted(near.kinematics.head_landmarks)
    error = np.linalg.norm((motion.world_positions() - joints)[:, marked], axis=-1)
    assert error.mean() < 1.3 * error_m(near, fitted.motion).mean()


def test_a_person_half_out_of_all_views_is_followed_where_it_is_seen(near, scene, fitted, cameras, humanoid):
    legs = [n for n in near.kinematics.landmarks if any(part in n for part in ("knee", "ankle", "heel", "foot"))]
    keypoints, seen = unseen(*scene, legs, range(4), slice(100, 240))
    fit = fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras))
    upper = [
        humanoid.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("upper_arm", "forearm", "hand")
    ]
    error = np.linalg.norm(fit.motion.world_positions() - near.joint_m, axis=-1)[:, upper]
    assert error.mean() < 1.3 * np.linalg.norm(fitted.motion.world_positions() - near.joint_m, axis=-1)[:, upper].mean()
    foot = humanoid.index("left_foot")
    assert fit.motion.inferred[100:, foot].all()
    assert not fit.motion.contact[101:].any()


def test_observations_of_other_moments_or_cameras_are_refused(scene, cameras, humanoid):
    keypoints, seen = scene
    later = replace(seen, time_s=seen.time_s + 0.5)
    with pytest.raises(FitError, match="both must come from one triangulation"):
        fit_motion(keypoints, humanoid, pixels=PixelViews(later, cameras))
    with pytest.raises(FitError, match="are of cam1, which the calibration lacks"):
        fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras.subset(("cam2", "cam3", "cam4"))))
