"""Lenses from made-up views of a board, against the truth."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.cameras import Camera
from calib.intrinsics.estimate import estimate_lens
from calib.intrinsics.lens_prior import LensPrior, usual_prior
from calib.intrinsics.lens_warnings import focal_weakness, lens_notes, refuse_uncertain_focal
from calib.intrinsics.view_choice import choose_views
from calib.lenses import brown, fisheye
from clapcap.errors import CalibrationError

SIZE = (1280, 720)
CORNERS = CharucoBoard(4, 5, 0.054, 0.0405).corners_m


def camera(lens, focal=900.0, distortion=None, aspect=1.0, center=(650.0, 350.0)):
    distortion = np.zeros(len(lens.parameters)) if distortion is None else np.array(distortion)
    matrix = np.array([[focal, 0, center[0]], [0, focal * aspect, center[1]], [0, 0, 1]])
    return Camera("cam1", SIZE, matrix, distortion, np.eye(4), lens)


BROWN = camera(brown.LENS, distortion=[-0.2, 0.08, 0.001, -0.001, 0])
FISHEYE = camera(fisheye.LENS, focal=480.0, distortion=[0.02, -0.01, 0, 0])


def seen_by(camera, rng, views, share=(0.1, 0.3), tilt_deg=50.0, noise_px=0.5, within=1.0, parallel=False):
    """Return (views, corners, 2): the board all over the picture, as large as `share` of its length.

    `within` is the share of the picture, around its middle, that the board's middle falls in. `parallel` boards are
    parallel to the picture; others are turned from the line of sight by up to `tilt_deg`.
    """
    seen = []
    while len(seen) < views:
        target = (np.array(SIZE) - 1) / 2 + (rng.random(2) - 0.5) * within * np.array(SIZE)
        sight = np.append(camera.undistort(target), 1.0)
        distance = camera.matrix[0, 0] * np.ptp(CORNERS[:, 0]) / (rng.uniform(*share) * SIZE[0])
        if not np.isfinite(sight).all() or np.linalg.norm(sight) > 2.5:
            continue
        place = distance * (sight if camera.lens is brown.LENS else sight / np.linalg.norm(sight))
        turn = Rotation.from_euler("x", 180, degrees=True)
        if not parallel:
            axis = np.cross([0, 0, 1], sight)
            facing = Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.arctan(np.linalg.norm(sight[:2])))
            around = rng.uniform(0, 2 * np.pi)
            tilt = np.radians(rng.uniform(0, tilt_deg)) * np.array([np.cos(around), np.sin(around), 0])
            turn = facing * Rotation.from_rotvec(tilt) * turn
        xyz = CORNERS @ turn.as_matrix().T + place
        if (xyz[:, 2] < 0.05).any():
            continue
        xy = camera.project(xyz)
        xy[((xy < 0) | (xy > np.array(SIZE) - 1)).any(axis=-1)] = np.nan
        if np.isfinite(xy[:, 0]).sum() >= 8:
            seen.append(xy + rng.normal(0, noise_px, xy.shape))
    return np.stack(seen)


def parameters(estimate):
    fx, fy = estimate.matrix[0, 0], estimate.matrix[1, 1]
    return np.array([fx, fy / fx, *estimate.matrix[:2, 2], *estimate.distortion])


@pytest.mark.parametrize("true", [BROWN, FISHEYE], ids=["brown", "fisheye"])
def test_thirty_views_give_the_lens(true):
    """Within four of the standard deviations that are reported, and those are small."""
    xy = seen_by(true, np.random.default_rng(1), 30)
    found = estimate_lens("cam1", CORNERS, xy, SIZE)
    assert found.lens is true.lens
    truth = np.array([true.matrix[0, 0], 1, *true.matrix[:2, 2], *true.distortion])
    assert (np.abs(parameters(found) - truth) < 4 * found.std).all()
    assert found.focal_std < 0.01
    # 0.5 px in each of two coordinates, less the share that the poses take: 6 of 24 coordinates.
    assert found.rmse_px == pytest.approx(0.5 * np.sqrt(2) * np.sqrt(1 - 6 / 24), rel=0.06)
    assert found.noise_px == pytest.approx(0.5, rel=0.1)


def test_strays_and_blurred_views_do_no_harm():
    """A tenth of the corners is wrong, and a fifth of the views is blurred to ten times the noise."""
    rng = np.random.default_rng(2)
    xy = seen_by(BROWN, rng, 40)
    clean = estimate_lens("cam1", CORNERS, xy, SIZE)
    xy[:8] += rng.normal(0, 5, xy[:8].shape)
    strays = rng.random(xy.shape[:2]) < 0.1
    xy[strays] += rng.normal(0, 60, xy[strays].shape)
    found = estimate_lens("cam1", CORNERS, xy, SIZE)
    assert abs(found.matrix[0, 0] - BROWN.matrix[0, 0]) < 4 * found.std[0]
    assert found.std[0] < 2 * clean.std[0]
    assert found.noise_px == pytest.approx(0.5, rel=0.2)


def drawn(prior, rng):
    """Draw a lens from the prior, one that sees the picture's corners."""
    while True:
        z = rng.normal(size=len(prior.mean))
        values = prior.mean + prior.std * z
        values[0] = prior.mean[0] * np.exp(prior.std[0] / prior.mean[0] * z[0])
        one = camera(prior.lens, values[0], values[4:], values[1], values[2:4])
        edges = one.undistort(np.array([[0.0, 0.0], [1279, 0], [0, 719], [1279, 719]]))
        if 500 < values[0] < 2500 and np.isfinite(edges).all() and np.abs(edges).max() < 2:
            return one, values


