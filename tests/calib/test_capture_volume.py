"""Uncertainty over the space that a board was carried through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calib.quality.capture_volume import (
    HEIGHTS_M,
    heights_worth_showing,
    middle_m,
    middle_uncertainty,
    slices,
    visited_points,
)
from calib.quality.uncertainty import CameraCovariance

NAMES = ("focal", "rx", "ry", "rz", "tx", "ty", "tz")


@pytest.fixture(name="rig", scope="module")
def _rig(make_rig: Callable[..., Any]) -> Any:
    return make_rig(cameras=4, moments=60)


@pytest.fixture(name="errors", scope="module")
def _errors(rig: Any) -> CameraCovariance:
    covariance = np.zeros((4, 7, 4, 7))
    for camera in range(1, 4):
        covariance[camera, :, camera] = np.diag([4.0, 1e-6, 1e-6, 1e-6, 4e-6, 4e-6, 4e-6])
    return CameraCovariance(covariance, NAMES, "cam1")


def test_the_middle_is_where_the_board_mostly_was(rig: Any, errors: CameraCovariance) -> None:
    corners = rig.shared.board.corners_m
    visited = visited_points(rig.cameras, rig.T_world_board, corners)
    low, high = np.percentile(visited, [25, 75], axis=0)
    assert ((middle_m(visited) > low) & (middle_m(visited) < high)).all()
    found = middle_uncertainty(rig.cameras, errors, rig.T_world_board, corners)
    # Four cameras 2 m away with f = 900 px: 1 px is 2.2 mm across a ray; two rays and more, three coordinates.
    assert 1e-3 < found.per_pixel_m[0] < 4e-3
    assert found.views[0] == 4
    # Cameras that are 2 mm and 1 mrad off over 2 m agree to less than that in the middle, where the errors of four are
    # averaged and what moves everything together counts for nothing; errors twice as large make it twice as large.
    assert 0 < found.from_cameras_m[0] < 2e-3
    doubled = replace(errors, covariance=4 * errors.covariance)
    twice = middle_uncertainty(rig.cameras, doubled, rig.T_world_board, corners)
    assert twice.from_cameras_m[0] == pytest.approx(2 * found.from_cameras_m[0])


def test_a_board_that_lies_for_long_is_not_the_middle(rig: Any) -> None:
    corners = rig.shared.board.corners_m
    lying = np.repeat(rig.T_world_board[-1:], 500, axis=0)
    usual = middle_m(visited_points(rig.cameras, rig.T_world_board, corners))
    with_lying = middle_m(visited_points(rig.cameras, np.concatenate([rig.T_world_board, lying]), corners))
    np.testing.assert_allclose(with_lying, usual)


def test_where_one_camera_alone_saw_the_board_does_not_count(rig: Any) -> None:
    corners = rig.shared.board.corners_m
    aside = rig.T_world_board.copy()
    aside[:, :3, 3] += [0, 0, 30]  # above all pictures
    both = np.concatenate([aside, rig.T_world_board])
    visited = visited_points(rig.cameras, both, corners)
    assert len(visited) > 10
    assert visited[:, 2].max() < 3


def test_places_without_a_pose_are_left_out(rig: Any) -> None:
    corners = rig.shared.board.corners_m
    some = rig.T_world_board.copy()
    some[::2] = np.nan
    np.testing.assert_array_equal(
        visited_points(rig.cameras, some, corners), visited_points(rig.cameras, rig.T_world_board[1::2], corners)
    )


def test_the_middle_is_better_known_than_the_rim(rig: Any, errors: CameraCovariance) -> None:
    visited = visited_points(rig.cameras, rig.T_world_board, rig.shared.board.corners_m)
    (layer,) = slices(rig.cameras, errors, visited, (1.0,))
    assert layer.name == "hip height"
    total = layer.uncertainty.total_m(1.0).reshape(layer.shape)
    x, y = np.meshgrid(layer.x_m, layer.y_m)
    centre = middle_m(visited)
    away = np.hypot(x - centre[0], y - centre[1])
    assert np.nanmedian(total[away < 0.3]) < 0.7 * np.nanmedian(total[away > 1.2])
    assert np.isnan(total).any()  # behind all cameras nothing is seen
    assert (np.isnan(total.ravel()) == (layer.uncertainty.views < 2)).all()


def test_a_table_top_is_cut_where_the_board_was(rig: Any) -> None:
    visited = visited_points(rig.cameras, rig.T_world_board, rig.shared.board.corners_m)
    assert heights_worth_showing(visited) == tuple(HEIGHTS_M.values())
    heights = heights_worth_showing(0.2 * visited)
    assert len(heights) == 3
    assert heights[0] < heights[1] < heights[2] < 0.4
