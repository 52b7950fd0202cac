from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from clapcap.errors import FitError
from retarget import whole_take
from retarget.ik import fit_motion
from retarget.initial import initial_poses
from retarget.kinematics import joint_angles
from retarget.observations import observe
from retarget.whole_take import TakeProblem, solve_take

NOISE_M = 0.01
# The distance of a point with normal errors of deviation s a coordinate is s * sqrt(8 / pi) in the mean.
POINT_ERROR_M = NOISE_M * np.sqrt(8 / np.pi)


def seen_joints(actor):
    """The joints that have a landmark: the limbs' twelve."""
    return sorted(actor.kinematics.head_landmarks)


def joint_error_m(actor, motion):
    joints = seen_joints(actor)
    return np.linalg.norm(motion.world_positions()[:, joints] - actor.joint_m[:, joints], axis=-1)


@pytest.fixture(scope="module")
def noisy_fit(actor, humanoid):
    return fit_motion(actor.keypoints(NOISE_M, np.random.default_rng(11)), humanoid)


def test_joints_are_nearer_to_the_truth_than_the_points_they_come_from(actor, noisy_fit):
    # 58 unknowns a frame explain 99 numbers, and smoothness joins frames: the mean error falls below the points' own.
    error = joint_error_m(actor, noisy_fit.motion)
    assert error.mean() < 0.6 * POINT_ERROR_M
    assert np.percentile(error, 99) < 2.5 * POINT_ERROR_M
    assert noisy_fit.report.converged
    assert noisy_fit.report.outlier_share < 0.001


def test_clean_points_are_met_within_millimetres(actor, humanoid):
    fit = fit_motion(actor.keypoints(0.0, np.random.default_rng(0)), humanoid)
    # What is left: offsets of the landmarks that the movement does not tell from bone lengths, under their priors.
    assert joint_error_m(actor, fit.motion).mean() < 0.003
    assert fit.report.residual_m < 0.002
    assert fit.report.spread_before < 1e-9


def test_the_report_says_what_was_injected(actor, noisy_fit, humanoid):
    report = noisy_fit.report
    # Residuals are noise less what the fit took in: nearer to the points than the truth is, on average.
    assert 0.5 * POINT_ERROR_M < report.residual_m < POINT_ERROR_M
    assert set(report.landmark_residual_m) == set(actor.kinematics.landmarks)
    # The length of a bone between two noisy points spreads by sqrt(2) times the noise along it.
    thigh = report.measured_length_m["left_thigh"]
    assert report.bone_spread_before["left_thigh"] == pytest.approx(np.sqrt(2) * NOISE_M / thigh, rel=0.2)
    assert report.bone_length_m["left_shin"] == pytest.approx(thigh, abs=0.004)
    assert set(report.bone_length_m) == set(humanoid.joint_names) - {"hips"}
    assert not report.filled.any()


def test_bones_never_change_and_the_sides_are_equal(noisy_fit):
    motion = noisy_fit.motion
    position = motion.world_positions()
    bones = np.linalg.norm(position[:, 1:] - position[:, motion.parents[1:]], axis=-1)
    assert np.ptp(bones, axis=0).max() < 1e-12
    lengths = noisy_fit.report.bone_length_m
    for name, length in lengths.items():
        assert length == lengths[name.replace("left_", "right_")]


def test_limits_hold_in_every_frame_even_against_the_points(actor, humanoid):
    # Knees bent forwards by 40 degrees: no human can, so the fit must refuse however sure the points are.
    poses = replace(actor.poses, angles=actor.poses.angles.copy())
    for side in ("left", "right"):
        poses.angles[:, humanoid.index(f"{side}_shin"), 0] = np.radians(40)
    kinematics = actor.kinematics
    placed = kinematics.place(poses, actor.shape)
    keypoints = replace(actor.keypoints(0.001, np.random.default_rng(5)), xyz_m=placed.landmark_m)
    fit = fit_motion(keypoints, humanoid)
    angles = joint_angles(humanoid, fit.motion.rotation_xyzw)
    limits = humanoid.limits_rad
    assert (angles[:, 1:] >= limits[1:, :, 0] - 1e-7).all()
    assert (angles[:, 1:] <= limits[1:, :, 1] + 1e-7).all()
    assert fit.report.limits_kept_share == 1.0
    assert fit.report.at_limit_share["left_shin"] > 0.9


def test_missing_points_and_gross_outliers_do_little_harm(actor, humanoid):
    rng = np.random.default_rng(12)
    keypoints = actor.keypoints(NOISE_M, rng)
    xyz = keypoints.xyz_m.copy()
    shape = xyz.shape[:2]
    xyz[rng.uniform(size=shape) < 0.2] = np.nan
    wild = rng.uniform(size=shape) < 0.05
    xyz[wild] += rng.normal(size=(int(wild.sum()), 3))
    fit = fit_motion(replace(keypoints, xyz_m=xyz), humanoid)
    # A fifth of the points is gone and a twentieth lies: the error grows by the root of 1 / 0.75, and a little more.
    clean = joint_error_m(actor, fit_motion(keypoints, humanoid).motion).mean()
    assert joint_error_m(actor, fit.motion).mean() < 1.35 * clean
    assert fit.report.outlier_share == pytest.approx(0.05, abs=0.01)


