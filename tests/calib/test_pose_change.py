"""The comparison alone, without a solver: exact cameras and made-up covariances."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.board_scenes import SceneSpec, ring
from calib.cameras import CameraGroup
from calib.checks.pose_change import cameras_that_stand, pose_changes
from calib.quality.uncertainty import CameraCovariance

BEFORE = ring(SceneSpec(cameras=5))
PARAMETERS = ("focal", "turn_x", "turn_y", "turn_z", "step_x", "step_y", "step_z")


def in_another_world(group, seed=0):
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    T[:3, 3] = [3, -1, 2]
    return CameraGroup(tuple(replace(camera, T_cam_world=camera.T_cam_world @ np.linalg.inv(T)) for camera in group))


def touched(group, name, step_m=(0, 0, 0), turn_deg=(0, 0, 0)):
    T = np.linalg.inv(group[name].T_cam_world)
    T[:3, :3] = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix() @ T[:3, :3]
    T[:3, 3] += step_m
    moved = replace(group[name], T_cam_world=np.linalg.inv(T))
    return CameraGroup(tuple(moved if camera.name == name else camera for camera in group))


def errors(anchor, turn_std=1e-4, step_std=1e-3, cameras=5):
    """Independent errors of all cameras but the anchor."""
    covariance = np.zeros((cameras, 7, cameras, 7))
    for camera in range(cameras):
        if camera != anchor:
            covariance[camera, :, camera] = np.diag([1.0, *[turn_std**2] * 3, *[step_std**2] * 3])
    return CameraCovariance(covariance, PARAMETERS, f"cam{anchor + 1}")


def test_what_was_done_to_a_camera_is_told_in_the_calibration_s_world():
    now = in_another_world(touched(BEFORE, "cam4", (0.01, -0.02, 0.02), (0, 0, 1)))
    still = [0, 1, 2, 4]
    changes = pose_changes(BEFORE, now, [(now, errors(0))], still)
    np.testing.assert_allclose(changes[3].step_m, [0.01, -0.02, 0.02], atol=1e-9)
    np.testing.assert_allclose(np.degrees(changes[3].turn_rad), [0, 0, 1], atol=1e-9)
    assert changes[3].moved_m == pytest.approx(0.03)
    assert [change.moved for change in changes] == [False, False, False, True, False]
    assert cameras_that_stand(BEFORE, now, [(now, errors(0))]) == [still]


def test_a_movement_within_its_uncertainty_is_none():
    now = touched(BEFORE, "cam4", (0.01, 0, 0))
    assert cameras_that_stand(BEFORE, now, [(now, errors(0))]) == [[0, 1, 2, 4]]
    assert cameras_that_stand(BEFORE, now, [(now, errors(0, step_std=0.01))]) == [[0, 1, 2, 3, 4]]


def test_errors_add_up():
    """Two solutions of equal errors: the uncertainty of the difference is larger by the root of two."""
    now = in_another_world(BEFORE)
    once = pose_changes(BEFORE, now, [(now, errors(0))], [0])
    twice = pose_changes(BEFORE, now, [(now, errors(0)), (BEFORE, errors(0))], [0])
    for one, two in zip(once[1:], twice[1:], strict=True):
        # but for the 0.3 mm that no calibration is better than
        floor = 3e-4**2
        assert two.moved_std_m**2 - floor == pytest.approx(2 * (one.moved_std_m**2 - floor), rel=0.05)


@pytest.mark.parametrize("still", [[0], [0, 1, 2, 3, 4], [1, 3]])
def test_uncertainties_are_those_of_sampled_poses(still):
    """Poses drawn from the covariance scatter, after alignment, as the covariance of the change says."""
    rng = np.random.default_rng(1)
    known = errors(0, turn_std=1e-3, step_std=3e-3)
    drawn = []
    for _ in range(400):
        group = []
        for place, camera in enumerate(BEFORE):
            # In the anchor's frame, as the solver's covariance speaks of it.
            T = camera.T_cam_world @ np.linalg.inv(BEFORE["cam1"].T_cam_world)
            if place != 0:
                T[:3, :3] = Rotation.from_rotvec(rng.normal(0, 1e-3, 3)).as_matrix() @ T[:3, :3]
                T[:3, 3] += rng.normal(0, 3e-3, 3)
            group.append(replace(camera, T_cam_world=T))
        changes = pose_changes(BEFORE, CameraGroup(tuple(group)), [], still)
        drawn.append([np.concatenate([change.turn_rad, change.step_m]) for change in changes])
    said = pose_changes(BEFORE, BEFORE, [(BEFORE, known)], still)
    scatter = np.std(drawn, axis=0)
    for place, change in enumerate(said):
        std = np.sqrt(np.diag(change.covariance) - np.repeat([2e-4, 3e-4], 3) ** 2)
        # A standard deviation from 400 samples is off by 3.5 %; 24 of them by up to 4 times that.
        np.testing.assert_allclose(scatter[place], std, rtol=0.14, atol=1e-6)


def test_it_does_not_matter_which_camera_the_solver_held():
    """The same errors, told with cam1 held and with cam3 held, give the same uncertainties."""
    size = 35
    C = errors(0, turn_std=1e-3, step_std=3e-3).covariance.reshape(size, size)
    centers = np.stack([camera.T_cam_world @ np.linalg.inv(BEFORE["cam1"].T_cam_world) for camera in BEFORE])

    def held(C, other):
        """First-order change of what is held: numerically, by the poses relative to the other camera."""

        def relative(step):
            T = centers.copy()
            for place in range(5):
                T[place, :3, :3] = Rotation.from_rotvec(step[place, :3]).as_matrix() @ T[place, :3, :3]
                T[place, :3, 3] += step[place, 3:]
            return T @ np.linalg.inv(T[other])

        J = np.zeros((size, size))
        zero = relative(np.zeros((5, 6)))
        for camera in range(5):
            for k in range(6):
                step = np.zeros((5, 6))
                step[camera, k] = 1e-6
                moved = relative(step)
                turn = Rotation.from_matrix(moved[:, :3, :3] @ np.swapaxes(zero[:, :3, :3], 1, 2)).as_rotvec()
                rows = np.concatenate([np.zeros((5, 1)), turn, moved[:, :3, 3] - zero[:, :3, 3]], axis=1)
                J[:, 7 * camera + 1 + k] = rows.ravel() / 1e-6
        return J @ C @ J.T

    other = CameraCovariance(held(C, 2).reshape(5, 7, 5, 7), PARAMETERS, "cam3")
    for still in ([0, 1, 2, 3, 4], [1, 4]):
        a = pose_changes(BEFORE, BEFORE, [(BEFORE, errors(0, turn_std=1e-3, step_std=3e-3))], still)
        b = pose_changes(BEFORE, BEFORE, [(BEFORE, other)], still)
        for one, two in zip(a, b, strict=True):
            np.testing.assert_allclose(one.covariance, two.covariance, atol=1e-9)
