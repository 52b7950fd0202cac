"""Render the recordings, frame by frame, in processes of their own; every finished frame is kept, so a kill costs one.

`render` starts the workers: each runs this module, takes its share of the frames as JSON from the standard input, and
draws those that are not there yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blender import board, dance, person, room
from blender.shoot import CAMERAS, DANCE, RECORDINGS, Recording
from clapcap.errors import ClapcapError
from clapcap.progress import Progress, silent

Array = npt.NDArray[np.float64]

ROOM_SEED = 5
EXPLAINED = 2
"""Exit code of a worker whose last line is an error message for the user."""


def frame_path(cache: Path, recording: Recording, camera: str, frame: int) -> Path:
    """Return where a rendered frame is kept."""
    return cache / recording.name / camera / f"{frame:05d}.png"


def frames_of(recording: Recording) -> list[tuple[str, int]]:
    """Return every camera and frame of the recording."""
    return [(camera, frame) for camera, clock in recording.clocks.items() for frame in range(clock.frames)]


def render(recording: Recording, cache: Path, workers: int = 1, progress: Progress = silent) -> None:
    """Draw all frames of a recording that `cache` does not hold yet, in `workers` processes.

    Raises
    ------
    ClapcapError
        If a worker fails: with what it said.
    """
    wanted = frames_of(recording)
    missing = [frame for frame in wanted if not frame_path(cache, recording, *frame).exists()]
    if not missing:
        return
    cache.mkdir(parents=True, exist_ok=True)
    # One core each: Workbench's rasteriser would start a thread per core in every worker.
    environment = {**os.environ, "LP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}
    processes = []
    for worker in range(workers):
        share = missing[worker * len(missing) // workers : (worker + 1) * len(missing) // workers]
        log, job = (cache / f"{recording.name}-{worker}.{kind}" for kind in ("log", "json"))
        job.write_text(json.dumps({"cache": str(cache), "recording": recording.name, "frames": share}))
        with log.open("wb") as output, job.open("rb") as task:
            process = subprocess.Popen(
                [sys.executable, "-m", "blender.reel"],
                stdin=task,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        processes.append((process, log))
    try:
        while any(process.poll() is None for process, _ in processes):
            progress(sum(frame_path(cache, recording, *frame).exists() for frame in wanted), len(wanted))
            for process, _ in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
    finally:
        for process, _ in processes:
            process.kill()  # does nothing to one that has ended
            process.wait()
    for process, log in processes:
        if process.returncode == 0:
            continue
        said = log.read_text(errors="replace").strip().splitlines()
        if process.returncode == EXPLAINED:
            raise ClapcapError(said[-1])
        raise ClapcapError(
            f"Blender stopped with code {process.returncode} while it rendered `{recording.name}`: "
            f"{' | '.join(said[-4:])} (the whole log: {log}). The frames drawn so far stay in {cache}: start again to "
            "go on."
        )
    progress(len(wanted), len(wanted))


class Scene:
    """The room with the board, or with the person, at any moment of session time."""

    def __init__(self, recording: Recording) -> None:
        from blender.stage import Stage

        rng = np.random.default_rng(ROOM_SEED)
        self.stage = Stage()
        self.stage.add("floor", room.floor(rng), casts_shadow=False)
        self.stage.add("walls", room.walls(rng), casts_shadow=False)
        if recording is DANCE:
            self._pose = dance.pose
            body = person.build()
            caster = person.build_shadow_caster(body)
            self._bodies = [
                (body, self.stage.add("person", body.mesh, casts_shadow=False)),
                (caster, self.stage.add("shadow", caster.mesh)),
            ]
            self._board: Any = None
        else:
            self._bodies = []
            self._board = self.stage.add("board", board.mesh())

    def set_time(self, time_s: float) -> None:
        """Move what moves to where it is at this session time."""
        if self._board is not None:
            self.stage.place(self._board, board.T_world_board(time_s))
        for body, placed in self._bodies:
            self.stage.deform(placed, body.deform(self._pose(time_s)))


def _work(cache: Path, recording: Recording, frames: list[tuple[str, int]]) -> None:
    """Draw the given frames and keep each as soon as it is finished."""
    import cv2

    scene = Scene(recording)
    for name, frame in frames:
        path = frame_path(cache, recording, name, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        scene.set_time(float(recording.clocks[name].session_times_s[frame]))
        partial = path.with_suffix(f".{os.getpid()}.png")
        cv2.imwrite(str(partial), scene.stage.photograph(CAMERAS[name]))
        partial.replace(path)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    code = 0
    try:
        _work(Path(task["cache"]), RECORDINGS[task["recording"]], [(name, frame) for name, frame in task["frames"]])
    except ClapcapError as error:
        print(error)
        code = EXPLAINED
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender crashes at a normal interpreter exit
