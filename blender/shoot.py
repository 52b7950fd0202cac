"""The shoot: where the four cameras stand, how their clocks run, what is recorded and when the hands clap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup

Array = npt.NDArray[np.float64]

SIZE_PX = (640, 360)
FPS = 30


def _camera(
    name: str,
    azimuth_deg: float,
    distance_m: float,
    height_m: float,
    aim_m: tuple[float, float, float],
    focal_px: float,
    center_px: tuple[float, float],
    distortion: tuple[float, float, float, float, float],
) -> Camera:
    """Place a camera on the arc: azimuth 0 is the -y side, which the person faces, and positive is towards +x."""
    azimuth = np.radians(azimuth_deg)
    center = np.array([distance_m * np.sin(azimuth), -distance_m * np.cos(azimuth), height_m])
    forward = np.asarray(aim_m) - center
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    T[:3, 3] = -T[:3, :3] @ center
    matrix = np.array([[focal_px, 0, center_px[0]], [0, focal_px, center_px[1]], [0, 0, 1.0]])
    return Camera(name, SIZE_PX, matrix, np.array(distortion), T)


CAMERAS = CameraGroup(
    (
        _camera("cam1", -70, 3.45, 1.35, (0.05, 0.0, 0.98), 556.0, (322.4, 177.1), (-0.062, 0.018, 4e-4, -3e-4, 0.0)),
        _camera("cam2", -25, 3.20, 2.10, (-0.05, 0.0, 0.60), 548.0, (316.8, 181.9), (0.047, -0.021, -3e-4, 5e-4, 0.0)),
        _camera("cam3", 25, 3.15, 2.16, (0.05, 0.0, 0.60), 545.0, (320.9, 176.2), (-0.078, 0.025, 2e-4, 2e-4, 0.0)),
        _camera("cam4", 70, 3.50, 1.05, (0.05, 0.0, 0.84), 566.0, (317.7, 182.6), (0.031, -0.012, 5e-4, -2e-4, 0.0)),
    )
)


@dataclass(frozen=True)
class Clock:
    """What one camera's clock and its file cover: session time = offset_s + rate * camera time.

    `frames` pictures are taken at camera times 0, 1 / 30 s, 2 / 30 s and so on.
    """

    offset_s: float
    rate: float
    frames: int

    @property
    def frame_s(self) -> float:
        """Time from one picture to the next on the camera's clock."""
        return 1 / FPS

    @property
    def camera_times_s(self) -> Array:
        """(frames,): the time stamps in the container."""
        return np.arange(self.frames) / FPS

    @property
    def session_times_s(self) -> Array:
        """(frames,): the true instants of the pictures."""
        return self.offset_s + self.rate * self.camera_times_s


@dataclass(frozen=True)
class Recording:
    """One press of all four record buttons."""

    name: str
    folder: str
    clap_s: float
    clocks: Mapping[str, Clock]

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last instant of session time that any camera records."""
        ends = [clock.session_times_s[[0, -1]] for clock in self.clocks.values()]
        return float(min(end[0] for end in ends)), float(max(end[1] for end in ends))


DRIFTING_RATE = 1 + 2e-4
"""cam4's clock runs slow by 200 ppm: bad, yet seen in telephones."""

CALIBRATION = Recording(
    name="calibration",
    folder="calibration",
    clap_s=1.25,
    clocks=MappingProxyType(
        {
            "cam1": Clock(0.0, 1.0, 410),
            "cam2": Clock(0.7377, 1.0, 388),
            "cam3": Clock(-0.8213, 1.0, 435),
            "cam4": Clock(-1.4146, DRIFTING_RATE, 453),
        }
    ),
)

DANCE = Recording(
    name="dance",
    folder="takes/dance",
    clap_s=1.0,
    clocks=MappingProxyType(
        {
            "cam1": Clock(0.0, 1.0, 255),
            "cam2": Clock(0.4128, 1.0, 246),
            "cam3": Clock(-0.6391, 1.0, 271),
            "cam4": Clock(-1.1854, DRIFTING_RATE, 288),
        }
    ),
)

RECORDINGS = MappingProxyType({recording.name: recording for recording in (CALIBRATION, DANCE)})
