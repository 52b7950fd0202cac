"""Calibrated cameras: projection and its inverse, as plain frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.lenses import brown
from calib.lenses.lens import Lens
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """One calibrated camera.

    Attributes
    ----------
    name
        The stem of its video.
    size_px
        (width, height) of the displayed picture.
    matrix
        (3, 3): focal lengths and principal point in pixels, no skew.
    distortion
        (parameters of the lens,): of the Brown lens (5,): k1, k2, p1, p2, k3.
    T_cam_world
        (4, 4): world to camera, metres; the camera looks along +z, x right, y down.
    lens
        The model that the distortion belongs to.
    """

    name: str
    size_px: tuple[int, int]
    matrix: Array
    distortion: Array
    T_cam_world: Array
    lens: Lens = field(default=brown.LENS)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "size_px", (int(self.size_px[0]), int(self.size_px[1])))
        shapes = {"matrix": (3, 3), "distortion": (len(self.lens.parameters),), "T_cam_world": (4, 4)}
        for what, shape in shapes.items():
            array = np.array(getattr(self, what), dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"camera {self.name}: {what} must be finite and of shape {shape}, is {array!r}")
            array.setflags(write=False)
            set_(self, what, array)
        R = self.T_cam_world[:3, :3]
        if not np.allclose(R @ R.T, np.eye(3), atol=1e-6) or np.linalg.det(R) < 0:
            raise ValueError(f"camera {self.name}: T_cam_world holds no rotation")

    @property
    def center_m(self) -> Array:
        """(3,): the centre of projection in the world, metres."""
        R, t = self.T_cam_world[:3, :3], self.T_cam_world[:3, 3]
        center: Array = -R.T @ t
        return center

    def to_camera(self, xyz_m: Array) -> Array:
        """Map points of the world (..., 3) to the camera's frame, metres."""
        moved: Array = xyz_m @ self.T_cam_world[:3, :3].T + self.T_cam_world[:3, 3]
        return moved

    def project(self, xyz_m: Array) -> Array:
        """Project points of the world (..., 3), metres, to pixels (..., 2); NaN behind the camera."""
        xyz_cam = self.to_camera(xyz_m)
        depth = np.where(xyz_cam[..., 2:] > 0, xyz_cam[..., 2:], np.nan)
        return self.to_pixels(self.lens.distort(xyz_cam[..., :2] / depth, self.distortion))

    def to_pixels(self, xy: Array) -> Array:
        """Map distorted normalised coordinates (..., 2) to pixels."""
        K = self.matrix
        return np.stack([K[0, 0] * xy[..., 0] + K[0, 2], K[1, 1] * xy[..., 1] + K[1, 2]], axis=-1)

    def undistort(self, xy_px: Array) -> Array:
        """Map pixels (..., 2) to undistorted normalised coordinates x / z, y / z (..., 2).

        NaN where the lens model has no inverse.
        """
        K = self.matrix
        xy = np.stack([(xy_px[..., 0] - K[0, 2]) / K[0, 0], (xy_px[..., 1] - K[1, 2]) / K[1, 1]], axis=-1)
        return self.lens.undistort(xy, self.distortion)


@dataclass(frozen=True, eq=False)
class CameraGroup:
    """The cameras of one calibration, in one world."""

    cameras: tuple[Camera, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", tuple(self.cameras))
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"camera names repeat: {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """The cameras' names, in order."""
        return tuple(camera.name for camera in self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, name: str) -> Camera:
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise KeyError(name)

    def subset(self, names: tuple[str, ...]) -> CameraGroup:
        """Return the named cameras, in the order of `names`."""
        return CameraGroup(tuple(self[name] for name in names))

    def project(self, xyz_m: Array) -> Array:
        """Project points of the world (..., 3) into all cameras: (cameras, ..., 2), pixels."""
        return np.stack([camera.project(xyz_m) for camera in self.cameras])

    def to_anipose(self) -> Any:
        """Return the same cameras as an `aniposelib.cameras.CameraGroup`.

        Raises
        ------
        CalibrationError
            If a camera has a lens that aniposelib does not know.
        """
        from aniposelib.cameras import Camera as AniposeCamera
        from aniposelib.cameras import CameraGroup as AniposeGroup
        from aniposelib.cameras import FisheyeCamera
        from scipy.spatial.transform import Rotation

        kinds = {"brown": AniposeCamera, "fisheye": FisheyeCamera}
        for camera in self.cameras:
            if camera.lens.name not in kinds:
                raise CalibrationError(
                    f"{camera.name}: aniposelib knows {' and '.join(kinds)} lenses, this one is {camera.lens.name}. "
                    "Use clapcap's own solver."
                )
        return AniposeGroup(
            [
                kinds[camera.lens.name](
                    matrix=camera.matrix.copy(),
                    dist=camera.distortion.copy(),
                    size=camera.size_px,
                    rvec=Rotation.from_matrix(camera.T_cam_world[:3, :3]).as_rotvec(),
                    tvec=camera.T_cam_world[:3, 3].copy(),
                    name=camera.name,
                )
                for camera in self.cameras
            ]
        )
