"""The data term on the pixels: the distance of the projected landmarks from what each view shows of them.

The observations are freed of the lens's distortion once. A residual is then the pinhole's, carried back to pixels by
the lens's derivative at the observation: exact to first order in the residual, and exactly zero where it should be. So
a step costs no more than a perspective division a view, whatever the lens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from clapcap.errors import FitError
from retarget.landmark_terms import LandmarkTerms
from skeleton.keypoints import Observations2D

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

CAUCHY_SCALE = 2.385 * np.sqrt(2)
"""Distance in a picture, in standard deviations of a coordinate, at which a view's weight has fallen to one half.

95 % efficiency for normal errors in one dimension (J. Rey, 1983), times the root of 2 for the two of a picture.
"""

_NEAREST_M = 0.1
"""A landmark is taken to be at least so far in front of a camera; nearer, and behind, there is no projection."""

_SAME_TIME_S = 1e-6


@dataclass(frozen=True, eq=False)
class PixelViews:
    """What the views of one person hold: observations, and the calibrated cameras (more, and in any order, is fine)."""

    observations: Observations2D
    cameras: CameraGroup


@dataclass(frozen=True, eq=False)
class PixelTerm:
    """Observed landmarks in every view, ready to be compared: normalised coordinates without distortion.

    Attributes
    ----------
    cameras
        The views.
    xy
        (cameras, frames, landmarks, 2), x / z and y / z in the camera's frame; zero where not seen.
    whitening
        (cameras, frames, landmarks, 2, 2), from a difference of normalised coordinates to standard deviations; zero
        where not seen.
    """

    cameras: tuple[Camera, ...]
    xy: Array
    whitening: Array

    @property
    def views(self) -> npt.NDArray[np.int64]:
        """(frames, landmarks), how many views show the landmark."""
        count: npt.NDArray[np.int64] = (self.whitening[..., 0, 0] != 0).sum(axis=0)
        return count

    def __getitem__(self, frames: slice | Indices) -> PixelTerm:
        """Return some of the frames."""
        return PixelTerm(self.cameras, self.xy[:, frames], self.whitening[:, frames])

    def terms(self, landmark_m: Array) -> LandmarkTerms:
        """Compare with the model's landmarks (frames, landmarks, 3) by a Cauchy loss in every view."""
        shape = landmark_m.shape[:2]
        world = np.ascontiguousarray(np.moveaxis(landmark_m, -1, 0)).reshape(3, -1)
        gradient = np.zeros((3, world.shape[1]))
        information = np.zeros((6, world.shape[1]))
        cost = np.zeros(shape[0])
        for camera, xy, whitening in zip(self.cameras, self.xy, self.whitening, strict=True):
            R = camera.T_cam_world[:3, :3]
            residual, rows = _residuals(R @ world + camera.T_cam_world[:3, 3:], xy, whitening)
            square = (residual * residual).sum(axis=0) / CAUCHY_SCALE**2
            weight = 1.0 / (1.0 + square)
            cost += np.log1p(square).reshape(shape).sum(axis=1)
            for r, row in zip(residual, rows, strict=True):
                turned = R.T @ row
                scaled = weight * turned
                gradient += scaled * r
                for place, (i, j) in enumerate(_UPPER):
                    information[place] += scaled[i] * turned[j]
        return LandmarkTerms(
            0.5 * CAUCHY_SCALE**2 * cost,
            np.ascontiguousarray(gradient.T).reshape(*shape, 3),
            np.ascontiguousarray(information[_SYMMETRIC].T).reshape(*shape, 3, 3),
        )

    def squares(self, landmark_m: Array) -> Array:
        """Return (cameras, frames, landmarks), squared distances in standard deviations; 0 where not seen."""
        world = np.moveaxis(landmark_m, -1, 0).reshape(3, -1)
        squares = np.empty(self.xy.shape[:3])
        for place, camera in enumerate(self.cameras):
            moved = camera.T_cam_world[:3, :3] @ world + camera.T_cam_world[:3, 3:]
            residual, _ = _residuals(moved, self.xy[place], self.whitening[place])
            squares[place] = (residual * residual).sum(axis=0).reshape(squares.shape[1:])
        return squares

    def linearised(self, landmark_m: Array) -> tuple[Array, Array]:
        """Return the residuals of all views at points (frames, landmarks, 3), and their derivatives.

        (2 cameras, n) in deviations and (2 cameras, 3, n) per metre in the world, n running over frames and landmarks;
        zero where not seen.
        """
        world = np.moveaxis(landmark_m, -1, 0).reshape(3, -1)
        residuals, rows = [], []
        for camera, xy, whitening in zip(self.cameras, self.xy, self.whitening, strict=True):
            R = camera.T_cam_world[:3, :3]
            residual, by_point = _residuals(R @ world + camera.T_cam_world[:3, 3:], xy, whitening)
            residuals.append(residual)
            rows.append(np.stack([R.T @ row for row in by_point]))
        return np.concatenate(residuals), np.concatenate(rows)

    def outliers(self, landmark_m: Array) -> int:
        """Return how many observations the loss gives less than a tenth of their weight."""
        return int((self.squares(landmark_m) > 9.0 * CAUCHY_SCALE**2).sum())


_UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
_SYMMETRIC = np.array([0, 1, 2, 1, 3, 4, 2, 4, 5])


