"""How long `clapcap single` takes beside the detection of its video alone, stage by stage, in one run.

`python -m benchmarks.single VIDEO [--weights FILE] [--loop 600]`: the video may be looped, forwards and backwards, to
so many frames. Writes benchmarks/results/single.json. Compare on a quiet machine: each is a wall time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from detect.run import detect_videos
from media.frames import read_frames
from media.probe import probe
from media.writer import VideoWriter
from session.manifest import Stage
from session.single import SingleOptions, process_video
from session.stages import Stages
from session.terminal import Terminal

RESULTS = Path(__file__).parent / "results"

BAR = 1.2
"""Of the detection's time, at most."""


def looped(video: Path, frames: int, target: Path) -> Path:
    """Write a video of so many frames: forwards, backwards, and so on."""
    images = [frame.image for frame in read_frames(video)]
    order = [*range(len(images)), *range(len(images) - 2, 0, -1)]
    rate_hz = probe(video).nominal_fps
    with VideoWriter(target, (images[0].shape[1], images[0].shape[0]), rate_hz=rate_hz, crf=20, fast=True) as writer:
        for number in range(frames):
            writer.write(images[order[number % len(order)]])
    return target


def detection_s(video: Path) -> float:
    """Return how long the detection alone takes, in one process."""
    started = time.perf_counter()
    detect_videos({"video": video})
    return time.perf_counter() - started


def single_s(video: Path, folder: Path, weights: Path | None) -> dict[str, float]:
    """Return how long everything takes, and each stage."""
    stages: dict[str, float] = {}
    finish = Stages.finish
    started = last = time.perf_counter()

    def timed(self: Stages, stage: Stage, report: Mapping[str, Any], said: Callable[[Mapping[str, Any]], str]) -> None:
        nonlocal last
        finish(self, stage, report, said)
        now = time.perf_counter()
        stages[stage.name.split()[0]] = now - last
        last = now

    Stages.finish = timed  # type: ignore[method-assign]
    try:
        process_video(video, folder, SingleOptions(weights=weights), Terminal(Console(quiet=True)))
    finally:
        Stages.finish = finish  # type: ignore[method-assign]
    return {**stages, "all": time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--loop", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        video = looped(asked.video, asked.loop, Path(scratch) / "looped.mp4") if asked.loop else asked.video
        alone = detection_s(video)
        parts = single_s(video, Path(scratch) / "out", asked.weights)
        frames = probe(video).frame_count
    found = {"frames": frames, "detection_alone_s": alone, **{f"{name}_s": value for name, value in parts.items()}}
    found["ratio"] = parts["all"] / alone
    table = Table(title=f"clapcap single, {frames} frames (bar: {BAR} x detection alone)")
    table.add_column("")
    table.add_column("s", justify="right")
    table.add_column("of detection alone", justify="right")
    for name, seconds in {"detection alone": alone, **parts}.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / alone:.2f}")
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "single.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
