"""Calibrations of Qualisys Track Manager: `.qca.txt`, which is XML.

Places are in millimetres, intrinsics in 1/64 of a pixel, and the rotation maps the world to a camera frame whose x
points right, y up and z backwards. Distortion has no unit and is taken as OpenCV's; for the tangential part, whose
effect is below a pixel, the pictures at hand could not tell the signs.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from calib.cameras import Camera, CameraGroup
from clapcap.errors import FileFormatError

SUBPIXELS = 64.0

DISTORTION = (
    "radialDistortion1",
    "radialDistortion2",
    "tangentalDistortion1",
    "tangentalDistortion2",
    "radialDistortion3",
)
"""In the order of `calib.lenses.brown`; the spelling is theirs."""


def load_qualisys(path: Path) -> CameraGroup:
    """Read the active cameras, named by their serial.

    Raises
    ------
    FileFormatError
        If the file is no such calibration.
    """
    text = path.read_bytes()
    # A calibration declares no entities; a file that does is out to blow up memory or to read other files.
    if b"<!DOCTYPE" in text.upper() or b"<!ENTITY" in text.upper():
        raise FileFormatError(f"{path} declares XML entities, which a Qualisys calibration never does. It is not read.")
    try:
        root = ET.fromstring(text)
        tags = [
            tag for tag in root.iter("camera") if tag.get("active", "1") == "1" and tag.find("intrinsic") is not None
        ]
        cameras = tuple(_camera(tag) for tag in tags)
        if not cameras:
            raise KeyError("camera")
        return CameraGroup(cameras)
    except (ET.ParseError, KeyError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"{path} is no Qualisys calibration that can be read ({error!r}): needed cameras with fov_video, transform "
            "and intrinsic. Export it again from Qualisys Track Manager."
        ) from error


def _camera(tag: ET.Element) -> Camera:
    field, transform, intrinsic = (_numbers(tag, part) for part in ("fov_video", "transform", "intrinsic"))
    width, height = field["right"] - field["left"] + 1, field["bottom"] - field["top"] + 1
    R_qtm_world = np.array([[transform[f"r{row}{column}"] for column in (1, 2, 3)] for row in (1, 2, 3)])
    center_m = np.array([transform["x"], transform["y"], transform["z"]]) / 1e3
    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ R_qtm_world
    T_cam_world[:3, 3] = -T_cam_world[:3, :3] @ center_m
    pixels = {key: value / SUBPIXELS for key, value in intrinsic.items()}
    return Camera(
        name=tag.attrib["serial"],
        size_px=(int(width), int(height)),
        matrix=np.array(
            [
                [pixels["focalLengthU"], 0, pixels["centerPointU"] - field["left"]],
                [0, pixels["focalLengthV"], pixels["centerPointV"] - field["top"]],
                [0, 0, 1],
            ]
        ),
        distortion=np.array([intrinsic[key] for key in DISTORTION]),
        T_cam_world=T_cam_world,
    )


def _numbers(tag: ET.Element, part: str) -> dict[str, float]:
    element = tag.find(part)
    if element is None:
        raise KeyError(part)
    return {key: float(value) for key, value in element.attrib.items()}
