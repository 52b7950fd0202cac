"""Calibrate a group of cameras from one recording of a board that is carried through the space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from calib.cameras import Camera, CameraGroup
from calib.intrinsics.coverage import coverage_of
from calib.intrinsics.estimate import LensEstimate, estimate_lenses
from calib.intrinsics.lens_prior import LensPrior
from calib.intrinsics.lens_warnings import refuse_uncertain_focal
from calib.quality.uncertainty import CameraCovariance
from calib.solve.board_shape import usual_shape_std
from calib.solve.bundle import BundleResult, adjust
from calib.solve.diagnostics import Diagnostics
from calib.solve.extrinsics import initial_poses, refuse_disconnected
from calib.solve.least_squares import Prior
from calib.solve.report import CalibrationReport, CameraReport
from calib.solve.reprojection import CAMERA, DISTORTION, LAG, LENS, SHAPE, Scene, Views, focal_px
from calib.solve.shared_views import SharedViews, shared_view_matrix
from calib.solve.stray_corners import without_stray_corners
from calib.world.frame import WorldChoice, choose_world
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]

MAX_RMSE = 0.005
"""Of the picture's larger side (6 px at 1280): a camera whose inlying corners miss by more was not calibrated."""

MAX_OUTLIERS = 0.4
"""Share of corners. More than that, and the cameras do not see one rigid board at one time."""

PARAMETERS = (*LENS, "turn_x", "turn_y", "turn_z", "step_x", "step_y", "step_z")
"""The parameters of a camera that covariances speak of."""


@dataclass(frozen=True)
class CalibrationOptions:
    """What is known, and what to estimate.

    Attributes
    ----------
    floor_time_s
        When the board lies on the floor, session time; None: found by itself.
    look_for_floor
        False: the cameras' level makes the world, even if the board lay on the floor.
    lenses
        What is known of some cameras' lenses, by camera, such as from presets; of the others, what is usual.
    lag_s_std
        Of each camera's lag behind its time stamps, seconds; 0: none. Clocks that a clap or a recording program brought
        together are still off by the camera's own delay: 20 to 100 ms among webcams.
    bent
        Whether the board may be bent: it is estimated then, where that explains the moments better.
    """

    floor_time_s: float | None = None
    look_for_floor: bool = True
    lenses: Mapping[str, LensPrior] = field(default_factory=dict)
    lag_s_std: float = 0.1
    bent: bool = True


@dataclass(frozen=True, eq=False)
class CalibrationResult:
    """Calibrated cameras, and how it went."""

    cameras: CameraGroup
    report: CalibrationReport


def calibrate(shared: SharedViews, options: CalibrationOptions | None = None) -> CalibrationResult:
    """Calibrate all cameras from what they saw of the board.

    Each camera's lens from its own views; the cameras' places along the graph of shared views; then everything together
    by bundle adjustment; then the world's frame.

    Parameters
    ----------
    shared
        The board's corners in all cameras at common moments.
    options
        What is known beforehand.

    Raises
    ------
    CalibrationError
        If a camera saw too little, the cameras are not connected, the corners contradict each other, or no world in
        which the cameras stand above the floor can be had.
    """
    # The matrices are small: on two cores, BLAS with threads of its own takes three times as long.
    with threadpool_limits(limits=1, user_api="blas"):
        return _calibrate(shared, options or CalibrationOptions())


def _calibrate(shared: SharedViews, options: CalibrationOptions) -> CalibrationResult:
    _refuse_unseen(shared)
    refuse_disconnected(shared)
    clean = without_stray_corners(shared)
    lenses = estimate_lenses(clean, options.lenses)
    start = initial_poses(clean, lenses)
    moments = np.flatnonzero(np.isfinite(start.T_world_board[:, 0, 0]))
    used = shared.moments(moments)
    camera, moment = np.nonzero(clean.usable[:, moments])
    views = Views(
        camera=camera,
        moment=moment,
        xy_px=used.xy_px[camera, moment],
        delay_s=used.delay_s[camera, moment],
        lenses=tuple(estimate.lens for estimate in lenses),
        sigma_px=_row_rms(used.sigma_px[camera, moment]),
    )
    scene = Scene(_initial_lens(lenses), start.T_cam_world, start.T_world_board[moments], np.zeros(len(SHAPE)))
    corners_m = shared.board.corners_m
    bundle = adjust(scene, corners_m, views, used.time_s, _prior(lenses, corners_m, options), start.anchor)
    _refuse_contradiction(shared, views, bundle)
    refuse_uncertain_focal(shared.camera_names, lenses, _focal_std(bundle))
    world = choose_world(
        bundle.scene.T_cam_world,
        bundle.scene.T_world_board,
        clean.usable[:, moments].sum(axis=0),
        used.time_s,
        corners_m,
        options.floor_time_s,
        options.look_for_floor,
    )
    cameras = _cameras(shared, bundle.scene, world, lenses)
    return CalibrationResult(cameras, _report(shared, used, moments, bundle, start.anchor, world, lenses))


