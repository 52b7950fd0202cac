"""Overlay videos: what the detector saw, drawn over the frames; optionally also 3D points projected back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent
from media.frames import read_frames
from media.probe import probe
from media.writer import VideoWriter
from skeleton.joint_sets import JointSet, load_joint_set
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

# RGB; told apart by people who do not tell red from green (Okabe, Ito, "Color universal design", 2008).
SIDE_COLOURS = {"left": (0, 158, 255), "right": (255, 140, 0), "middle": (240, 240, 240)}
REPROJECTED_COLOUR = (255, 60, 220)
OTHERS_COLOUR = (150, 150, 150)
# Drawn at all from this confidence on.
MIN_CONFIDENCE = 0.1
# OpenCV draws at sixteenths of a pixel.
SHIFT = 4
# OpenCV's fixed-point coordinates overflow far outside the picture.
FAR_PX = 10_000.0


def draw_keypoints(
    image: Image, xy_px: Array, confidence: Array, joint_set: JointSet, colour: tuple[int, int, int] | None = None
) -> Image:
    """Return a copy of a picture with the skeleton's edges and points drawn over it.

    Parameters
    ----------
    image
        (height, width, 3), RGB.
    xy_px
        (points, 2), in the order of `joint_set`; NaN: not drawn.
    confidence
        (points,), in [0, 1]: below `MIN_CONFIDENCE` not drawn; filled circles from 0.5 on, rings below.
    joint_set
        Names the edges and their sides.
    colour
        One colour for all, or None: by the subject's side (`SIDE_COLOURS`).
    """
    import cv2

    drawn: Image = np.ascontiguousarray(image).copy()
    shown = np.isfinite(xy_px).all(axis=-1) & (confidence >= MIN_CONFIDENCE)
    at = np.round(np.clip(np.nan_to_num(xy_px), -FAR_PX, FAR_PX) * (1 << SHIFT)).astype(int)
    thick = max(1, round(max(image.shape[:2]) / 640))
    for edge, (start, end) in zip(joint_set.edges, joint_set.edge_indices, strict=True):
        if shown[start] and shown[end]:
            ends = tuple(at[start].tolist()), tuple(at[end].tolist())
            cv2.line(drawn, *ends, (0, 0, 0), thick + 2, cv2.LINE_AA, SHIFT)
            cv2.line(drawn, *ends, colour or SIDE_COLOURS[edge.side], thick, cv2.LINE_AA, SHIFT)
    for point in np.flatnonzero(shown):
        centre, radius = tuple(at[point].tolist()), (thick + 1) << SHIFT
        filled = cv2.FILLED if confidence[point] >= 0.5 else thick
        cv2.circle(drawn, centre, radius, colour or _side_colour(joint_set.points[point]), filled, cv2.LINE_AA, SHIFT)
    return drawn


def write_overlay(
    video: Path,
    keypoints: Keypoints2D,
    output: Path,
    reprojected_px: Array | None = None,
    joint_set: str = "blazepose33",
    progress: Progress = silent,
) -> None:
    """Write a copy of a video, without sound, with its keypoints drawn over every frame; whom else it shows in grey.

    Parameters
    ----------
    video
        The video that `keypoints` were detected in; it is only read.
    keypoints
        A row for every frame of the video, points in the order of `joint_set`.
    output
        The file to write; its suffix chooses the container.
    reprojected_px
        (frames, points, 2): 3D points projected into this camera at its frames' times, drawn in a colour of their own;
        None: only what was detected.
    joint_set
        Name of the set in `skeleton.joint_sets`.
    progress
        Told frames.

    Raises
    ------
    MediaError
        If the video cannot be read, or the output cannot be written.
    ValueError
        If the keypoints are not those of the joint set, or not of this video.
    """
    points = load_joint_set(joint_set)
    if keypoints.names != points.points:
        raise ValueError(f"the keypoints are not those of {joint_set}")
    frames = len(keypoints.time_s)
    info = probe(video)
    sure = np.ones(len(keypoints.names))
    with VideoWriter(output, info.size_px, rate_hz=info.nominal_fps or 30.0) as writer:
        for frame in read_frames(video):
            if frame.index >= frames:
                raise ValueError(f"{video} has more frames than its keypoints ({frames})")
            drawn = frame.image
            if reprojected_px is not None:
                drawn = draw_keypoints(drawn, reprojected_px[frame.index], sure, points, REPROJECTED_COLOUR)
            if keypoints.others_xy_px is not None and keypoints.others_confidence is not None:
                others = keypoints.others_xy_px[frame.index], keypoints.others_confidence[frame.index]
                for other_px, confidence in zip(*others, strict=True):
                    drawn = draw_keypoints(drawn, other_px, confidence, points, OTHERS_COLOUR)
            row = keypoints.xy_px[frame.index], keypoints.confidence[frame.index]
            # From zero, as a player counts; the intervals are the video's own.
            writer.write(draw_keypoints(drawn, *row, points), frame.time_s - keypoints.time_s[0])
            progress(frame.index + 1, frames)


def _side_colour(point: str) -> tuple[int, int, int]:
    words = point.split("_")
    return SIDE_COLOURS["left" if "left" in words else "right" if "right" in words else "middle"]
