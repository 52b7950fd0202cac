"""OpenCV YAML, one file a camera: the keys of OpenCV's calibration tutorial, and the pose as R and T; metres.

    front.yml   camera_name, image_width, image_height, camera_matrix, distortion_coefficients, fisheye_model (0 or 1),
                R (3 x 3) and T (3 x 1): world to camera; units ("metres", clapcap's own addition)

Read are a folder of such files, or one of them alone. Other usual names for the same things are taken too, and the
`extrinsic_parameters` (rotation vector and translation in a row) of OpenCV's sample, if it holds one view. Neither a
unit nor world axes are part of the format. Files that hold no more than intrinsics are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from calib.formats.checks import Place, build_camera, group
from calib.formats.contract import Codec, Reading, Unit, Writing, in_natural_order, refuse_lenses, refuse_names
from calib.formats.file_storage import FileStorage, dump, is_file_storage
from calib.formats.source import Source
from calib.lenses.catalogue import lens_named
from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]

SUFFIXES = (".yml", ".yaml")

MATRIX = ("camera_matrix", "cameraMatrix", "K", "M")
DISTORTION = ("distortion_coefficients", "dist_coeffs", "distCoeffs", "dist_coeff", "D", "dist")
ROTATION = ("R", "rotation_matrix", "rotation", "rvec", "rotation_vector")
TRANSLATION = ("T", "t", "translation_vector", "translation", "tvec")
BOTH = "extrinsic_parameters"
UNITS = "units"


def _files(source: Source) -> list[Path]:
    if not source.is_folder:
        return [source.path]
    found = {path.name: path for path in source.folder.iterdir() if path.suffix.lower() in SUFFIXES}
    return [found[name] for name in in_natural_order(found)]


def _recognises(source: Source) -> bool:
    if source.is_folder:
        return bool(_files(source))
    return is_file_storage(source.start) or (
        source.path.suffix.lower() in SUFFIXES and any(f"{key}:" in source.text(source.path) for key in MATRIX)
    )


def _read(source: Source) -> Reading:
    storages = [FileStorage(path, source.text(path)) for path in _files(source)]
    declared = all(UNITS in storage and storage.text(UNITS) == "metres" for storage in storages)
    cameras = [_camera(storage) for storage in storages]
    return Reading(group(source.path, cameras), Unit(1.0, declared, doubt="the file gives no unit"))


def _camera(storage: FileStorage) -> Camera:
    rotation, translation = _pose(storage)
    fisheye = "fisheye_model" in storage and storage.number("fisheye_model") != 0
    if "distortion_model" in storage:  # ROS's key
        fisheye = storage.text("distortion_model") in ("equidistant", "fisheye")
    return build_camera(
        Place(storage.path, "the camera"),
        name=storage.text("camera_name") if "camera_name" in storage else storage.path.stem,
        size=np.array([storage.number("image_width"), storage.number("image_height")]),
        matrix=storage.matrix(storage.first(*MATRIX), (3, 3)),
        distortion=storage.matrix(storage.first(*DISTORTION), (1, -1), (-1, 1)).ravel(),
        rotation=rotation,
        translation_m=translation,
        lens=lens_named("fisheye" if fisheye else "brown"),
    )


def _pose(storage: FileStorage) -> tuple[Array, Array]:
    """Return the rotation, (3, 3) or as a vector, and the translation (3,)."""
    if BOTH in storage:
        pose = storage.matrix(BOTH, (1, 6)).ravel()
        return pose[:3], pose[3:]
    if not any(key in storage for key in ROTATION):
        raise FileFormatError(
            f"{storage.path} says nothing about where the camera stands: needed R and T, world to camera. Calibrate "
            "the cameras together, or give the poses."
        )
    rotation = storage.matrix(storage.first(*ROTATION), (3, 3), (3, 1), (1, 3))
    translation = storage.matrix(storage.first(*TRANSLATION), (3, 1), (1, 3)).ravel()
    return (rotation if rotation.shape == (3, 3) else rotation.ravel()), translation


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("OpenCV", cameras, "brown", "fisheye", remedy="Calibrate with one of these lens models.")
    refuse_names(
        "OpenCV YAML",
        cameras,
        r'(?!\.)[^\x00-\x1f\x7f"\'\\/:*?<>|#]*[^\x00-\x20\x7f"\'\\/:*?<>|#.]',
        "a name that a file can have on every system",
    )
    folded = [name.casefold() for name in cameras.names]
    if len(set(folded)) < len(folded):
        raise FileFormatError(
            f"Cameras {', '.join(cameras.names)} differ only in capital letters, but files of some systems do not: "
            "give one of them another name here: --rename OLD=NEW"
        )
    files = {}
    for camera in cameras:
        files[f"{camera.name}.yml"] = dump(
            {
                "camera_name": camera.name,
                "image_width": camera.size_px[0],
                "image_height": camera.size_px[1],
                "camera_matrix": camera.matrix,
                "distortion_coefficients": camera.distortion[:, None],
                "fisheye_model": int(camera.lens.name == "fisheye"),
                "R": camera.T_cam_world[:3, :3],
                "T": camera.T_cam_world[:3, 3:],
                UNITS: "metres",
            }
        )
    return Writing(files)


CODEC = Codec("opencv", "OpenCV YAML, one file a camera", "opencv", True, _recognises, _read, _write)
