"""Pose2Sim's `Calib.toml`: aniposelib's tables in metres, each called like its camera, `fisheye = false` in all.

Pose2Sim matches cameras with folders of keypoints by their order, which is the natural order of the names on both
sides: cam2 before cam10. Its own calibration writes four distortions; what reads them hands any number on to OpenCV,
so that k3 is written as a fifth where it is not zero. It takes every lens for a Brown lens, whatever `fisheye` says.
caliscope's export for aniposelib has the same keys, in metres too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.cameras import CameraGroup
from calib.formats.checks import group
from calib.formats.contract import METRES, Codec, Reading, Writing, in_natural_order, refuse_lenses, refuse_names
from calib.formats.source import Source
from calib.formats.toml_tables import camera_tables, document, dump, metadata_of, passed_on, read_table, write_table

NO_CAMERAS = ("metadata", "capture_volume", "charuco", "checkerboard")
"""Tables that Pose2Sim skips."""


def _recognises(source: Source) -> bool:
    if source.is_folder:
        return False
    tables = document(source)
    found = camera_tables(tables).values()
    said = [table.get("fisheye") for table in found]  # aniposelib says so of fisheye cameras only
    return "units" not in metadata_of(tables) and bool(said) and None not in said and False in said


def _read(source: Source) -> Reading:
    tables = document(source)
    cameras = [
        read_table(source, key, table, str(table.get("name", key)), METRES.metres)
        for key, table in camera_tables(tables).items()
    ]
    return Reading(group(source.path, cameras), METRES, metadata=passed_on(tables))


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("Pose2Sim", cameras, "brown", remedy="Calibrate with the Brown lens, or undistort the videos first.")
    refuse_names("Pose2Sim", cameras, rf"(?!({'|'.join(NO_CAMERAS)})$).+", f"any but {', '.join(NO_CAMERAS)}")
    tables: dict[str, Any] = {}
    for name in in_natural_order(cameras.names):
        camera = cameras[name]
        tables[name] = write_table(camera, METRES.metres)
        tables[name]["size"] = [float(length) for length in camera.size_px]
        if camera.distortion[4] == 0:
            tables[name]["distortions"] = camera.distortion[:4].tolist()
        tables[name]["fisheye"] = False
    error = metadata.get("error", 0.0)
    tables["metadata"] = {"adjusted": False, "error": error if isinstance(error, float) else 0.0}
    return Writing({CODEC.output: dump(tables)})


CODEC = Codec("pose2sim", "Pose2Sim's TOML", "Calib.toml", False, _recognises, _read, _write)
