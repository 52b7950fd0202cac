"""EasyMocap's pair of OpenCV YAML files: `intri.yml` and `extri.yml` in one folder; metres.

    intri.yml   names: ["front", ...]; K_front (3 x 3), dist_front (1 x 5), H_front and W_front (the picture's size)
    extri.yml   names; R_front (3 x 1, a rotation vector), Rot_front (the same as 3 x 3), T_front (3 x 1)

World to camera; the world has Z up, as EasyMocap's board on the ground makes it. Files of earlier versions lack the
size, which EasyMocap then takes from the pictures: it has to be added before they can be read here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.formats.checks import Place, build_camera, group
from calib.formats.contract import METRES, Codec, Reading, Writing, refuse_lenses, refuse_names
from calib.formats.file_storage import FileStorage, dump, is_file_storage, lacking
from calib.formats.source import Source
from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]

INTRINSICS, EXTRINSICS = "intri.yml", "extri.yml"


def _recognises(source: Source) -> bool:
    if source.is_folder or source.path.name in (INTRINSICS, EXTRINSICS):
        return source.holds(INTRINSICS, EXTRINSICS) or source.path.name in (INTRINSICS, EXTRINSICS)
    return is_file_storage(source.start) and "\nnames:" in source.text(source.path)


def _read(source: Source) -> Reading:
    for name in (INTRINSICS, EXTRINSICS):
        if not (source.folder / name).is_file():
            raise FileFormatError(
                f"{source.folder / name} is missing: EasyMocap's calibration is {INTRINSICS} and {EXTRINSICS} in one "
                "folder. Put both there."
            )
    inner, outer = (
        FileStorage(source.folder / name, source.text(source.folder / name)) for name in (INTRINSICS, EXTRINSICS)
    )
    names = inner.names("names")
    return Reading(group(source.path, [_camera(name, inner, outer) for name in names]), METRES)


def _camera(name: str, inner: FileStorage, outer: FileStorage) -> Camera:
    if f"W_{name}" not in inner or f"H_{name}" not in inner:
        raise FileFormatError(
            f"{inner.path}: the picture size of camera {name} is missing. Add it in pixels, as two lines: "
            f"W_{name}: 1920 and H_{name}: 1080"
        )
    lacking(outer.path, outer, [f"T_{name}"])
    distortion = inner.matrix(inner.first(f"dist_{name}", f"D_{name}"), (1, -1), (-1, 1)).ravel()
    rotation = outer.matrix(outer.first(f"R_{name}", f"Rot_{name}"), (3, 1), (1, 3), (3, 3))
    return build_camera(
        Place(inner.path, f"camera {name}"),
        name=name,
        size=np.array([inner.number(f"W_{name}"), inner.number(f"H_{name}")]),
        matrix=inner.matrix(f"K_{name}", (3, 3)),
        distortion=distortion,
        rotation=rotation if rotation.shape == (3, 3) else rotation.ravel(),
        translation_m=outer.matrix(f"T_{name}", (3, 1), (1, 3)).ravel(),
    )


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("EasyMocap", cameras, "brown", remedy="Calibrate with the Brown lens, or undistort the videos first.")
    refuse_names("EasyMocap", cameras, "[A-Za-z0-9_-]+", "letters, digits, _ and -")
    inner: dict[str, str | float | Array | list[str]] = {"names": list(cameras.names)}
    outer: dict[str, str | float | Array | list[str]] = {"names": list(cameras.names)}
    for camera in cameras:
        R_cam_world = camera.T_cam_world[:3, :3]
        inner[f"K_{camera.name}"] = camera.matrix
        inner[f"dist_{camera.name}"] = camera.distortion[None]
        inner[f"W_{camera.name}"], inner[f"H_{camera.name}"] = camera.size_px
        outer[f"R_{camera.name}"] = Rotation.from_matrix(R_cam_world).as_rotvec()[:, None]
        outer[f"Rot_{camera.name}"] = R_cam_world
        outer[f"T_{camera.name}"] = camera.T_cam_world[:3, 3:]
    return Writing({INTRINSICS: dump(inner), EXTRINSICS: dump(outer)})


CODEC = Codec("easymocap", "EasyMocap's intri.yml and extri.yml", "easymocap", True, _recognises, _read, _write)
