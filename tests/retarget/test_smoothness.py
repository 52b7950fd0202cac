import numpy as np
from scipy.spatial.transform import Rotation

from retarget.kinematics import ROOT_DOFS, Poses
from retarget.smoothness import ROOT_ACCELERATION_DENSITY, PoseModel

UNEVEN_S = np.array([0.0, 0.02, 0.05, 0.06, 0.1, 0.13, 0.15])


def still(kinematics, frames):
    neutral = np.broadcast_to(kinematics.neutral, (frames, *kinematics.neutral.shape)).copy()
    return Poses(np.zeros((frames, 3)), np.tile(np.eye(3), (frames, 1, 1)), kinematics.clipped(neutral))


def test_even_motion_in_the_neutral_pose_costs_nothing(kinematics):
    poses = still(kinematics, len(UNEVEN_S))
    turned = Rotation.from_rotvec(np.outer(UNEVEN_S, [0.3, -2.0, 1.0])).as_matrix()
    poses = Poses(np.outer(UNEVEN_S, [1.0, 2.0, 3.0]), turned, poses.angles)
    model = PoseModel(kinematics, UNEVEN_S)
    assert model.cost(poses) < 1e-20


def test_the_cost_of_an_even_acceleration_is_its_square_over_time_whatever_the_frame_rate(kinematics):
    # A fall: 9.81 m/s^2 for half a second, all of it but the ends' half frames between the first and the last frame.
    for rate in (30, 100):
        time_s = np.arange(0, 0.5 + 1e-9, 1 / rate)
        poses = still(kinematics, len(time_s))
        poses.root_m[:, 2] = -0.5 * 9.81 * time_s**2
        inner_s = 0.5 - 1 / rate
        wanted = 0.5 * 9.81**2 * inner_s / ROOT_ACCELERATION_DENSITY
        np.testing.assert_allclose(PoseModel(kinematics, time_s).cost(poses), wanted, rtol=1e-9)


def test_gradient_and_second_derivatives_agree_with_differences(actor):
    kinematics = actor.kinematics
    frames = len(UNEVEN_S)
    model = PoseModel(kinematics, UNEVEN_S)
    # Far apart, yet away from the limits, where a step would be clipped.
    rng = np.random.default_rng(3)
    poses = Poses(
        rng.normal(size=(frames, 3)),
        Rotation.from_rotvec(0.5 * rng.normal(size=(frames, 3))).as_matrix(),
        actor.poses.angles[::30][:frames],
    )
    terms = model.terms(poses)
    assert np.isclose(terms.cost.sum(), model.cost(poses), rtol=1e-12)
    step = 1e-5
    inside = (kinematics.vector(poses) > kinematics.low + step) & (kinematics.vector(poses) < kinematics.high - step)
    for frame in range(frames):
        for dof in [*range(ROOT_DOFS), 9, 30, kinematics.dofs - 1]:
            assert inside[frame, dof]
            change = np.zeros((frames, kinematics.dofs))
            change[frame, dof] = step
            slope = (model.cost(kinematics.moved(poses, change)) - model.cost(kinematics.moved(poses, -change))) / (
                2 * step
            )
            np.testing.assert_allclose(terms.gradient[frame, dof], slope, rtol=1e-5, atol=1e-6)
            if dof >= ROOT_DOFS or dof < 3:  # the cost is quadratic in these: exact
                ahead = model.terms(kinematics.moved(poses, change)).gradient - terms.gradient
                second = [terms.same, terms.next_, terms.after_next]
                for later in range(min(3, frames - frame)):
                    np.testing.assert_allclose(
                        ahead[frame + later, dof] / step, second[later][frame, dof], rtol=1e-6, atol=1e-6
                    )


def test_second_derivatives_of_the_roots_turn_are_those_of_its_squared_accelerations(kinematics):
    # Where the accelerations vanish the Gauss-Newton second derivatives are the true ones.
    time_s = UNEVEN_S[:4]
    poses = still(kinematics, 4)
    poses = Poses(poses.root_m, Rotation.from_rotvec(np.outer(time_s, [3.0, -8.0, 5.0])).as_matrix(), poses.angles)
    model = PoseModel(kinematics, time_s)
    terms = model.terms(poses)
    step = 1e-6
    for frame in range(4):
        for axis in range(3):
            change = np.zeros((4, kinematics.dofs))
            change[frame, 3 + axis] = step
            gradients = [model.terms(kinematics.moved(poses, c)).gradient for c in (change, -change)]
            second = (gradients[0] - gradients[1])[:, 3:ROOT_DOFS] / (2 * step)
            for later in range(min(3, 4 - frame)):
                np.testing.assert_allclose(
                    second[frame + later], terms.rotation[later, frame, :, axis], rtol=1e-4, atol=1e-2
                )
