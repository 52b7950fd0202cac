"""What a detector really sees of people whose truth is known: pairs of both, read from a folder.

`benchmarks/seen_people.py` makes such folders: people drawn by mocap, seen by virtual cameras, detected by MediaPipe.
Each clip is one npz: the contract of 2D keypoints (`skeleton.formats.npz`, which reads it as such) with the truth
beside it. The truth is at 60 Hz from the first keypoint's time on, whatever the rate of the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from lift.mocap.convert import RATE_HZ
from lift.points import POINTS, root
from skeleton.formats.npz import load_keypoints2d, save_keypoints2d
from skeleton.joint_sets import load_joint_set, map_keypoints2d
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float32]

SPLITS = ("train", "val", "test")

_TRUTH = ("truth_m", "matrix", "split", "source", "activity")


@dataclass(frozen=True, eq=False)
class SeenRecord:
    """A clip as it lies on the disk.

    Attributes
    ----------
    keypoints
        What the detector found, frame by frame.
    truth_m
        (frames at 60 Hz, points of body18, 3): metres in the camera's frame (x right, y down, z forward).
    matrix
        (3, 3): the camera's, pixels; without distortion.
    split, source, activity
        The set of the subject who moved, and the sequence and what it shows, as the mocap's index names them.
    """

    keypoints: Keypoints2D
    truth_m: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]
    split: str
    source: str
    activity: str

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"the set is {self.split!r}, needed one of {', '.join(SPLITS)}")
        if self.matrix.shape != (3, 3) or not np.isfinite(self.matrix).all() or self.matrix[0, 0] <= 0:
            raise ValueError(f"the camera matrix is {self.matrix.tolist()}")
        if self.truth_m.ndim != 3 or self.truth_m.shape[1:] != (len(POINTS), 3):
            raise ValueError(f"the truth has shape {self.truth_m.shape}, needed (frames, {len(POINTS)}, 3)")
        time_s = self.keypoints.time_s
        needed = round(float(time_s[-1] - time_s[0]) * RATE_HZ) + 1 if len(time_s) else 1
        if len(self.truth_m) < needed:
            raise ValueError(f"the truth has {len(self.truth_m)} frames, the keypoints last for {needed}")


@dataclass(frozen=True, eq=False)
class SeenClip:
    """A clip as networks take it: `body18` at 60 Hz.

    Attributes
    ----------
    ray
        (frames, points, 2): x / z, y / z by the true camera; NaN: not seen.
    confidence
        (frames, points), in [0, 1]; 0 where not seen.
    world_m
        (frames, points, 3): the detector's own 3D about the hips, metres in camera axes as the detector gives it, that
        is seen along the camera's axis; NaN where nobody is seen.
    truth_m
        (frames, points, 3): metres in the camera's frame.
    half_size
        (2,): half the picture's width and height over the focal length: where rays leave the picture.
    rate_hz
        Of the pictures; between them what was seen is interpolated, as `lift.inference` does it.
    name, split, source, activity
        The file's name, and what `SeenRecord` says.
    """

    ray: Array
    confidence: Array
    world_m: Array
    truth_m: Array
    half_size: Array
    rate_hz: float
    name: str
    split: str
    source: str
    activity: str


@dataclass(frozen=True, eq=False)
class SeenClips:
    """The clips of a folder, in the order of their names."""

    clips: tuple[SeenClip, ...]

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[SeenClip]:
        return iter(self.clips)

    def of(self, split: str) -> SeenClips:
        """Return the clips of a set of subjects."""
        return SeenClips(tuple(clip for clip in self.clips if clip.split == split))


def save_seen(path: Path, record: SeenRecord) -> None:
    """Write a clip, whole or not at all; raises OSError when the disk refuses."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        save_keypoints2d(partial, record.keypoints)
        with np.load(partial, allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
        arrays |= {
            "truth_m": record.truth_m.astype(np.float32),
            "matrix": record.matrix,
            "split": np.array(record.split),
            "source": np.array(record.source),
            "activity": np.array(record.activity),
        }
        with partial.open("wb") as target:
            np.savez(target, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_record(path: Path) -> SeenRecord:
    """Read a clip as it lies on the disk.

    Raises
    ------
    FileFormatError
        The file cannot be read, or is something else.
    """
    keypoints = load_keypoints2d(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if missing := [name for name in _TRUTH if name not in file]:
                raise FileFormatError(
                    f"{path} has keypoints without a truth: it lacks {', '.join(missing)}. Give a folder that "
                    "benchmarks.seen_people made."
                )
            return SeenRecord(
                keypoints,
                file["truth_m"].astype(np.float64),
                file["matrix"].astype(np.float64),
                *(str(file[name]) for name in ("split", "source", "activity")),
            )
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path}: {error}. Delete it and make it again.") from error


def load_clip(path: Path) -> SeenClip:
    """Read a clip as networks take it; raises FileFormatError like `load_record`."""
    from lift.inference import at_times, even_times  # which imports torch

    record = load_record(path)
    seen = map_keypoints2d(record.keypoints, load_joint_set("body18"))
    if len(seen.time_s) < 2:
        raise FileFormatError(f"{path} has {len(seen.time_s)} frames, needed 2 or more. Delete it and make it again.")
    focal, middle = np.diag(record.matrix)[:2], record.matrix[:2, 2]
    ray = (seen.xy_px - middle) / focal
    confidence = np.where(np.isfinite(ray).all(axis=-1), seen.confidence, 0)
    world = np.full((*ray.shape[:2], 3), np.nan)
    if seen.world_m is not None:
        world = seen.world_m - root(seen.world_m)[:, None]
    time_s = even_times(seen.time_s)
    even = [at_times(values, seen.time_s, time_s) for values in (ray, confidence[..., None], world)]
    ray60, confidence60, world60 = (values.astype(np.float32) for values in even)
    frames = min(len(time_s), len(record.truth_m))
    return SeenClip(
        ray=ray60[:frames],
        confidence=confidence60[:frames, :, 0],
        world_m=world60[:frames],
        truth_m=record.truth_m[:frames].astype(np.float32),
        half_size=(0.5 * seen.image_size_px / focal).astype(np.float32),
        rate_hz=float(1 / np.median(np.diff(seen.time_s))),
        name=path.stem,
        split=record.split,
        source=record.source,
        activity=record.activity,
    )


def load_seen(folder: Path) -> SeenClips:
    """Read all clips of a folder.

    Raises
    ------
    FileFormatError
        There are none, or one of them breaks the format.
    """
    paths = sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
    if not paths:
        raise FileFormatError(f"{folder} has no clips (*.npz). Make some: python -m benchmarks.seen_people.")
    return SeenClips(tuple(load_clip(path) for path in paths))
