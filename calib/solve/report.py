"""How a calibration went: what is told to people, and what later stages take from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.intrinsics.estimate import LensEstimate
from calib.solve.diagnostics import Diagnostics
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]

CERTAIN_SIGMA = 4.0
"""Lags further from 0 are believed."""


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
    lenses
        What each camera's own views said of its lens, and where they lie; empty for a solver that does not tell.
    diagnostics
        Every corner, how far it is off, and the cameras' covariance.
    bend_m
        How far the board's edges stand off a flat print, root mean square over its corners; 0 for a flat one.
    """

    cameras: tuple[CameraReport, ...]
    rmse_px: float
    moments: int
    shared_views: npt.NDArray[np.int64]
    outliers: npt.NDArray[np.intp]
    anchor: str
    world: str
    solver: str
    lenses: tuple[LensEstimate, ...]
    diagnostics: Diagnostics
    bend_m: float

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
