import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.boards import CharucoBoard
from calib.world import choose_world, level_up
from clapcap.errors import CalibrationError

CORNERS = CharucoBoard(5, 4, 0.1, 0.07).corners_m


def poses(rotations, places):
    T = np.tile(np.eye(4), (len(places), 1, 1))
    T[:, :3, :3] = rotations.as_matrix()
    T[:, :3, 3] = places
    return T


def cameras_on_a_ring(pitch_deg=20.0):
    """Three level cameras 2 m away and 1.5 m high that look inwards and down."""
    turns = Rotation.from_euler("z", [[0], [50], [-50]], degrees=True)
    # At turn 0 the camera stands at y = -2: x right, y down, z forward.
    facing = Rotation.from_euler("x", -90 - pitch_deg, degrees=True)
    T_world_cam = poses(turns * facing, turns.apply([0, -2, 1.5]))
    return np.linalg.inv(T_world_cam)


def in_another_frame(T_cam_world, T_world_board, seed=0):
    """Turn and move the world as a bundle adjustment leaves it."""
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    T[:3, 3] = [3, -1, 2]
    return T_cam_world @ np.linalg.inv(T), T @ T_world_board


def carried_then_lying(lie_face_up=True, lie=10):
    """A second and a half held upright and moved, then a second on the floor."""
    upright = Rotation.from_euler("xz", [[90, 5 * i] for i in range(15)], degrees=True)
    down = Rotation.from_euler("x", np.full(lie, 0 if lie_face_up else 180)[:, None], degrees=True)
    places = [[0.04 * i, 0, 0.8] for i in range(15)] + [[0.3, 0.2, 0]] * lie
    rotations = Rotation.concatenate([upright, down]) if lie else upright
    return poses(rotations, np.array(places[: 15 + lie]))


def test_up_is_at_right_angles_to_all_x_axes():
    for pitch in (0, 30, 85):
        np.testing.assert_allclose(level_up(cameras_on_a_ring(pitch)), [0, 0, 1], atol=1e-9)


def test_up_of_cameras_that_look_the_same_way_is_their_own():
    T = np.tile(cameras_on_a_ring(0)[:1], (2, 1, 1))
    np.testing.assert_allclose(level_up(T), [0, 0, 1], atol=1e-9)


def test_a_floor_that_one_camera_saw_is_better_than_none():
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), carried_then_lying())
    world = choose_world(T_cam, T_board, np.full(25, 1), np.arange(25) / 10, CORNERS)
    assert "seen by up to 1 camera," in world.policy


def test_the_floor_is_the_board_that_lies_still():
    cameras, boards = cameras_on_a_ring(), carried_then_lying()
    T_cam, T_board = in_another_frame(cameras, boards)
    world = choose_world(T_cam, T_board, np.full(25, 3), np.arange(25) / 10, CORNERS)
    assert set(world.moments) <= set(range(15, 25))
    assert "lay still" in world.policy
    np.testing.assert_allclose((world.T_world_old @ T_board)[-1], np.eye(4), atol=1e-9)
    heights = np.linalg.inv(T_cam @ np.linalg.inv(world.T_world_old))[:, 2, 3]
    np.testing.assert_allclose(heights, 1.5)


@pytest.mark.parametrize("boards", [carried_then_lying(lie=0), carried_then_lying(lie_face_up=False)])
def test_without_a_floor_the_cameras_level_the_world(boards):
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), boards)
    count = len(boards)
    world = choose_world(T_cam, T_board, np.full(count, 2), np.arange(count) / 10, CORNERS)
    assert "no floor was found" in world.policy
    assert len(world.moments) == 0
    T_cam_new = T_cam @ np.linalg.inv(world.T_world_old)
    np.testing.assert_allclose(level_up(T_cam_new), [0, 0, 1], atol=1e-9)
    lowest = ((world.T_world_old @ T_board) @ np.append(CORNERS, np.ones((len(CORNERS), 1)), axis=1).T)[:, 2].min()
    assert lowest == pytest.approx(0, abs=0.05)
    assert (np.linalg.inv(T_cam_new)[:, 2, 3] > 0).all()


def test_a_named_moment_is_the_floor():
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), carried_then_lying())
    world = choose_world(T_cam, T_board, np.full(25, 3), np.arange(25) / 10, CORNERS, floor_time_s=2.0)
    assert world.moments.tolist() == [20]


def test_cameras_below_the_floor_are_refused():
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), carried_then_lying(lie_face_up=False))
    with pytest.raises(CalibrationError, match="3 of 3 cameras stand below the floor"):
        choose_world(T_cam, T_board, np.full(25, 3), np.arange(25) / 10, CORNERS, floor_time_s=2.0)


def test_a_moment_without_the_board_is_refused():
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), carried_then_lying())
    with pytest.raises(CalibrationError, match=r"at 9\.00 s, but the nearest"):
        choose_world(T_cam, T_board, np.full(25, 3), np.arange(25) / 10, CORNERS, floor_time_s=9.0)
