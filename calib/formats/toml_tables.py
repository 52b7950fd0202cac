"""The tables of cameras that aniposelib, freemocap, Pose2Sim and caliscope share, each with keys of its own.

[cam_0]
name = "front"
size = [1280, 720]
matrix = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
distortions = [k1, k2, p1, p2, k3]    # of a fisheye lens: [k1, k2, k3, k4], and fisheye = true
rotation = [x, y, z]                  # rotation vector, world to camera; read as a matrix too
translation = [x, y, z]               # world to camera
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from scipy.spatial.transform import Rotation

from calib.cameras import Camera
from calib.formats.checks import Place, build_camera
from calib.formats.contract import Unit, in_natural_order
from calib.formats.source import Source
from calib.lenses.catalogue import lens_named
from calib.lenses.lens import Lens
from clapcap.errors import CalibrationError, FileFormatError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

METRES_PER_UNIT = {"metres": 1.0, "meters": 1.0, "m": 1.0, "millimetres": 1e-3, "millimeters": 1e-3, "mm": 1e-3}

NEEDED = ("size", "matrix", "distortions", "rotation", "translation")


def document(source: Source) -> dict[str, Any]:
    """Return the parsed TOML document.

    Raises
    ------
    FileFormatError
        If it is none.
    """
    try:
        parsed: dict[str, Any] = tomllib.loads(source.text(source.path))
        return parsed
    except (ValueError, RecursionError) as error:  # ValueError: TOMLDecodeError, and integers of thousands of digits
        why = "its brackets nest too deep" if isinstance(error, RecursionError) else str(error)
        raise FileFormatError(
            f"{source.path} is no TOML file: {why}. Needed a calibration in one of the formats that "
            "`clapcap cameras --help` lists."
        ) from error


def camera_tables(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables that describe a camera, cam_2 before cam_10."""
    found = {key: table for key, table in tables.items() if isinstance(table, dict) and "matrix" in table}
    return {key: found[key] for key in in_natural_order(found)}


def metadata_of(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `[metadata]` table; empty if there is none."""
    metadata = tables.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def passed_on(tables: Mapping[str, Any]) -> dict[str, str | float]:
    """Return what of the metadata may go into another file: plain entries, without the unit of this one."""
    entries = metadata_of(tables).items()
    return {key: value for key, value in entries if key != "units" and isinstance(value, str | int | float)}


def declared_unit(source: Source, tables: Mapping[str, Any]) -> Unit | None:
    """Return the unit that `[metadata]` declares as `units`; None if it declares none.

    Raises
    ------
    FileFormatError
        If it is unknown.
    """
    declared = metadata_of(tables).get("units")
    if declared is None:
        return None
    if declared not in METRES_PER_UNIT:
        raise FileFormatError(
            f'{source.path}: units "{declared}" are unknown, needed one of {", ".join(METRES_PER_UNIT)}. Correct '
            "them in [metadata]."
        )
    return Unit(METRES_PER_UNIT[str(declared)], declared=True)


def read_table(source: Source, key: str, table: Mapping[str, Any], name: str, metres: float) -> Camera:
    """Read one camera; `metres` is the length of the file's unit.

    Raises
    ------
    FileFormatError
        If the table lacks something or holds something else.
    """
    place = Place(source.path, f"[{key}]")
    lacking = [what for what in NEEDED if what not in table]
    if lacking:
        raise place.broken(f"lacks {', '.join(lacking)}", ", ".join(NEEDED))
    return build_camera(
        place,
        name=name,
        size=place.numbers("size", table["size"], (2,)),
        matrix=place.numbers("matrix", table["matrix"], (3, 3)),
        distortion=place.numbers("distortions", table["distortions"], (-1,), (-1, 1), (1, -1)).ravel(),
        rotation=_vector(place.numbers("rotation", table["rotation"], (3,), (3, 3), (3, 1), (1, 3))),
        translation_m=place.numbers("translation", table["translation"], (3,), (3, 1), (1, 3)).ravel() * metres,
        lens=_lens(source, key, table),
    )


def _vector(rotation: Any) -> Any:
    return rotation if rotation.shape == (3, 3) else rotation.ravel()


def _lens(source: Source, key: str, table: Mapping[str, Any]) -> Lens:
    try:
        return lens_named(str(table.get("lens", "fisheye" if table.get("fisheye") is True else "brown")))
    except CalibrationError as error:
        raise FileFormatError(f"{source.path}: [{key}]: {error}") from error


def write_table(camera: Camera, metres: float) -> dict[str, Any]:
    """Return a camera's table, its lengths in a unit of so many metres; without a word on the lens model."""
    return {
        "name": camera.name,
        "size": list(camera.size_px),
        "matrix": camera.matrix.tolist(),
        "distortions": camera.distortion.tolist(),
        "rotation": Rotation.from_matrix(camera.T_cam_world[:3, :3]).as_rotvec().tolist(),
        "translation": (camera.T_cam_world[:3, 3] / metres).tolist(),
    }


def dump(tables: Mapping[str, Any]) -> bytes:
    """Return a document as the content of a file."""
    import tomlkit

    parsed = tomlkit.document()
    for key, table in tables.items():
        parsed[key] = dict(table)
    return tomlkit.dumps(parsed).encode()
