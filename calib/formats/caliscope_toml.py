"""caliscope's `camera_array.toml`, and the `config.toml` of its earlier versions; metres.

    [cameras.0]                       # earlier: [cam_0], with port = 0
    cam_id = 0
    size, matrix, distortions, rotation, translation as in calib.formats.toml_tables
    fisheye = false

Cameras are numbers, and so are their videos: `cam_0.mp4`, earlier `port_0.mp4`. Cameras that caliscope was told to
ignore, or that it has not placed, are left out and named. A `name` is written as well: caliscope skips it, clapcap
reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from calib.cameras import CameraGroup
from calib.formats.checks import group
from calib.formats.contract import METRES, Codec, Reading, Writing, refuse_lenses
from calib.formats.source import Source
from calib.formats.toml_tables import camera_tables, declared_unit, document, dump, read_table, write_table

ITS_KEYS = ("port", "cam_id", "rotation_count", "grid_count")


def _tables(source: Source) -> dict[str, Any]:
    tables = document(source)
    nested = tables.get("cameras")
    return nested if isinstance(nested, dict) else tables


def _recognises(source: Source) -> bool:
    if source.is_folder:
        return False
    return any(key in table for table in camera_tables(_tables(source)).values() for key in ITS_KEYS)


def _read(source: Source) -> Reading:
    unit = declared_unit(source, document(source)) or METRES
    cameras, notes = [], []
    for key, table in camera_tables(_tables(source)).items():
        name = _name(key, table)
        given = {what: value for what, value in table.items() if value != "null"}  # how it wrote None earlier
        if table.get("ignore") is True:
            notes.append(f"{name} is left out: caliscope was told to ignore it.")
        elif "rotation" not in given or "translation" not in given:
            notes.append(f"{name} is left out: caliscope has not placed it among the others.")
        else:
            where = f"cameras.{key}" if key.isdecimal() else key
            cameras.append(read_table(source, where, given, name, unit.metres))
    return Reading(group(source.path, cameras), unit, tuple(notes))


def _name(key: str, table: Mapping[str, Any]) -> str:
    """Return the camera's name, or the stem that caliscope gives its videos."""
    if "name" in table:
        return str(table["name"])
    for what in ("cam_id", "port"):
        if what in table:
            return f"{'cam' if what == 'cam_id' else what}_{table[what]}"
    return f"cam_{key}" if key.isdecimal() else key


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("caliscope", cameras, "brown", "fisheye", remedy="Calibrate with one of these lens models.")
    numbers = _numbers(cameras)
    tables = {}
    for camera in cameras:
        number = numbers[camera.name]
        fisheye = camera.lens.name == "fisheye"
        tables[str(number)] = {"cam_id": number, **write_table(camera, METRES.metres), "rotation_count": 0}
        tables[str(number)]["fisheye"] = fisheye
    renamed = [f"{name} is cam_{number}" for name, number in numbers.items() if name != f"cam_{number}"]
    notes = (f"caliscope knows cameras by numbers: {', '.join(renamed)}. Name the videos so.",) if renamed else ()
    return Writing({CODEC.output: dump({"cameras": tables})}, notes)


def _numbers(cameras: CameraGroup) -> dict[str, int]:
    """Return the numbers in the names, where all are called cam_N; otherwise count."""
    found = [re.fullmatch(r"cam_(0|[1-9]\d{0,8})", name) for name in cameras.names]
    if all(found):
        return {name: int(match[1]) for name, match in zip(cameras.names, found, strict=True) if match}
    return {name: place for place, name in enumerate(cameras.names)}


CODEC = Codec("caliscope", "caliscope's TOML", "camera_array.toml", False, _recognises, _read, _write)