@pytest.mark.parametrize("lens", [brown.LENS, fisheye.LENS], ids=["brown", "fisheye"])
def test_standard_deviations_are_those_of_the_errors(lens):
    """50 lenses drawn from the prior, each seen with noise of its own: errors in standard deviations are about 1.

    The root mean square of 50 normal numbers lies in 0.7 to 1.3 in 99.7 % of cases, that of all 450 closer to 1; the
    standard deviation is itself estimated, from 25 views.
    """
    prior, errors = usual_prior(lens, SIZE), []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        one, values = drawn(prior, rng)
        found = estimate_lens("cam1", CORNERS, seen_by(one, rng, 25, noise_px=0.3), SIZE, prior)
        errors.append((parameters(found) - values) / found.std)
    rms = np.sqrt(np.mean(np.square(errors), axis=0))
    assert ((rms > 0.65) & (rms < 1.4)).all()
    assert 0.8 < np.sqrt(np.mean(np.square(errors))) < 1.2


def test_the_model_is_chosen_by_the_views_held_out():
    """Of 12 lenses each, seen 20 times: the fisheyes are recognised, and no Brown lens is taken for one."""
    taken = {brown.LENS: 0, fisheye.LENS: 0}
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        k1 = rng.normal(0, 0.1)
        wide = camera(brown.LENS, rng.uniform(600, 800), [k1, -0.4 * k1, 0, 0, 0])
        taken[brown.LENS] += estimate_lens("", CORNERS, seen_by(wide, rng, 20), SIZE).lens is fisheye.LENS
        wider = camera(fisheye.LENS, rng.uniform(420, 600), [rng.normal(0, 0.03), rng.normal(0, 0.01), 0, 0])
        taken[fisheye.LENS] += estimate_lens("", CORNERS, seen_by(wider, rng, 20), SIZE).lens is fisheye.LENS
    assert taken[brown.LENS] == 0
    assert taken[fisheye.LENS] >= 11


def test_a_narrow_lens_is_not_asked_whether_it_is_a_fisheye():
    tele = camera(brown.LENS, 2000.0)
    found = estimate_lens("cam1", CORNERS, seen_by(tele, np.random.default_rng(3), 20), SIZE)
    assert np.isnan(found.fisheye_gain)
    assert found.matrix[0, 0] == pytest.approx(2000, abs=4 * found.std[0])


def test_a_board_never_tilted_is_named():
    xy = seen_by(BROWN, np.random.default_rng(4), 40, noise_px=0.3, parallel=True)
    found = estimate_lens("cam1", CORNERS, xy, SIZE)
    assert found.focal_std > 0.05
    with pytest.raises(CalibrationError, match=r"cam1: the focal length is known to .* the board was never tilted"):
        refuse_uncertain_focal(["cam1"], [found], [found.focal_std])
    assert "tilt the board by 30 to 45 degrees" in focal_weakness(found)


