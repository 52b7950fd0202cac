import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.world.frame import choose_world
from calib.world.level import level_up
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
    assert world.moments.tolist() == list(range(15, 25))  # it lay there before and after, too
    assert "2.00 s as asked" in world.policy


def test_cameras_below_the_floor_are_refused():
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), carried_then_lying(lie_face_up=False))
    with pytest.raises(CalibrationError, match="3 of 3 cameras stand below the floor"):
        choose_world(T_cam, T_board, np.full(25, 3), np.arange(25) / 10, CORNERS, floor_time_s=2.0)


def test_a_moment_without_the_board_is_refused():
    T_cam, T_board = in_another_frame(cameras_on_a_ring(), carried_then_lying())
    with pytest.raises(CalibrationError, match=r"at 9\.00 s, but the nearest"):
        choose_world(T_cam, T_board, np.full(25, 3), np.arange(25) / 10, CORNERS, floor_time_s=9.0)


def laid_at(*where, carried=15, lie=10):
    """A second and a half in the hands, then a second in each of these poses, one after the other."""
    upright = carried_then_lying(lie=0)[:carried]
    return np.concatenate([upright, *(np.repeat(pose[None], lie, axis=0) for pose in where)])


def pose(place, tilt_deg=(0, 0), turn_deg=0):
    rotation = Rotation.from_euler("xyz", [*tilt_deg, turn_deg], degrees=True)
    return poses(Rotation.concatenate([rotation]), np.array([place], dtype=float))[0]


def choose(T_board, T_cam=None, **options):
    cameras = cameras_on_a_ring() if T_cam is None else T_cam
    T_cam, T_board = in_another_frame(cameras, T_board)
    count = len(T_board)
    world = choose_world(T_cam, T_board, np.full(count, len(T_cam)), np.arange(count) / 10, CORNERS, **options)
    return world, T_cam @ np.linalg.inv(world.T_world_old)


def tilt_and_height(T_cam_found, T_cam_true):
    """Degrees between the found and the true Z, and the found height of the origin's true floor."""
    T_found_true = np.linalg.inv(T_cam_found[0]) @ T_cam_true[0]
    return np.degrees(np.arccos(np.clip(T_found_true[2, 2], -1, 1))), T_found_true


def test_several_places_make_one_plane():
    """Each place is tilted wrongly by 1 degree, and 2 mm too high or low; over 2.4 m that makes 0.1 degrees."""
    wrong = [
        pose([-1.2, -0.6, 0.002], (1, 0), 30),
        pose([1.2, -0.6, -0.002], (-0.7, 0.7), 0),
        pose([0, 1.0, 0], (0, -1), 80),
    ]
    world, T_cam = choose(laid_at(*wrong))
    assert "one plane through 3 places where the board lay still (from 1.90, 2.90, 3.90 s on" in world.policy
    tilt, T = tilt_and_height(T_cam, cameras_on_a_ring())
    assert tilt < 0.3
    # The origin is where the board lay first; x is the board's there.
    np.testing.assert_allclose((T @ [-1.2, -0.6, 0, 1])[:3], 0, atol=0.01)
    np.testing.assert_allclose((T[:3, :3] @ [np.cos(np.pi / 6), 0.5, 0]), [1, 0, 0], atol=0.02)
    _, T_cam = choose(laid_at(wrong[0]))
    assert tilt_and_height(T_cam, cameras_on_a_ring())[0] == pytest.approx(1, abs=0.01)


def test_the_named_place_is_the_origin_of_the_plane():
    first, second = pose([-1, 0, 0]), pose([1, 0.5, 0])
    world, T_cam = choose(laid_at(first, second), floor_time_s=3.0)
    assert "through 2 places" in world.policy
    _, T = tilt_and_height(T_cam, cameras_on_a_ring())
    np.testing.assert_allclose((T @ [1, 0.5, 0, 1])[:3], 0, atol=1e-9)


