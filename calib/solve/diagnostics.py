"""What a calibration leaves behind to be looked at: every corner, how far it is off, and the cameras' covariance."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calib.quality.uncertainty import CameraCovariance
from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FORMAT, VERSION = "clapcap-diagnostics", 1


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """How every corner fits the calibrated cameras.

    A view is the board as one camera saw it in one moment.

    Attributes
    ----------
    camera_names
        (cameras,), in the order of all arrays.
    image_size_px
        (cameras, 2): width and height.
    board
        The board as found, in words.
    corners_m
        (corners, 3) in the board frame, metres.
    camera, moment, frame_index
        (views,): which camera saw the board in which moment, and in which frame of its video.
    xy_px
        (views, corners, 2): where it was seen; NaN where not.
    residual_px
        (views, corners, 2): seen minus predicted.
    inlier
        (views, corners): the corners that decided the result.
    T_world_board
        (moments, 4, 4), metres; NaN where not known.
    shared_views
        (cameras, cameras): moments in which two cameras both saw the board; on the diagonal, one.
    errors
        The cameras' covariance; None where the solver tells none.
    noise_px
        Standard deviation of a corner's coordinate in the usual moment; NaN where not known.
    """

    camera_names: tuple[str, ...]
    image_size_px: Index
    board: str
    corners_m: Array
    camera: Index
    moment: Index
    frame_index: Index
    xy_px: Array
    residual_px: Array
    inlier: Mask
    T_world_board: Array
    shared_views: Index
    errors: CameraCovariance | None
    noise_px: float

    def __post_init__(self) -> None:
        cameras, views, corners = len(self.camera_names), len(self.camera), len(self.corners_m)
        shapes = {
            "image_size_px": (cameras, 2),
            "moment": (views,),
            "frame_index": (views,),
            "xy_px": (views, corners, 2),
            "residual_px": (views, corners, 2),
            "inlier": (views, corners),
            "T_world_board": (len(self.T_world_board), 4, 4),
            "shared_views": (cameras, cameras),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, needed {shape}")
        if self.errors is not None and self.errors.covariance.shape[0] != cameras:
            raise ValueError(f"errors are of {self.errors.covariance.shape[0]} cameras, needed {cameras}")

    @property
    def seen(self) -> Mask:
        """(views, corners): the corners that were seen."""
        seen: Mask = np.isfinite(self.residual_px).all(axis=-1)
        return seen

    @property
    def distance_px(self) -> Array:
        """(views, corners): how far each corner was seen from where it was predicted; NaN where not seen."""
        distance: Array = np.linalg.norm(self.residual_px, axis=-1)
        return distance

    @property
    def coordinate_rms_px(self) -> float:
        """Root mean square of the inlying corners' residuals, in one coordinate.

        More than `noise_px` where whole views are off, by blur or by time stamps.
        """
        return float(np.sqrt(np.mean(self.residual_px[self.inlier] ** 2)))

    def in_world(self, T_new_world: Array) -> Diagnostics:
        """Return the same with the board's poses in another world; all else is the same in every world."""
        return replace(self, T_world_board=T_new_world @ self.T_world_board)

    def save(self, path: Path) -> None:
        """Write npz: plain arrays by the names of the attributes; pixels in single precision."""
        errors = self.errors
        # In memory first: on a full disk, zipfile is left open and complains once more when it is collected.
        archive = io.BytesIO()
        np.savez_compressed(
            archive,
            format=np.array(FORMAT),
            version=np.array(VERSION),
            camera_names=np.array(self.camera_names),
            image_size_px=self.image_size_px,
            board=np.array(self.board),
            corners_m=self.corners_m,
            camera=self.camera,
            moment=self.moment,
            frame_index=self.frame_index,
            xy_px=self.xy_px.astype(np.float32),
            residual_px=self.residual_px.astype(np.float32),
            inlier=self.inlier,
            T_world_board=self.T_world_board,
            shared_views=self.shared_views,
            covariance=np.zeros((0, 0, 0, 0)) if errors is None else errors.covariance,
            covariance_parameters=np.array([] if errors is None else errors.parameters, dtype=np.str_),
            anchor=np.array("" if errors is None else errors.anchor),
            noise_px=np.array(self.noise_px),
        )
        path.write_bytes(archive.getbuffer())

    @classmethod
    def load(cls, path: Path) -> Diagnostics:
        """Read npz.

        Raises
        ------
        FileFormatError
            If the file does not hold the diagnostics of a calibration.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                parameters = tuple(str(name) for name in file["covariance_parameters"])
                errors = CameraCovariance(file["covariance"], parameters, str(file["anchor"])) if parameters else None
                return cls(
                    camera_names=tuple(str(name) for name in file["camera_names"]),
                    image_size_px=file["image_size_px"].astype(np.int64),
                    board=str(file["board"]),
                    corners_m=file["corners_m"].astype(np.float64),
                    camera=file["camera"].astype(np.int64),
                    moment=file["moment"].astype(np.int64),
                    frame_index=file["frame_index"].astype(np.int64),
                    xy_px=file["xy_px"].astype(np.float64),
                    residual_px=file["residual_px"].astype(np.float64),
                    inlier=file["inlier"].astype(np.bool_),
                    T_world_board=file["T_world_board"].astype(np.float64),
                    shared_views=file["shared_views"].astype(np.int64),
                    errors=errors,
                    noise_px=float(file["noise_px"]),
                )
        except (KeyError, ValueError, TypeError, OSError, IndexError) as error:
            raise FileFormatError(
                f"{path} does not hold the diagnostics of a calibration ({error!r}). Delete it and run "
                "`clapcap calibrate` again."
            ) from error
