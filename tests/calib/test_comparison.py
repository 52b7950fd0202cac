"""Which camera was moved between two calibrations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.quality.comparison import compare, same_cameras

Array = npt.NDArray[np.float64]


@pytest.fixture(name="group")
def _group(make_rig: Callable[..., Any]) -> CameraGroup:
    group: CameraGroup = make_rig(cameras=5, moments=20).cameras
    return group


def in_another_world(group: CameraGroup) -> tuple[CameraGroup, Array]:
    """Return the same cameras in a world whose origin and axes are others, and T_other_world."""
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("zx", [130, 4], degrees=True).as_matrix()
    T[:3, 3] = [0.7, -2.0, 0.1]
    return CameraGroup(tuple(replace(c, T_cam_world=c.T_cam_world @ np.linalg.inv(T)) for c in group)), T


def displaced(camera: Camera, step_m: Array, turn_deg: Array) -> Camera:
    """Move a camera's centre by a step in the world and turn it in place."""
    T = camera.T_cam_world.copy()
    T[:3, :3] = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix() @ T[:3, :3]
    T[:3, 3] = -T[:3, :3] @ (camera.center_m + step_m)
    return replace(camera, T_cam_world=T)


def test_another_world_is_no_move(group: CameraGroup) -> None:
    other, T = in_another_world(group)
    found = compare(group, other)
    np.testing.assert_allclose(found.T_now_before, T, atol=1e-9)
    assert max(move.moved_m for move in found.moves) < 1e-9
    assert max(move.turned_deg for move in found.moves) < 1e-5
    assert found.moved == ()
    assert found.scale == pytest.approx(1)


@pytest.mark.parametrize("which", [(0,), (3,), (1, 4)])
def test_those_that_were_moved_are_found_and_measured(group: CameraGroup, which: tuple[int, ...]) -> None:
    other, _ = in_another_world(group)
    rng = np.random.default_rng(1)
    cameras = [displaced(c, rng.normal(0, 1e-3, 3), rng.normal(0, 0.05, 3)) for c in other]
    for place in which:  # not by the same motion: that is how tripods are kicked
        cameras[place] = displaced(cameras[place], np.array([0.03, 0.04 * (place - 2), 0]), np.array([0, 2.0, 0]))
    found = compare(group, CameraGroup(tuple(cameras)))
    assert [move.name for move in found.moved] == [group.names[place] for place in which]
    for place in which:
        # The cameras that stand are 1 mm a coordinate off, so that is what the measure of a move is good to.
        assert found.moves[place].moved_m == pytest.approx(np.hypot(0.03, 0.04 * (place - 2)), abs=0.006)
        assert found.moves[place].turned_deg == pytest.approx(2, abs=0.3)


def test_of_two_that_disagree_neither_is_believed(group: CameraGroup) -> None:
    pair = group.subset(group.names[:2])
    moved = CameraGroup((pair.cameras[0], displaced(pair.cameras[1], np.array([0.1, 0, 0]), np.zeros(3))))
    assert [move.name for move in compare(pair, moved).moved] == list(pair.names)
    assert compare(pair, pair).moved == ()


def test_zoom_size_and_scale(group: CameraGroup) -> None:
    zoomed = list(group.cameras)
    zoomed[0] = replace(zoomed[0], matrix=np.diag([1.08, 1.08, 1]) @ zoomed[0].matrix)
    zoomed[1] = replace(zoomed[1], size_px=(2560, 1440), matrix=np.diag([2.0, 2, 1]) @ zoomed[1].matrix)
    found = compare(group, CameraGroup(tuple(zoomed)))
    assert [round(move.focal_change, 6) for move in found.moves] == [0.08, 0, 0, 0, 0]
    assert [move.same_lens for move in found.moves] == [False, False, True, True, True]
    grown = []
    for camera in group:
        T = camera.T_cam_world.copy()
        T[:3, 3] *= 1.003  # a square of 100.3 mm taken for 100
        grown.append(replace(camera, T_cam_world=T))
    assert compare(group, CameraGroup(tuple(grown))).scale == pytest.approx(1.003, abs=1e-4)


def test_cameras_that_came_and_went(group: CameraGroup) -> None:
    found = compare(group.subset(group.names[:4]), group.subset(group.names[1:]))
    assert (found.gone, found.new) == (group.names[:1], group.names[4:])
    assert [move.name for move in found.moves] == list(group.names[1:4])
    alone = compare(group.subset(group.names[:1]), group)
    assert alone.moves == ()
    assert np.isnan(alone.T_now_before).all()


def test_the_same_calibration_is_known(group: CameraGroup) -> None:
    assert same_cameras(group, CameraGroup(group.cameras))
    assert not same_cameras(group, in_another_world(group)[0])
    assert not same_cameras(group, group.subset(group.names[:4]))
