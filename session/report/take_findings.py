"""What the page of a take is made from: one person's results, and what the stages said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints3D, Observations2D
    from skeleton.motion import Motion

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

LEAST_VIEWS = 2
"""One camera gives a direction, two give a place."""


@dataclass(frozen=True)
class Source:
    """A result that this one rests on, which has a page of its own.

    Attributes
    ----------
    title
        "Calibration", "Sync".
    grade
        "good", "usable", "redo"; "" where nothing judged it.
    sentences
        What is to be said of it.
    link
        Its page, relative to this one; "" where there is none.
    """

    title: str
    grade: str
    sentences: tuple[str, ...]
    link: str


@dataclass(frozen=True)
class Person:
    """One of several people of a take, and the page about them, relative to this one."""

    name: str
    link: str
    shown: bool


@dataclass(frozen=True, eq=False)
class Sole:
    """A point under a foot: its name, its path (frames, 3) in the world, metres, and when it stands (frames,)."""

    name: str
    path_m: Array
    standing: Mask


@dataclass(frozen=True, eq=False)
class TakeFindings:
    """What the page is made from.

    Attributes
    ----------
    session, take
        Their names.
    made
        When, in words that follow "processed".
    command
        What to type to get the same again.
    keypoints, observations
        The points in space and what they rest on: same frames, same points in the same order.
    motion
        The fitted bones, same frames; None where there are none.
    soles
        What of the feet stands on the floor, and when; empty where nothing tells.
    landmarks
        By joint of the motion: the points that sit on its bone.
    cameras
        The calibrated cameras of the take.
    reports
        What the stages recorded, by the stage's name.
    sources
        Calibration and sync.
    settings
        (what, value): everything else that decided the result.
    files
        (name, digest): inputs and results.
    people
        Everybody who was processed; empty for one person.
    outputs
        (name, what it is for) of the files beside the page that other programs read.
    others
        How the other people of the take move, by name.
    measured
        The points before they were cleaned up: same frames and points; None where `keypoints` are as measured.
    """

    session: str
    take: str
    made: str
    command: str
    keypoints: Keypoints3D
    observations: Observations2D
    motion: Motion | None
    soles: tuple[Sole, ...]
    landmarks: Mapping[str, Sequence[str]]
    cameras: CameraGroup
    reports: Mapping[str, Mapping[str, Any]]
    sources: tuple[Source, ...]
    settings: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str]] = ()
    people: tuple[Person, ...] = ()
    outputs: Sequence[tuple[str, str]] = ()
    others: Mapping[str, Motion] = field(default_factory=dict)
    measured: Keypoints3D | None = None

    def __post_init__(self) -> None:
        if self.keypoints.names != self.observations.names:
            raise ValueError("keypoints and observations hold different points")
        if len(self.keypoints.time_s) != len(self.observations.time_s):
            raise ValueError(
                f"keypoints have {len(self.keypoints.time_s)} frames, observations {len(self.observations.time_s)}"
            )

    @cached_property
    def interval_s(self) -> float:
        """Time between frames; of a single frame, a thirtieth of a second."""
        time_s = self.keypoints.time_s
        return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / 30

    @property
    def lifted(self) -> Mapping[str, Any]:
        """What the stage recorded that lifted the body from one view; empty where it was triangulated."""
        return self.reports.get("lift", {})

    @cached_property
    def found(self) -> Mask:
        """(frames, points): placed by two cameras or more; of a lifted body, by the frame's own picture."""
        kept: Mask = np.isfinite(self.keypoints.xyz_m).all(axis=-1)
        return kept & ~self.keypoints.filled & (self.views >= (1 if self.lifted else LEAST_VIEWS))

    @cached_property
    def guessed(self) -> Mask:
        """(frames, points): has a place that fewer than two cameras saw, from the frames around or the body."""
        kept: Mask = np.isfinite(self.keypoints.xyz_m).all(axis=-1)
        return kept & ~self.found

    @cached_property
    def views(self) -> Counts:
        """(frames, points): how many cameras the point rests on."""
        return np.asarray(np.isfinite(self.observations.sigma_px).sum(axis=0))

    @cached_property
    def observed(self) -> Mask:
        """(cameras, frames, points): the detector gave a place, whether it is used or not."""
        return np.asarray(np.isfinite(self.observations.xy_px).all(axis=-1))

    @cached_property
    def used(self) -> Mask:
        """(cameras, frames, points): the place rests on it."""
        return np.asarray(np.isfinite(self.observations.sigma_px))
