"""The moving person as the wand: nudged cameras come back, delays are found, and deviations are honest."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from benchmarks.synthetic_take import SyntheticTake, detect, make_take
from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from skeleton.keypoints import Observations2D
from triangulate.triangulate import TriangulationOptions, triangulate
from triangulate.wand import WandResult, correct_cameras


def nudged(take: SyntheticTake, which: int, turn_deg: float, shift_m: float) -> CameraGroup:
    """Return the take's cameras, one of them turned and moved from where it truly is."""
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", [turn_deg, -turn_deg / 2, turn_deg / 3], degrees=True).as_matrix()
    T[:3, 3] = [shift_m, 0.0, -shift_m]
    cameras = list(take.cameras)
    cameras[which] = replace(cameras[which], T_cam_world=T @ cameras[which].T_cam_world)
    return CameraGroup(tuple(cameras))


def corrected(take: SyntheticTake, believed: CameraGroup, seed: int = 0, rounds: int = 2) -> WandResult:
    views = detect(take, np.random.default_rng(seed)).views(take)
    for _ in range(rounds):
        solved = triangulate(views, believed, TriangulationOptions(refine=False))
        found = correct_cameras(believed, solved.observations, solved.keypoints.xyz_m)
        believed = found.cameras
    return found


def turned_deg(first: CameraGroup, second: CameraGroup) -> np.ndarray:
    return np.array(
        [
            np.degrees(Rotation.from_matrix(a.T_cam_world[:3, :3] @ b.T_cam_world[:3, :3].T).magnitude())
            for a, b in zip(first, second, strict=True)
        ]
    )


def against_others_deg(cameras: CameraGroup, true: CameraGroup, which: int) -> float:
    """Return how wrong a camera stands to the others: the world as a whole may have turned."""
    names = [name for name in true.names if name != true.names[which]]
    errors = []
    for name in names:
        found, right = (
            group[true.names[which]].T_cam_world[:3, :3] @ group[name].T_cam_world[:3, :3].T
            for group in (cameras, true)
        )
        errors.append(np.degrees(Rotation.from_matrix(found @ right.T).magnitude()))
    return float(np.median(errors))


def test_a_nudged_camera_comes_back():
    take = make_take(np.random.default_rng(1), 600)
    believed = nudged(take, 2, 1.2, 0.02)
    found = corrected(take, believed)
    assert against_others_deg(believed, take.cameras, 2) > 1.2
    assert against_others_deg(found.cameras, take.cameras, 2) < 0.25


def test_cameras_that_are_right_stay_within_their_deviations():
    take = make_take(np.random.default_rng(2), 600)
    found = corrected(take, take.cameras, rounds=1)
    for correction in found.corrections.values():
        assert correction.moved_m < 3 * correction.moved_std_m
        assert correction.turned_rad < 3 * correction.turned_std_rad
        assert abs(correction.delay_s) < 0.003
    assert turned_deg(found.cameras, take.cameras).max() < 0.3


def test_a_late_camera_is_told_by_its_delay():
    take = make_take(np.random.default_rng(3), 900)
    late_s = 0.012
    seen = detect(take, np.random.default_rng(4))
    later = CubicSpline(take.time_s, seen.xy_px[1], axis=0)(take.time_s[:-2] + late_s)
    shifted = np.concatenate([later, seen.xy_px[1, -2:]])
    views = replace(seen, xy_px=np.concatenate([seen.xy_px[:1], shifted[None], seen.xy_px[2:]])).views(take)
    solved = triangulate(views, take.cameras)
    found = correct_cameras(take.cameras, solved.observations, solved.keypoints.xyz_m)
    assert found.corrections["cam2"].delay_s == pytest.approx(late_s, abs=0.004)
    assert found.corrections["cam1"].delay_s == pytest.approx(0.0, abs=1e-6)


def test_without_points_in_two_views_it_says_so():
    take = make_take(np.random.default_rng(5), 30)
    sigma = np.full(take.xy_px.shape[:3], np.inf)
    nothing = Observations2D(take.cameras.names, take.names, take.xy_px, sigma, take.time_s)
    with pytest.raises(TriangulationError, match="needed 100"):
        correct_cameras(take.cameras, nothing, take.xyz_m)
