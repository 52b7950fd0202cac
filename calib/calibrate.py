"""Calibrate a group of cameras from one recording of a board that is carried through the space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.bundle import BundleResult, adjust
from calib.cameras import Camera, CameraGroup
from calib.coverage import coverage_of
from calib.extrinsics import initial_poses, refuse_disconnected
from calib.intrinsics import LensEstimate, estimate_lenses
from calib.least_squares import LensPrior
from calib.reprojection import LENS, Scene, Views, focal_px
from calib.shared_views import SharedViews, shared_view_matrix
from calib.stray_corners import without_stray_corners, without_stray_velocities
from calib.world import WorldChoice, choose_world
from clapcap.errors import CalibrationError
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]

MAX_RMSE = 0.005
"""Of the picture's larger side (6 px at 1280): a camera whose inlying corners miss by more was not calibrated."""

MAX_OUTLIERS = 0.4
"""Share of corners. More than that, and the cameras do not see one rigid board at one time."""

CERTAIN_SIGMA = 4.0
"""Lags further from 0 are believed."""


@dataclass(frozen=True)
class CalibrationOptions:
    """What is known, and what to estimate. Standard deviations of normal distributions; 0 holds the value.

    Attributes
    ----------
    floor_time_s
        When the board lies on the floor, session time; None: found by itself.
    focal_std
        Of the focal length, as a share of what the camera's own views say.
    aspect_std
        Of fy / fx around 1.
    center_std
        Of the principal point around the middle of the picture, as a share of its larger side. Lenses and sensors are
        mounted within some 2 %.
    radial_std, tangential_std
        Of k1 and k2, and of p1 and p2, around 0.
    k3_std
        Of k3: held at 0, since only corners at the very edge of a wide picture tell it from k1 and k2.
    lag_s_std
        Of each camera's lag behind its time stamps, seconds. Clocks that a clap or a recording program brought together
        are still off by the camera's own delay: 20 to 100 ms among webcams.
    """

    floor_time_s: float | None = None
    focal_std: float = 0.5
    aspect_std: float = 0.003
    center_std: float = 0.02
    radial_std: float = 0.3
    tangential_std: float = 0.01
    k3_std: float = 0.0
    lag_s_std: float = 0.05


@dataclass(frozen=True)
class CameraReport:
    """How one camera was calibrated.

    Attributes
    ----------
    views, corners, outliers
        Moments in which it saw the board, corners it saw in them, and those among them that were dropped.
    rmse_px, median_px
        Distance of the inlying corners from their reprojection.
    coverage
        Share of the picture in which corners were seen.
    focal_std_px
        Standard deviation of the focal length.
    position_std_m
        Standard deviation of the camera's place relative to the anchor camera: root of the three variances' mean.
    lag_s, lag_std_s
        How long after its time stamps the camera exposes, relative to the anchor camera, and its standard deviation.
    """

    name: str
    views: int
    corners: int
    outliers: int
    rmse_px: float
    median_px: float
    coverage: float
    focal_std_px: float
    position_std_m: float
    lag_s: float
    lag_std_s: float


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """How the calibration went.

    Attributes
    ----------
    cameras
        One by one.
    rmse_px
        Of all inlying corners.
    moments
        How many moments took part.
    shared_views
        (cameras, cameras): moments in which two cameras both saw the board; on the diagonal, one.
    outliers
        (outliers, 3): camera, moment and corner of those dropped, as indices into the shared views.
    anchor
        The camera that uncertainties and lags are relative to.
    world
        How the world's frame was chosen, in words.
    solver
        "clapcap" or "anipose".
    """

    cameras: tuple[CameraReport, ...]
    rmse_px: float
    moments: int
    shared_views: npt.NDArray[np.int64]
    outliers: npt.NDArray[np.intp]
    anchor: str
    world: str
    solver: str

    @property
    def lag_s(self) -> Mapping[str, float]:
        """The lags by camera, seconds."""
        return {camera.name: camera.lag_s for camera in self.cameras}

    def certain_lag_s(self, time_map: TimeMap) -> Mapping[str, float]:
        """Return the lags that takes should be corrected by: to be added to the session time of a camera's frames.

        A camera's own delay is the same in every recording, while errors of a clap's offset are not. Lags within
        `CERTAIN_SIGMA` of what the clocks' own uncertainties and the lag's explain are therefore returned as 0.
        """
        anchor = time_map.cameras[self.anchor].offset_std_s
        certain = {}
        for camera in self.cameras:
            sigma = np.hypot(camera.lag_std_s, np.hypot(anchor, time_map.cameras[camera.name].offset_std_s))
            certain[camera.name] = camera.lag_s if abs(camera.lag_s) > CERTAIN_SIGMA * sigma else 0.0
        return certain


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
    options = options or CalibrationOptions()
    _refuse_unseen(shared)
    refuse_disconnected(shared)
    clean = without_stray_corners(shared)
    lenses = estimate_lenses(clean)
    start = initial_poses(clean, lenses)
    moments = np.flatnonzero(np.isfinite(start.T_world_board[:, 0, 0]))
    camera, moment = np.nonzero(clean.usable[:, moments])
    used = without_stray_velocities(shared).moments(moments)
    views = Views(camera, moment, used.xy_px[camera, moment], np.nan_to_num(used.velocity_px_s[camera, moment]))
    prior = _lens_prior(shared, lenses, options)
    scene = Scene(_initial_lens(lenses), start.T_cam_world, start.T_world_board[moments])
    bundle = adjust(scene, shared.board.corners_m, views, prior, start.anchor)
    world = choose_world(
        bundle.scene.T_cam_world,
        bundle.scene.T_world_board,
        clean.usable[:, moments].sum(axis=0),
        used.time_s,
        shared.board.corners_m,
        options.floor_time_s,
    )
    _refuse_contradiction(shared, views, bundle)
    return CalibrationResult(
        cameras=_cameras(shared, bundle.scene, world),
        report=_report(shared, views, moments, bundle, start.anchor, world),
    )


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
        row[:4] = estimate.matrix[0, 0], 1.0, estimate.matrix[0, 2], estimate.matrix[1, 2]
        row[4:9] = estimate.distortion
    return lens


