"""Rotations keep to the rules of points: no flips, no lag, spikes out; bones stay as long as they are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from retarget.cleanup.filters import FILTERS
from retarget.cleanup.motion import clean_motion, continuous, filter_rotations, find_turn_spikes
from retarget.cleanup.points import CleanUp
from skeleton.motion import Motion


def arm(angles_deg, time_s):
    """A root and two bones of 0.3 m, turned by (frames, 3 joints) degrees about z, x and x."""
    frames = len(time_s)
    rotation = np.stack(
        [
            Rotation.from_rotvec(np.radians(angles_deg[:, [j]]) * np.eye(3)[axis]).as_quat()
            for j, axis in enumerate((2, 0, 0))
        ],
        axis=1,
    )
    root = np.stack([0.5 * time_s, np.sin(2 * time_s), np.ones(frames)], axis=-1)
    offset = np.array([[0, 0, 0], [0, 0.3, 0], [0, 0.3, 0], [0, 0.3, 0]])
    rotation = np.concatenate([rotation, np.tile([0, 0, 0, 1.0], (frames, 1, 1))], axis=1)
    return Motion(("hips", "upper", "lower", "lower_end"), np.array([-1, 0, 1, 2]), offset, rotation, root, time_s)


@pytest.fixture
def motion() -> Motion:
    time_s = np.arange(300) / 60
    # The root turns on and on: its quaternion changes sign every turn.
    angles = np.stack([200 * time_s, 40 * np.sin(5 * time_s), 30 + 25 * np.cos(7 * time_s)], axis=1)
    return arm(angles, time_s)


def angle_deg(a: Motion, b: Motion):
    pairs = (Rotation.from_quat(m.rotation_xyzw.reshape(-1, 4)) for m in (a, b))
    first, second = pairs
    return np.degrees((first.inv() * second).magnitude()).reshape(a.rotation_xyzw.shape[:2])


@pytest.mark.parametrize("name", FILTERS)
def test_a_smooth_motion_hardly_changes(name, motion):
    cleaned = clean_motion(motion, CleanUp(filter=name)).motion
    assert angle_deg(motion, cleaned).max() < (6 if name == "one-euro" else 1.5)
    np.testing.assert_allclose(np.linalg.norm(cleaned.rotation_xyzw, axis=-1), 1, atol=1e-12)
    np.testing.assert_array_equal(cleaned.rest_offset_m, motion.rest_offset_m)
    position = cleaned.world_positions()
    np.testing.assert_allclose(np.linalg.norm(position[:, 2] - position[:, 1], axis=-1), 0.3, atol=1e-12)


@pytest.mark.parametrize("name", FILTERS)
def test_a_quaternion_and_its_negative_are_the_same(name, motion):
    rng = np.random.default_rng(1)
    sign = np.where(rng.random((300, 4, 1)) < 0.5, -1.0, 1.0)
    flipped = replace(motion, rotation_xyzw=sign * motion.rotation_xyzw)
    wanted = CleanUp(filter=name)
    assert angle_deg(clean_motion(motion, wanted).motion, clean_motion(flipped, wanted).motion).max() < 1e-5


def test_continuous_takes_the_nearer_sign(motion):
    rng = np.random.default_rng(2)
    sign = np.where(rng.random((300, 4, 1)) < 0.5, -1.0, 1.0)
    path = continuous(sign * motion.rotation_xyzw)
    assert ((path[1:] * path[:-1]).sum(axis=-1) > 0).all()


def test_small_turns_are_filtered_as_their_angles_are():
    # About one axis, rotations are angles: the filtered rotation is the rotation by the filtered angle.
    time_s = np.arange(300) / 60
    angle = 0.05 * np.sin(2 * np.pi * 5 * time_s) + 0.02 * np.sin(2 * np.pi * 1 * time_s)
    rotation = Rotation.from_rotvec(angle[:, None] * [0, 1, 0]).as_quat()[:, None]
    butter = FILTERS["butterworth"]
    filtered = filter_rotations(rotation, lambda path: butter(path, time_s, cutoff_hz=5.0))
    expected = butter(angle[:, None, None], time_s, cutoff_hz=5.0)[:, 0, 0]
    found = Rotation.from_quat(filtered[:, 0]).as_rotvec()[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_noise_of_the_rotations_and_of_the_path_becomes_less(motion):
    rng = np.random.default_rng(3)
    shake = Rotation.from_rotvec(np.radians(2) * rng.standard_normal((1200, 3)))
    noisy = replace(
        motion,
        rotation_xyzw=(Rotation.from_quat(motion.rotation_xyzw.reshape(-1, 4)) * shake).as_quat().reshape(300, 4, 4),
        root_m=motion.root_m + 0.01 * rng.standard_normal((300, 3)),
    )
    for name in ("butterworth", "gaussian", "savitzky-golay", "kalman"):
        cleaned = clean_motion(noisy, CleanUp(filter=name)).motion
        before, after = (np.sqrt(np.mean(angle_deg(motion, m) ** 2)) for m in (noisy, cleaned))
        assert after < 0.7 * before, name
        assert np.std(cleaned.root_m - motion.root_m) < 0.7 * 0.01


def test_frames_that_flip_are_found_and_replaced(motion):
    rotation, root = motion.rotation_xyzw.copy(), motion.root_m.copy()
    rotation[100, 1] = (Rotation.from_quat(rotation[100, 1]) * Rotation.from_euler("y", 170, degrees=True)).as_quat()
    rotation[200:202, 2] = Rotation.from_euler("z", 90, degrees=True).as_quat()
    root[50] += [0, 0, 0.8]
    spoilt = replace(motion, rotation_xyzw=rotation, root_m=root)
    found = find_turn_spikes(rotation, motion.time_s)
    assert np.argwhere(found).tolist() == [[100, 1], [200, 2], [201, 2]]
    cleaned = clean_motion(spoilt, CleanUp())
    assert np.argwhere(cleaned.changes.spikes).tolist() == [[50, 0], [100, 1], [200, 2], [201, 2]]
    assert angle_deg(motion, cleaned.motion).max() < 1.0
    np.testing.assert_allclose(cleaned.motion.root_m, motion.root_m, atol=0.002)
    # What was none is not touched.
    kept = ~cleaned.changes.spikes
    np.testing.assert_allclose(np.abs(cleaned.motion.rotation_xyzw[kept]), np.abs(rotation[kept]), atol=1e-12)
    untouched = clean_motion(spoilt, CleanUp(spikes=False)).motion
    np.testing.assert_array_equal(untouched.rotation_xyzw, rotation)