def test_gaps_are_bridged_and_the_ends_are_held(actor, humanoid):
    keypoints = actor.keypoints(0.002, np.random.default_rng(13))
    xyz = keypoints.xyz_m.copy()
    xyz[:20] = xyz[220:] = np.nan
    xyz[100:106] = np.nan  # 0.1 s
    filled = keypoints.filled.copy()
    filled[150] = True  # positions that a stage before made up are not used
    xyz[150] += 5.0
    fit = fit_motion(replace(keypoints, xyz_m=xyz, filled=filled), humanoid)
    motion, report = fit.motion, fit.report
    assert np.flatnonzero(report.filled).tolist() == [*range(20), *range(100, 106), 150, *range(220, 240)]
    position = motion.world_positions()
    np.testing.assert_array_equal(position[:20], np.broadcast_to(position[20], (20, *position.shape[1:])))
    np.testing.assert_array_equal(position[220:], np.broadcast_to(position[219], (20, *position.shape[1:])))
    # The fastest sine has 1.1 Hz; a cubic across 0.1 s misses it by (2 pi 1.1 * 0.1)^4 / 384 = 0.06 % of its swing.
    error = joint_error_m(actor, motion)
    assert error[100:106].mean() < 0.01
    assert error[150].mean() < 0.005


def test_an_unseen_arm_hangs_and_moves_smoothly(actor, humanoid):
    keypoints = actor.keypoints(0.002, np.random.default_rng(14))
    xyz = keypoints.xyz_m.copy()
    for k, name in enumerate(keypoints.names):
        if name.startswith("left_") and any(part in name for part in ("elbow", "wrist", "index", "pinky", "thumb")):
            xyz[:, k] = np.nan
    motion = fit_motion(replace(keypoints, xyz_m=xyz), humanoid).motion
    arm = joint_angles(humanoid, motion.rotation_xyzw)[:, humanoid.index("left_upper_arm")]
    neutral = np.radians(humanoid.joints[humanoid.index("left_upper_arm")].neutral_deg)
    np.testing.assert_allclose(arm, np.broadcast_to(neutral, arm.shape), atol=np.radians(2))


def test_windows_agree_with_the_whole(actor, monkeypatch):
    kinematics = actor.kinematics
    observed = observe(actor.keypoints(NOISE_M, np.random.default_rng(15)), kinematics)
    monkeypatch.setattr(whole_take, "_STEPS", 100)
    with threadpool_limits(limits=1, user_api="blas"):
        start = initial_poses(kinematics, observed, actor.shape, actor.time_s)
        problem = TakeProblem(kinematics, actor.shape, observed, actor.time_s)
        whole = solve_take(problem, start, converged=1e-7)
        monkeypatch.setattr(whole_take, "WINDOW_FRAMES", 60)
        windows = solve_take(problem, start, converged=1e-7)
    assert whole.converged
    assert windows.converged
    placed = [kinematics.place(s.poses, actor.shape).joint_m for s in (whole, windows)]
    apart = np.linalg.norm(placed[0] - placed[1], axis=-1)[seen_joints(actor)]
    assert apart.max() < 0.1 * NOISE_M
    assert apart.mean() < 0.01 * NOISE_M


def test_twice_the_frame_rate_of_the_same_movement_is_as_smooth(actor_at, humanoid):
    # Accelerations are counted over time, so halving the step must not make the motion stiffer or looser.
    errors = []
    for frames, rate in ((120, 30.0), (480, 120.0)):
        actor = actor_at(frames, rate)
        fit = fit_motion(actor.keypoints(NOISE_M, np.random.default_rng(16)), humanoid)
        errors.append(joint_error_m(actor, fit.motion).mean())
    assert errors[1] < 0.75 * errors[0]  # four times the sightings; white noise alone would give one half


def test_the_same_points_give_the_same_motion(actor, noisy_fit, humanoid):
    again = fit_motion(actor.keypoints(NOISE_M, np.random.default_rng(11)), humanoid)
    np.testing.assert_array_equal(again.motion.rotation_xyzw, noisy_fit.motion.rotation_xyzw)


def test_unknown_sigma_and_a_single_frame_are_fitted(actor, humanoid):
    keypoints = actor.keypoints(0.0, np.random.default_rng(17))
    one = replace(
        keypoints,
        xyz_m=keypoints.xyz_m[:1],
        sigma_m=np.full((1, 33), np.nan),
        time_s=keypoints.time_s[:1],
        reprojection_px=np.zeros((0, 1, 33)),
        filled=np.zeros((1, 33), dtype=bool),
    )
    fit = fit_motion(one, humanoid)
    assert np.linalg.norm(fit.motion.world_positions()[0, 8] - actor.joint_m[0, 8]) < 0.03
    assert np.isnan(fit.report.spread_before)


def test_progress_goes_from_nothing_to_everything(actor, humanoid):
    calls = []
    fit_motion(actor.keypoints(0.01, np.random.default_rng(0)), humanoid, progress=lambda d, t: calls.append((d, t)))
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert done[0] == 0
    assert calls[-1] == (480, 480)


def test_too_little_of_the_body_is_an_error_that_counts(actor, humanoid):
    keypoints = actor.keypoints(0.01, np.random.default_rng(0))
    hidden = keypoints.xyz_m.copy()
    hidden[2:, [keypoints.index("left_hip"), keypoints.index("right_shoulder")]] = np.nan
    with pytest.raises(FitError, match=r"2 of 240 frames show three of left_shoulder.* needed 3: check"):
        fit_motion(replace(keypoints, xyz_m=hidden), humanoid)
    few = np.full_like(keypoints.xyz_m, np.nan)
    for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip"):
        few[:, keypoints.index(name)] = keypoints.xyz_m[:, keypoints.index(name)]
    with pytest.raises(FitError, match="4 of the 33 points of blazepose33 were ever seen, needed 9"):
        fit_motion(replace(keypoints, xyz_m=few), humanoid)
    with pytest.raises(FitError, match=r"no landmarks for the joint set 'hands'.*blazepose33"):
        fit_motion(keypoints, humanoid, joint_set="hands")
