import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.boards import CharucoBoard
from calib.cameras import Camera
from calib.reprojection import CAMERA, POSE, Scene, Views, predict, predict_with_jacobians

BOARD = CharucoBoard(4, 5, 0.05, 0.03)


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    lens = np.array(
        [[800, 1.01, 640, 360, -0.2, 0.1, 1e-3, -2e-3, 0.02, 0.01], [900, 0.99, 630, 350, 0.1, 0, 0, 0, 0, -0.02]]
    )
    T_cam_world = np.tile(np.eye(4), (2, 1, 1))
    T_cam_world[1, :3, :3] = Rotation.from_rotvec([0.1, 0.6, -0.2]).as_matrix()
    T_cam_world[1, :3, 3] = [-0.9, 0.1, 0.4]
    T_world_board = np.tile(np.eye(4), (3, 1, 1))
    T_world_board[:, :3, :3] = Rotation.from_rotvec(rng.normal(0, 0.4, (3, 3))).as_matrix()
    T_world_board[:, :3, 3] = [[0, 0, 1.5], [0.2, 0.1, 1.8], [-0.2, 0.1, 1.3]]
    camera, moment = np.array([0, 1, 0, 1, 0]), np.array([0, 0, 1, 1, 2])
    shape = (5, len(BOARD.corners_m), 2)
    views = Views(camera, moment, np.zeros(shape), rng.normal(0, 100, shape))
    return Scene(lens, T_cam_world, T_world_board), views


def test_prediction_is_the_cameras_projection(problem):
    scene, views = problem
    lens, T = scene.lens[1], scene.T_cam_world[1]
    matrix = [[lens[0], 0, lens[2]], [0, lens[0] * lens[1], lens[3]], [0, 0, 1]]
    camera = Camera("b", (1280, 720), np.array(matrix), lens[4:9], T)
    world = BOARD.corners_m @ scene.T_world_board[0, :3, :3].T + scene.T_world_board[0, :3, 3]
    expected = camera.project(world) + views.velocity_px_s[1] * lens[9]
    np.testing.assert_allclose(predict(scene, views, BOARD.corners_m)[1], expected)


def test_jacobians_are_those_of_finite_differences(problem):
    scene, views = problem
    pixels, by_camera, by_board = predict_with_jacobians(scene, views, BOARD.corners_m)
    np.testing.assert_allclose(pixels, predict(scene, views, BOARD.corners_m))
    step = 1e-6

    def difference(camera_step, board_step):
        ahead = predict(scene.moved(camera_step, board_step), views, BOARD.corners_m)
        behind = predict(scene.moved(-camera_step, -board_step), views, BOARD.corners_m)
        return (ahead - behind) / (2 * step)

    still = np.zeros((3, POSE))
    for parameter in range(CAMERA):
        camera_step = np.zeros((2, CAMERA))
        camera_step[:, parameter] = step
        np.testing.assert_allclose(by_camera[..., parameter], difference(camera_step, still), rtol=1e-5, atol=1e-4)
    for parameter in range(POSE):
        board_step = np.zeros((3, POSE))
        board_step[:, parameter] = step
        numeric = difference(np.zeros((2, CAMERA)), board_step)
        np.testing.assert_allclose(by_board[..., parameter], numeric, rtol=1e-5, atol=1e-4)
