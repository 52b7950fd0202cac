"""`cameras.toml` in aniposelib's layout, clapcap's own: `aniposelib.cameras.CameraGroup.load` reads it as well.

The tables are those of `calib.formats.toml_tables`, called `[cam_0]` and on, in metres, and

    [metadata]
    units = "metres"

aniposelib itself writes no unit: its lengths are in the unit in which it was told the board's squares. Metres are
assumed then, and said to be an assumption. A camera with a lens that aniposelib does not know has `lens = "its name"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from calib.cameras import CameraGroup
from calib.formats.checks import group
from calib.formats.contract import Codec, Reading, Unit, Writing
from calib.formats.source import Source
from calib.formats.toml_tables import (
    NEEDED,
    camera_tables,
    declared_unit,
    document,
    dump,
    passed_on,
    read_table,
    write_table,
)
from clapcap.errors import FileFormatError

ASSUMED = Unit(1.0, doubt="the file gives no unit, and aniposelib takes whichever its board was given in")


def save_anipose_toml(path: Path, cameras: CameraGroup, metadata: Mapping[str, str | float] | None = None) -> None:
    """Write cameras, metres; `metadata` (such as error and date) goes into its table beside the units."""
    (content,) = _write(cameras, metadata or {}).files.values()
    path.write_bytes(content)


def _recognises(source: Source) -> bool:
    return not source.is_folder


def _read(source: Source) -> Reading:
    tables = document(source)
    unit = declared_unit(source, tables) or ASSUMED
    found = camera_tables(tables)
    if not found:
        raise FileFormatError(
            f"{source.path} holds no camera: needed tables with {', '.join(NEEDED)}. Check that it is the calibration."
        )
    cameras = [read_table(source, key, table, str(table.get("name", key)), unit.metres) for key, table in found.items()]
    return Reading(group(source.path, cameras), unit, metadata=passed_on(tables))


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    tables = {}
    for place, camera in enumerate(cameras):
        lens = {"brown": {}, "fisheye": {"fisheye": True}}.get(camera.lens.name, {"lens": camera.lens.name})
        tables[f"cam_{place}"] = {**write_table(camera, metres=1.0), **lens}
    tables["metadata"] = {"units": "metres", **metadata}
    return Writing({CODEC.output: dump(tables)})


CODEC = Codec(
    "anipose", "aniposelib's TOML, clapcap's own cameras.toml", "cameras.toml", False, _recognises, _read, _write
)
