"""People drawn by recorded motion and seen by MediaPipe: `python -m benchmarks.seen_people DATA -o FOLDER`.

DATA is the folder of mocap that `clapcap train lifter` takes. Each clip of FOLDER pairs what MediaPipe finds in drawn
pictures with the truth, see `lift.seen`: another motion, body, dress, room and camera for every number. Clips that are
there already are kept, so the run can be stopped at any time. Needs moderngl (the extra `render`) and EGL.
"""

from __future__ import annotations

import argparse
import multiprocessing
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress, TimeElapsedColumn

from benchmarks.seen_draw import open_context
from benchmarks.seen_scene import Scene, draw_scene, pictures
from blender.person import Body, build
from detect.detector import Detector, open_detector
from detect.run import without_doubles
from lift.mocap.archives import Motions, load_motions
from lift.mocap.convert import RATE_HZ
from lift.seen import SeenRecord, save_seen
from skeleton.keypoints import Keypoints2D

VOXEL_M = 0.012
"""Of the person's mesh: 43,000 triangles. In pictures below 1000 pixels finer ones look the same."""

BETWEEN_S = 100.0
"""Added to the time from clip to clip, so that one detector can see them all and remembers none."""


@dataclass(frozen=True)
class Work:
    """What every process needs: where the mocap and its cache are, where clips go, and the seed."""

    data: Path
    cache: Path
    output: Path
    seed: int


def clip_path(output: Path, number: int) -> Path:
    return output / f"clip{number:05d}.npz"


def see(scene: Scene, context: Any, detector: Detector, start_s: float) -> Keypoints2D:
    """Return what the detector finds in a scene's pictures, the main person of each."""
    points = len(detector.names)
    xy, confidence, world = [], [], []
    for number, picture in enumerate(pictures(scene, context)):
        people = without_doubles(detector.detect(picture, start_s + number * scene.step / RATE_HZ))
        found = people[0] if people else None
        xy.append(found.xy_px if found else np.full((points, 2), np.nan))
        confidence.append(found.confidence if found else np.zeros(points))
        world.append(found.world_m if found and found.world_m is not None else np.full((points, 3), np.nan))
    return Keypoints2D(
        detector.names,
        np.array(xy),
        np.array(confidence),
        np.arange(len(xy)) * scene.step / RATE_HZ,
        np.array(scene.size_px),
        np.array(world),
    )


class Maker:
    """Makes clips, one after the other, in one process."""

    def __init__(self, work: Work, motions: Motions, body: Body) -> None:
        self._work, self._motions, self._body = work, motions, body
        self._context = open_context()
        self._detector = open_detector()

    def make(self, number: int) -> None:
        """Make the clip of a number."""
        scene = draw_scene(self._work.seed, number, self._motions, self._body)
        keypoints = see(scene, self._context, self._detector, BETWEEN_S * (number + 1))
        record = SeenRecord(keypoints, scene.truth_m, scene.matrix, scene.split, scene.source, scene.activity)
        save_seen(clip_path(self._work.output, number), record)

    def close(self) -> None:
        """Free detector and context."""
        self._detector.close()
        self._context.release()


_maker: list[Maker] = []  # one in each process of the pool


def _start(work: Work) -> None:
    _maker.append(Maker(work, load_motions(work.data, work.cache), build(VOXEL_M)))


def _make(number: int) -> None:
    _maker[0].make(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of mocap")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder for the clips")
    parser.add_argument("--clips", type=int, default=250)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="where the mocap's cache is; default: OUTPUT/cache")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    work = Work(arguments.data, arguments.cache or arguments.output / "cache", arguments.output, arguments.seed)
    numbers = [k for k in range(arguments.clips) if not clip_path(arguments.output, k).exists()]
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as progress:
        task = progress.add_task("clips", total=arguments.clips, completed=arguments.clips - len(numbers))
        if arguments.workers == 1:
            with closing(Maker(work, load_motions(work.data, work.cache), build(VOXEL_M))) as maker:
                for number in numbers:
                    maker.make(number)
                    progress.advance(task)
            return
        load_motions(work.data, work.cache)  # so that the processes find the cache
        # Spawned: neither TensorFlow Lite nor OpenGL survives a fork.
        with multiprocessing.get_context("spawn").Pool(arguments.workers, _start, (work,)) as pool:
            for _ in pool.imap_unordered(_make, numbers):
                progress.advance(task)


if __name__ == "__main__":
    main()