def _residuals(moved: Array, xy: Array, whitening: Array) -> tuple[Array, Array]:
    """Return residuals (2, n) in deviations and their derivatives by the point (2, 3, n), all in the camera's frame.

    `moved`: (3, n), points in the camera's frame; `xy`, `whitening`: (..., 2) and (..., 2, 2) of as many.
    """
    x, y, z = moved
    inverse = 1.0 / np.maximum(z, _NEAREST_M)
    x, y = x * inverse, y * inverse
    W = np.ascontiguousarray(whitening.reshape(-1, 4).T)
    dx, dy = x - xy[..., 0].ravel(), y - xy[..., 1].ravel()
    residual = np.empty((2, len(x)))
    rows = np.empty((2, 3, len(x)))
    for k in range(2):
        a, b = W[2 * k], W[2 * k + 1]
        residual[k] = a * dx + b * dy
        rows[k, 0] = a * inverse
        rows[k, 1] = b * inverse
        rows[k, 2] = -(a * x + b * y) * inverse
    return residual, rows


def pixel_term(views: PixelViews, landmarks: tuple[str, ...], std_m: Array, xyz_m: Array, time_s: Array) -> PixelTerm:
    """Pick the skeleton's landmarks out of the views.

    The variance of an observation is sigma_px squared plus that of the landmark's own straying, `std_m` seen at its
    depth.

    Parameters
    ----------
    views
        Observations and cameras.
    landmarks, std_m
        The skeleton's landmarks and how far each strays, metres.
    xyz_m
        (frames, landmarks, 3), about where they are, for the depth; NaN where unknown.
    time_s
        (frames,), the keypoints' times.

    Raises
    ------
    FitError
        The observations are of other moments than the keypoints, or of a camera that is not calibrated.
    """
    seen = views.observations
    if seen.time_s.shape != time_s.shape or np.abs(seen.time_s - time_s).max(initial=0.0) > _SAME_TIME_S:
        raise FitError(
            f"the 2D observations hold {len(seen.time_s)} frames and the keypoints {len(time_s)}, or at other times: "
            "both must come from one triangulation. Give the observations2d.npz that lies beside the keypoints3d.npz"
        )
    unknown = [name for name in seen.camera_names if name not in views.cameras.names]
    if unknown:
        raise FitError(
            f"the 2D observations are of {', '.join(unknown)}, which the calibration lacks (it holds "
            f"{', '.join(views.cameras.names)}): give the cameras of the same session"
        )
    frames = len(time_s)
    xy = np.zeros((len(seen.camera_names), frames, len(landmarks), 2))
    whitening = np.zeros((*xy.shape, 2))
    mine = [k for k, name in enumerate(landmarks) if name in seen.names]
    theirs = [seen.names.index(landmarks[k]) for k in mine]
    about = _about(xyz_m)[:, mine]
    for place, name in enumerate(seen.camera_names):
        camera = views.cameras[name]
        sigma = seen.sigma_px[place][:, theirs]
        used = np.isfinite(sigma) & np.isfinite(seen.xy_px[place][:, theirs]).all(axis=-1)
        flat = np.zeros((*used.shape, 2))
        flat[used] = camera.undistort(seen.xy_px[place][:, theirs][used])
        used &= np.isfinite(flat).all(axis=-1)
        by_xy, _ = camera.lens.distort_jacobians(np.where(used[..., None], flat, 0.0), camera.distortion)
        focal = np.diag(camera.matrix)[:2]
        depth = np.maximum(camera.to_camera(about)[..., 2], _NEAREST_M)
        stray_px = std_m[mine] * focal.mean() / depth
        deviation = np.sqrt(np.where(used, sigma, 1.0) ** 2 + stray_px**2)
        scaled = focal[:, None] * by_xy / deviation[..., None, None]
        xy[place][:, mine] = np.where(used[..., None], flat, 0.0)
        whitening[place][:, mine] = np.where(used[..., None, None], scaled, 0.0)
    return PixelTerm(tuple(views.cameras[name] for name in seen.camera_names), xy, whitening)


def reprojection_errors_px(views: PixelViews, landmarks: tuple[str, ...], landmark_m: Array) -> Array:
    """Return the distances (n,) of all observations in use from the projected landmarks (frames, landmarks, 3)."""
    seen = views.observations
    mine = [k for k, name in enumerate(landmarks) if name in seen.names]
    theirs = [seen.names.index(landmarks[k]) for k in mine]
    cameras = views.cameras.subset(seen.camera_names)
    distance = np.linalg.norm(cameras.project(landmark_m[:, mine]) - seen.xy_px[:, :, theirs], axis=-1)
    used: Array = distance[np.isfinite(seen.sigma_px[:, :, theirs]) & np.isfinite(distance)]
    return used


def _about(xyz_m: Array) -> Array:
    """Return the points (frames, landmarks, 3), unknown ones at the mean of their frame's, or of the take's."""
    known = np.isfinite(xyz_m).all(axis=-1)
    points = np.where(known[..., None], xyz_m, 0.0)
    count = known.sum(axis=1)
    take = points.sum(axis=(0, 1)) / max(int(count.sum()), 1)
    frame = np.where(count[:, None] > 0, points.sum(axis=1) / np.maximum(count, 1)[:, None], take)
    about: Array = np.where(known[..., None], xyz_m, frame[:, None])
    return about
