"""`cameras.toml` in aniposelib's layout, which `aniposelib.cameras.CameraGroup.load` reads as well.

    [cam_0]
    name = "front"
    size = [1280, 720]
    matrix = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
    distortions = [k1, k2, p1, p2, k3]
    rotation = [x, y, z]            # rotation vector, world to camera
    translation = [x, y, z]         # world to camera, metres

    [metadata]
    units = "metres"

Read are also tables of any name (caliscope writes `[cameras.0]` with a `cam_id`), rotations as matrices, and
distortions of four numbers. A fisheye camera has `fisheye = true` and distortions [k1, k2, k3, k4]; a camera with a
lens that aniposelib does not know, `lens = "its name"`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.lenses.catalogue import lens_named
from calib.lenses.lens import Lens
from clapcap.errors import CalibrationError, FileFormatError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NEEDED = ("size", "matrix", "distortions", "rotation", "translation")

METRES_PER_UNIT = {"metres": 1.0, "meters": 1.0, "m": 1.0, "millimetres": 1e-3, "millimeters": 1e-3, "mm": 1e-3}


def save_anipose_toml(path: Path, cameras: CameraGroup, metadata: Mapping[str, str | float] | None = None) -> None:
    """Write cameras, metres; `metadata` (such as error and date) goes into its table beside the units."""
    import tomlkit

    document = tomlkit.document()
    for place, camera in enumerate(cameras):
        table = tomlkit.table()
        table["name"] = camera.name
        table["size"] = list(camera.size_px)
        table["matrix"] = camera.matrix.tolist()
        table["distortions"] = camera.distortion.tolist()
        if camera.lens.name == "fisheye":  # aniposelib's word for it
            table["fisheye"] = True
        elif camera.lens.name != "brown":
            table["lens"] = camera.lens.name
        table["rotation"] = Rotation.from_matrix(camera.T_cam_world[:3, :3]).as_rotvec().tolist()
        table["translation"] = camera.T_cam_world[:3, 3].tolist()
        document[f"cam_{place}"] = table
    document["metadata"] = {"units": "metres", **(metadata or {})}
    path.write_text(tomlkit.dumps(document), encoding="utf-8")


def load_anipose_toml(path: Path) -> CameraGroup:
    """Read cameras.

    Raises
    ------
    FileFormatError
        If the file is no TOML, holds no camera, or a camera lacks something.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is no TOML file: {error}. Needed cameras in aniposelib's layout.") from error
    metadata = document.get("metadata", {})
    units = metadata.get("units", "metres") if isinstance(metadata, dict) else "metres"
    if units not in METRES_PER_UNIT:
        raise FileFormatError(f'{path}: units "{units}" are unknown, needed one of {", ".join(METRES_PER_UNIT)}.')
    tables = document["cameras"] if isinstance(document.get("cameras"), dict) else document
    found = {key: table for key, table in tables.items() if isinstance(table, dict) and "matrix" in table}
    if not found:
        raise FileFormatError(f"{path} holds no camera: needed tables with {', '.join(NEEDED)}.")
    try:
        return CameraGroup(
            tuple(_camera(path, key, table, METRES_PER_UNIT[units]) for key, table in _in_order(found).items())
        )
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}. Export the calibration again.") from error


def _in_order(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return cam_2 before cam_10, which TOML writers that sort by text put the other way."""

    def number(key: str) -> tuple[int, str]:
        digits = "".join(c for c in key if c.isdigit())
        return (int(digits) if digits else -1, key)

    return {key: tables[key] for key in sorted(tables, key=number)}


def _lens(path: Path, key: str, table: Mapping[str, Any]) -> Lens:
    try:
        return lens_named(str(table.get("lens", "fisheye" if table.get("fisheye") else "brown")))
    except CalibrationError as error:
        raise FileFormatError(f"{path}: [{key}]: {error}") from error


def _camera(path: Path, key: str, table: Mapping[str, Any], metres: float) -> Camera:
    lacking = [what for what in NEEDED if what not in table]
    if lacking:
        raise FileFormatError(f"{path}: [{key}] lacks {', '.join(lacking)}. Needed {', '.join(NEEDED)}.")
    lens = _lens(path, key, table)
    numbers = {what: np.asarray(table[what], dtype=np.float64) for what in NEEDED}
    distortion = np.zeros(len(lens.parameters))
    given = np.ravel(numbers["distortions"])
    if np.any(given[len(distortion) :]):
        raise FileFormatError(
            f"{path}: [{key}] has {len(given)} distortions; of a {lens.name} lens only {', '.join(lens.parameters)} "
            "are supported."
        )
    distortion[: len(given)] = given[: len(distortion)]
    rotation = numbers["rotation"]
    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = rotation if rotation.shape == (3, 3) else Rotation.from_rotvec(np.ravel(rotation)).as_matrix()
    T_cam_world[:3, 3] = np.ravel(numbers["translation"]) * metres
    width, height = (int(size) for size in np.ravel(numbers["size"]))
    name = str(table.get("name", f"cam_{table['cam_id']}" if "cam_id" in table else key))
    return Camera(name, (width, height), numbers["matrix"], distortion, T_cam_world, lens)
