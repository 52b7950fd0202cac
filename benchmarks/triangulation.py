"""Triangulation in numbers: `python -m benchmarks.triangulation [-o triangulation.json] [--only walk4 ...]`.

`walk4`: ours against aniposelib on a real take of the recordings (CLAPCAP_DATA or ../shared/data): four synchronised
cameras, 100 frames, of which one camera's detections have left and right exchanged in a third. All solvers get the same
detections. `speed`, `troubles`, `example`: what single frames have to bear, see `benchmarks.robust_points`.
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

from benchmarks.robust_points import POINTS_ALONE, example_subsets, speed, troubled
from calib.cameras import CameraGroup
from calib.interchange import adapt_to_size, load_cameras
from detect.run import detect_videos
from skeleton.keypoints import Keypoints2D
from triangulate.anipose_solver import BONES, triangulate_anipose
from triangulate.report import BODY_JOINTS
from triangulate.triangulate import TriangulationOptions, TriangulationResult, triangulate
from triangulate.wand import correct_by_take

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
        start = time.process_time()
        result = solve()
        seconds.append(time.process_time() - start)
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


def walk4_rows(data: Path) -> list[dict[str, Any]]:
    """Solve walk4 with all solvers."""
    views, cameras = load_take(data / "walk4")
    unmended = TriangulationOptions(mend_left_right=False, refine=False)
    many = repeated(views, LONG)
    corrected = correct_by_take(views, cameras).cameras
    return [
        measure("clapcap, whole take", lambda: triangulate(views, cameras), views, cameras),
        measure("same, cameras corrected", lambda: triangulate(views, corrected), views, corrected),
        measure("clapcap, points alone", lambda: triangulate(views, cameras, POINTS_ALONE), views, cameras),
        measure("same, left and right as detected", lambda: triangulate(views, cameras, unmended), views, cameras),
        measure("aniposelib, constant bones", lambda: triangulate_anipose(views, cameras), views, cameras),
        measure(f"points alone, {LONG} times", lambda: triangulate(many, cameras, POINTS_ALONE), many, cameras),
    ]


def walk4_table(rows: list[dict[str, Any]]) -> Table:
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
    return table


def speed_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("cameras", "frames", "robust points, ms a frame", "all of triangulate(), ms a frame")
    for row in rows:
        robust, every = f"{row['robust_ms_a_frame']:.3f}", f"{row['all_ms_a_frame']:.3f}"
        table.add_row(str(row["cameras"]), str(row["frames"]), robust, every)
    return table


def troubles_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        "cameras", "trouble", "mean mm", "if known", "ratio", "share", "if known", "within 1 sigma", "recall",
        "precision", "good kept",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            str(row["cameras"]),
            row["trouble"],
            f"{row['mean_mm']:.1f}",
            f"{row['known_mm']:.1f}",
            f"{row['mean_mm'] / row['known_mm']:.2f}",
            *(f"{100 * row[key]:.1f} %" for key in ("share", "known_share", "within_one_deviation")),
            *(f"{100 * row[key]:.2f} %" for key in ("recall", "precision", "good_kept")),
        )
    return table


def example_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        "cameras", "mean mm", "rms mm", "predicted", "growth", "predicted", "most mm", "share", "within 1 sigma"
    )
    for row in rows:
        table.add_row(
            row["cameras"],
            *(f"{row[key]:.1f}" for key in ("mean_mm", "rms_mm", "predicted_mm")),
            *(f"{row[key]:.2f}" for key in ("growth", "predicted_growth")),
            f"{row['most_mm']:.0f}",
            *(f"{100 * row[key]:.0f} %" for key in ("share", "within_one_deviation")),
        )
    return table


PARTS: dict[str, tuple[Callable[[Path], list[dict[str, Any]]], Callable[[list[dict[str, Any]]], Table]]] = {
    "walk4": (walk4_rows, walk4_table),
    "speed": (lambda _: [speed(4, 5000), speed(16, 5000)], speed_table),
    "troubles": (lambda _: [row for cameras in (3, 4, 8) for row in troubled(cameras, 600)], troubles_table),
    "example": (lambda _: example_subsets(), example_table),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, help="also write the tables as JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure these parts")
    arguments = parser.parse_args()
    console = Console(width=160)
    data = Path(os.environ.get("CLAPCAP_DATA") or ROOT.parent / "shared" / "data")
    if "walk4" in arguments.only and not (data / "walk4").is_dir():
        console.print(f"{data / 'walk4'} is missing: set CLAPCAP_DATA to the folder of recordings, or leave walk4 out")
        raise SystemExit(2)
    measured = {}
    for part in arguments.only:
        measure_part, table = PARTS[part]
        measured[part] = measure_part(data)
        console.print(part, table(measured[part]), sep="\n")
        for row in measured[part]:
            for text in row.get("findings", ()):
                console.print(f"  {row.get('trouble', '')}, {row['cameras']} cameras: {text}")
    if arguments.output:
        arguments.output.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
