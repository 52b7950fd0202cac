import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.cameras import Camera
from calib.lenses import brown, fisheye
from calib.solve.path import Path
from calib.solve.reprojection import CAMERA, DISTORTION, LAG, POSE, SHAPE, Scene, Views, predict, predict_with_jacobians

BOARD = CharucoBoard(4, 5, 0.05, 0.03)


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    lens = np.array(
        [[800, 1.01, 640, 360, -0.2, 0.1, 1e-3, -2e-3, 0.02, 0.03], [700, 0.99, 630, 350, 0.1, 0.02, 0, 0, 0, -0.04]]
    )
    T_cam_world = np.tile(np.eye(4), (2, 1, 1))
    T_cam_world[1, :3, :3] = Rotation.from_rotvec([0.1, 0.6, -0.2]).as_matrix()
    T_cam_world[1, :3, 3] = [-0.9, 0.1, 0.4]
    T_world_board = np.tile(np.eye(4), (3, 1, 1))
    T_world_board[:, :3, :3] = Rotation.from_rotvec(rng.normal(0, 0.4, (3, 3))).as_matrix()
    T_world_board[:, :3, 3] = [[0, 0, 1.5], [0.2, 0.1, 1.8], [-0.2, 0.1, 1.3]]
    camera, moment = np.array([0, 1, 0, 1, 0]), np.array([0, 0, 1, 1, 2])
    xy_px = np.zeros((5, len(BOARD.corners_m), 2))
    views = Views(camera, moment, xy_px, rng.normal(0, 0.01, 5), (brown.LENS, fisheye.LENS), np.full(5, np.nan))
    # The last moment's path is not known.
    path = Path(
        np.array([True, True, False]),
        rng.normal(0, 1, (3, 6)) * [[1], [1], [0]],
        rng.normal(0, 3, (3, 6)) * [[1], [1], [0]],
    )
    return Scene(lens, T_cam_world, T_world_board, np.array([0.3, -0.2, 0.1, 0.01])), views, path


def test_prediction_is_the_cameras_projection_of_the_bent_board_where_it_was_at_the_exposure(problem):
    scene, views, path = problem
    lens, T = scene.lens[1], scene.T_cam_world[1]
    matrix = [[lens[0], 0, lens[2]], [0, lens[0] * lens[1], lens[3]], [0, 0, 1]]
    camera = Camera("b", (1280, 720), np.array(matrix), lens[4:8], T, fisheye.LENS)
    delay = views.delay_s[1] + lens[LAG]
    moved = delay * path.twist[0] + delay**2 / 2 * path.acceleration[0]
    board = BOARD.corners_m * [1, 1.01, 1]
    x, y = BOARD.corners_m[:, 0], BOARD.corners_m[:, 1]
    board[:, 2] = 0.3 * x**2 - 0.2 * x * y + 0.1 * y**2
    R = Rotation.from_rotvec(moved[:3]).as_matrix() @ scene.T_world_board[0, :3, :3]
    world = board @ R.T + scene.T_world_board[0, :3, 3] + moved[3:]
    np.testing.assert_allclose(predict(scene, views, BOARD.corners_m, path)[1], camera.project(world))


def test_jacobians_are_those_of_finite_differences(problem):
    scene, views, path = problem
    pixels, by_camera, by_board, by_shape = predict_with_jacobians(scene, views, BOARD.corners_m, path)
    np.testing.assert_allclose(pixels, predict(scene, views, BOARD.corners_m, path))
    step = 1e-6

    def difference(camera=None, board=None, shape=None):
        steps = [np.zeros((2, CAMERA)), np.zeros((3, POSE)), np.zeros(len(SHAPE))]
        for place, parameter in enumerate((camera, board, shape)):
            if parameter is not None:
                steps[place][..., parameter] = step
        ahead = predict(scene.moved(*steps), views, BOARD.corners_m, path)
        behind = predict(scene.moved(*(-s for s in steps)), views, BOARD.corners_m, path)
        return (ahead - behind) / (2 * step)

    fisheyes = views.camera == 1
    for parameter in range(CAMERA):
        numeric = difference(camera=parameter)
        if parameter == DISTORTION.stop - 1:
            assert not by_camera[fisheyes, ..., parameter].any()  # it has four
        np.testing.assert_allclose(by_camera[..., parameter], numeric, rtol=1e-5, atol=1e-3)
    for parameter in range(POSE):
        np.testing.assert_allclose(by_board[..., parameter], difference(board=parameter), rtol=1e-5, atol=1e-4)
    for parameter in range(len(SHAPE)):
        np.testing.assert_allclose(by_shape[..., parameter], difference(shape=parameter), rtol=1e-5, atol=1e-4)
