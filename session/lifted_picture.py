"""Pictures of a lifted take: its skeleton over the one view, marked as inferred."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera
from clapcap.progress import Progress, silent
from session.picture import CELL_HEIGHT_PX, MOMENTS, draw_projected, moves_at, write
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

LONGEST_PX = 960
"""Of the pictures' sides: to look at. Drawing and compressing whole pictures of a phone would take as long as finding
somebody in them."""

MOST_HZ = 30.0
"""Pictures a second of the overlay, at most: of faster videos, every second frame, every third and so on."""

MARK = "depth inferred from one view"


def write_lifted_overlay(
    video: Path,
    motion: Motion,
    camera: Camera,
    time_s: Array,
    output: Path,
    sheet: Path,
    progress: Progress = silent,
) -> None:
    """Write a copy of a video with the bones drawn over it, and a sheet of a few moments.

    The copy is small, without sound, and has at most `MOST_HZ` pictures a second.

    Parameters
    ----------
    video
        The video that the motion was lifted from; it is only read.
    motion, camera
        The bones, and the camera in their world, for pictures of the video's own size.
    time_s
        (frames,): session time of the video's frames.
    output, sheet
        The video to write, whose suffix chooses the container, and the PNG.
    progress
        Told frames.
    """
    from media.frames import read_frames
    from media.writer import VideoWriter

    drawn = _Drawn(motion, camera, time_s)
    moments = _moments(motion, time_s)
    rate_hz = 1 / float(np.median(np.diff(time_s)))
    step = max(1, round(rate_hz / MOST_HZ))
    shown = {step * round(moment / step) for moment in moments}
    with VideoWriter(output, drawn.size_px, rate_hz=rate_hz / step, fast=True) as writer:
        cells = {}
        for frame in read_frames(video, stop=len(time_s), step=step, longest_px=LONGEST_PX):
            picture = drawn.over(frame.image, frame.index)
            if frame.index in shown:
                cells[frame.index] = picture
            writer.write(picture, time_s[frame.index] - time_s[0])
            progress(frame.index + 1, len(time_s))
    _write_sheet(cells, time_s, sheet)


def draw_moments(video: Path, motion: Motion, camera: Camera, time_s: Array, sheet: Path) -> None:
    """Write the sheet of a few moments alone; parameters as of `write_lifted_overlay`."""
    from media.single_frames import read_frames_at

    drawn = _Drawn(motion, camera, time_s)
    frames = read_frames_at(video, _moments(motion, time_s))
    _write_sheet({frame.index: drawn.over(frame.image, frame.index) for frame in frames}, time_s, sheet)


class _Drawn:
    """A motion as a camera sees it in pictures of `LONGEST_PX`."""

    def __init__(self, motion: Motion, camera: Camera, time_s: Array) -> None:
        from calib.interchange import adapt_to_size
        from media.frames import smaller_size

        self.size_px = smaller_size(camera.size_px, LONGEST_PX)
        self.motion, self.time_s = motion, time_s
        small = adapt_to_size(camera, self.size_px, "fill")
        after = np.clip(np.searchsorted(motion.time_s, time_s), 1, len(motion.time_s) - 1)
        before = after - 1
        nearer = np.abs(motion.time_s[before] - time_s) <= np.abs(motion.time_s[after] - time_s)
        self.xy_px = small.project(motion.world_positions()[np.where(nearer, before, after)])

    def over(self, image: Image, frame: int) -> Image:
        """Return a frame of the video, small, with the bones and the mark drawn over it."""
        import cv2

        if (image.shape[1], image.shape[0]) != self.size_px:
            image = cv2.resize(image, self.size_px, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        picture: Image = np.ascontiguousarray(image)
        if moves_at(self.motion, float(self.time_s[frame])):
            draw_projected(picture, self.motion, self.xy_px[frame])
        write(picture, MARK, (8, picture.shape[0] - 10), 0.5)
        return picture


def _moments(motion: Motion, time_s: Array) -> list[int]:
    """Return the numbers of the frames that the sheet shows."""
    whens = motion.time_s[0] + np.array(MOMENTS) * (motion.time_s[-1] - motion.time_s[0])
    return [int(np.abs(time_s - when).argmin()) for when in whens]


def _write_sheet(pictures: dict[int, Image], time_s: Array, sheet: Path) -> None:
    """Write pictures side by side, with their moments."""
    import cv2

    cells = []
    for frame, picture in sorted(pictures.items()):
        width = round(picture.shape[1] * CELL_HEIGHT_PX / picture.shape[0])
        cell = cv2.resize(picture, (width, CELL_HEIGHT_PX), interpolation=cv2.INTER_AREA)
        write(cell, f"{time_s[frame]:.2f} s", (8, 20), 0.5)
        cells.append(cell)
    cv2.imwrite(str(sheet), cv2.cvtColor(np.concatenate(cells, axis=1), cv2.COLOR_RGB2BGR))
