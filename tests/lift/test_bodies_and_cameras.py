"""Changed bodies and virtual cameras, on figures that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lift.bodies import GROUPS, mirrored, of_stature, proportioned, torso_axes, with_other_arms
from lift.cameras import Cameras, CameraSettings, draw_cameras, rays
from lift.geometry import centred, root_code, root_from_code, turn_ahead
from lift.mocap.archives import Motions
from lift.points import FEET, POINTS, STATURE_M, root, stature

PLACE = {name: k for k, name in enumerate(POINTS)}


@pytest.fixture
def windows(motions: Motions) -> np.ndarray:
    return np.stack([motions.xyz_m[motions.frames(k)][:96] for k in range(3)])


def test_a_mirrored_body_lifts_the_other_hand(windows: np.ndarray):
    contact = np.zeros((3, 96, 2), np.int8)
    contact[..., 0] = 1
    flipped, feet = mirrored(windows, contact)
    np.testing.assert_array_equal(flipped[..., PLACE["left_wrist"], 0], -windows[..., PLACE["right_wrist"], 0])
    np.testing.assert_array_equal(flipped[..., PLACE["left_wrist"], 1:], windows[..., PLACE["right_wrist"], 1:])
    assert (feet[..., 1] == 1).all()
    np.testing.assert_array_equal(mirrored(flipped, feet)[0], windows)


def test_bones_get_their_factor_and_feet_stay_on_the_ground(windows: np.ndarray):
    factor = np.ones((3, len(GROUPS)), np.float32)
    factor[:, GROUPS.index("forearm")] = 1.2
    factor[:, GROUPS.index("thigh")] = 1.1
    changed = proportioned(windows, factor)

    def length(xyz: np.ndarray, a: str, b: str) -> np.ndarray:
        return np.linalg.norm(xyz[..., PLACE[a], :] - xyz[..., PLACE[b], :], axis=-1)

    np.testing.assert_allclose(
        length(changed, "left_elbow", "left_wrist"), 1.2 * length(windows, "left_elbow", "left_wrist"), rtol=1e-3
    )
    np.testing.assert_allclose(
        length(changed, "right_hip", "right_knee"), 1.1 * length(windows, "right_hip", "right_knee"), rtol=1e-3
    )
    np.testing.assert_allclose(
        length(changed, "right_knee", "right_ankle"), length(windows, "right_knee", "right_ankle"), rtol=1e-3
    )
    lowest = [np.nanmin(xyz[..., FEET, 2], axis=-1) for xyz in (windows, changed)]
    np.testing.assert_allclose(lowest[1], 1.05 * lowest[0], atol=1e-5)  # legs are 5 % longer: so are steps and heights


def test_arms_of_others_are_held_towards_the_trunk_as_theirs_are(windows: np.ndarray):
    changed = with_other_arms(windows, np.array([1, 1, 0]))
    np.testing.assert_array_equal(changed[1], windows[1])

    def towards_the_trunk(xyz: np.ndarray) -> np.ndarray:
        arm = xyz[:, PLACE["left_wrist"]] - xyz[:, PLACE["left_shoulder"]]
        return np.einsum("fji,fj->fi", torso_axes(xyz), arm)

    np.testing.assert_allclose(towards_the_trunk(changed[0]), towards_the_trunk(windows[1]), atol=1e-5)
    legs = [PLACE[f"{side}_{point}"] for side in ("left", "right") for point in ("hip", "knee", "ankle", "shoulder")]
    np.testing.assert_array_equal(changed[:, :, legs], windows[:, :, legs])
    unknown = windows.copy()
    unknown[1, 5, PLACE["left_hip"]] = np.nan
    np.testing.assert_array_equal(with_other_arms(unknown, np.array([1, 1, 2]))[0], unknown[0])


def test_every_body_becomes_the_standard_height(windows: np.ndarray):
    scaled, scale = of_stature(1.3 * windows)
    np.testing.assert_allclose(np.nanmean(stature(scaled), axis=1), STATURE_M, rtol=1e-5)
    np.testing.assert_allclose(scaled, 1.3 * windows * scale[:, None, None, None], rtol=1e-6)


def test_a_turn_ahead_takes_its_ray_to_the_axis():
    # A ray of 3-4-5: x / z = 3/4.
    turn = turn_ahead(np.array([[0.75, 0.0]], np.float32))[0]
    np.testing.assert_allclose(turn @ [0.6, 0, 0.8], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(turn @ [0, 1, 0], [0, 1, 0], atol=1e-6)  # the shortest turn is about y here
    random = turn_ahead(np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32))
    np.testing.assert_allclose(random @ np.swapaxes(random, 1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-5)
    assert (np.linalg.det(random) > 0).all()


def test_cameras_see_the_body_before_them_upright_and_mostly_framed(windows: np.ndarray):
    rng = np.random.default_rng(5)
    many = np.repeat(windows, 40, axis=0)
    cameras = draw_cameras(rng, root(many), CameraSettings(), STATURE_M)
    cam = cameras.to_camera(many)
    assert np.nanmin(cam[..., 2]) > 0.3
    feet = np.nanmean(cam[..., PLACE["left_ankle"], 1], axis=1)
    shoulders = np.nanmean(cam[..., PLACE["left_shoulder"], 1], axis=1)
    assert (feet > shoulders).all()  # y points down
    np.testing.assert_allclose(
        cameras.rotation @ np.swapaxes(cameras.rotation, 1, 2), np.tile(np.eye(3), (120, 1, 1)), atol=1e-5
    )
    assert (np.linalg.det(cameras.rotation) > 0).all()
    inside = (np.abs(rays(cam)) <= cameras.half_size[:, None, None]).all(axis=-1)[..., PLACE["left_hip"]]
    assert inside.mean() > 0.9
    known = cameras.focal_ratio == 1
    assert 0.4 < known.mean() < 0.8  # 0.6 of 120: three deviations are 0.13


def test_the_root_comes_back_from_its_code(windows: np.ndarray):
    rng = np.random.default_rng(2)
    cameras = draw_cameras(rng, root(windows), CameraSettings(guessed_share=0.0), STATURE_M)
    cam = cameras.to_camera(windows)
    ray = rays(cam)
    view = centred(ray, np.isfinite(ray).all(axis=-1).astype(np.float32))
    hips = root(cam)
    code = root_code(np.einsum("bfij,bfj->bfi", view.turn, hips), view)
    np.testing.assert_allclose(root_from_code(code, view), hips, rtol=1e-4, atol=1e-4)


def test_a_body_twice_as_far_and_half_as_wide_a_lens_has_the_same_inputs_but_for_its_size():
    body = np.random.default_rng(1).normal(0, 0.02, (1, 5, len(POINTS), 2)).astype(np.float32)
    confidence = np.ones((1, 5, len(POINTS)), np.float32)
    near, far = centred(body, confidence), centred(body / 2, confidence)
    np.testing.assert_allclose(
        near.ray / near.spread[..., None, None], far.ray / far.spread[..., None, None], atol=2e-3
    )
    np.testing.assert_allclose(near.spread, 2 * far.spread, rtol=2e-3)


def test_a_frame_without_anything_seen_keeps_the_middle_before_it():
    ray = np.full((1, 3, len(POINTS), 2), 0.2, np.float32)
    ray[0, 0] = np.nan
    ray[0, 2] = np.nan
    view = centred(ray, np.ones((1, 3, len(POINTS)), np.float32))
    np.testing.assert_allclose(view.middle[0], [[0, 0], [0.2, 0.2], [0.2, 0.2]], atol=1e-6)
    assert np.isfinite(view.ray).all()


def test_cameras_without_any_person_in_space():
    camera = Cameras(np.eye(3)[None], np.zeros((1, 3)), np.ones((1, 2)), np.ones(1))
    behind = camera.to_camera(np.array([[[[0.0, 0.0, -2.0], [1.0, 2.0, 4.0]]]]))
    np.testing.assert_allclose(rays(behind), [[[[np.nan, np.nan], [0.25, 0.5]]]])
