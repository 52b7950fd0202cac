"""A made-up walk before one camera, and commands on it as a user types them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent))
from take_scene import cameras, points_of, walk

from calib.formats.anipose_toml import save_anipose_toml
from clapcap.errors import ClapcapError
from media.writer import VideoWriter
from session.main import app
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

FRAMES, RATE_HZ, SIZE = 90, 60.0, (320, 180)
CAMERA = cameras().cameras[0]


def seen_walk(name: str = "cam1", nobody: bool = False) -> Keypoints2D:
    """Return what a camera would see of a body that walks in a circle."""
    _, xyz_m = points_of(walk(FRAMES))
    scale = SIZE[0] / CAMERA.size_px[0]
    xy_px = cameras()[name].project(xyz_m) * scale
    confidence = np.full(xy_px.shape[:2], 0.9)
    if nobody:
        xy_px, confidence = np.full(xy_px.shape, np.nan), np.zeros(confidence.shape)
    names = load_joint_set("blazepose33").points
    return Keypoints2D(names, xy_px, confidence, np.arange(FRAMES) / RATE_HZ, np.array(SIZE))


def trunk(names: tuple[str, ...], xyz_m: Array) -> Array:
    """Return the middle (frames, 3) of hips and shoulders, which the small lifter has learned."""
    places = [names.index(f"{side}_{part}") for side in ("left", "right") for part in ("hip", "shoulder")]
    return np.asarray(xyz_m[:, places].mean(axis=1))


def film(path: Path, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, SIZE, rate_hz=RATE_HZ, fast=True) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((SIZE[1], SIZE[0], 3), shade, dtype=np.uint8))
    return path


def calibration(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_anipose_toml(path, cameras().subset(names or cameras().names), {})
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object, says: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert isinstance(result.exception, ClapcapError), result.output
    for words in says:
        assert words in str(result.exception)


def one_line(result: Result) -> str:
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return " ".join(result.output.split())
