"""The parts of telling people apart, on cases that a person can verify."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.crowds import crossing_paths, make_crowd
from calib.cameras import Camera, CameraGroup
from clapcap.errors import FileFormatError, TriangulationError
from skeleton.keypoints import Keypoints2D
from triangulate.people.bones import bone_lengths, difference
from triangulate.people.distance import CAP_M, Geometry, capped_mean, distances_m, rays_meet, triangulated
from triangulate.people.figures import BODY, gather_figures
from triangulate.people.file import load_people, save_people
from triangulate.people.find import chosen_figures, find_people


def straight_camera(name, shift_m):
    """Look along z from (shift, 0, 0)."""
    T = np.eye(4)
    T[0, 3] = -shift_m
    matrix = np.array([[100.0, 0, 0], [0, 100.0, 0], [0, 0, 1]])
    return Camera(name, (200, 100), matrix, np.zeros(5), T)


PAIR = CameraGroup((straight_camera("cam1", 0.0), straight_camera("cam2", 1.0)))


def test_rays_that_cross_and_rays_that_pass():
    start, other = np.zeros(3), np.array([1.0, 0.0, 0.0])
    towards = np.array([0.6, 0.0, 0.8])
    back = np.array([-0.6, 0.0, 0.8])
    # They meet where 0.6 s = 1 - 0.6 s: half way between, 2/3 m ahead.
    apart_m, at = rays_meet(start, towards, other, back)
    assert apart_m == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(at, [0.5, 0, 2 / 3], atol=1e-12)
    apart_m, at = rays_meet(start, towards, other + np.array([0, 0.3, 0]), back)
    assert apart_m == pytest.approx(0.3)
    np.testing.assert_allclose(at, [0.5, 0.15, 2 / 3], atol=1e-12)


def test_rays_that_part_or_run_side_by_side_meet_nowhere():
    ahead = np.array([0.0, 0.0, 1.0])
    assert np.isnan(rays_meet(np.zeros(3), ahead, np.array([1.0, 0, 0]), ahead)[0])
    assert np.isnan(rays_meet(np.zeros(3), np.array([-0.6, 0, 0.8]), np.array([1.0, 0, 0]), np.array([0.6, 0, 0.8]))[0])


def test_a_figure_a_tenth_beside_a_body_at_four_metres_is_four_tenths_away():
    body = np.zeros((1, 5, 3))
    body[..., 2] = 4.0
    geometry = Geometry.of(PAIR)
    xy = np.broadcast_to([0.1, 0.0], (2, 1, 5, 2))
    distance_m, mirrored = distances_m(
        geometry, np.broadcast_to(body, (2, 1, 5, 3)), xy, np.ones((2, 1, 5)), np.arange(5)
    )
    # The second camera, 1 m to the side, expects it at -0.25.
    np.testing.assert_allclose(distance_m[:, 0, 0], [0.4, CAP_M])
    assert not mirrored.any()


def test_one_wild_point_counts_at_most_its_cap():
    apart_m = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 50.0])
    assert capped_mean(apart_m, np.ones(6)) == pytest.approx((0.5 + CAP_M) / 6)
    assert capped_mean(apart_m[:4], np.ones(4)) == np.inf  # too few to tell


def test_triangulated_points_are_where_they_were():
    rng = np.random.default_rng(1)
    body = rng.uniform([-0.5, -0.5, 3], [1.5, 0.5, 5], (2, 6, 3))
    geometry = Geometry.of(PAIR)
    xy, _ = geometry.seen(np.broadcast_to(body, (2, 2, 6, 3)))
    weight = np.ones(xy.shape[:3])
    weight[1, 0, 0] = 0  # seen by one camera alone
    found = triangulated(geometry, xy, weight)
    assert np.isnan(found[0, 0]).all()
    known = np.isfinite(found).all(axis=-1)
    assert known.sum() == 11
    np.testing.assert_allclose(found[known], body[known], atol=1e-9)


def test_bones_tell_a_tenth_of_height_but_not_sides():
    crowd = make_crowd(np.random.default_rng(2), crossing_paths(2, 90, 30.0), 2, heights=np.array([1.0, 1.1]))
    names = crowd.views["cam1"].names
    chosen = [names.index(name) for name in BODY]
    small, tall = (bone_lengths(BODY, body[:, chosen]) for body in crowd.xyz_m)
    half = bone_lengths(BODY, crowd.xyz_m[0, :45, chosen].swapaxes(0, 1))
    mirror = [BODY.index(n.replace("left", "?").replace("right", "left").replace("?", "right")) for n in BODY]
    assert difference(small, half) < 0.3
    assert difference(small, tall) > 1.5
    sides = bone_lengths(BODY, crowd.xyz_m[0][:, chosen][:, mirror])
    np.testing.assert_allclose(sides.log_m, small.log_m)


def test_figures_are_linked_while_clear_and_never_to_another():
    """Two figures pass each other: links hold while they are apart, and never lead from one to the other."""
    frames, points = 40, 33
    rng = np.random.default_rng(3)
    shape, other_shape = rng.uniform(0, 60, (2, points, 2))
    names = make_crowd(rng, crossing_paths(2, 10, 30.0), 2).views["cam1"].names
    x = np.linspace(20, 180, frames)
    ahead = np.stack([x, np.full(frames, 20.0)], 1)[:, None] + shape
    back = np.stack([x[::-1], np.full(frames, 20.0)], 1)[:, None] + other_shape
    order = rng.integers(0, 2, frames)  # which of the two comes first in a picture is chance
    both = np.where(order[:, None, None, None] == 0, np.stack([ahead, back], 1), np.stack([back, ahead], 1))
    view = Keypoints2D(
        names,
        both[:, 0],
        np.ones((frames, points)),
        np.arange(frames) / 30,
        np.array([200.0, 100.0]),
        others_xy_px=both[:, 1:],
        others_confidence=np.ones((frames, 1, points)),
    )
    figures = gather_figures({"cam1": view, "cam2": view}, PAIR)
    rows = figures.rows_of(0)
    linked = figures.after[rows][:-1]
    who = np.stack([order, 1 - order], axis=1)
    frame, slot = np.nonzero(linked >= 0)
    assert (who[frame, slot] == who[frame + 1, linked[frame, slot]]).all()
    assert (linked[:15] >= 0).all()


def test_the_chosen_figure_is_served_and_nothing_else():
    names = ("a", "b")
    view = Keypoints2D(
        names,
        np.array([[[1, 1], [2, 2]]] * 3, dtype=float),
        np.full((3, 2), 0.9),
        np.arange(3.0),
        np.array([10.0, 10.0]),
        world_m=np.ones((3, 2, 3)),
        others_xy_px=np.full((3, 1, 2, 2), 7.0),
        others_confidence=np.full((3, 1, 2), 0.5),
    )
    own = chosen_figures(view, np.array([0, 1, -1]))
    np.testing.assert_array_equal(own.xy_px[:, 0, 0], [1, 7, np.nan])
    np.testing.assert_array_equal(own.confidence[:, 0], [0.9, 0.5, 0])
    assert own.others_xy_px is None
    assert own.world_m is not None
    np.testing.assert_array_equal(np.isfinite(own.world_m[:, 0, 0]), [True, False, False])


def test_people_survive_their_file(tmp_path):
    crowd = make_crowd(np.random.default_rng(4), crossing_paths(2, 60, 30.0), 3)
    people = find_people(crowd.views, crowd.cameras)
    path = tmp_path / "people.npz"
    save_people(path, people)
    again = load_people(path)
    assert again.persons == people.persons
    np.testing.assert_array_equal(again.middle_m, people.middle_m)
    for name in people.slots:
        np.testing.assert_array_equal(again.slots[name], people.slots[name])
    assert [replace(a, rows=0, slots=0) for a in again.appearances] == [
        replace(a, rows=0, slots=0) for a in people.appearances
    ]


def test_files_that_are_something_else_are_refused(tmp_path):
    path = tmp_path / "people.npz"
    np.savez(path, format="other", version=1)
    with pytest.raises(FileFormatError, match=r"people\.npz is other"):
        load_people(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(FileFormatError, match=r"people\.npz is not clapcap-people"):
        load_people(path)


def test_somebody_who_is_not_there_is_refused_with_who_is():
    crowd = make_crowd(np.random.default_rng(4), crossing_paths(2, 60, 30.0), 3)
    people = find_people(crowd.views, crowd.cameras)
    with pytest.raises(TriangulationError, match="no person 3 in this take: found 1, 2"):
        people.view("cam1", crowd.views["cam1"], 3)
    short = replace(
        crowd.views["cam1"],
        xy_px=crowd.views["cam1"].xy_px[:5],
        confidence=crowd.views["cam1"].confidence[:5],
        time_s=np.arange(5.0),
        others_xy_px=None,
        others_confidence=None,
    )
    with pytest.raises(TriangulationError, match="cam1: its keypoints are not those"):
        people.view("cam1", short, 1)
