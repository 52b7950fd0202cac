"""What a detector is: something that finds people's keypoints, one frame after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from clapcap.errors import DetectionError

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DetectedPerson:
    """One person in one picture.

    Attributes
    ----------
    xy_px
        (points, 2), pixels, (0, 0) the centre of the top-left pixel; NaN: not observed.
    confidence
        (points,), in [0, 1]; 0 where not observed.
    world_m
        (points, 3) or None: the detector's own root-relative guess of 3D, camera axes (x right, y down, z forward).
    """

    xy_px: Array
    confidence: Array
    world_m: Array | None


def coincide(first: DetectedPerson, second: DetectedPerson) -> bool:
    """Tell whether two detections in a picture are of one person: half of the points lie almost on each other."""
    both = np.isfinite(first.xy_px).all(axis=-1) & np.isfinite(second.xy_px).all(axis=-1)
    if not both.any():
        return False
    apart_px = np.linalg.norm(first.xy_px[both] - second.xy_px[both], axis=-1)
    size_px = max(float(np.linalg.norm(np.ptp(person.xy_px[both], axis=0))) for person in (first, second))
    return float(np.median(apart_px)) <= SAME_SHARE * size_px


class Detector(Protocol):
    """Finds people in the frames of one video, which it is shown once and in order: it may track."""

    @property
    def names(self) -> tuple[str, ...]:
        """The points, in the order of the arrays."""

    def detect(self, image: Image, time_s: float) -> tuple[DetectedPerson, ...]:
        """Return the people in a picture, most prominent first: the others are bystanders.

        Parameters
        ----------
        image
            (height, width, 3), RGB, the displayed picture.
        time_s
            The frame's time stamp in seconds, later than that of the frame before.
        """

    def close(self) -> None:
        """Free what the detector holds."""


# Two detections are of one person when half of the points lie within this share of the person's size. Two people who
# cross are at 0.15 and more (rendered crossing of benchmarks.people); doubles further apart are left to
# `triangulate.people`, which knows where everybody is.
SAME_SHARE = 0.06

PEOPLE = 2
"""People looked for in a picture, at most.

Two, so that a bystander whom the detector scores higher does not take the place of the person in front.
"""
MOST_PEOPLE = 8


def _open_mediapipe(model_path: Path | None, people: int) -> Detector:
    from detect.mediapipe_pose import MediaPipePose  # heavy: TensorFlow Lite
    from detect.second_look import SecondLook

    detector = MediaPipePose(model_path, people)
    return SecondLook(detector, people) if people > 1 else detector


DETECTORS: Mapping[str, Callable[[Path | None, int], Detector]] = {"mediapipe": _open_mediapipe}
"""The detectors by name, each made from the user's own model file (None: its default model) and for so many people.

Another detector is one more file and one more entry here.
"""


def open_detector(name: str = "mediapipe", model_path: Path | None = None, people: int = PEOPLE) -> Detector:
    """Start a detector for one video.

    Parameters
    ----------
    name
        A key of `DETECTORS`.
    model_path
        The user's own model (for "mediapipe" a pose landmarker's `.task`), or None for the detector's default.
    people
        How many people are looked for in a picture, at most: 1 to `MOST_PEOPLE`.

    Raises
    ------
    DetectionError
        If there is no detector of that name, it does not start, or so many people cannot be looked for.
    """
    if name not in DETECTORS:
        raise DetectionError(f"there is no detector called {name!r}: choose one of {', '.join(DETECTORS)}")
    if not 1 <= people <= MOST_PEOPLE:
        raise DetectionError(f"{people} people cannot be looked for: needed 1 to {MOST_PEOPLE}")
    return DETECTORS[name](model_path, people)
