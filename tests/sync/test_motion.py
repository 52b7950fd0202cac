"""Clocks from motion alone, on people whose cameras' offsets are known."""

import numpy as np
import pytest

from skeleton.keypoints import Keypoints2D
from sync.motion import sync_by_motion
from sync.motion_tracks import motion_track

NAMES = tuple(
    f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
SIZE_PX = np.array([1280, 720])


def wander(time_s, rng):
    """Return places (moments, joints, 3) of joints that each go their own way, at up to some 1.5 Hz, never the same."""
    joints = len(NAMES)
    frequency = rng.uniform(0.2, 1.5, (8, joints, 3))
    phase = rng.uniform(0, 2 * np.pi, (8, joints, 3))
    size = 0.12 / np.sqrt(8) / frequency
    angle = 2 * np.pi * frequency * np.asarray(time_s)[:, None, None, None] + phase
    rest = np.stack([rng.normal(0, 0.2, joints), rng.normal(0, 0.1, joints), rng.uniform(0.1, 1.6, joints)], axis=-1)
    return rest + (size * np.sin(angle)).sum(axis=1)


def film(places, start_s, rng, azimuth, rate_hz=30.0, seconds=12.0, noise_px=2.0):
    """Return the keypoints of a camera 4 m away that starts at `start_s`; `places` maps times to points."""
    stamps_s = np.arange(int(seconds * rate_hz)) / rate_hz
    xyz = places(stamps_s + start_s)
    x = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    z = -np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    depth = 4 + xyz @ z
    xy = np.stack([640 + 900 * (xyz @ x) / depth, 360 - 900 * (xyz[..., 2] - 0.9) / depth], axis=-1)
    xy += rng.normal(0, noise_px, xy.shape)
    return Keypoints2D(NAMES, xy, np.ones(xy.shape[:2]), stamps_s, SIZE_PX)


def dance(seed):
    return lambda time_s: wander(time_s, np.random.default_rng(seed))


def test_three_cameras_without_sound_are_on_one_time_line():
    rng = np.random.default_rng(1)
    start_s = {"cam1": 0.0, "cam2": 1.3137, "cam3": 0.4721}
    views = {name: film(dance(5), start, rng, 0.3 + 1.1 * i) for i, (name, start) in enumerate(start_s.items())}
    clocks = sync_by_motion(views).time_map.cameras
    assert [clock.method for clock in clocks.values()] == ["reference", "motion", "motion"]
    for name in ("cam2", "cam3"):
        clock = clocks[name]
        assert clock.ok
        # Session time is cam1's; cam2's zero is 1.3137 s later. A frame has 33 ms.
        assert clock.offset_s == pytest.approx(start_s[name], abs=0.012)
        assert abs(clock.offset_s - start_s[name]) < 4 * clock.std_s(clock.middle_s)


def test_frame_rates_may_differ():
    rng = np.random.default_rng(2)
    views = {
        "cam1": film(dance(6), 0.0, rng, 0.2, rate_hz=25.0),
        "cam2": film(dance(6), 2.0, rng, 1.4, rate_hz=60.0),
    }
    clock = sync_by_motion(views).time_map.cameras["cam2"]
    assert clock.ok
    assert clock.offset_s == pytest.approx(2.0, abs=0.012)


def test_wild_points_and_swapped_sides_do_not_matter():
    rng = np.random.default_rng(3)
    views = {"cam1": film(dance(7), 0.0, rng, 0.2), "cam2": film(dance(7), 0.9, rng, 1.6)}
    second = views["cam2"]
    xy = second.xy_px.copy()
    xy[100:160] = xy[100:160].reshape(60, -1, 2, 2)[:, :, ::-1].reshape(60, -1, 2)
    wild = rng.random(xy.shape[:2]) < 0.04
    xy[wild] += rng.normal(0, 200, (int(wild.sum()), 2))
    views["cam2"] = Keypoints2D(NAMES, xy, second.confidence, second.time_s, SIZE_PX)
    clock = sync_by_motion(views).time_map.cameras["cam2"]
    assert clock.ok
    assert clock.offset_s == pytest.approx(0.9, abs=0.02)


def test_who_repeats_every_step_is_refused():
    def treadmill(time_s):
        # Every joint on a path of its own, all with the period of 1.1 s.
        rng = np.random.default_rng(8)
        size, phase = rng.uniform(0.05, 0.2, (2, len(NAMES), 3)), rng.uniform(0, 2 * np.pi, (2, len(NAMES), 3))
        turn = 2 * np.pi / 1.1 * np.asarray(time_s)[:, None, None]
        return 0.9 + size[0] * np.sin(turn + phase[0]) + 0.3 * size[1] * np.sin(2 * turn + phase[1])

    rng = np.random.default_rng(4)
    views = {"cam1": film(treadmill, 0.0, rng, 0.2), "cam2": film(treadmill, 0.6, rng, 1.4)}
    result = sync_by_motion(views)
    assert set(result.time_map.refused) == {"cam1", "cam2"}
    assert "repeats itself" in result.time_map.refused["cam2"]
    pair = result.pairs["cam1", "cam2"]
    assert pair.peak_ratio > 0.7
    # The two lags that it cannot choose between are whole steps apart, give or take the half one of a mirrored side.
    assert (pair.lag_s - pair.second_s) % 0.55 == pytest.approx(0, abs=0.05) or (
        pair.second_s - pair.lag_s
    ) % 0.55 == pytest.approx(0, abs=0.05)


def test_different_people_are_refused():
    rng = np.random.default_rng(5)
    views = {"cam1": film(dance(9), 0.0, rng, 0.2), "cam2": film(dance(10), 0.0, rng, 1.4)}
    assert set(sync_by_motion(views).time_map.refused) == {"cam1", "cam2"}


def test_who_stands_still_is_refused():
    rng = np.random.default_rng(6)
    still = wander(np.zeros(1), np.random.default_rng(11))
    views = {f"cam{i}": film(lambda time_s: np.repeat(still, len(time_s), axis=0), 0.0, rng, 0.2 + i) for i in (1, 2)}
    refused = sync_by_motion(views).time_map.refused
    assert "too little motion" in refused["cam1"]


def test_a_camera_that_sees_nobody_is_named_and_the_others_stay():
    rng = np.random.default_rng(7)
    views = {f"cam{i}": film(dance(12), 0.5 * i, rng, 0.2 + i) for i in range(3)}
    empty = views["cam1"]
    views["cam1"] = Keypoints2D(
        NAMES, np.full(empty.xy_px.shape, np.nan), np.zeros(empty.confidence.shape), empty.time_s, SIZE_PX
    )
    clocks = sync_by_motion(views).time_map.cameras
    assert "nobody is seen" in clocks["cam1"].verdict
    assert clocks["cam2"].offset_s == pytest.approx(1.0, abs=0.012)


def test_a_track_has_the_velocity_of_a_steady_point():
    time_s = np.arange(60) / 30
    xy = np.zeros((60, 2, 2))
    xy[:, 0, 0] = 90 * time_s
    xy[:, 1] = (0, 300)
    track = motion_track(Keypoints2D(("left_wrist", "left_hip"), xy, np.ones((60, 2)), time_s, SIZE_PX), 60.0)
    # Bodies are measured by their box: its diagonal is 300 px high and 0 to 177 px wide.
    size_px = np.median(np.hypot(300, 90 * time_s))
    middle = track.velocity[30:90]
    np.testing.assert_allclose(middle[:, 0, 0], 90 / size_px, rtol=1e-6)
    np.testing.assert_allclose(middle[:, 1], 0, atol=1e-12)
