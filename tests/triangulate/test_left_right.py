import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skeleton.joint_sets import load_joint_set
from triangulate.left_right import exchange, find_swaps, mirror_order
from triangulate.pixel_noise import person_size_px

BLAZEPOSE = load_joint_set("blazepose33")


def find(cameras, xy):
    weight = np.isfinite(xy).all(axis=-1).astype(float)
    return find_swaps(cameras, xy, weight, person_size_px(xy), mirror_order(BLAZEPOSE.points))


@pytest.mark.parametrize("name", ["blazepose33", "coco17", "human36m17"])
def test_mirror_order_is_that_of_the_joint_sets(name):
    joint_set = load_joint_set(name)
    np.testing.assert_array_equal(mirror_order(joint_set.points), joint_set.swap_left_right_indices)


def test_mirror_order_needs_both_sides():
    assert mirror_order(("left_hip", "head", "left_knee", "right_hip")).tolist() == [3, 1, 2, 0]


@given(st.integers(0, 2**12 - 1))
def test_exchanging_twice_changes_nothing(bits):
    swapped = np.array([(bits >> i) & 1 for i in range(12)], dtype=bool).reshape(3, 4)
    values = np.arange(3 * 4 * 33 * 2, dtype=float).reshape(3, 4, 33, 2)
    mirror = mirror_order(BLAZEPOSE.points)
    np.testing.assert_array_equal(exchange(exchange(values, swapped, mirror), swapped, mirror), values)


@pytest.mark.parametrize("count", [3, 4, 6])
def test_the_swapped_frames_are_found_and_no_others(ring, walk, rng, count):
    cameras = ring(count)
    xyz, _ = walk(90)
    xy = cameras.project(xyz)
    xy += rng.normal(scale=6.0, size=xy.shape)  # 1.5 % of the person's height: MediaPipe's error
    swapped = np.zeros((count, 90), dtype=bool)
    swapped[1, 20:50] = True
    swapped[1, 70] = True  # a single frame
    swapped[2, 60:66] = True
    given_xy = exchange(xy, swapped, mirror_order(BLAZEPOSE.points))
    report = find(cameras, given_xy)
    np.testing.assert_array_equal(report.swapped, swapped)
    assert report.tested.all()


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2)])
def test_two_swapped_views_of_six_at_once(ring, walk, rng, pair):
    # (0, 3) are the front and the back view, which tell left from right best: in those frames they win.
    cameras = ring(6)
    xyz, _ = walk(40)
    xy = cameras.project(xyz) + rng.normal(scale=6.0, size=(6, 40, 33, 2))
    swapped = np.zeros((6, 40), dtype=bool)
    swapped[pair, 10:30] = True
    report = find(cameras, exchange(xy, swapped, mirror_order(BLAZEPOSE.points)))
    np.testing.assert_array_equal(report.swapped, swapped)


def test_for_a_moment_most_views_may_be_swapped(ring, walk, rng):
    cameras = ring(4)
    xyz, _ = walk(60)
    xy = cameras.project(xyz) + rng.normal(scale=6.0, size=(4, 60, 33, 2))
    swapped = np.zeros((4, 60), dtype=bool)
    swapped[:3, 30:36] = True
    report = find(cameras, exchange(xy, swapped, mirror_order(BLAZEPOSE.points)))
    np.testing.assert_array_equal(report.swapped, swapped)


def test_two_cameras_cannot_judge_each_other(ring, walk):
    cameras = ring(2)
    xyz, _ = walk(5)
    report = find(cameras, cameras.project(xyz))
    assert not report.swapped.any()
    assert not report.tested.any()


def test_where_others_see_nobody_nothing_is_claimed(ring, walk):
    cameras = ring(3)
    xyz, _ = walk(10)
    xy = cameras.project(xyz)
    xy[0, 4:] = np.nan
    report = find(cameras, xy)
    assert report.tested[:, :4].all()
    assert not report.tested[:, 4:].any()
    assert not report.swapped.any()
