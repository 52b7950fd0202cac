"""Clocks of calibrated cameras from motion, with nothing known before."""

import numpy as np
import pytest

from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D
from triangulate.clock_search import search_clocks

RATE_HZ = 30.0


def film(cameras, body_at, start_s, rng, seconds, noise_px=4.0):
    """Return views of cameras that start at `start_s`; `body_at` maps session times to points (moments, 33, 3)."""
    names = load_joint_set("blazepose33").points
    views = {}
    for camera, start in zip(cameras, start_s, strict=True):
        stamps_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        xy = camera.project(body_at(stamps_s + start))
        # Every camera sees every joint a little elsewhere, and not steadily.
        xy = xy + rng.normal(0, 8.0, (1, *xy.shape[1:])) + rng.normal(0, noise_px, xy.shape)
        views[camera.name] = Keypoints2D(names, xy, np.ones(xy.shape[:2]), stamps_s, np.array(camera.size_px))
    return views


def drawn(walk, seconds):
    """Return the walking figure at any session time."""
    body, drawn_s = walk(int(seconds * 200), 200.0)
    flat = body.reshape(len(body), -1)

    def body_at(time_s):
        columns = [np.interp(time_s, drawn_s, column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(len(time_s), *body.shape[1:])

    return body_at


def test_seconds_of_offset_are_found_to_a_hundredth(ring, walk, rng):
    cameras = ring(3)
    start_s = (0.0, 1.234, 0.517)
    clocks = search_clocks(film(cameras, drawn(walk, 9), start_s, rng, 6), cameras).cameras
    for name, start in zip(cameras.names, start_s, strict=True):
        assert clocks[name].ok
        assert clocks[name].offset_s == pytest.approx(start, abs=0.02)


def test_steps_on_the_spot_are_refused_and_steps_that_get_somewhere_are_not(ring, walk, rng):
    cameras = ring(3)
    rest = walk(1)[0][0]
    legs = np.array(["knee" in name or "ankle" in name for name in load_joint_set("blazepose33").points])
    left = np.array(["left" in name for name in load_joint_set("blazepose33").points])

    def steps(time_s, forward_m_per_s):
        body = np.repeat(rest[None], len(time_s), axis=0)
        swing = 0.2 * np.sin(2 * np.pi * time_s / 1.1)[:, None]
        body[:, legs & left, 0] += swing
        body[:, legs & ~left, 0] -= swing
        body[..., 0] += forward_m_per_s * (time_s[:, None] - 3)
        return body

    start_s = (0.0, 0.6, 0.3)
    on_the_spot = film(cameras, lambda time_s: steps(time_s, 0.0), start_s, rng, 6)
    assert set(search_clocks(on_the_spot, cameras).refused) == set(cameras.names)
    onwards = film(cameras, lambda time_s: steps(time_s, 0.4), start_s, rng, 6)
    clocks = search_clocks(onwards, cameras).cameras
    for name, start in zip(cameras.names, start_s, strict=True):
        assert clocks[name].offset_s == pytest.approx(start, abs=0.03)


def test_who_stands_still_is_refused(ring, walk, rng):
    cameras = ring(3)
    rest = walk(1)[0]
    views = film(cameras, lambda time_s: np.repeat(rest, len(time_s), axis=0), (0.0, 0.5, 1.0), rng, 4)
    assert set(search_clocks(views, cameras).refused) == set(cameras.names)


def test_a_long_take_is_searched_by_its_most_moving_part(ring, walk, rng):
    cameras = ring(2)
    body_at = drawn(walk, 70)

    def mostly_still(time_s):
        return body_at(np.clip(time_s, 30.0, 45.0))

    clocks = search_clocks(film(cameras, mostly_still, (0.0, 7.31), rng, 55), cameras).cameras
    assert clocks["cam2"].offset_s == pytest.approx(7.31, abs=0.02)
