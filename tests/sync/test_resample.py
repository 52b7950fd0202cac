"""The common timeline, and keypoints between frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clapcap.errors import SyncError
from skeleton.keypoints import Keypoints2D
from sync.resample import common_timeline, nominal_interval_s, resample_keypoints


def keypoints(times, xy, confidence=None, world=None):
    xy = np.asarray(xy, dtype=float).reshape(len(times), -1, 2)
    names = tuple(f"p{i}" for i in range(xy.shape[1]))
    if confidence is None:
        confidence = np.where(np.isnan(xy).any(axis=-1), 0, 0.8)
    return Keypoints2D(names, xy, confidence, times, [640, 480], world)


def test_the_span_in_which_two_cameras_record():
    times = {"a": np.arange(0, 10, 0.1), "b": np.arange(2, 6, 0.1), "c": np.arange(4.03, 12, 0.1)}
    timeline = common_timeline(times)
    # b starts as the second; a, the second last, ends at 9.9. In step with a, the first of the fastest.
    np.testing.assert_allclose(timeline, np.arange(20, 100) / 10)


def test_the_fastest_camera_sets_the_rate_unless_told():
    times = {"a": np.arange(100) / 30, "b": 0.005 + np.arange(200) / 60}  # a ends at 3.3, b at 3.32
    np.testing.assert_allclose(common_timeline(times), times["b"][:-2])
    np.testing.assert_allclose(common_timeline(times, float("nan")), times["b"][:-2])
    timeline = common_timeline(times, 25.0)
    np.testing.assert_allclose(np.diff(timeline), 1 / 25)
    assert timeline[0] >= 0.005
    assert timeline[-1] <= 99 / 30
    with pytest.raises(ValueError, match="rate_hz is -1"):
        common_timeline(times, -1)


def test_cameras_with_the_same_times_keep_them():
    uneven = np.array([0.0, 0.1, 0.25, 0.3])
    assert common_timeline({"a": uneven, "b": uneven.copy()}).tolist() == uneven.tolist()


def test_cameras_that_do_not_overlap():
    with pytest.raises(SyncError, match=r"a 0\.00 to 1\.00 s, b 2\.00 to 3\.00 s"):
        common_timeline({"a": np.linspace(0, 1, 11), "b": np.linspace(2, 3, 11)})
    with pytest.raises(SyncError, match="a has 1 frames"):
        common_timeline({"a": np.zeros(1), "b": np.linspace(0, 1, 11)})
    with pytest.raises(SyncError, match="No two cameras"):
        common_timeline({"a": np.linspace(0, 1, 11)})


def test_the_nominal_interval_withstands_rounding_and_gaps():
    times = np.round(np.arange(300) / 30, 3)
    assert nominal_interval_s(times) == pytest.approx(1 / 30, rel=1e-4)
    assert nominal_interval_s(np.delete(times, slice(100, 140))) == pytest.approx(1 / 30, rel=1e-3)


def test_between_two_frames_by_hand():
    world = np.array([[[0.0, 0, 0]], [[1.0, 2, 3]]])
    source = keypoints([1.0, 1.1], [[10, 20], [20, 40]], [[0.5], [1.0]], world)
    result = resample_keypoints(source, np.array([1.0, 1.025, 1.1]))
    np.testing.assert_allclose(result.xy_px[:, 0], [[10, 20], [12.5, 25], [20, 40]])
    # Deviations go with 1 / sqrt(confidence), and are averaged: 3/4 of sqrt(2), 1/4 of 1.
    np.testing.assert_allclose(result.confidence[:, 0], [0.5, (0.75 * 2**0.5 + 0.25) ** -2, 1])
    np.testing.assert_allclose(result.world_m[1, 0], [0.25, 0.5, 0.75])
    assert result.time_s.tolist() == [1.0, 1.025, 1.1]


def test_nothing_is_extrapolated_and_no_gap_is_filled():
    nan = np.nan
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.1])
    source = keypoints(times, [[0, 0], [1, 1], [nan, nan], [3, 3], [9, 9], [10, 10], [11, 11]])
    timeline = np.array([-0.04, 0.05, 0.1, 0.15, 0.25, 0.3, 0.6, 0.95, 1.1, 1.14])
    result = resample_keypoints(source, timeline)
    np.testing.assert_allclose(result.xy_px[:, 0, 0], [nan, 0.5, 1, nan, nan, 3, nan, 9.5, 11, nan])
    np.testing.assert_allclose(result.confidence[:, 0], [0, 0.8, 0.8, 0, 0, 0.8, 0, 0.8, 0.8, 0])
    # One dropped frame is bridged; how far, the caller may say.
    bridged = resample_keypoints(source, timeline, max_gap_s=0.7)
    assert bridged.xy_px[6, 0, 0] == pytest.approx(6)
    assert np.isnan(resample_keypoints(source, timeline, max_gap_s=0.05).xy_px[1, 0, 0])


def on_an_arc(times):
    """A hand at 5 m/s, 0.3 m from the elbow, at a pixel a millimetre."""
    return 300 * np.stack([np.cos(times * 5 / 0.3), np.sin(times * 5 / 0.3)], axis=-1)


@pytest.mark.parametrize("digits", [9, 3])
def test_a_fast_hand_stays_on_its_arc_between_frames(digits):
    times = np.round(np.arange(90) / 30, digits)
    middle = times[1:-2] + 0.5 / 30
    found = resample_keypoints(keypoints(times, on_an_arc(times)), middle).xy_px[:, 0]
    inner = slice(1, -1)
    # On a line between the frames it would be 11.5 px off. Rounded time stamps: 0.5 ms at 5 m/s.
    assert np.linalg.norm(found - on_an_arc(middle), axis=1)[inner].max() < (0.7 if digits == 9 else 3.5)


def test_beside_gaps_and_unseen_points_a_line_is_all_there_is():
    times = np.delete(np.arange(12) / 30, 6)
    xy = on_an_arc(times)
    xy[2] = np.nan
    middle = np.array([0.5, 3.5, 4.5, 7.5]) / 30
    found = resample_keypoints(keypoints(times, xy), middle).xy_px[:, 0]
    for k, (one, other) in enumerate([(0, 1), (3, 4), (4, 5), (6, 7)]):
        np.testing.assert_allclose(found[k], (xy[one] + xy[other]) / 2, atol=1e-9)


def test_a_poor_frame_is_not_made_good_by_its_neighbour():
    source = keypoints([0.0, 0.1], [[0, 0], [1, 1]], [[0.01], [1.0]])
    assert resample_keypoints(source, np.array([0.05])).confidence[0, 0] == pytest.approx(5.5**-2)


@settings(max_examples=50, deadline=None)
@given(
    intervals=st.lists(st.floats(0.01, 0.1), min_size=2, max_size=30),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=20, unique=True),
)
def test_straight_motion_is_kept_and_own_times_pass_through(intervals, shares):
    times = np.cumsum(intervals)
    source = keypoints(times, np.stack([100 + 50 * times, 20 - 30 * times], axis=1))
    same = resample_keypoints(source, times)
    np.testing.assert_array_equal(same.xy_px, source.xy_px)
    np.testing.assert_array_equal(same.confidence, source.confidence)
    timeline = np.unique(times[0] + (times[-1] - times[0]) * np.array(shares))
    result = resample_keypoints(source, timeline, max_gap_s=1)
    # A frame is taken as it is up to 1e-3 of an interval away: 1e-4 s at 50 px/s.
    np.testing.assert_allclose(result.xy_px[:, 0, 0], 100 + 50 * timeline, atol=0.006)