def test_a_focal_length_that_the_other_cameras_hold_is_not_refused():
    found = estimate_lens("cam1", CORNERS, seen_by(BROWN, np.random.default_rng(4), 40, parallel=True), SIZE)
    refuse_uncertain_focal(["cam1"], [found], [0.01])
    with pytest.raises(CalibrationError):
        refuse_uncertain_focal(["cam1"], [found], [np.nan])


def test_corners_in_the_middle_only_are_named():
    found = estimate_lens("cam1", CORNERS, seen_by(BROWN, np.random.default_rng(5), 30, (0.05, 0.1), within=0.2), SIZE)
    assert lens_notes(["cam1"], [found]) == (
        "Lens distortion is extrapolated where no corner of the board was seen in the picture: cam1 (all around the "
        "middle).",
    )


def test_an_unseen_side_is_named():
    xy = seen_by(BROWN, np.random.default_rng(6), 60)
    xy = xy[~(np.nanmin(xy[..., 0], axis=1) < 330)]
    found = estimate_lens("cam1", CORNERS, xy, SIZE)
    assert "cam1 (the outer left quarter)." in lens_notes(["cam1"], [found])[0]
    whole = estimate_lens("cam2", CORNERS, seen_by(BROWN, np.random.default_rng(6), 60), SIZE)
    assert lens_notes(["cam2"], [whole]) == ()


def test_a_small_board_is_named():
    found = estimate_lens("cam1", CORNERS, seen_by(BROWN, np.random.default_rng(7), 8, (0.04, 0.06)), SIZE)
    assert "the board was far away" in focal_weakness(found)


def test_too_few_views_are_refused_unless_the_lens_is_known():
    xy = seen_by(BROWN, np.random.default_rng(8), 2)
    with pytest.raises(CalibrationError, match=r"cam1: the board was seen well .* in 2 moments, needed 3"):
        estimate_lens("cam1", CORNERS, xy, SIZE)
    known = usual_prior(brown.LENS, SIZE)
    found = estimate_lens("cam1", CORNERS, xy, SIZE, known)
    np.testing.assert_allclose(parameters(found), known.mean)
    assert found.views_used == 0
    assert "in 2 moments only" in focal_weakness(found)


def test_what_is_known_of_a_lens_is_used():
    """Parallel boards say nothing of the focal length: it stays where the prior has it, 1 % wide."""
    usual = usual_prior(brown.LENS, SIZE)
    mean, std = usual.mean.copy(), usual.std.copy()
    mean[0], std[0] = 905.0, 9.0
    known = LensPrior(brown.LENS, mean, std, "preset")
    xy = seen_by(BROWN, np.random.default_rng(9), 20, parallel=True)
    found = estimate_lens("cam1", CORNERS, xy, SIZE, known)
    assert found.matrix[0, 0] == pytest.approx(905, abs=18)
    assert found.prior is known
    assert found.preset_contradiction < 3


def test_a_preset_of_another_zoom_is_named():
    usual = usual_prior(brown.LENS, SIZE)
    mean, std = usual.mean.copy(), usual.std.copy()
    mean[0], std[0] = 1000.0, 5.0
    known = LensPrior(brown.LENS, mean, std, "the preset gopro")
    found = estimate_lens("cam1", CORNERS, seen_by(BROWN, np.random.default_rng(9), 40, (0.2, 0.5)), SIZE, known)
    assert found.preset_contradiction > 5
    assert "cam1: its views contradict the preset gopro: a focal length of 9" in lens_notes(["cam1"], [found])[0]


def test_few_views_are_chosen_of_many_and_say_as_much():
    """60 of 300 views, chosen for their differences, tell the focal length better than 60 taken at random."""
    rng = np.random.default_rng(10)
    xy = seen_by(BROWN, rng, 300)
    xy[::10] += rng.normal(0, 5, xy[::10].shape)
    chosen, rough = choose_views(CORNERS, xy, SIZE, usual_prior(brown.LENS, SIZE))
    assert len(set(chosen)) == len(rough.T_cam_board) == 60
    assert not (chosen % 10 == 0).any()  # those are blurred
    np.testing.assert_array_equal(chosen, choose_views(CORNERS, xy, SIZE, usual_prior(brown.LENS, SIZE))[0])
    best = estimate_lens("cam1", CORNERS, xy, SIZE)
    assert (best.views, best.views_used) == (300, 60)
    random = estimate_lens("cam1", CORNERS, xy[rng.choice(300, 60, replace=False)], SIZE)
    assert best.focal_std < 0.7 * random.focal_std