def _lens_prior(shared: SharedViews, lenses: list[LensEstimate], options: CalibrationOptions) -> LensPrior:
    mean, std = np.zeros((2, len(lenses), len(LENS)))
    mean[:, 0] = [estimate.matrix[0, 0] for estimate in lenses]
    mean[:, 1] = 1
    mean[:, 2:4] = (shared.image_size_px - 1) / 2
    std[:, 0] = options.focal_std * mean[:, 0]
    std[:, 1] = options.aspect_std
    std[:, 2:4] = options.center_std * shared.image_size_px.max(axis=1, keepdims=True)
    std[:, 4:] = [
        options.radial_std, options.radial_std, options.tangential_std, options.tangential_std, options.k3_std,
        options.lag_s_std,
    ]  # fmt: skip
    return LensPrior(mean, std)


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


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else np.nan


def _cameras(shared: SharedViews, scene: Scene, world: WorldChoice) -> CameraGroup:
    T_old_world = np.linalg.inv(world.T_world_old)
    cameras = []
    for place, name in enumerate(shared.camera_names):
        lens = scene.lens[place]
        fx, fy = focal_px(lens)
        cameras.append(
            Camera(
                name=name,
                size_px=(int(shared.image_size_px[place, 0]), int(shared.image_size_px[place, 1])),
                matrix=np.array([[fx, 0, lens[2]], [0, fy, lens[3]], [0, 0, 1]]),
                distortion=lens[4:9],
                T_cam_world=scene.T_cam_world[place] @ T_old_world,
            )
        )
    return CameraGroup(tuple(cameras))


def _report(
    shared: SharedViews,
    views: Views,
    moments: npt.NDArray[np.intp],
    bundle: BundleResult,
    anchor: int,
    world: WorldChoice,
) -> CalibrationReport:
    seen = np.isfinite(views.xy_px[..., 0])
    distance = np.linalg.norm(bundle.residual_px, axis=-1)
    reports = []
    for camera, name in enumerate(shared.camera_names):
        own = views.camera == camera
        inlying = distance[own][bundle.inlier[own]]
        covariance = bundle.covariance[camera, :, camera]
        reports.append(
            CameraReport(
                name=name,
                views=int(own.sum()),
                corners=int(seen[own].sum()),
                outliers=int((seen[own] & ~bundle.inlier[own]).sum()),
                rmse_px=_rms(inlying),
                median_px=float(np.median(inlying)),
                coverage=coverage_of(views.xy_px[own], shared.image_size_px[camera]).share,
                focal_std_px=float(np.sqrt(covariance[0, 0])),
                position_std_m=_position_std(bundle.scene.T_cam_world[camera], covariance[-6:, -6:]),
                lag_s=float(bundle.scene.lens[camera, LENS.index("lag")]),
                lag_std_s=float(np.sqrt(covariance[LENS.index("lag"), LENS.index("lag")])),
            )
        )
    view, corner = np.nonzero(seen & ~bundle.inlier)
    outliers = np.stack([views.camera[view], moments[views.moment[view]], corner], axis=1)
    return CalibrationReport(
        cameras=tuple(reports),
        rmse_px=_rms(distance[bundle.inlier]),
        moments=len(moments),
        shared_views=shared_view_matrix(shared),
        outliers=outliers,
        anchor=shared.camera_names[anchor],
        world=world.policy,
        solver="clapcap",
    )


def _position_std(T_cam_world: Array, covariance: Array) -> float:
    """Carry the covariance (6, 6) of a pose's step over to the camera's centre -R^T t."""
    R, t = T_cam_world[:3, :3], T_cam_world[:3, 3]
    cross = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    J = -R.T @ np.concatenate([cross, np.eye(3)], axis=1)  # exp(-w) t = t + t x w to first order
    return float(np.sqrt(np.trace(J @ covariance @ J.T) / 3))
