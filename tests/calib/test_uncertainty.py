"""The uncertainty of points: a case to check by hand, and against the spread of what it claims to describe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.lenses import fisheye
from calib.quality.uncertainty import CameraCovariance, center_covariance_m2, point_uncertainty, visible
from calib.solve.held_out import triangulate_corners

Array = npt.NDArray[np.float64]

PARAMETERS = ("focal", "aspect", "cx", "cy", "d1", "d2", "d3", "d4", "d5", "lag", "rx", "ry", "rz", "tx", "ty", "tz")
STD = np.array([3.0, 1e-3, 2.0, 2.0, 0.01, 0.01, 5e-4, 5e-4, 0.01, 0.01, *[1e-3] * 3, *[4e-3] * 3])


def stereo() -> CameraGroup:
    """Two cameras 2 m apart that look at the origin from 1 m, at right angles to each other; f = 1000 px."""
    cameras = []
    for name, angle in (("left", -45), ("right", 45)):
        R = Rotation.from_euler("y", angle, degrees=True).as_matrix()
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = R, [0, 0, 1.0]
        matrix = np.array([[1000, 0, 500], [0, 1000, 500], [0, 0, 1]])
        cameras.append(Camera(name, (1001, 1001), matrix, np.zeros(5), T))
    return CameraGroup(tuple(cameras))


def no_error(cameras: int, anchor: str) -> CameraCovariance:
    return CameraCovariance(np.zeros((cameras, 16, cameras, 16)), PARAMETERS, anchor)


def test_a_pixel_at_a_metre_and_a_thousand_pixels_is_a_millimetre() -> None:
    # In the plane of the rays each camera alone knows the direction across its own: 1 px is 1 mm at 1 m. At right
    # angles the two give 1 mm along each; out of the plane both measure the same coordinate, which gives 1 / sqrt(2).
    found = point_uncertainty(stereo(), no_error(2, "left"), np.zeros((1, 3)), np.eye(3))
    assert found.views.tolist() == [2]
    np.testing.assert_allclose(found.per_pixel_m, np.sqrt(1 + 1 + 0.5) * 1e-3, rtol=1e-9)
    np.testing.assert_allclose(found.from_cameras_m, 0, atol=1e-12)
    np.testing.assert_allclose(found.total_m(2.0), 2 * found.per_pixel_m)


def test_fewer_than_two_views_say_nothing() -> None:
    group = stereo()
    behind = -3 * np.linalg.inv(group["left"].T_cam_world)[:3, 2]
    found = point_uncertainty(group, no_error(2, "left"), behind[None], np.eye(3))
    assert found.views[0] < 2
    assert np.isnan(found.from_cameras_m).all()
    assert np.isnan(found.per_pixel_m).all()


def test_what_moves_all_cameras_together_is_no_error() -> None:
    # The pose of all cameras but the anchor moved as the world moves: the anchor's own rotation, in other words.
    group = stereo()
    T = group["right"].T_cam_world @ np.linalg.inv(group["left"].T_cam_world)
    covariance = np.zeros((2, 16, 2, 16))
    covariance[1, -3:, 1, -3:] = 1e-6 * np.eye(3)
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3))
    shifted = point_uncertainty(group, CameraCovariance(covariance, PARAMETERS, "left"), points, points)
    other = np.zeros((2, 16, 2, 16))
    # The same relative error seen from the other camera: T_left_right = T^-1, so a step dt of t becomes -R^T dt, and
    # the covariance stays isotropic.
    other[0, -3:, 0, -3:] = 1e-6 * np.eye(3)
    seen_from_right = point_uncertainty(group, CameraCovariance(other, PARAMETERS, "right"), points, points)
    assert abs(np.linalg.det(T[:3, :3]) - 1) < 1e-9
    np.testing.assert_allclose(shifted.from_cameras_m, seen_from_right.from_cameras_m, rtol=1e-6)
    assert np.sqrt(np.mean(shifted.from_cameras_m**2)) < 0.6 * 1e-3 * np.sqrt(3)


def perturbed(group: CameraGroup, errors: CameraCovariance, step: Array) -> CameraGroup:
    """Return the cameras after a step (cameras, 16), written from the definition of the parameters."""
    T_world_anchor = np.linalg.inv(group[errors.anchor].T_cam_world)
    moved = []
    for camera, own in zip(group, step, strict=True):
        K = camera.matrix.copy()
        aspect = K[1, 1] / K[0, 0] + own[1]
        K[0, 0] += own[0]
        K[1, 1] = K[0, 0] * aspect
        K[:2, 2] += own[2:4]
        T = camera.T_cam_world @ T_world_anchor
        T[:3, :3] = Rotation.from_rotvec(own[10:13]).as_matrix() @ T[:3, :3]
        T[:3, 3] += own[13:]
        distortion = camera.distortion + own[4 : 4 + len(camera.distortion)]
        moved.append(replace(camera, matrix=K, distortion=distortion, T_cam_world=T @ np.linalg.inv(T_world_anchor)))
    return CameraGroup(tuple(moved))


def fitted(points: Array, to: Array) -> tuple[Array, Array]:
    """Return R, t of the rigid motion of points that fits best."""
    turn, _ = Rotation.align_vectors(to - to.mean(axis=0), points - points.mean(axis=0))
    R = turn.as_matrix()
    return R, to.mean(axis=0) - R @ points.mean(axis=0)


@pytest.mark.parametrize("lens", ["brown", "fisheye"])
def test_what_is_reported_is_the_spread(make_rig: Callable[..., object], lens: str) -> None:
    # 250 draws know a standard deviation within 4.5 % (1 / sqrt(2 * 250)); the furthest of 60 points is off by up to
    # 2.6 times that, 12 %, which leaves room for what first order neglects.
    group: CameraGroup = make_rig(moments=30).cameras  # type: ignore[attr-defined]
    if lens == "fisheye":
        group = CameraGroup(tuple(replace(c, lens=fisheye.LENS, distortion=np.zeros(4)) for c in group))
    rng = np.random.default_rng(3)
    cameras = len(group)
    # Correlated errors, as those of a solver are; the anchor's pose is held.
    mixing = np.eye(cameras * 16) + 0.3 * rng.normal(size=(cameras * 16, cameras * 16)) / 8
    root = (np.tile(STD, cameras)[:, None] * mixing).reshape(cameras, 16, -1)
    root[1, -6:] = 0
    root[:, 4 + len(group.cameras[0].distortion) : 9] = 0
    root = root.reshape(cameras * 16, -1)
    errors = CameraCovariance((root @ root.T).reshape(cameras, 16, cameras, 16), PARAMETERS, group.names[1])
    points = rng.uniform([-0.4, -0.4, 0.2], [0.4, 0.4, 1.2], (60, 3))
    points = points[np.sum([visible(camera, points) for camera in group], axis=0) >= 2]
    reference = points[::2]
    predicted = point_uncertainty(group, errors, points, reference)
    center_std = np.sqrt(np.trace(center_covariance_m2(group, errors, reference), axis1=1, axis2=2))

    seen = np.stack([np.where(visible(camera, points)[:, None], camera.project(points), np.nan) for camera in group])
    off: dict[float, list[Array]] = {0.0: [], 1.0: []}
    center_off = []
    for _ in range(250):
        moved = perturbed(group, errors, (root @ rng.normal(size=len(root))).reshape(cameras, 16))
        exact = triangulate_corners(moved, seen)
        R, t = fitted(exact[::2], points[::2])
        noisy = triangulate_corners(moved, seen + rng.normal(0, 1.0, seen.shape))
        off[0.0].append(exact @ R.T + t - points)
        off[1.0].append(noisy @ R.T + t - points)
        center_off.append([R @ now.center_m + t - before.center_m for now, before in zip(moved, group, strict=True)])
    for noise_px, errors_m in off.items():
        spread = np.sqrt(np.mean(np.sum(np.square(errors_m), axis=-1), axis=0))
        ratio = spread / predicted.total_m(noise_px)
        assert 0.8 <= ratio.min() <= ratio.max() <= 1.25, f"{noise_px} px: {ratio.min():.3f} to {ratio.max():.3f}"
    center_ratio = np.sqrt(np.mean(np.sum(np.square(center_off), axis=-1), axis=0)) / center_std
    assert 0.8 <= center_ratio.min() <= center_ratio.max() <= 1.25, center_ratio


def test_directions_that_the_lens_folds_back_into_the_picture_are_not_seen() -> None:
    # x (1 - 0.5 r^2) turns at r = sqrt(2 / 3); x = 1.3 comes back to 0.2, and 1.6 to -0.45: both inside of the picture.
    matrix = np.array([[1000, 0, 500], [0, 1000, 500], [0, 0, 1]])
    camera = Camera("folding", (1001, 1001), matrix, np.array([-0.5, 0, 0, 0, 0]), np.eye(4))
    points = np.array([[0.2, 0, 1], [1.3, 0, 1], [1.6, 0, 1], [0.2, 0, -1]])
    assert visible(camera, points).tolist() == [True, False, False, False]
