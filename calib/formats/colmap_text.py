"""COLMAP's text model: `cameras.txt`, `images.txt` and `points3D.txt` in one folder.

    cameras.txt   CAMERA_ID MODEL WIDTH HEIGHT PARAMS...
    images.txt    IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, world to camera, and a second line of points

COLMAP puts (0, 0) on the corner of the top-left pixel rather than on its centre: its principal point is half a pixel
larger. Scale and axes of its world are arbitrary. A camera is named by its picture's stem; the pictures of one camera
that moved are cameras of their own.

Source: COLMAP's documentation, "Output format", and its camera models (src/colmap/sensor/models.h).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup
from calib.formats.checks import Place, build_camera, group, shortened
from calib.formats.contract import Codec, Reading, Unit, Writing, refuse_lenses, refuse_names
from calib.formats.source import Source
from calib.lenses.catalogue import lens_named
from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]

CAMERAS, IMAGES, POINTS = "cameras.txt", "images.txt", "points3D.txt"

IN_METRES = "# Lengths in metres"
"""What clapcap writes first into images.txt. COLMAP leaves comments out when it writes a model that it has changed."""

HALF_A_PIXEL = 0.5

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Model:
    """Where the parameters of a camera model go: "f" is both focal lengths, "-" must be zero."""

    lens: str
    parameters: tuple[str, ...]


MODELS = {
    "SIMPLE_PINHOLE": Model("brown", ("f", "cx", "cy")),
    "PINHOLE": Model("brown", ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": Model("brown", ("f", "cx", "cy", "k1")),
    "RADIAL": Model("brown", ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": Model("brown", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "FULL_OPENCV": Model("brown", ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "-", "-", "-")),
    "OPENCV_FISHEYE": Model("fisheye", ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")),
    "SIMPLE_RADIAL_FISHEYE": Model("fisheye", ("f", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": Model("fisheye", ("f", "cx", "cy", "k1", "k2")),
}


def _recognises(source: Source) -> bool:
    return source.holds(CAMERAS, IMAGES) or (not source.is_folder and source.path.name in (CAMERAS, IMAGES))


def _read(source: Source) -> Reading:
    for name in (CAMERAS, IMAGES):
        if not (source.folder / name).is_file():
            raise FileFormatError(
                f"{source.folder / name} is missing: a COLMAP model in text is {CAMERAS} and {IMAGES} in one folder. "
                "COLMAP makes them with File > Export model as text."
            )
    lenses = dict(_intrinsics(source.folder / CAMERAS, source.text(source.folder / CAMERAS)))
    text = source.text(source.folder / IMAGES)
    unit = Unit(1.0, declared=text.startswith(IN_METRES), doubt="the scale of a COLMAP model is arbitrary")
    return Reading(group(source.path, list(_images(source.folder / IMAGES, text, lenses))), unit)


def _intrinsics(path: Path, text: str) -> Iterator[tuple[str, tuple[Array, dict[str, float], str]]]:
    """Yield by CAMERA_ID the size, the parameters by name, and the lens of each line."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = Place(path, f"line {number}")
        if len(words) < 5 or words[1] not in MODELS:
            raise place.broken(
                f"is {shortened(line)}", f"CAMERA_ID MODEL WIDTH HEIGHT PARAMS with one of {', '.join(MODELS)}",
                "In COLMAP, choose one of these camera models.",
            )  # fmt: skip
        model = MODELS[words[1]]
        values = _floats(place, words[2:])
        if len(values) != 2 + len(model.parameters):
            raise place.broken(f"has {len(values) - 2} parameters", f"{len(model.parameters)} for {words[1]}")
        if any(value != 0 for name, value in zip(model.parameters, values[2:], strict=True) if name == "-"):
            raise place.broken(
                "has k4, k5 or k6 of FULL_OPENCV", "zeros", "In COLMAP, choose the camera model OPENCV instead."
            )
        yield words[0], (values[:2], dict(zip(model.parameters, values[2:].tolist(), strict=True)), model.lens)


