"""Calibrations of Qualisys Track Manager: `.qca.txt`, which is XML.

Places are in millimetres, intrinsics in 1/64 of a pixel, and the rotation maps the world to a camera frame whose x
points right, y up and z backwards. Distortion has no unit and is taken as OpenCV's; for the tangential part, whose
effect is below a pixel, the pictures at hand could not tell the signs. (Pose2Sim divides distortion by 64 too when it
reads such a file: the pictures contradict that.)
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import numpy as np

from calib.cameras import Camera, CameraGroup
from calib.formats.checks import Place, build_camera, group
from calib.formats.contract import MILLIMETRES, Codec, Reading, Writing, refuse_lenses, refuse_names
from calib.formats.source import Source
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

ROTATION = tuple(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))

NO_QUALITY = {"avg-residual": "0.000000", "point-count": "0"}
"""QTM's figures on its own calibration, without which some readers fail; there are none for ours."""

QTM_FROM_CAM = np.diag([1.0, -1.0, -1.0])
"""From x right, y down, z forwards to x right, y up, z backwards; its own inverse."""


def _recognises(source: Source) -> bool:
    return source.start.startswith("<")


def _read(source: Source) -> Reading:
    """Read the active cameras, named by their serial."""
    text = source.text(source.path)
    # A calibration declares no entities; a file that does is out to blow up memory or to read other files. The text is
    # decoded already, so that no encoding hides the word.
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise FileFormatError(
            f"{source.path} declares XML entities, which a Qualisys calibration never does. It is not read."
        )
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise FileFormatError(
            f"{source.path} is no Qualisys calibration: as XML it fails: {error}. Export it again from Qualisys Track "
            "Manager."
        ) from error
    tags = [tag for tag in root.iter("camera") if tag.find("intrinsic") is not None]
    active = [tag for tag in tags if tag.get("active", "1") == "1"]
    if not active:
        raise FileFormatError(
            f"{source.path} is no Qualisys calibration: it holds no active camera with fov_video, transform and "
            "intrinsic. Export it again from Qualisys Track Manager."
        )
    left_out = [tag.get("serial", "?") for tag in tags if tag not in active]
    notes = [f"{serial} is left out: it was not active." for serial in left_out]
    cameras = [_camera(source, place, tag) for place, tag in enumerate(active, start=1)]
    return Reading(group(source.path, cameras), MILLIMETRES, tuple(notes))


def _camera(source: Source, number: int, tag: ET.Element) -> Camera:
    name = tag.get("serial", "")
    place = Place(source.path, f"camera {name or number}")
    if not name:
        raise place.broken("has no serial", "one, which names the camera")
    field = _numbers(place, tag, "fov_video", ("left", "right", "top", "bottom"))
    pose = _numbers(place, tag, "transform", ("x", "y", "z", *ROTATION))
    inner = _numbers(
        place, tag, "intrinsic", ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV", *DISTORTION)
    )
    R_cam_world = QTM_FROM_CAM @ np.array([pose[key] for key in ROTATION]).reshape(3, 3)
    center_m = np.array([pose["x"], pose["y"], pose["z"]]) * MILLIMETRES.metres
    return build_camera(
        place,
        name=name,
        size=np.array([field["right"] - field["left"] + 1, field["bottom"] - field["top"] + 1]),
        matrix=np.array(
            [
                [inner["focalLengthU"] / SUBPIXELS, 0, inner["centerPointU"] / SUBPIXELS - field["left"]],
                [0, inner["focalLengthV"] / SUBPIXELS, inner["centerPointV"] / SUBPIXELS - field["top"]],
                [0, 0, 1],
            ]
        ),
        distortion=np.array([inner[key] for key in DISTORTION]),
        rotation=R_cam_world,
        translation_m=-R_cam_world @ center_m,
    )


def _numbers(place: Place, tag: ET.Element, part: str, keys: tuple[str, ...]) -> dict[str, float]:
    element = tag.find(part)
    if element is None:
        raise place.broken(f"lacks {part}", "fov_video, transform and intrinsic")
    found = {}
    for key in keys:
        try:
            found[key] = float(element.get(key, ""))
        except ValueError:
            raise place.broken(f"has {part} {key} = {element.get(key)!r}", "a number") from None
        if not np.isfinite(found[key]):
            raise place.broken(f"has {part} {key} = {element.get(key)!r}", "a finite number")
    return found


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("Qualisys", cameras, "brown", remedy="Calibrate with the Brown lens, or undistort the videos first.")
    refuse_names("Qualisys", cameras, r"[\x20-\x7e]+", "letters, digits and signs of ASCII")
    root = ET.Element("calibration", {"type": "regular", "source": "clapcap"})
    ET.SubElement(root, "results", {"std-dev": "0.", "min-max-diff": "0."})
    tags = ET.SubElement(root, "cameras")
    for camera in cameras:
        _add_camera(tags, camera)
    ET.indent(root)
    return Writing({CODEC.output: b"<?xml version='1.0' encoding='ASCII'?>\n" + ET.tostring(root) + b"\n"})


def _add_camera(tags: ET.Element, camera: Camera) -> None:
    head = {"active": "1", "serial": camera.name, "model": "none", "viewrotation": "0"}
    tag = ET.SubElement(tags, "camera", {**head, **NO_QUALITY})
    width, height = camera.size_px
    for part in ("fov_marker", "fov_marker_max", "fov_video", "fov_video_max"):
        _add(tag, part, {"left": 0, "top": 0, "right": width - 1, "bottom": height - 1})
    rotation = (QTM_FROM_CAM @ camera.T_cam_world[:3, :3]).ravel()
    place = dict(zip("xyz", camera.center_m / MILLIMETRES.metres, strict=True))
    _add(tag, "transform", {**place, **dict(zip(ROTATION, rotation, strict=True))})
    (fx, _, cx), (_, fy, cy), _ = camera.matrix * SUBPIXELS
    sensor = {"sensorMinU": 0, "sensorMaxU": (width - 1) * SUBPIXELS, "sensorMinV": 0,
              "sensorMaxV": (height - 1) * SUBPIXELS}  # fmt: skip
    inner = {"focalLengthU": fx, "focalLengthV": fy, "centerPointU": cx, "centerPointV": cy, "skew": 0}
    _add(tag, "intrinsic", {**sensor, **inner, **dict(zip(DISTORTION, camera.distortion, strict=True))})


def _add(tag: ET.Element, part: str, numbers: Mapping[str, float]) -> None:
    ET.SubElement(tag, part, {key: repr(float(value)) for key, value in numbers.items()})


CODEC = Codec("qualisys", "Qualisys Track Manager's XML", "cameras.qca.txt", False, _recognises, _read, _write)