def _refuse_unseen(shared: SharedViews) -> None:
    blind = [name for name, usable in zip(shared.camera_names, shared.usable, strict=True) if not usable.any()]
    if blind:
        raise CalibrationError(
            f"{', '.join(blind)}: the board was never seen at a moment shared with the other cameras' clocks "
            f"({len(shared.time_s)} moments looked at, needed 3). Carry the board through the view of every camera, "
            "and check the sync."
        )


def _initial_lens(lenses: list[LensEstimate]) -> Array:
    lens = np.zeros((len(lenses), len(LENS)))
    for row, estimate in zip(lens, lenses, strict=True):
        K = estimate.matrix
        row[:4] = K[0, 0], K[1, 1] / K[0, 0], K[0, 2], K[1, 2]
        row[DISTORTION][: len(estimate.distortion)] = estimate.distortion
    return lens


def _prior(lenses: list[LensEstimate], corners_m: Array, options: CalibrationOptions) -> Prior:
    mean, std = np.zeros((2, len(lenses), len(LENS)))
    for camera, estimate in enumerate(lenses):
        known = estimate.prior
        mean[camera, : len(known.mean)], std[camera, : len(known.mean)] = known.mean, known.std
    std[:, LAG] = options.lag_s_std
    return Prior(mean, std, usual_shape_std(corners_m) if options.bent else np.zeros(len(SHAPE)))


def _focal_std(bundle: BundleResult) -> list[float]:
    """Return each camera's standard deviation of the focal length, as a share of it."""
    cameras = len(bundle.scene.lens)
    variance = np.diag(bundle.covariance)[: cameras * CAMERA : CAMERA]
    return [float(std) for std in np.sqrt(variance) / bundle.scene.lens[:, 0]]


def _refuse_contradiction(shared: SharedViews, views: Views, bundle: BundleResult) -> None:
    """Stop where the residuals say that this is no calibration."""
    seen = np.isfinite(views.xy_px[..., 0])
    for camera, name in enumerate(shared.camera_names):
        own = views.camera == camera
        inlier = bundle.inlier[own]
        share = 1 - inlier.sum() / max(1, seen[own].sum())
        rmse = _rms(np.linalg.norm(bundle.residual_px[own], axis=-1)[inlier])
        most = MAX_RMSE * float(shared.image_size_px[camera].max())
        if share > MAX_OUTLIERS or not rmse <= most:
            raise CalibrationError(
                f"{name}: the board's corners contradict those of the other cameras: {share:.0%} of them are outliers "
                f"(at most {MAX_OUTLIERS:.0%}), the others miss by {rmse:.1f} px rmse (at most {most:.1f}). Usual "
                "causes: this camera is out of sync (check its offset), it was moved or zoomed during the recording, "
                "or the board bends."
            )


