"""Clocks refined on a figure whose cameras' delays are known."""

from dataclasses import replace

import numpy as np
import pytest

from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D
from sync.time_map import CameraClock
from triangulate.clocks import refine_clocks
from triangulate.left_right import mirror_order

RATE_HZ = 30.0
NOISE_PX = 3.0


def figure_at(walk, time_s):
    """Return the walking figure's points at any times: it is drawn at 600 Hz and interpolated."""
    body, drawn_s = walk(int((time_s[-1] + 1) * 600), 600.0)
    flat = body.reshape(len(body), -1)
    drawn = np.stack([np.interp(time_s, drawn_s, column) for column in flat.T], axis=1)
    return drawn.reshape(len(time_s), *body.shape[1:])


def film(cameras, walk, late_s, rng, seconds=8.0, drift=None, noise_px=NOISE_PX, bias_px=0.0):
    """Return views whose time stamps are wrong: each camera exposes `late_s` after what they say.

    The noise of each joint lasts for some frames, as a detector's does.
    """
    names = load_joint_set("blazepose33").points
    views = {}
    for c, (camera, late) in enumerate(zip(cameras, late_s, strict=True)):
        # Shutters that are not in step.
        stamps_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ + 0.007 * c
        rate = 1.0 if drift is None else 1 + drift[c]
        shown_s = stamps_s + late + (rate - 1) * (stamps_s - seconds / 2)
        xy = camera.project(figure_at(walk, shown_s + 0.5))
        noise = rng.normal(0, noise_px, xy.shape)
        for frame in range(1, len(noise)):
            noise[frame] = 0.6 * noise[frame - 1] + 0.8 * noise[frame]
        xy = xy + noise + rng.normal(0, bias_px, (1, *xy.shape[1:]))
        views[camera.name] = Keypoints2D(names, xy, np.ones(xy.shape[:2]), stamps_s, np.array(camera.size_px))
    return views


def clocks(cameras, std_s=0.1, rate_std=50e-6, method="clap"):
    known = {
        camera.name: CameraClock(0.0, 1.0, float(np.hypot(std_s, 4 * rate_std)), rate_std, method, 1.0, middle_s=4.0)
        for camera in cameras
    }
    known[cameras.names[0]] = CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0)
    return known


def corrected_ms(result, names, late_s):
    """Return error and deviation of each camera but the first, milliseconds."""
    error = [1000 * (result.clocks[name].motion_s - late) for name, late in zip(names[1:], late_s[1:], strict=True)]
    return np.array(error), np.array([1000 * result.clocks[name].motion_std_s for name in names[1:]])


def test_delays_of_fractions_of_a_frame_are_found(ring, walk, rng):
    cameras = ring(4)
    late_s = (0.0, 0.011, -0.023, 0.004)
    result = refine_clocks(film(cameras, walk, late_s, rng), cameras, clocks(cameras))
    error, std = corrected_ms(result, cameras.names, late_s)
    assert not result.refused
    assert (np.abs(error) < 4 * std).all()
    # A frame has 33 ms.
    assert std.max() < 3
    assert result.after_px < result.before_px


def test_three_frames_off_is_near_enough_to_start(ring, walk, rng):
    cameras = ring(4)
    late_s = (0.0, 0.100, -0.080, 0.060)
    result = refine_clocks(film(cameras, walk, late_s, rng), cameras, clocks(cameras, std_s=0.2))
    error, std = corrected_ms(result, cameras.names, late_s)
    assert (np.abs(error) < 4 * std).all()


def test_constant_disagreement_of_20_px_is_no_time(ring, walk, rng):
    cameras = ring(4)
    late_s = (0.0, 0.009, 0.0, -0.006)
    result = refine_clocks(film(cameras, walk, late_s, rng, bias_px=20.0), cameras, clocks(cameras))
    error, std = corrected_ms(result, cameras.names, late_s)
    assert (np.abs(error) < 4 * std).all()
    assert np.abs(error).max() < 5


