"""The trap of freemocap 862: the other of a plane's two poses has excellent residuals, and a world upside down."""

import numpy as np
import pytest

from benchmarks.board_scenes import SceneSpec, make_scene
from calib.boards.board import CharucoBoard
from calib.intrinsics.estimate import estimate_lenses
from calib.solve.calibrate import calibrate
from calib.solve.extrinsics import _planar_poses, initial_poses
from calib.world.frame import choose_world
from calib.world.lying import behind_print
from clapcap.errors import CalibrationError

# A board of 16 x 11 cm, 3 m away: some 50 px in the picture, of which tilt shows in less than the noise.
SMALL = SceneSpec(
    board=CharucoBoard(4, 5, 0.04, 0.03),
    radius_m=3.0,
    moments=120,
    rate_hz=8.0,
    lying=16,
    noise_px=0.4,
    stray_share=0.0,
)


@pytest.fixture(scope="module")
def scene():
    return make_scene(SMALL)


def normal_error_deg(T, T_true):
    return np.degrees(np.arccos(np.clip((T[..., :3, 2] * T_true[..., :3, 2]).sum(-1), -1, 1)))


@pytest.fixture(scope="module")
def both_poses(scene):
    """(cameras, moments, 2, 4, 4): both poses of each view by the true lenses, the better one first."""
    undistorted = np.stack([camera.undistort(xy) for xy, camera in zip(scene.shared.xy_px, scene.cameras, strict=True)])
    return _planar_poses(undistorted, scene.shared.usable, scene.shared.board.corners_m)


def test_the_scene_is_a_trap(scene, both_poses):
    """In many views the pose of least error is the mirrored one, and the right one is the second."""
    true = np.stack([camera.T_cam_world for camera in scene.cameras])[:, None] @ scene.T_world_board
    first, second = (normal_error_deg(both_poses[:, :, place], true) for place in (0, 1))
    usable = scene.shared.usable
    wrong = usable & (first > 25)
    assert wrong.sum() > 0.1 * usable.sum()
    assert np.median(second[wrong]) < 15


def test_the_mirrored_poses_do_not_get_into_the_start(scene):
    start = initial_poses(scene.shared, estimate_lenses(scene.shared))
    known = np.isfinite(start.T_world_board[:, 0, 0]) & (scene.shared.usable.sum(axis=0) >= 3)
    anchor = scene.cameras.cameras[start.anchor].T_cam_world
    error = normal_error_deg(start.T_world_board[known], (anchor @ scene.T_world_board)[known])
    assert (error > 25).mean() < 0.02
    seen_from_behind = behind_print(start.T_cam_world, start.T_world_board[known]) & scene.shared.usable[:, known].T
    assert not seen_from_behind.any()


def test_the_world_is_the_right_way_up(scene):
    result = calibrate(scene.shared)
    assert "the board lay still" in result.report.world
    heights = np.array([camera.center_m[2] for camera in result.cameras])
    true = np.array([camera.center_m[2] for camera in scene.cameras])
    # The lying board's tilt is good to a degree or two: 3 cm a degree between cameras 1.8 m from the board.
    np.testing.assert_allclose(heights, true, atol=0.15)


def test_a_world_made_from_the_mirrored_pose_is_refused(scene):
    """Somebody names the moment, and its pose is the other one, as seen from every camera."""
    T_cam = np.stack([camera.T_cam_world for camera in scene.cameras])
    lying = len(scene.shared.time_s) - 1
    mirrored = scene.T_world_board.copy()
    # Reflected in the plane at right angles to the first camera's line of sight, which hardly changes its picture.
    sight = scene.cameras.cameras[0].center_m - mirrored[lying, :3, 3]
    sight /= np.linalg.norm(sight)
    normal = mirrored[lying, :3, 2]
    other = 2 * sight * (sight @ normal) - normal
    x = np.cross(other, sight)
    x /= np.linalg.norm(x)
    mirrored[lying:, :3, :3] = np.stack([x, np.cross(other, x), other], axis=1)
    count = scene.shared.usable.sum(axis=0)
    where = (T_cam, mirrored, count, scene.shared.time_s, scene.shared.board.corners_m)
    assert behind_print(T_cam, mirrored[lying:]).any()
    with pytest.raises(CalibrationError, match="cameras stand below the floor"):
        choose_world(*where, floor_time_s=float(scene.shared.time_s[lying]))


def test_mirrored_poses_of_the_lying_board_are_no_floor(scene):
    """Where it lay, only one camera sees the board, and tells the wrong one of the two poses: then it is no floor."""
    shared = scene.shared
    T = scene.T_world_board.copy()
    lying = shared.time_s >= shared.time_s[-16]
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    T[lying] = T[lying] @ flip
    world = choose_world(
        np.stack([camera.T_cam_world for camera in scene.cameras]),
        T, np.where(lying, 1, 3), shared.time_s, shared.board.corners_m,
    )  # fmt: skip
    assert "no floor was found" in world.policy
    heights = [(world.T_world_old @ np.append(camera.center_m, 1))[2] for camera in scene.cameras]
    assert min(heights) > 0