def _images(path: Path, text: str, lenses: Mapping[str, tuple[Array, dict[str, float], str]]) -> Iterator[Camera]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if not line.startswith("#")]
    while lines and not lines[-1][1].strip():
        lines.pop()
    for number, line in lines[::2]:  # every second line holds the picture's points, or nothing
        place = Place(path, f"line {number}")
        words = line.split(maxsplit=9)
        if len(words) != 10:
            raise place.broken(f"is {shortened(line)}", "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
        if words[8] not in lenses:
            raise place.broken(f"refers to camera {shortened(words[8])}", f"one of {CAMERAS}: {', '.join(lenses)}")
        pose = _floats(place, words[1:8])
        if not 0.99 < np.linalg.norm(pose[:4]) < 1.01:
            raise place.broken(f"has a quaternion of length {np.linalg.norm(pose[:4]):.3g}", "1")
        size, inner, lens = lenses[words[8]]
        fx, fy = inner.get("fx", inner.get("f", 0.0)), inner.get("fy", inner.get("f", 0.0))
        cx, cy = inner["cx"] - HALF_A_PIXEL, inner["cy"] - HALF_A_PIXEL
        model = lens_named(lens)
        yield build_camera(
            place,
            name=_name(words[9].strip()),
            size=size,
            matrix=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
            distortion=np.array([inner.get(name, 0.0) for name in model.parameters]),
            rotation=Rotation.from_quat(pose[[1, 2, 3, 0]]).as_matrix(),
            translation_m=pose[4:],
            lens=model,
        )


def _floats(place: Place, words: list[str]) -> Array:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise place.broken(f"holds what is no number ({error})", "numbers") from None
    return place.numbers("numbers", values, (len(words),))


def _name(picture: str) -> str:
    path = PurePosixPath(picture.replace("\\", "/"))
    return str(path.with_suffix("")) if path.suffix.lower() in PICTURE_SUFFIXES else str(path)


def _write(cameras: CameraGroup, metadata: Mapping[str, str | float]) -> Writing:
    refuse_lenses("COLMAP", cameras, "brown", "fisheye", remedy="Calibrate with one of these lens models.")
    refuse_names("COLMAP", cameras, r"[^\s#\\/]+", "a name without blanks, # and slashes")
    inner = ["# Camera list: CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    outer = [IN_METRES, "# Image list, world to camera: IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME"]
    for number, camera in enumerate(cameras, start=1):
        model = _model(camera)
        fx, fy = camera.matrix[0, 0], camera.matrix[1, 1]
        cx, cy = camera.matrix[:2, 2] + HALF_A_PIXEL
        values = {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "-": 0.0}
        values |= dict(zip(camera.lens.parameters, camera.distortion, strict=True))
        width, height = camera.size_px
        inner.append(f"{number} {model} {width} {height} {_joined(values[key] for key in MODELS[model].parameters)}")
        x, y, z, w = Rotation.from_matrix(camera.T_cam_world[:3, :3]).as_quat()
        pose = _joined((w, x, y, z, *camera.T_cam_world[:3, 3]))
        outer += [f"{number} {pose} {number} {camera.name}.png", ""]
    contents = {CAMERAS: inner, IMAGES: outer, POINTS: ["# 3D point list: none"]}
    notes = ("COLMAP names pictures: the frame of each camera that you give it must be called CAMERA.png.",)
    return Writing({name: ("\n".join(lines) + "\n").encode() for name, lines in contents.items()}, notes)


def _model(camera: Camera) -> str:
    if camera.lens.name == "fisheye":
        return "OPENCV_FISHEYE"
    if not camera.distortion.any():
        return "PINHOLE"
    return "OPENCV" if camera.distortion[4] == 0 else "FULL_OPENCV"


def _joined(values: Iterator[float] | tuple[float, ...]) -> str:
    return " ".join(repr(float(value)) for value in values)


CODEC = Codec("colmap", "COLMAP's text model", "colmap", True, _recognises, _read, _write)
