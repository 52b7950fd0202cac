"""Make the embedded example again, from code alone: `python -m blender.example OUT_DIR [CACHE_DIR [WORKERS]]`.

Writes `calibration/cam*.mp4`, `takes/dance/cam*.mp4` and `truth.npz`. Rendered frames are kept in CACHE_DIR (by
default `OUT_DIR/../example-frames`), so a run that was stopped goes on where it was; delete that folder after changing
what is in the pictures. Needs `pip install "clapcap[blender]"`; docs/example.md describes what comes out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blender import board, clap_sound, dance, reel
from blender.armature import JOINT_NAMES
from blender.shoot import CALIBRATION, CAMERAS, DANCE, FPS, SIZE_PX, Recording
from clapcap.errors import ClapcapError, MediaError
from clapcap.progress import Progress, silent
from media.audio import Audio
from media.writer import VideoWriter

Array = npt.NDArray[np.float64]

CRF = 16
"""Quality of the videos: the board's corners are found as well as in the uncompressed frames, in 9 MB for all eight."""
TRUTH_HZ = 120.0


def make_example(out: Path, cache: Path, workers: int = 1, progress: Progress = silent) -> None:
    """Render, encode and write the example and its truth.

    Parameters
    ----------
    out
        The folder to write to; files of the same name are replaced, one at a time, when whole.
    cache
        Where the rendered frames are kept.
    workers
        How many renderers run at once; each keeps a processor core busy.
    progress
        Told the frames that are rendered.

    Raises
    ------
    ClapcapError
        If Blender's module is missing or fails, or a file cannot be written.
    """
    write_truth(out / "truth.npz")
    total = sum(len(reel.frames_of(recording)) for recording in (CALIBRATION, DANCE))
    done = 0
    for recording in (CALIBRATION, DANCE):
        reel.render(recording, cache, workers, lambda count, _, before=done: progress(before + count, total))
        done += len(reel.frames_of(recording))
        for name in recording.clocks:
            write_video(out / recording.folder / f"{name}.mp4", recording, name, cache)


def write_video(path: Path, recording: Recording, name: str, cache: Path) -> None:
    """Encode one camera's frames and its sound.

    Raises
    ------
    MediaError
        If a frame is missing in `cache`, or the video cannot be written.
    """
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    samples = clap_sound.track(recording, name)[:, None]
    sound = Audio(samples, clap_sound.SAMPLE_RATE_HZ[name], start_s=clap_sound.SOUND_START_S[name])
    with VideoWriter(path, SIZE_PX, rate_hz=FPS, crf=CRF, audio=sound) as writer:
        for frame, time_s in enumerate(recording.clocks[name].camera_times_s):
            drawn = reel.frame_path(cache, recording, name, frame)
            bgr = cv2.imread(str(drawn), cv2.IMREAD_COLOR)
            if bgr is None:
                raise MediaError(f"{drawn}: no rendered frame for {path} at {time_s:.3f} s. Render again.")
            writer.write(np.ascontiguousarray(bgr[:, :, ::-1]), float(time_s))


def truth() -> dict[str, Any]:
    """Return the arrays of `truth.npz`, by name.

    `docs/example.md` lists them. World: metres, z up, floor at z = 0. Times of joints, board and claps are session
    time, which is cam1's clock.
    """
    clocks = {
        f"{prefix}_{field}": np.array([getattr(recording.clocks[name], field) for name in CAMERAS.names])
        for prefix, recording in (("calibration", CALIBRATION), ("take", DANCE))
        for field in ("offset_s", "rate")
    }
    joints_time_s, board_time_s = _sampled(DANCE), _sampled(CALIBRATION)
    return {
        "format": np.array("clapcap-truth"),
        "version": np.array(1),
        "camera_names": np.array(CAMERAS.names),
        "image_size_px": np.array(SIZE_PX),
        "matrix": np.stack([camera.matrix for camera in CAMERAS]),
        "distortion": np.stack([camera.distortion for camera in CAMERAS]),
        "T_cam_world": np.stack([camera.T_cam_world for camera in CAMERAS]),
        **clocks,
        "calibration_clap_s": np.array(CALIBRATION.clap_s),
        "take_clap_s": np.array(DANCE.clap_s),
        "calibration_clap_travel_s": np.array([clap_sound.travel_s(CALIBRATION, camera) for camera in CAMERAS]),
        "take_clap_travel_s": np.array([clap_sound.travel_s(DANCE, camera) for camera in CAMERAS]),
        "joint_names": np.array(JOINT_NAMES),
        "joints_time_s": joints_time_s,
        "joints_xyz_m": dance.pose(joints_time_s).joints().astype(np.float32),
        "board_time_s": board_time_s,
        "T_world_board": board.T_world_board(board_time_s).astype(np.float32),
        "board_corners_m": board.corners_m(),
    }


def _sampled(recording: Recording) -> Array:
    """Return the span of a recording in steps of 1 / `TRUTH_HZ`, both ends covered."""
    first, last = (round(end * TRUTH_HZ) for end in recording.span_s)
    return np.arange(first - 1, last + 2) / TRUTH_HZ


def write_truth(path: Path) -> None:
    """Write `truth.npz`.

    Raises
    ------
    MediaError
        If it cannot be written.
    """
    partial = path.with_name(".truth.partial.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(partial, **truth())
        partial.replace(path)
    except OSError as error:
        raise MediaError(f"{path} cannot be written ({error}). Check the folder's permissions and the disk.") from error
    finally:
        partial.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """Run from the command line; return the exit code."""
    if not 1 <= len(arguments) <= 3:
        print(__doc__)
        return 2
    out = Path(arguments[0])
    cache = Path(arguments[1]) if len(arguments) > 1 else out.resolve().parent / "example-frames"
    workers = int(arguments[2]) if len(arguments) > 2 else os.cpu_count() or 1

    def tell(done: int, total: int | None) -> None:
        print(f"\r{done} of {total} frames", end="", flush=True)

    try:
        make_example(out, cache, workers, tell)
    except ClapcapError as error:
        print(f"\n{error}")
        return 2
    print(f"\n{out}: done")
    return 0


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
