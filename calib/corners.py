"""The board's corners in the frames of one camera."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.boards import CharucoBoard
from clapcap.errors import CalibrationError, FileFormatError
from clapcap.progress import Progress, silent
from media.frames import read_frames

Array = npt.NDArray[np.float64]

DECIDED_CORNERS = 40
"""After this many corners the print's kind (legacy, inverted) is decided. Wrong kinds find none: OpenCV checks that
markers lie where the layout says, and an inverted marker is not found at all."""

HALF_PIXEL = 0.5
"""OpenCV's CharucoDetector adds this to what its cornerSubPix finds, so that (0, 0) is the corner of a pixel; here it
is the centre. Tested on drawn boards."""

WINDOW_SHARE = 0.13
"""Half the window of the sub-pixel search, as a share of the distance to the nearest corner: it then ends where markers
begin (at 0.125 for markers of 3/4 of a square)."""

WINDOW_PX = (2, 10)
"""Its limits. CharucoDetector's own search goes down to 1 px, where squares of 10 to 17 px come out 0.2 px too far up
and left, and 1.3 px off at the 95th percentile; from 2 px on the bias is gone and it is 0.7 px (rendered boards)."""

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
    """

    camera: str
    board: CharucoBoard
    frame_index: npt.NDArray[np.int64]
    time_s: Array
    xy_px: Array
    image_size_px: tuple[int, int]

    def __post_init__(self) -> None:
        frames, corners = len(self.time_s), len(self.board.corners_m)
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
        np.savez_compressed(
            path,
            format=np.array("clapcap-corners"),
            version=np.array(1),
            camera=np.array(self.camera),
            board=np.array(json.dumps(asdict(self.board))),
            frame_index=self.frame_index,
            time_s=self.time_s,
            xy_px=self.xy_px,
            image_size_px=np.array(self.image_size_px),
        )

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
                    board=CharucoBoard(**json.loads(str(file["board"]))),
                    frame_index=file["frame_index"].astype(np.int64),
                    time_s=file["time_s"].astype(np.float64),
                    xy_px=file["xy_px"].astype(np.float64),
                    image_size_px=(int(width), int(height)),
                )
        except (KeyError, ValueError, TypeError, OSError, CalibrationError) as error:
            raise FileFormatError(
                f"{path} holds no corners ({error!r}). Delete it and run `clapcap calibrate` again."
            ) from error


def detect_corners(
    path: Path, board: CharucoBoard, *, frames: slice = slice(None), progress: Progress = silent
) -> CornerViews:
    """Find the board in the frames of a video.

    The print's kind need not be known: the board is looked for as stated, inverted, and in the legacy layout where that
    differs, all in the first frames that show it, then only as it was found.

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
        If the board is in no frame; says which markers are there instead.
    MediaError
        If the video cannot be read.
    """
    import cv2

    camera = path.name if path.is_dir() else path.stem
    kinds = _kinds(board)
    detectors = [cv2.aruco.CharucoDetector(kind.to_cv2()) for kind in kinds]
    found: list[list[Array]] = [[] for _ in kinds]
    counts = np.zeros(len(kinds), dtype=int)
    index: list[int] = []
    time_s: list[float] = []
    size_px = (0, 0)
    for frame in read_frames(path, gray=True, start=frames.start or 0, stop=frames.stop, step=frames.step or 1):
        size_px = (frame.image.shape[1], frame.image.shape[0])
        index.append(frame.index)
        time_s.append(frame.time_s)
        decided = counts.max() >= DECIDED_CORNERS
        for place, kind in enumerate(kinds):
            if decided and place != int(counts.argmax()):
                continue
            xy = _detect(detectors[place], frame.image, kind)
            found[place].append(xy)
            counts[place] += np.isfinite(xy[:, 0]).sum()
        progress(len(index), None)
    best = int(counts.argmax())
    if not index:
        raise CalibrationError(f"{path} has no frames in {frames}. Choose frames that exist.")
    views = CornerViews(
        camera, kinds[best], np.array(index, dtype=np.int64), np.array(time_s), np.array(found[best]), size_px
    )
    if not views.seen.any():
        from calib.board_search import explain_missing_board

        raise CalibrationError(explain_missing_board(path, board, views.frame_index))
    return views


def _kinds(board: CharucoBoard) -> list[CharucoBoard]:
    """Return the board as stated, then its other kinds; the layouts differ for even numbers of rows only."""
    layouts = [board.legacy, not board.legacy] if board.rows % 2 == 0 else [board.legacy]
    return [
        replace(board, legacy=legacy, inverted=inverted)
        for inverted in (board.inverted, not board.inverted)
        for legacy in layouts
    ]


def _detect(detector: Any, image: npt.NDArray[np.uint8], board: CharucoBoard) -> Array:
    """Return (corners, 2), NaN where not seen."""
    picture = np.bitwise_not(image) if board.inverted else image
    xy = np.full((len(board.corners_m), 2), np.nan)
    corners, ids, _, _ = detector.detectBoard(picture)
    if ids is not None and len(ids):
        xy[np.ravel(ids)] = np.reshape(corners, (-1, 2)) - HALF_PIXEL
        _refine(xy, picture, board)
    return xy


def _refine(xy: Array, picture: npt.NDArray[np.uint8], board: CharucoBoard) -> None:
    """Search the corners (corners, 2) again, in place, each in a window that suits its square's size in the picture."""
    import cv2

    pair = board.neighbours
    side = np.nan_to_num(np.linalg.norm(xy[pair[:, 0]] - xy[pair[:, 1]], axis=1), nan=np.inf)
    nearest = np.full(len(xy), np.inf)
    np.minimum.at(nearest, pair.ravel(), np.repeat(side, 2))
    # Without a neighbour in sight the square's size is not known: the smallest window is safe.
    half = np.where(np.isfinite(nearest), WINDOW_SHARE * np.where(np.isfinite(nearest), nearest, 0), 0)
    window = np.clip(half.round(), *WINDOW_PX).astype(int)
    seen = np.isfinite(xy[:, 0])
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-3)
    for size in np.unique(window[seen]):
        here = seen & (window == size)
        start = np.array(xy[here].reshape(-1, 1, 2), dtype=np.float32, order="C", copy=True)
        xy[here] = cv2.cornerSubPix(picture, start, (int(size), int(size)), (-1, -1), criteria)[:, 0]
