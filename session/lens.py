"""The lens of the one camera that a body is lifted from: calibrated, given, told by the video, or guessed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from clapcap.errors import SessionError

if TYPE_CHECKING:
    from calib.cameras import Camera, CameraGroup

LensFrom = Literal["calibration", "given", "metadata", "default"]

SHORTEST_MM, LONGEST_MM = 8.0, 400.0
"""Focal lengths on 35 mm film that are taken: a fisheye, and a spotting scope."""


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera, and how it is known.

    Attributes
    ----------
    camera
        Of the size of the video's pictures.
    source
        "calibration", "given" (a focal length), "metadata" of the video, or "default": nothing is known.
    placed
        Whether `camera.T_cam_world` is its place in a calibrated world.
    words
        Where it comes from; goes on from "The lens is".
    """

    camera: Camera
    source: LensFrom
    placed: bool
    words: str

    @property
    def focal_px(self) -> float:
        """Focal length, pixels."""
        return float(self.camera.matrix[0, 0])


def find_lens(
    name: str,
    video: Path | None,
    size_px: tuple[int, int],
    cameras: Path | None = None,
    focal_mm: float | None = None,
    called: str | None = None,
) -> Lens:
    """Return the best that is known of a lens.

    Parameters
    ----------
    name
        The camera's: that of its video's or keypoints' file.
    video
        Its video, if that is there.
    size_px
        Width and height of the pictures as displayed.
    cameras
        A calibration that holds it; the only camera of a calibration is it, whatever its name.
    focal_mm
        Focal length on 35 mm film, if it was given.
    called
        What the calibration calls it; None: `name`.

    Raises
    ------
    SessionError
        The calibration does not hold the camera, the focal length is none, or one option contradicts another.
    FileFormatError, CalibrationError
        The calibration cannot be read, or is of pictures of another shape.
    """
    from lift.lens import usual_camera
    from media.lens_tags import focal_35mm, focal_px

    if cameras is not None and focal_mm is not None:
        raise SessionError(
            f"--focal-mm {focal_mm:g} and {cameras.name} are both given, and each says the focal length: leave one out."
        )
    if cameras is None and called is not None:
        raise SessionError(
            f"--camera-name {called}: no calibration is given that could hold it. Give that too (a cameras.toml), or "
            "leave the name out."
        )
    if cameras is not None:
        camera = _named(cameras, called or name)
        words = f"calibrated ({cameras.name}, {camera.name})"
        return calibrated_lens(replace(camera, name=name), size_px, words)
    guess = usual_camera(name, size_px)
    if focal_mm is not None:
        if not SHORTEST_MM <= focal_mm <= LONGEST_MM:
            raise SessionError(
                f"--focal-mm {focal_mm:g}: needed {SHORTEST_MM:g} to {LONGEST_MM:g}, the focal length that would give "
                "the same view on 35 mm film (a phone's main lens: 24 to 28)."
            )
        return Lens(_of_focal(guess, focal_px(focal_mm, size_px)), "given", False, f"of {focal_mm:g} mm, as given")
    told = None if video is None or video.is_dir() else focal_35mm(video)
    if told is not None:
        words = f"of {told:g} mm on 35 mm film, as the video's metadata say"
        return Lens(_of_focal(guess, focal_px(told, size_px)), "metadata", False, words)
    return Lens(guess, "default", False, "not known: the main lens of a phone is assumed")


def calibrated_lens(camera: Camera, size_px: tuple[int, int], words: str) -> Lens:
    """Return the lens of a calibrated camera, fitted to the size of the pictures.

    A camera without a place (its pose is none: a lens alone was calibrated) has no world either.

    Raises
    ------
    CalibrationError
        If the pictures cannot be of what was calibrated.
    """
    from calib.interchange import adapt_to_size

    placed = not np.array_equal(camera.T_cam_world, np.eye(4))
    return Lens(adapt_to_size(camera, size_px), "calibration", placed, words)


def _named(path: Path, name: str) -> Camera:
    from calib.interchange import load_cameras

    if not path.exists():
        raise SessionError(f"{path} does not exist. Give the calibration that holds {name}: a cameras.toml.")
    group: CameraGroup = load_cameras(path)
    if name in group.names:
        return group[name]
    if len(group) == 1:
        return group.cameras[0]
    raise SessionError(
        f"{path} does not hold {name} (it holds {', '.join(group.names)}). A file's stem names its camera: say which "
        "one it is (--camera-name), or rename the file."
    )


def _of_focal(camera: Camera, focal_px: float) -> Camera:
    matrix = camera.matrix.copy()
    matrix[0, 0] = matrix[1, 1] = focal_px
    return replace(camera, matrix=matrix)
