import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.intrinsics.lens_prior import LensPrior, usual_prior
from calib.intrinsics.lens_start import choose_poses, homographies, start
from calib.intrinsics.single_camera import Fit, Seen, eliminated, minimise, normal_equations
from calib.lenses import brown, fisheye

DISTORTION = {"brown": [-0.2, 0.05, 0.002, -0.003, 0.02], "fisheye": [0.05, -0.02, 0.01, -0.003]}
CORNERS = np.stack([*np.meshgrid(np.linspace(-0.2, 0.2, 4), np.linspace(-0.25, 0.25, 5)), np.zeros((5, 4))], axis=-1)
CORNERS = CORNERS.reshape(-1, 3)

both_lenses = pytest.mark.parametrize("lens", [brown.LENS, fisheye.LENS], ids=["brown", "fisheye"])


def make_fit(lens, views=6, seed=0):
    rng = np.random.default_rng(seed)
    T = np.tile(np.eye(4), (views, 1, 1))
    facing = Rotation.from_euler("x", 180, degrees=True)  # the board's z points at the camera
    T[:, :3, :3] = (Rotation.from_rotvec(rng.uniform(-0.6, 0.6, (views, 3))) * facing).as_matrix()
    T[:, :3, 3] = np.c_[rng.uniform(-0.4, 0.4, (views, 2)), rng.uniform(0.9, 1.6, views)]
    return Fit(lens, np.array([np.log(700.0), 1.001, 645.0, 355.0, *DISTORTION[lens.name]]), T)


def test_a_board_straight_ahead_is_seen_as_by_hand():
    T = np.eye(4)[None].copy()
    T[0, 2, 3] = 2.0
    fit = Fit(brown.LENS, np.array([np.log(100.0), 1.5, 50, 40, 0.2, 0, 0, 0, 0]), T)
    # x / z = 1, r^2 = 1: 1.2 times 100; in y, 1.2 times 150.
    found = fit.predict(np.array([[2.0, 0, 0], [0, 2.0, 0], [0, 0, -3.0]]))
    np.testing.assert_allclose(found[0, :2], [[50 + 120, 40], [50, 40 + 180]])
    assert np.isnan(found[0, 2]).all()  # behind the camera


@both_lenses
def test_the_derivatives_are_those_of_the_prediction(lens):
    """Central differences: steps of 1e-6 leave some 1e-5 of pixels per unit."""
    fit, step = make_fit(lens), 1e-6
    pixels, by_lens, by_pose = fit.predict_with_jacobians(CORNERS)
    np.testing.assert_array_equal(pixels, fit.predict(CORNERS))
    parameters, still = np.zeros(len(fit.parameters)), np.zeros((len(fit.T_cam_board), 6))

    def difference(lens_step, pose_step):
        ahead, back = fit.moved(lens_step, pose_step), fit.moved(-lens_step, -pose_step)
        return (ahead.predict(CORNERS) - back.predict(CORNERS)) / (2 * step)

    for place in range(len(parameters)):
        h = step * np.eye(len(parameters))[place]
        np.testing.assert_allclose(by_lens[..., place], difference(h, still), atol=2e-5, rtol=1e-6)
    for place in range(6):
        h = still + step * np.eye(6)[place]
        np.testing.assert_allclose(by_pose[..., place], difference(parameters, h), atol=2e-5, rtol=1e-6)


@both_lenses
def test_eliminating_the_poses_solves_the_same_equations(lens):
    """The step of the lens is that of the full normal matrix, poses and all."""
    fit = make_fit(lens, views=3)
    xy = fit.predict(CORNERS) + np.random.default_rng(1).normal(0, 0.5, (3, len(CORNERS), 2))
    seen, prior = Seen(CORNERS, xy, np.full(xy.shape[:2], 0.5)), usual_prior(lens, (1280, 720))
    normal = normal_equations(seen, fit, prior, robust=False)
    p = len(fit.parameters)
    full, side = np.zeros((p + 18, p + 18)), np.zeros(p + 18)
    full[:p, :p] = normal.lens
    side[:p] = normal.lens_sides.sum(axis=0) + normal.prior_side
    for view in range(3):
        own = slice(p + 6 * view, p + 6 * view + 6)
        full[own, own], full[:p, own], full[own, :p] = normal.poses[view], normal.between[view], normal.between[view].T
        side[own] = normal.pose_sides[view]
    matrix, sides, _ = eliminated(normal)
    found = np.linalg.solve(matrix, sides.sum(axis=0) + normal.prior_side)
    np.testing.assert_allclose(found, np.linalg.solve(full, side)[:p], rtol=1e-6, atol=1e-9)


@both_lenses
def test_exact_corners_give_the_exact_lens(lens):
    true = make_fit(lens, views=10)
    xy = true.predict(CORNERS)
    seen, usual = Seen(CORNERS, xy, np.full(xy.shape[:2], 0.1)), usual_prior(lens, (1280, 720))
    prior = LensPrior(lens, usual.mean, 1e4 * usual.std, "nothing is known")
    found = minimise(seen, choose_poses(seen, start(seen, prior, (1280, 720))), prior, robust=False, enough=1e-12)
    np.testing.assert_allclose(found.predict(CORNERS), xy, atol=1e-4)
    np.testing.assert_allclose(found.parameters[:4], true.parameters[:4], atol=0.01)


def test_what_is_held_stays():
    true = make_fit(brown.LENS)
    xy = true.predict(CORNERS)
    prior = usual_prior(brown.LENS, (1280, 720))
    std = prior.std.copy()
    std[[1, 8]] = 0
    prior = LensPrior(brown.LENS, prior.mean, std, "")
    seen = Seen(CORNERS, xy, np.full(xy.shape[:2], 0.1))
    found = minimise(seen, choose_poses(seen, start(seen, prior, (1280, 720))), prior, robust=False)
    assert found.parameters[1] == 1
    assert found.parameters[8] == 0


def test_the_mirrored_pose_is_recognised():
    """Started from the depth-mirrored pose of each view, the right one is found."""
    true = make_fit(brown.LENS)
    seen = Seen(CORNERS, true.predict(CORNERS), np.full((6, len(CORNERS)), 0.5))
    place = true.T_cam_board[:, :3, 3]
    sight = place / np.linalg.norm(place, axis=1, keepdims=True)
    T = true.T_cam_board.copy()
    T[:, :3, :3] = (np.eye(3) - 2 * sight[:, :, None] * sight[:, None, :]) @ T[:, :3, :3] * [1, 1, -1]
    found = choose_poses(seen, Fit(true.lens, true.parameters, T))
    turned = Rotation.from_matrix(found.T_cam_board[:, :3, :3] @ np.swapaxes(true.T_cam_board[:, :3, :3], 1, 2))
    assert np.degrees(turned.magnitude()).max() < 1


def test_homographies_carry_the_plane_to_the_picture():
    H = np.array([[1.2, 0.1, 3.0], [-0.2, 0.9, 1.0], [0.05, -0.02, 1.0]])
    points = np.concatenate([CORNERS[:, :2], np.ones((len(CORNERS), 1))], axis=1) @ H.T
    xy = np.stack([points[:, :2] / points[:, 2:]] * 2)
    xy[1, :17] = np.nan  # three are too few
    found = homographies(CORNERS[:, :2], xy)
    np.testing.assert_allclose(found[0] / found[0, 2, 2], H, atol=1e-9)
    assert np.isnan(found[1]).all()
