"""The board's corners in the frames of one camera."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calib.boards.board import Board, board_from_json, board_to_json
from calib.corners.finder import Sighting
from clapcap.errors import CalibrationError, FileFormatError
from clapcap.progress import Progress, silent
from media.frames import read_frames

Array = npt.NDArray[np.float64]

VERSION = 2
"""Of the file: 2 has `sigma_px`, `blur_px`, `repeated`, `mirrored`."""

MIN_CORNERS = 4
"""Fewer corners in a frame do not fix the board's pose."""


@dataclass(frozen=True, eq=False)
class CornerViews:
    """What one camera saw of the board.

    Attributes
    ----------
    camera
        The camera's name: the stem of its video.
    board
        The board as found: legacy layout and inverted print as they are, not as they were stated.
    frame_index
        (frames,): each frame's place in its video, in display order from 0.
    time_s
        (frames,): its time stamp, seconds on the camera's own clock.
    xy_px
        (frames, corners, 2), pixels; NaN where not seen. Frames without the board are kept, all NaN.
    image_size_px
        (2,): width and height of the displayed picture.
    sigma_px
        (frames, corners): standard deviation of x and of y as the picture tells it (noise, contrast, blur, size),
        pixels; NaN where not seen. Left out: NaN, not known.
    blur_px
        (frames,): blur of the picture at the board, standard deviation along the worse of x and y; NaN without board.
        A board that moves fast is blurred. Left out: NaN.
    repeated
        (frames,): whether the picture is that of the frame before, bit by bit: the camera or the recorder hung, and the
        time stamp is not that of the picture. Left out: none.
    mirrored
        (frames,): whether the print was seen as in a mirror: the back of a board printed on both sides. Left out: none.
    """

    camera: str
    board: Board
    frame_index: npt.NDArray[np.int64]
    time_s: Array
    xy_px: Array
    image_size_px: tuple[int, int]
    sigma_px: Array = field(default_factory=lambda: np.empty((0, 0)))
    blur_px: Array = field(default_factory=lambda: np.empty(0))
    repeated: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    mirrored: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        frames, corners = len(self.time_s), len(self.board.corners_m)
        unknown = {
            "sigma_px": np.full((frames, corners), np.nan),
            "blur_px": np.full(frames, np.nan),
            "repeated": np.zeros(frames, dtype=np.bool_),
            "mirrored": np.zeros(frames, dtype=np.bool_),
        }
        for name, value in unknown.items():
            if not getattr(self, name).size:
                object.__setattr__(self, name, value)
            if getattr(self, name).shape != value.shape:
                raise ValueError(
                    f"camera {self.camera}: {name} has shape {getattr(self, name).shape}, needed {value.shape}"
                )
        if self.xy_px.shape != (frames, corners, 2) or self.frame_index.shape != (frames,):
            raise ValueError(
                f"camera {self.camera}: xy_px has shape {self.xy_px.shape} and frame_index {self.frame_index.shape}, "
                f"needed {(frames, corners, 2)} and {(frames,)}"
            )

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(frames,): whether enough corners were seen to fix the board's pose."""
        enough: npt.NDArray[np.bool_] = np.isfinite(self.xy_px[..., 0]).sum(axis=1) >= MIN_CORNERS
        return enough

    def save(self, path: Path) -> None:
        """Write npz."""
        # In memory first: on a full disk, zipfile is left open and complains once more when it is collected.
        archive = io.BytesIO()
        np.savez_compressed(
            archive,
            format=np.array("clapcap-corners"),
            version=np.array(VERSION),
            camera=np.array(self.camera),
            board=np.array(json.dumps(board_to_json(self.board))),
            frame_index=self.frame_index,
            time_s=self.time_s,
            xy_px=self.xy_px,
            image_size_px=np.array(self.image_size_px),
            sigma_px=self.sigma_px,
            blur_px=self.blur_px,
            repeated=self.repeated,
            mirrored=self.mirrored,
        )
        path.write_bytes(archive.getbuffer())

    @classmethod
    def load(cls, path: Path) -> CornerViews:
        """Read npz.

        Raises
        ------
        FileFormatError
            If the file does not hold corners.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                width, height = file["image_size_px"].tolist()
                return cls(
                    camera=str(file["camera"]),
                    board=board_from_json(json.loads(str(file["board"]))),
                    frame_index=file["frame_index"].astype(np.int64),
                    time_s=file["time_s"].astype(np.float64),
                    xy_px=file["xy_px"].astype(np.float64),
                    image_size_px=(int(width), int(height)),
                    sigma_px=file["sigma_px"].astype(np.float64),
                    blur_px=file["blur_px"].astype(np.float64),
                    repeated=file["repeated"].astype(np.bool_),
                    mirrored=file["mirrored"].astype(np.bool_),
                )
        except (KeyError, ValueError, TypeError, OSError, CalibrationError) as error:
            raise FileFormatError(
                f"{path} holds no corners ({error!r}). Delete it and run `clapcap calibrate` again."
            ) from error


def detect_corners(
    path: Path, board: Board, *, frames: slice = slice(None), progress: Progress = silent
) -> CornerViews:
    """Find the board in the frames of a video.

    The print's kind (white on black, OpenCV's layout before 4.6) need not be known. Frames that repeat the one before
    bit by bit get its corners without another search.

    Parameters
    ----------
    path
        The video or folder of images; its stem names the camera.
    board
        As stated.
    frames
        Which frames, like a slice of a list; no negative numbers.
    progress
        Told the frames done.

    Raises
    ------
    CalibrationError
        If the board is in no frame; says which markers are there instead, and what to write into session.toml.
    MediaError
        If the video cannot be read.
    """
    finder = board.finder()
    index: list[int] = []
    time_s: list[float] = []
    repeated: list[bool] = []
    sightings: list[Sighting | None] = []
    before: npt.NDArray[np.uint8] | None = None
    for frame in read_frames(path, gray=True, start=frames.start or 0, stop=frames.stop, step=frames.step or 1):
        again = before is not None and bool(np.array_equal(before, frame.image))
        index.append(frame.index)
        time_s.append(frame.time_s)
        repeated.append(again)
        sightings.append(sightings[-1] if again else finder.find(frame.image))
        before = frame.image
        progress(len(index), None)
    if before is None:
        raise CalibrationError(f"{path} has no frames in {frames}. Choose frames that exist.")
    found = finder.board
    # Before the print's kind was decided, single frames may have passed for another.
    views = [seen if seen is not None and seen.board == found else None for seen in sightings]
    count = len(found.corners_m)
    result = CornerViews(
        camera=path.name if path.is_dir() else path.stem,
        board=found,
        frame_index=np.array(index, dtype=np.int64),
        time_s=np.array(time_s),
        xy_px=np.array([seen.xy_px if seen else np.full((count, 2), np.nan) for seen in views]),
        image_size_px=(before.shape[1], before.shape[0]),
        sigma_px=np.array([seen.sigma_px if seen else np.full(count, np.nan) for seen in views]),
        blur_px=np.array([seen.blur_px if seen else np.nan for seen in views]),
        repeated=np.array(repeated),
        mirrored=np.array([seen is not None and seen.mirrored for seen in views]),
    )
    if finder.misfit or not result.seen.any():
        from calib.corners.board_search import explain_missing_board

        raise CalibrationError(explain_missing_board(path, board, result.frame_index))
    return result
