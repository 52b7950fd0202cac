"""Clocks of a real take without sound, whose cameras a cable keeps in step."""

from dataclasses import replace

import numpy as np
import pytest

from skeleton.keypoints import Keypoints2D
from sync.resample import resample_keypoints
from sync.time_map import CameraClock
from triangulate.clock_search import search_clocks
from triangulate.clocks import refine_clocks

pytestmark = pytest.mark.data

FRAME_S = 1 / 60
# The camera with the least noise stays.
REFERENCE = "cam04"


def motion_ms(views, cameras):
    """Return what motion says of each camera's clock, and the deviation, milliseconds."""
    unknown = CameraClock(0.0, 1.0, 0.1, 1e-6, "manual", 1.0)
    known = dict.fromkeys(views, unknown) | {REFERENCE: replace(unknown, method="reference")}
    result = refine_clocks(views, cameras, known)
    assert not result.refused
    moved = {name: result.clocks.get(name) for name in views}
    return (
        np.array([1000 * clock.motion_s if clock else 0.0 for clock in moved.values()]),
        np.array([1000 * clock.motion_std_s if clock else 0.0 for clock in moved.values()]),
    )


@pytest.fixture(scope="module")
def own(walk4):
    return motion_ms(*walk4)


def later(view, shift_s):
    """Return what the camera would have seen with its shutter later, under the same time stamps."""
    inside = (view.time_s >= FRAME_S) & (view.time_s <= view.time_s[-1] - FRAME_S)
    return replace(resample_keypoints(view, view.time_s[inside] + shift_s), time_s=view.time_s[inside])


def every_second(view, first):
    """Return every second frame under time stamps that say it began with the first."""
    kept = slice(first, None, 2)
    time_s = view.time_s[kept] - first * FRAME_S
    return Keypoints2D(view.names, view.xy_px[kept], view.confidence[kept], time_s, view.image_size_px)


def test_the_cameras_are_in_step_cam03_too(own):
    # Without taking out each joint's constant offset (12 and 20 px in cam01 and cam03), cam03 would be 40 ms late.
    motion, std = own
    assert (np.abs(motion) <= 3 * std).all()
    assert np.abs(motion).max() < 6
    assert std.max() < 8


@pytest.mark.parametrize("shares", [(0.03, 0.9, -0.71, 0.0), (-0.94, 0.51, 0.08, 0.0), (0.5, -0.25, 0.75, 0.0)])
def test_fractions_of_a_frame_are_recovered_to_2_ms(walk4, own, shares):
    views, cameras = walk4
    shift_s = FRAME_S * np.array(shares)
    shifted = {name: later(view, shift) for (name, view), shift in zip(views.items(), shift_s, strict=True)}
    motion, _ = motion_ms(shifted, cameras)
    np.testing.assert_allclose(motion - own[0], 1000 * shift_s, atol=2)


def test_half_a_frame_at_30_fps_by_dropped_frames_is_recovered_to_2_ms(walk4, own):
    # No interpolation: the even frames of some cameras, the odd ones of others.
    views, cameras = walk4
    first = (1, 0, 1, 0)
    halved = {name: every_second(view, odd) for (name, view), odd in zip(views.items(), first, strict=True)}
    motion, _ = motion_ms(halved, cameras)
    np.testing.assert_allclose(motion - own[0], 1000 * FRAME_S * np.array(first), atol=2)


def test_tenths_of_seconds_are_found_from_nothing(walk4):
    views, cameras = walk4
    start_s = dict(zip(views, (0.1, 0.0, 0.05, 0.15), strict=True))
    cut = {}
    for name, view in views.items():
        rest = view.time_s >= start_s[name] - 1e-9
        cut[name] = Keypoints2D(
            view.names,
            view.xy_px[rest],
            view.confidence[rest],
            view.time_s[rest] - start_s[name],
            view.image_size_px,
        )
    time_map = search_clocks(cut, cameras)
    assert not time_map.refused
    for name, clock in time_map.cameras.items():
        assert clock.offset_s - time_map.cameras["cam02"].offset_s == pytest.approx(start_s[name], abs=0.035)