def _row_rms(values: Array) -> Array:
    """Return the root mean square (rows,) of what is known in each row; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    mean = (np.where(known, values, 0.0) ** 2).sum(axis=1) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, np.sqrt(mean), np.nan))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else np.nan


def _cameras(shared: SharedViews, scene: Scene, world: WorldChoice, lenses: list[LensEstimate]) -> CameraGroup:
    T_old_world = np.linalg.inv(world.T_world_old)
    cameras = []
    for place, (name, estimate) in enumerate(zip(shared.camera_names, lenses, strict=True)):
        lens = scene.lens[place]
        fx, fy = focal_px(lens)
        cameras.append(
            Camera(
                name=name,
                size_px=(int(shared.image_size_px[place, 0]), int(shared.image_size_px[place, 1])),
                matrix=np.array([[fx, 0, lens[2]], [0, fy, lens[3]], [0, 0, 1]]),
                distortion=lens[DISTORTION][: len(estimate.lens.parameters)],
                T_cam_world=scene.T_cam_world[place] @ T_old_world,
                lens=estimate.lens,
            )
        )
    return CameraGroup(tuple(cameras))


def _report(
    shared: SharedViews,
    used: SharedViews,
    moments: npt.NDArray[np.intp],
    bundle: BundleResult,
    anchor: int,
    world: WorldChoice,
    lenses: list[LensEstimate],
) -> CalibrationReport:
    views, scene = bundle.views, bundle.scene
    seen = np.isfinite(views.xy_px[..., 0])
    cameras = len(shared.camera_names)
    diagnostics = Diagnostics(
        camera_names=shared.camera_names,
        image_size_px=shared.image_size_px,
        board=str(shared.board),
        corners_m=shared.board.corners_m,
        camera=views.camera.astype(np.int64),
        moment=moments[views.moment].astype(np.int64),
        frame_index=used.frame_index[views.camera, views.moment],
        xy_px=views.xy_px,
        residual_px=bundle.residual_px,
        inlier=bundle.inlier,
        T_world_board=_all_moments(world.T_world_old @ scene.T_world_board, moments, len(shared.time_s)),
        shared_views=shared_view_matrix(shared),
        errors=CameraCovariance(
            bundle.covariance[: cameras * CAMERA, : cameras * CAMERA].reshape(cameras, CAMERA, cameras, CAMERA),
            PARAMETERS,
            shared.camera_names[anchor],
        ),
        noise_px=float(np.median(bundle.noise.corner_px)),
    )
    view, corner = np.nonzero(seen & ~bundle.inlier)
    bent = scene.corners_m(shared.board.corners_m) - shared.board.corners_m
    return CalibrationReport(
        cameras=tuple(_camera_report(shared, bundle, camera) for camera in range(cameras)),
        rmse_px=_rms(diagnostics.distance_px[bundle.inlier]),
        moments=len(moments),
        shared_views=diagnostics.shared_views,
        outliers=np.stack([views.camera[view], diagnostics.moment[view], corner], axis=1),
        anchor=shared.camera_names[anchor],
        world=world.policy,
        solver="clapcap",
        lenses=tuple(lenses),
        diagnostics=diagnostics,
        bend_m=_rms(bent[:, 2]),
    )


def _all_moments(T: Array, moments: npt.NDArray[np.intp], count: int) -> Array:
    """Return (count, 4, 4): the poses of some moments among all; NaN elsewhere."""
    everywhere = np.full((count, 4, 4), np.nan)
    everywhere[moments] = T
    return everywhere


def _camera_report(shared: SharedViews, bundle: BundleResult, camera: int) -> CameraReport:
    views = bundle.views
    own = views.camera == camera
    seen, inlier = np.isfinite(views.xy_px[own, :, 0]), bundle.inlier[own]
    inlying = np.linalg.norm(bundle.residual_px[own], axis=-1)[inlier]
    place = slice(camera * CAMERA, (camera + 1) * CAMERA)
    covariance = bundle.covariance[place, place]
    return CameraReport(
        name=shared.camera_names[camera],
        views=int(own.sum()),
        corners=int(seen.sum()),
        outliers=int((seen & ~inlier).sum()),
        rmse_px=_rms(inlying),
        median_px=float(np.median(inlying)),
        coverage=coverage_of(views.xy_px[own], shared.image_size_px[camera]).share,
        focal_std_px=float(np.sqrt(covariance[0, 0])),
        position_std_m=_position_std(bundle.scene.T_cam_world[camera], covariance[-6:, -6:]),
        lag_s=float(bundle.scene.lens[camera, LAG]),
        lag_std_s=float(np.sqrt(covariance[LAG, LAG])),
    )


def _position_std(T_cam_world: Array, covariance: Array) -> float:
    """Carry the covariance (6, 6) of a pose's step over to the camera's centre -R^T t."""
    R, t = T_cam_world[:3, :3], T_cam_world[:3, 3]
    cross = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    J = -R.T @ np.concatenate([cross, np.eye(3)], axis=1)  # exp(-w) t = t + t x w to first order
    return float(np.sqrt(np.trace(J @ covariance @ J.T) / 3))
