"""Feet on the ground: a made-up person whose feet stand, seen with noise that lasts."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.synthetic_take import ring_of_cameras
from retarget.ground import Ground
from retarget.ik import fit_motion
from retarget.initial import initial_poses
from retarget.kinematics import attached
from retarget.observations import observe
from retarget.pixels import PixelViews
from skeleton.keypoints import Keypoints3D, Observations2D

FLOOR_M = 0.0


def test_the_term_holds_standing_points_and_lifts_sunken_ones():
    target = np.zeros((2, 1, 3))
    weight = np.zeros((2, 1, 3))
    weight[0] = 4.0
    ground = Ground(np.array([0]), np.zeros((1, 3)), target, weight, np.array([0.5]), 9.0)
    points = np.array([[[0.3, 0.0, 0.6]], [[1.0, 1.0, 0.4]]])
    terms = ground.terms(points)
    # Standing: 4 (0.3^2 + 0.6^2) / 2; free, but 0.1 below: 9 * 0.1^2 / 2.
    np.testing.assert_allclose(terms.cost, [0.9, 0.045])
    np.testing.assert_allclose(terms.gradient[:, 0], [[1.2, 0.0, 2.4], [0.0, 0.0, -0.9]], atol=1e-12)
    np.testing.assert_allclose(np.diagonal(terms.information[:, 0], axis1=1, axis2=2), [[4, 4, 4], [0, 0, 9]])


@pytest.fixture(scope="module")
def squats(actor):
    """Points of somebody who squats and sways over standing feet: the actor's body, legs by inverse kinematics."""
    kinematics, time_s = actor.kinematics, np.arange(240) / 60
    rest = kinematics.rest_shape()
    skeleton = kinematics.skeleton
    bend = 0.5 + 0.5 * np.sin(2 * np.pi * 0.5 * time_s)
    angles = np.broadcast_to(kinematics.neutral, (240, *kinematics.neutral.shape)).copy()
    for side in ("left", "right"):
        for joint, share in (("thigh", 1.0), ("shin", -2.0), ("foot", 1.0)):
            angles[:, skeleton.index(f"{side}_{joint}"), 0] = share * np.radians(35) * bend
    angles = kinematics.clipped(angles)
    poses = replace(
        actor.poses,
        root_m=np.tile([0.0, 0.0, 0.9], (240, 1)),
        root_matrix=np.tile(np.eye(3), (240, 1, 1)),
        angles=angles,
    )
    placed = kinematics.place(poses, rest)
    soles = attached(placed.joint_m, placed.matrix, kinematics.contact_joint, kinematics.contact_m)
    down = -soles[..., 2].min(axis=1)
    back = -soles[:, kinematics.contacts.index("left_heel"), 1]
    shift = np.stack([0 * down, back, down], axis=1)
    return replace(actor, shape=rest, time_s=time_s, poses=poses, placed=placed), shift


@pytest.fixture(scope="module")
def fit(squats, humanoid):
    person, shift = squats
    rng = np.random.default_rng(6)
    cameras = ring_of_cameras(4)
    points = person.placed.landmark_m + shift[:, None]
    noise = rng.standard_normal((4, *points.shape[:2], 2))
    for frame in range(1, 240):  # it lasts 0.1 s
        noise[:, frame] = 0.85 * noise[:, frame - 1] + np.sqrt(1 - 0.85**2) * noise[:, frame]
    shape = points.shape[:2]
    names = person.kinematics.landmarks
    sigma = np.full((4, *shape), 4.0)
    keypoints = Keypoints3D(
        names,
        points + 0.008 * rng.standard_normal(points.shape),
        np.full(shape, 0.008),
        person.time_s,
        np.zeros((4, *shape)),
        cameras.names,
        np.zeros(shape, dtype=bool),
    )
    seen = Observations2D(cameras.names, names, cameras.project(points) + 4.0 * noise, sigma, person.time_s)
    return fit_motion(keypoints, humanoid, pixels=PixelViews(seen, cameras), floor_m=FLOOR_M)


def test_standing_feet_do_not_skate_and_do_not_sink(fit, humanoid):
    assert fit.motion.contact.mean() > 0.9
    assert fit.report.floor_from == "calibration"
    assert fit.report.skating_m < 0.003
    assert fit.report.sinking_m < 0.002
    # What an animator sees: ankle, ball and toe of both feet.
    position = fit.motion.world_positions()
    both = fit.motion.contact.all(axis=1)
    for joint in ("foot", "toe", "toe_end"):
        for side in ("left", "right"):
            path = position[both, humanoid.index(f"{side}_{joint}")]
            assert np.linalg.norm(path - path.mean(axis=0), axis=1).max() < 0.005, joint
            assert path[:, 2].min() > FLOOR_M


def test_held_feet_bring_the_legs_nearer_to_the_truth(fit, squats, humanoid):
    person, shift = squats
    true = person.joint_m + shift[:, None]
    error = np.linalg.norm(fit.motion.world_positions() - true, axis=-1)
    for joint, bound_m in (("foot", 0.008), ("shin", 0.010), ("thigh", 0.010)):
        assert error[:, humanoid.index(f"left_{joint}")].mean() < bound_m, joint


def test_the_floor_under_standing_feet_is_found_without_a_calibration(squats, humanoid):
    person, shift = squats
    points = person.placed.landmark_m + shift[:, None] + (0.0, 0.0, 0.25)
    shape = points.shape[:2]
    keypoints = Keypoints3D(
        person.kinematics.landmarks,
        points,
        np.full(shape, 0.005),
        person.time_s,
        np.zeros((0, *shape)),
        (),
        np.zeros(shape, dtype=bool),
    )
    assert initial_poses(person.kinematics, observe(keypoints, person.kinematics), person.shape, person.time_s)
    report = fit_motion(keypoints, humanoid).report
    assert report.floor_from == "feet"
    assert report.floor_m == pytest.approx(0.25, abs=0.01)
    assert report.skating_m <= 0.005
    assert set(report.contact_spans_s) == set(person.kinematics.contacts)
