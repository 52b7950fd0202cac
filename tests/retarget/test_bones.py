import numpy as np
import pytest

from retarget.bones import fit_shape, measure_bones, overall_scale
from retarget.initial import initial_poses
from retarget.observations import Observations, observe


def one_thigh(kinematics, lengths_m, information):
    """The left hip at the origin and the left knee below, nothing else."""
    frames, marks = len(lengths_m), kinematics.landmarks
    xyz, weight = np.zeros((frames, len(marks), 3)), np.zeros((frames, len(marks)))
    xyz[:, marks.index("left_knee"), 2] = -np.array(lengths_m)
    for name in ("left_hip", "left_knee"):
        weight[:, marks.index(name)] = information
    return Observations(xyz, weight)


def start(actor, observed, bones):
    """First poses of a body of about the right size."""
    shape = actor.kinematics.rest_shape(overall_scale(actor.kinematics, bones))
    return initial_poses(actor.kinematics, observed, shape, actor.time_s)


def test_a_bone_measures_its_weighted_median_and_its_spread(kinematics):
    # Three sure frames say 0.40, 0.42, 0.44; two unsure ones are far off.
    observed = one_thigh(kinematics, [0.40, 0.42, 0.44, 0.9, 0.95], np.array([1e4, 1e4, 1e4, 1.0, 1.0]))
    bones = measure_bones(kinematics, observed)
    thigh = bones.names.index("left_thigh")
    assert bones.tails[thigh] == "left_shin"
    assert bones.length_m[thigh] == pytest.approx(0.42)
    lengths = np.array([0.40, 0.42, 0.44, 0.9, 0.95])
    assert bones.spread[thigh] == pytest.approx(lengths.std() / lengths.mean())
    assert bones.frames[thigh] == 5
    other = bones.names.index("right_thigh")
    assert np.isnan(bones.length_m[other])
    assert np.isnan(bones.spread[other])
    assert overall_scale(kinematics, bones) == pytest.approx(0.42 / 0.43)


def test_bones_are_the_upper_arms_forearms_thighs_and_shins(kinematics):
    bones = measure_bones(kinematics, one_thigh(kinematics, [0.4], 1.0))
    limbs = ("upper_arm", "forearm", "thigh", "shin")
    assert sorted(bones.names) == sorted(f"{side}_{limb}" for side in ("left", "right") for limb in limbs)


@pytest.mark.parametrize(("noise_m", "within_m"), [(0.0, 0.004), (0.01, 0.006)])
def test_the_shape_of_a_subject_is_found(actor, noise_m, within_m):
    # 200 frames of 10 mm a coordinate, two sides: a length between two points is known to 10 sqrt(2 / 400) = 0.7 mm.
    # A landmark lies off its joint by 4 to 6 mm, as far as the prior goes, which a bend at the joint tells only in
    # part: without noise the bound is that; with noise, three deviations more.
    observed = observe(actor.keypoints(noise_m, np.random.default_rng(1)), actor.kinematics)
    bones = measure_bones(actor.kinematics, observed)
    shape = fit_shape(actor.kinematics, observed, start(actor, observed, bones), bones).shape
    names = actor.kinematics.skeleton.joint_names
    found, true = (np.linalg.norm(s.offset_m, axis=1) for s in (shape, actor.shape))
    for limb in ("forearm", "hand", "shin", "foot", "thigh"):  # the bones that end there
        left, right = names.index(f"left_{limb}"), names.index(f"right_{limb}")
        assert found[left] == found[right]
        assert abs(found[left] - true[left]) < within_m, limb
    np.testing.assert_array_equal(found > 0, true > 0)


def test_open_landmarks_of_the_two_sides_mirror_each_other(actor):
    observed = observe(actor.keypoints(0.01, np.random.default_rng(2)), actor.kinematics)
    bones = measure_bones(actor.kinematics, observed)
    shape = fit_shape(actor.kinematics, observed, start(actor, observed, bones), bones).shape
    marks = actor.kinematics.landmarks
    for name in ("heel", "foot_index", "index", "ear", "eye_inner"):
        left, right = (shape.landmark_m[marks.index(f"{side}_{name}")] for side in ("left", "right"))
        np.testing.assert_array_equal(left * (-1, 1, 1), right)
    # Shoulders turn with the trunk, not with the arm: their offset is in the clavicle's axes.
    shoulder = marks.index("left_shoulder")
    assert actor.kinematics.skeleton.joint_names[actor.kinematics.landmark_axes[shoulder]] == "left_clavicle"
    assert 0 < np.linalg.norm(shape.landmark_m[shoulder]) < 0.015
