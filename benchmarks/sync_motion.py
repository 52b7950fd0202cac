"""Sync without sound, with known truth: `python -m benchmarks.sync_motion [-o sync_motion.json]`.

The rendered example, whose clocks are known, by motion alone: first with nothing known of the cameras, then refined on
reprojection once they are calibrated. And walk4 of the recordings (CLAPCAP_DATA or ../shared/data), four cameras that a
cable keeps in step: its tracks resampled as if the shutters had been late by known fractions of a frame, and its even
and odd frames taken apart, against what the untouched take says of itself. The baseline is the peak of the correlation
of the two views' total speed, to a fraction of a frame by a parabola: what comes first to mind.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.triangulation import load_take
from calib.cameras import CameraGroup
from calib.interchange import load_cameras
from session.demo import EXAMPLE, TAKE, run_demo
from session.terminal import Terminal
from session.truth import Truth
from skeleton.formats.npz import load_keypoints2d
from skeleton.keypoints import Keypoints2D
from sync.motion import sync_by_motion
from sync.motion_tracks import motion_track
from sync.resample import resample_keypoints
from sync.time_map import CameraClock
from triangulate.clock_search import search_clocks
from triangulate.clocks import refine_clocks

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).parent.parent
RATE_HZ = 60.0
SHIFTS = 6  # random sets of fractions of a frame
UNKNOWN = CameraClock(0.0, 1.0, 0.1, 1e-6, "manual", 1.0)


def speed_lag_s(first: Keypoints2D, second: Keypoints2D) -> float:
    """Return first time minus second time by the correlation of the two views' total speeds: the baseline."""
    a, b = motion_track(first, RATE_HZ), motion_track(second, RATE_HZ)
    one, other = (np.linalg.norm(track.velocity, axis=-1).sum(axis=1) for track in (a, b))
    curve = np.correlate(one - one.mean(), other - other.mean(), "full")
    k = int(np.clip(curve.argmax(), 1, len(curve) - 2))
    bend = curve[k - 1] - 2 * curve[k] + curve[k + 1]
    peak = k + (0.5 * (curve[k - 1] - curve[k + 1]) / bend if bend else 0.0)
    return a.start_s - b.start_s + (peak - (len(other) - 1)) / RATE_HZ


def refined(views: Mapping[str, Keypoints2D], cameras: CameraGroup, start: Mapping[str, CameraClock]) -> Array:
    """Return what reprojection adds to each camera's session time, seconds."""
    moved = {name: replace(view, time_s=start[name].to_session(view.time_s)) for name, view in views.items()}
    result = refine_clocks(moved, cameras, start)
    if result.refused:
        raise SystemExit(f"refused: {result.refused}")
    return np.array([result.clocks[name].motion_s if name in result.clocks else 0.0 for name in views])


def example_rows() -> list[dict[str, Any]]:
    """Run the example and compare three ways with its truth."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "demo"
        sound = run_demo(root, Terminal(Console(quiet=True)))
        results = root / "results"
        names = Truth.load(EXAMPLE / "truth.npz").camera_names
        views = {name: load_keypoints2d(results / TAKE / "keypoints2d" / f"{name}.npz") for name in names}
        cameras = load_cameras(results / "calibration" / "cameras.toml")
    truth = Truth.load(EXAMPLE / "truth.npz")
    at_s = 4.0
    true_s = truth.offset_s[TAKE] + truth.rate[TAKE] * at_s
    true_s = true_s - true_s[0] + at_s

    def worst_ms(session_s: Array) -> float:
        return 1000 * float(np.abs(session_s - session_s[0] - true_s + true_s[0]).max())

    first = views[names[0]]
    plain = np.array([speed_lag_s(first, view) + at_s for view in views.values()])
    rows = [{"scene": "example", "way": "peak of the total speeds", "worst_ms": worst_ms(plain)}]
    for way, clocks in (
        ("motion, cameras unknown", sync_by_motion(views).time_map.cameras),
        ("motion, cameras known", search_clocks(views, cameras).cameras),
    ):
        begun = np.array([float(clocks[name].to_session(at_s)) for name in names])
        rows.append({"scene": "example", "way": way, "worst_ms": worst_ms(begun)})
        after = begun + refined(views, cameras, clocks)
        rows.append({"scene": "example", "way": f"{way}, then reprojection", "worst_ms": worst_ms(after)})
    rows.append(
        {"scene": "example", "way": "sound, its way taken out, reprojection", "worst_ms": sound["sync_take_worst_ms"]}
    )
    return rows


def later(view: Keypoints2D, shift_s: float) -> Keypoints2D:
    """Return what the camera would have seen with its shutter later, under the same time stamps."""
    inside = (view.time_s >= 1 / RATE_HZ) & (view.time_s <= view.time_s[-1] - 1 / RATE_HZ)
    return replace(resample_keypoints(view, view.time_s[inside] + shift_s), time_s=view.time_s[inside])


def every_second(view: Keypoints2D, first: int) -> Keypoints2D:
    """Return every second frame under time stamps that say it began with the first."""
    kept = slice(first, None, 2)
    return Keypoints2D(
        view.names,
        view.xy_px[kept],
        view.confidence[kept],
        view.time_s[kept] - first / RATE_HZ,
        view.image_size_px,
    )


def walk4_rows(folder: Path) -> list[dict[str, Any]]:
    """Shift walk4's cameras by known times and see what comes back."""
    views, cameras = load_take(folder)
    start = dict.fromkeys(views, UNKNOWN) | {"cam04": replace(UNKNOWN, method="reference")}
    own = refined(views, cameras, start)
    rng = np.random.default_rng(4)
    scenes = []
    for _ in range(SHIFTS):
        shift_s = np.r_[rng.uniform(-1, 1, 3), 0.0] / RATE_HZ
        shifted = {name: later(view, s) for (name, view), s in zip(views.items(), shift_s, strict=True)}
        scenes.append(("walk4, fractions of a frame", shifted, shift_s))
    for odd in ((1, 0, 1, 0), (0, 1, 1, 0), (1, 1, 0, 0)):
        halved = {name: every_second(view, first) for (name, view), first in zip(views.items(), odd, strict=True)}
        scenes.append(("walk4, even and odd frames", halved, np.array(odd) / RATE_HZ))
    found: dict[tuple[str, str], list[float]] = {}
    for scene, shifted, shift_s in scenes:
        errors = refined(shifted, cameras, start) - own - shift_s
        found.setdefault((scene, "reprojection"), []).append(float(np.abs(errors).max()))
        last = list(views)[-1]
        plain = [speed_lag_s(shifted[last], shifted[name]) - speed_lag_s(views[last], views[name]) for name in views]
        found.setdefault((scene, "peak of the total speeds"), []).append(float(np.abs(plain - shift_s).max()))
    return [{"scene": scene, "way": way, "worst_ms": 1000 * max(errors)} for (scene, way), errors in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, help="also write the table as JSON")
    arguments = parser.parse_args()
    console = Console(width=120)
    rows = example_rows()
    data = Path(os.environ.get("CLAPCAP_DATA") or ROOT.parent / "shared" / "data")
    if (data / "walk4").is_dir():
        rows += walk4_rows(data / "walk4")
    else:
        console.print(f"{data / 'walk4'} is missing: set CLAPCAP_DATA to the folder of recordings")
    table = Table("scene", "way", "worst camera, ms")
    for row in rows:
        table.add_row(row["scene"], row["way"], f"{row['worst_ms']:.2f}")
    console.print(table)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