def test_swapped_sides_and_wild_points_do_not_move_clocks(ring, walk, rng):
    cameras = ring(4)
    late_s = (0.0, 0.011, -0.023, 0.004)
    views = film(cameras, walk, late_s, rng)
    second = views["cam2"]
    xy = second.xy_px.copy()
    mirror = mirror_order(second.names)
    xy[60:110] = xy[60:110][:, mirror]
    wild = rng.random(xy.shape[:2]) < 0.05
    xy[wild] += rng.normal(0, 150, (int(wild.sum()), 2))
    views["cam2"] = replace(second, xy_px=xy)
    result = refine_clocks(views, cameras, clocks(cameras))
    error, std = corrected_ms(result, cameras.names, late_s)
    assert (np.abs(error) < 4 * std).all()
    assert std.max() < 4


def test_deviations_are_honest(ring, walk):
    cameras = ring(3)
    late_s = (0.0, 0.008, -0.012)
    z = []
    for seed in range(6):
        views = film(cameras, walk, late_s, np.random.default_rng(seed), seconds=5.0)
        error, std = corrected_ms(refine_clocks(views, cameras, clocks(cameras)), cameras.names, late_s)
        z.extend(error / std)
    # 12 draws, of which pairs share a camera: 99 % of such draws of standard normals have a root mean square in here.
    assert 0.4 < np.sqrt(np.mean(np.square(z))) < 1.6


def test_a_clock_that_drifts_is_followed_over_a_minute(ring, walk, rng):
    cameras = ring(3)
    drift = (0.0, 200e-6, -100e-6)
    views = film(cameras, walk, (0.0, 0.005, 0.0), rng, seconds=60.0, drift=drift)
    known = clocks(cameras, rate_std=200e-6)
    result = refine_clocks(views, cameras, known)
    for name, true in zip(cameras.names[1:], drift[1:], strict=True):
        refined = result.clocks[name]
        assert refined.rate_shift == pytest.approx(true, abs=4 * refined.rate_std)
        assert refined.rate_std < 80e-6


def test_a_sure_sound_stays_and_a_lag_beyond_doubt_moves(ring, walk, rng):
    cameras = ring(4)
    late_s = (0.0, 0.0, 0.030, 0.0)
    result = refine_clocks(film(cameras, walk, late_s, rng), cameras, clocks(cameras, std_s=2e-4, rate_std=1e-6))
    assert result.clocks["cam3"].certain
    assert result.clocks["cam3"].shift_s == pytest.approx(0.030, abs=4 * result.clocks["cam3"].std_s)
    for name in ("cam2", "cam4"):
        assert not result.clocks[name].certain
        # Two cameras whose sound is sure to 0.2 ms do not go where the noise of motion would take them.
        assert abs(result.clocks[name].shift_s) < 4e-4
        assert result.clocks[name].std_s <= 2e-4


def test_who_stands_still_moves_no_clock(ring, walk, rng):
    cameras = ring(3)
    body, time_s = walk(240, RATE_HZ)
    xy = cameras.project(np.repeat(body[:1], 240, axis=0)) + rng.normal(0, NOISE_PX, (3, 240, 33, 2))
    names = load_joint_set("blazepose33").points
    views = {
        camera.name: Keypoints2D(names, xy[c], np.ones(xy[c].shape[:2]), time_s, np.array(camera.size_px))
        for c, camera in enumerate(cameras)
    }
    result = refine_clocks(views, cameras, clocks(cameras, std_s=1e-3, rate_std=1e-6))
    for refined in result.clocks.values():
        assert not refined.certain
        assert abs(refined.shift_s) < 2e-3
        assert refined.std_s > 0.7e-3


def test_the_corrected_clock_gives_the_shift_where_it_was_measured(ring, walk, rng):
    cameras = ring(3)
    late_s = (0.0, 0.012, 0.0)
    known = clocks(cameras)
    known["cam2"] = replace(known["cam2"], offset_s=2.0, rate=1.0001)
    views = film(cameras, walk, late_s, rng)
    result = refine_clocks(views, cameras, known)
    refined = result.clocks["cam2"]
    after = refined.applied_to(known["cam2"])
    camera_s = known["cam2"].to_camera(refined.middle_s)
    assert after.to_session(camera_s) == pytest.approx(refined.middle_s + refined.shift_s, abs=1e-9)
    assert after.std_s(camera_s) == pytest.approx(refined.std_s, rel=1e-6)
    assert after.rate == pytest.approx(1.0001 * (1 + refined.rate_shift), rel=1e-12)
