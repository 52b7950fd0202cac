import numpy as np
from scipy.spatial.transform import Rotation

from calib.solve.path import path_through


def poses(time_s, turn, x):
    """Return (n, 4, 4) from rotation vectors and places as functions of time."""
    T = np.tile(np.eye(4), (len(time_s), 1, 1))
    T[:, :3, :3] = Rotation.from_rotvec(turn(time_s)).as_matrix()
    T[:, :3, 3] = x(time_s)
    return T


def along(axis, values):
    return np.outer(values, axis)


def test_a_steady_motion_has_its_speed_and_no_acceleration():
    time_s = np.array([0.0, 0.1, 0.25, 0.3, 0.5])
    path = path_through(poses(time_s, lambda t: along([0, 0, 1], 0.7 * t), lambda t: along([1, 0, 0], 0.4 * t)), time_s)
    assert path.known.all()
    # The noise that poses are taken to have and the speed that boards usually have pull by some thousandths.
    np.testing.assert_allclose(path.twist, np.tile([0, 0, 0.7, 0.4, 0, 0], (5, 1)), atol=0.01)
    np.testing.assert_allclose(path.acceleration, 0, atol=0.1)


def test_a_swinging_board_between_frames_a_third_of_a_second_apart():
    """Differences of neighbours would lose 7 % of the speed (sin(2 h) / 2 h for h = 1/3 s)."""
    time_s = np.arange(0, 10, 1 / 3)
    path = path_through(
        poses(time_s, lambda t: 0 * along([1, 0, 0], t), lambda t: along([0, 1, 0], np.sin(2 * t))), time_s
    )
    inner = slice(3, -3)
    np.testing.assert_allclose(path.twist[inner, 4], 2 * np.cos(2 * time_s[inner]), atol=0.03)
    np.testing.assert_allclose(path.acceleration[inner, 4], -4 * np.sin(2 * time_s[inner]), atol=0.4)


def test_noise_of_poses_is_smoothed():
    rng = np.random.default_rng(0)
    time_s = np.arange(0, 4, 1 / 30)
    T = poses(time_s, lambda t: 0 * along([1, 0, 0], t), lambda t: along([1, 0, 0], 0.3 * np.sin(2 * t)))
    T[:, :3, 3] += rng.normal(0, 0.001, (len(time_s), 3))
    error = path_through(T, time_s).twist[:, 3] - 0.6 * np.cos(2 * time_s)
    # Differences of neighbours would be off by 0.001 sqrt(2) / (2 / 30) = 0.021 m/s.
    assert np.sqrt(np.mean(error[3:-3] ** 2)) < 0.012


def test_there_is_no_path_across_pauses_and_jumps():
    time_s = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 5.3, 20.0])
    T = poses(time_s, lambda t: 0 * along([1, 0, 0], t), lambda t: along([1, 0, 0], 0.2 * t))
    T[5:7, 2, 3] += 3  # put elsewhere within a tenth of a second
    path = path_through(T, time_s)
    assert path.known.tolist() == [True, True, True, True, True, True, True, False]
    assert not path.twist[-1].any()
    np.testing.assert_allclose(path.twist[:7, 3], 0.2, atol=0.02)
    np.testing.assert_allclose(path.twist[:7, 5], 0, atol=0.02)


def test_moments_next_to_each_other_do_no_harm():
    """Where one camera's frames end and another's begin."""
    time_s = np.array([0.0, 0.1, 0.2, 0.2 + 1e-7, 0.3, 0.4])
    path = path_through(poses(time_s, lambda t: 0 * along([1, 0, 0], t), lambda t: along([1, 0, 0], 0.3 * t)), time_s)
    np.testing.assert_allclose(path.twist[:, 3], 0.3, atol=0.02)
