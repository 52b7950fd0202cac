"""Ours against aniposelib on a real take: `python -m benchmarks.triangulation [-o triangulation.json]`.

Takes walk4 of the recordings (CLAPCAP_DATA or ../shared/data): four synchronised cameras, 100 frames, of which one
camera's detections have left and right exchanged in a third. All solvers get the same detections.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from calib.cameras import CameraGroup
from calib.interchange import adapt_to_size, load_cameras
from detect.run import detect_videos
from skeleton.keypoints import Keypoints2D
from triangulate.anipose_solver import BONES, triangulate_anipose
from triangulate.report import BODY_JOINTS
from triangulate.triangulate import TriangulationOptions, TriangulationResult, triangulate

ROOT = Path(__file__).parent.parent
REPEATS = 2  # the first run of aniposelib also compiles
LONG = 20  # times walk4 makes the long take


def load_take(folder: Path) -> tuple[dict[str, Keypoints2D], CameraGroup]:
    """Detect the take and fit its calibration to the size of the videos."""
    views = detect_videos({path.stem: path for path in sorted(folder.glob("cam*.mp4"))})
    calibration = load_cameras(folder / "Calib.qca.txt")
    cameras = [
        adapt_to_size(calibration[name], (int(view.image_size_px[0]), int(view.image_size_px[1])))
        for name, view in views.items()
    ]
    return views, CameraGroup(tuple(cameras))


def repeated(views: Mapping[str, Keypoints2D], times: int) -> dict[str, Keypoints2D]:
    """Play the take over and over, to see what a frame costs when there are many."""
    return {
        name: Keypoints2D(
            view.names,
            np.tile(view.xy_px, (times, 1, 1)),
            np.tile(view.confidence, (times, 1)),
            np.arange(times * len(view.time_s)) / 60,
            view.image_size_px,
        )
        for name, view in views.items()
    }


def measure(
    name: str, solve: Callable[[], TriangulationResult], views: Mapping[str, Keypoints2D], cameras: CameraGroup
) -> dict[str, Any]:
    """Run a solver and return its row: best time, reprojection over body joints and cameras, and bone spread."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = solve()
        seconds.append(time.perf_counter() - start)
    keypoints, report = result.keypoints, result.report
    body = [keypoints.index(joint) for joint in BODY_JOINTS]
    projected = cameras.project(keypoints.xyz_m[:, body])
    errors = []
    for place, (camera, view) in enumerate(views.items()):
        given = view.xy_px[:, body]
        # The error is that of the observation as it was used: exchanged where the solver exchanged it.
        exchanged = list(report.cameras[camera].swapped_frames)
        mirrored = [i + 1 if i % 2 == 0 else i - 1 for i in range(len(body))]
        given = given.copy()
        given[exchanged] = given[exchanged][:, mirrored]
        errors.append(np.linalg.norm(projected[place] - given, axis=-1))
    xyz = keypoints.xyz_m
    bones = np.stack(
        [np.linalg.norm(xyz[:, keypoints.index(a)] - xyz[:, keypoints.index(b)], axis=-1) for a, b in BONES]
    )
    return {
        "solver": name,
        "frames": len(keypoints.time_s),
        "ms_a_frame": 1000 * min(seconds) / len(keypoints.time_s),
        "median_px": float(np.nanmedian(errors)),
        "mean_px": float(np.nanmean(errors)),
        "rmse_used_px": report.rmse_px,
        "median_px_by_camera": {camera: float(np.nanmedian(e)) for camera, e in zip(views, errors, strict=True)},
        "bone_spread_percent": 100 * float((np.nanstd(bones, axis=1) / np.nanmean(bones, axis=1)).mean()),
        "share": report.share,
        "exchanged_frames": {name: len(c.swapped_frames) for name, c in report.cameras.items() if c.swapped_frames},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, help="also write the table as JSON")
    arguments = parser.parse_args()
    console = Console(width=140)
    data = Path(os.environ.get("CLAPCAP_DATA") or ROOT.parent / "shared" / "data")
    if not (data / "walk4").is_dir():
        console.print(f"{data / 'walk4'} is missing: set CLAPCAP_DATA to the folder of recordings")
        raise SystemExit(2)
    views, cameras = load_take(data / "walk4")
    unmended = TriangulationOptions(mend_left_right=False)
    many = repeated(views, LONG)
    rows = [
        measure("clapcap", lambda: triangulate(views, cameras), views, cameras),
        measure("clapcap, left and right as detected", lambda: triangulate(views, cameras, unmended), views, cameras),
        measure("aniposelib, constant bones", lambda: triangulate_anipose(views, cameras), views, cameras),
        measure(f"clapcap, the take {LONG} times", lambda: triangulate(many, cameras), many, cameras),
    ]
    table = Table(
        "solver", "frames", "ms a frame", "median px", "mean px", "bone spread", "median px by camera", "exchanged"
    )
    for row in rows:
        table.add_row(
            row["solver"],
            str(row["frames"]),
            f"{row['ms_a_frame']:.2f}",
            f"{row['median_px']:.1f}",
            f"{row['mean_px']:.1f}",
            f"{row['bone_spread_percent']:.1f} %",
            " ".join(f"{value:.1f}" for value in row["median_px_by_camera"].values()),
            ", ".join(f"{count} of {name}" for name, count in row["exchanged_frames"].items()) or "-",
        )
    console.print(table)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
