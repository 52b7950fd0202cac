"""The views of a take as arrays, checked against each other and against the calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Views:
    """All views of one person on one timeline.

    Attributes
    ----------
    cameras
        The cameras of the views, in the order of the arrays.
    names
        The points.
    xy_px
        (cameras, frames, points, 2), NaN where not observed.
    confidence
        (cameras, frames, points), 0 where not observed.
    time_s
        (frames,), session time.
    """

    cameras: CameraGroup
    names: tuple[str, ...]
    xy_px: Array
    confidence: Array
    time_s: Array


def gather_views(keypoints: Mapping[str, Keypoints2D], cameras: CameraGroup) -> Views:
    """Stack the keypoints of each camera, which must share points and time line.

    Raises
    ------
    TriangulationError
        If there are fewer than two views, a camera is not calibrated or calibrated for another picture size, or the
        views do not fit each other.
    """
    if len(keypoints) < 2:
        raise TriangulationError(
            f"{len(keypoints)} view given ({', '.join(keypoints) or 'none'}), needed two or more: a point in space "
            "takes two cameras. With one camera use `clapcap single`."
        )
    unknown = [name for name in keypoints if name not in cameras.names]
    if unknown:
        raise TriangulationError(
            f"no calibration for {', '.join(unknown)}: it knows {', '.join(cameras.names) or 'no camera'}. "
            "A camera is called as its video's stem: rename, or calibrate again with all cameras."
        )
    first, reference = next(iter(keypoints.items()))
    if len(reference.time_s) == 0:
        raise TriangulationError(f"camera {first} has no frames: the cameras' recordings may not overlap in time.")
    for name, view in keypoints.items():
        size = (int(view.image_size_px[0]), int(view.image_size_px[1]))
        if size != cameras[name].size_px:
            raise TriangulationError(
                f"camera {name} is calibrated for pictures of {_by(cameras[name].size_px)}, its video has {_by(size)}: "
                "calibrate with the same video mode, or adapt the calibration to the new size."
            )
        if view.names != reference.names:
            raise TriangulationError(
                f"camera {name} has other points than {first} ({len(view.names)} and {len(reference.names)}): detect "
                "all cameras with the same detector."
            )
        # Resampling to a common timeline gives the very same times.
        if not np.array_equal(view.time_s, reference.time_s):
            raise TriangulationError(
                f"camera {name} is not on the timeline of {first} ({len(view.time_s)} and {len(reference.time_s)} "
                "frames): resample all cameras to one timeline first (`clapcap sync`)."
            )
    xy = np.stack([view.xy_px for view in keypoints.values()])
    confidence = np.stack([view.confidence for view in keypoints.values()])
    return Views(
        cameras=cameras.subset(tuple(keypoints)),
        names=reference.names,
        xy_px=xy,
        confidence=np.where(np.isfinite(xy).all(axis=-1), confidence, 0.0),
        time_s=reference.time_s,
    )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