def test_a_board_on_a_table_is_not_the_floor():
    table, floor = pose([0, 0, 0.75]), pose([0.8, 0.3, 0])
    world, T_cam = choose(laid_at(table, table @ pose([0.5, 0, 0]), floor))
    assert "the board lay still from" in world.policy
    np.testing.assert_allclose(np.linalg.inv(T_cam)[:, 2, 3], 1.5)


def test_a_table_alone_levels_the_world_but_does_not_make_its_floor():
    carried = carried_then_lying(lie=0)
    carried[:, 2, 3] -= 0.5
    boards = np.concatenate([carried, laid_at(pose([0, 0, 0.75], (3, 0)), carried=0)])
    world, T_cam = choose(boards)
    assert "cm lower at other times, so that it lay on a table; the world is levelled by the table" in world.policy
    tilt, _ = tilt_and_height(T_cam, cameras_on_a_ring())
    assert tilt == pytest.approx(3, abs=0.1)  # it is the table's word, right or wrong
    assert (np.linalg.inv(T_cam)[:, 2, 3] > 1.2).all()


def test_a_board_at_the_wall_is_not_the_floor():
    wall = poses(Rotation.from_euler("x", [90], degrees=True), np.array([[0, 1.5, 1.2]]))[0]
    world, _ = choose(laid_at(wall))
    assert "never lay still, face up and level" in world.policy
    world, T_cam = choose(laid_at(wall, pose([0, 0, 0])))
    assert world.moments.min() >= 25
    np.testing.assert_allclose(np.linalg.inv(T_cam)[:, 2, 3], 1.5)


def test_a_ramp_loses_against_the_floor():
    ramp, floor = pose([0, 0.6, 0.3], (15, 0)), pose([0.5, 0, 0])
    for boards in (laid_at(ramp, floor), laid_at(floor, ramp)):
        _, T_cam = choose(boards)
        np.testing.assert_allclose(np.linalg.inv(T_cam)[:, 2, 3], 1.5)


def test_a_floor_that_is_not_wanted_is_not_taken():
    world, T_cam = choose(laid_at(pose([0, 0, 0], (10, 0))), look_for_floor=False)
    assert world.policy.startswith("no floor was looked for, as asked; the world is levelled by the cameras")
    assert tilt_and_height(T_cam, cameras_on_a_ring())[0] == pytest.approx(0, abs=1e-5)


def test_no_camera_is_below_a_world_without_floor():
    """A phone that stands on the floor is lower than the board ever was."""
    T_cam = cameras_on_a_ring()
    T_world_cam = np.linalg.inv(T_cam)
    T_world_cam[2, 2, 3] = 0.1
    world, T_cam = choose(carried_then_lying(lie=0), np.linalg.inv(T_world_cam))
    assert "height 0 is the lowest camera" in world.policy
    assert np.linalg.inv(T_cam)[:, 2, 3].min() == pytest.approx(0)


def test_cameras_at_the_ceiling_see_the_floor():
    """Looking straight down and nearly so, from 3 m."""
    T = []
    for turn in (0, 80, 170):
        down = Rotation.from_euler("zx", [turn, -175], degrees=True)
        T.append(poses(Rotation.concatenate([down]), np.array([[np.cos(turn), np.sin(turn), 3.0]]))[0])
    world, T_cam = choose(laid_at(pose([0.2, 0, 0], turn_deg=40)), np.linalg.inv(np.stack(T)))
    assert "the board lay still" in world.policy
    np.testing.assert_allclose(np.linalg.inv(T_cam)[:, 2, 3], 3.0)


@pytest.mark.parametrize("upside_down", [[0], [1], [0, 1]])
def test_phones_upside_down_do_not_turn_the_world_over(upside_down):
    T_cam = cameras_on_a_ring()
    T_cam[upside_down] = np.diag([-1.0, -1.0, 1.0, 1.0]) @ T_cam[upside_down]
    world, found = choose(laid_at(pose([0, 0, 0])), T_cam)
    assert "the board lay still" in world.policy
    np.testing.assert_allclose(np.linalg.inv(found)[:, 2, 3], 1.5)
