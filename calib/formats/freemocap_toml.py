"""freemocap's `..._camera_calibration.toml`: aniposelib's tables in millimetres, with the inverse pose beside them.

Each table has as well `world_position` (where the camera stands) and `world_orientation` (its axes in the world), which
freemocap reads for drawing. The unit is that of the square size in `[metadata]`, asked for in millimetres. Without
freemocap's ground plane, the world is the frame of the first camera, whose y axis points down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.cameras import CameraGroup
from calib.formats.checks import group
from calib.formats.contract import MILLIMETRES, Codec, Reading, Unit, Writing, refuse_lenses
from calib.formats.source import Source
from calib.formats.toml_tables import (
    camera_tables,
    declared_unit,
    document,
    dump,
    metadata_of,
    passed_on,
    read_table,
    write_table,
)

ITS_METADATA = ("charuco_square_size", "charuco_board_object", "groundplane_calibration", "path_to_recorded_videos")

NO_SQUARE = 1.0
"""freemocap's square size, in millimetres, where nobody measured: its lengths are then in squares."""


def _recognises(source: Source) -> bool:
    if source.is_folder:
        return False
    tables = document(source)
    metadata = metadata_of(tables)
    if "units" in metadata and not any("world_position" in table for table in camera_tables(tables).values()):
        return False  # one of ours that was made from freemocap's
    return any(key in metadata for key in ITS_METADATA) or any(
        "world_position" in table for table in camera_tables(tables).values()
    )


def _read(source: Source) -> Reading:
    tables = document(source)
    unit = declared_unit(source, tables) or MILLIMETRES
    if not unit.declared and metadata_of(tables).get("charuco_square_size") == NO_SQUARE:
        unit = Unit(MILLIMETRES.metres, doubt="freemocap was told that the board's squares measure 1 mm")
    cameras = [
        read_table(source, key, table, str(table.get("name", key)), unit.metres)
        for key, table in camera_tables(tables).items()
    ]
    return Reading(group(source.path, cameras), unit, metadata=passed_on(tables))


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("freemocap", cameras, "brown", "fisheye", remedy="Calibrate with one of these lens models.")
    tables: dict[str, Any] = {}
    for place, camera in enumerate(cameras):
        tables[f"cam_{place}"] = {
            **write_table(camera, MILLIMETRES.metres),
            "world_orientation": camera.T_cam_world[:3, :3].T.tolist(),
            "world_position": (camera.center_m / MILLIMETRES.metres).tolist(),
            **({"fisheye": True} if camera.lens.name == "fisheye" else {}),
        }
    tables["metadata"] = {**metadata, "units": "millimetres", "groundplane_calibration": True}
    return Writing({CODEC.output: dump(tables)})


CODEC = Codec(
    "freemocap", "freemocap's TOML", "freemocap_camera_calibration.toml", False, _recognises, _read, _write
)  # fmt: skip
