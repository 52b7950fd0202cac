"""The inverse kinematics against its bars: `python -m benchmarks.ik [--example DIR] [--walk4] [-o ik.json]`.

The rendered example against its truth (DIR: a session that `clapcap demo DIR` made; without, it is made anew), made-up
takes of a person of other proportions, whose every joint is known, seen by 4, 3 and 2 cameras with errors that last
0.1 s, fitted on points and on pixels; what a frame costs; and walk4 of the recordings (CLAPCAP_DATA or ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.synthetic_take import Detections, SyntheticTake, body, detect, make_take
from calib.cameras import CameraGroup
from retarget.ik import FitResult, fit_motion
from retarget.kinematics import Shape
from retarget.pixels import PixelViews, reprojection_errors_px
from retarget.shape_model import ShapeModel
from skeleton.hierarchy_file import load_skeleton
from triangulate.report import BODY_JOINTS
from triangulate.triangulate import triangulate

SEED = 5
FRAMES, SPEED_FRAMES = 600, 2400
CORRELATION_S = 0.1
JOINT_MM, SKATING_MM, FRAMES_A_SECOND, WITHIN = 18.0, 5.0, 200.0, (0.60, 0.76)
CORES = 2


def person(rng: np.random.Generator) -> Shape:
    """Return somebody of other proportions, whose landmarks lie off the joints as the skeleton's priors say."""
    model = ShapeModel(body())
    mean, std = model.prior(1.0)
    share = np.where(np.arange(model.size) < len(model.groups), 0.5, 1.0)  # bones vary half as much as the weak prior
    return model.shape(mean + share * std * rng.standard_normal(model.size), 1.0)


def seen_by(take: SyntheticTake, seen: Detections, cameras: int) -> tuple[SyntheticTake, Detections]:
    """Return the same take as the first cameras of its ring see it."""
    group = CameraGroup(take.cameras.cameras[:cameras])
    fewer = SyntheticTake(
        group, take.names, take.xyz_m, take.xy_px[:cameras], take.time_s, take.joint_names, take.joint_m
    )
    return fewer, Detections(seen.xy_px[:cameras], seen.confidence[:cameras])


def synthetic(cameras: int) -> dict[str, Any]:
    """Fit a made-up take on points and on pixels; joints that landmarks mark are compared, as they are."""
    rng = np.random.default_rng(SEED)
    whole = make_take(rng, FRAMES, shape=person(rng))
    take, seen = seen_by(whole, detect(whole, rng, CORRELATION_S), cameras)
    result = triangulate(seen.views(take), take.cameras)
    skeleton = load_skeleton("humanoid")
    marked = sorted(body().head_landmarks)
    row: dict[str, Any] = {"take": f"made-up, {cameras} cameras"}
    for what, pixels in (("points", None), ("pixels", PixelViews(result.observations, take.cameras))):
        fit = fit_motion(result.keypoints, skeleton, pixels=pixels)
        error = (fit.motion.world_positions() - take.joint_m)[:, marked]
        assert fit.motion.sigma_m is not None
        within = np.abs(error) < fit.motion.sigma_m[:, marked, None]
        row[f"{what}_mm"] = 1000 * float(np.linalg.norm(error, axis=-1).mean())
        row[f"{what}_within"] = float(within.mean())
    return row


def speed() -> dict[str, Any]:
    """Return what a frame of a longer take costs: CPU seconds of all threads, so that a busy machine matters little."""
    rng = np.random.default_rng(SEED)
    take = make_take(rng, SPEED_FRAMES, shape=person(rng))
    result = triangulate(detect(take, rng, CORRELATION_S).views(take), take.cameras)
    skeleton = load_skeleton("humanoid")
    start, wall = time.process_time(), time.perf_counter()
    fit = fit_motion(result.keypoints, skeleton, pixels=PixelViews(result.observations, take.cameras))
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    return {
        "frames": SPEED_FRAMES,
        "cpu_ms_a_frame": 1000 * seconds / SPEED_FRAMES,
        "frames_a_second_of_two_cores": CORES * SPEED_FRAMES / seconds,
        "frames_a_second_here": SPEED_FRAMES / wall,
        "steps": fit.report.steps,
    }


def example(root: Path | None) -> dict[str, Any]:
    """Compare the processed example with its truth."""
    from session.demo import measure, run_demo
    from session.folder import Session
    from session.manifest import Manifest
    from session.terminal import Terminal

    with tempfile.TemporaryDirectory() as folder:
        if root is None:
            root = Path(folder) / "example"
            run_demo(root, Terminal())
        session = Session.open(root)
        fitted = Manifest(session.take("dance")[0].results, session.root).report("fit")
        return {
            **{key: value for key, value in measure(session).items() if key.startswith("skeleton")},
            **{key: fitted[key] for key in ("limits_kept_share", "skating_mm", "sinking_mm", "reprojection_median_px")},
        }


def walk4() -> dict[str, Any]:
    """Fit the recorded walk: a treadmill, so nothing stands; left and right are exchanged in a third of one camera."""
    from benchmarks.calibration import recordings
    from benchmarks.triangulation import load_take

    views, cameras = load_take(recordings().parent / "walk4")
    result = triangulate(views, cameras)
    pixels = PixelViews(result.observations, cameras)
    fit: FitResult = fit_motion(result.keypoints, load_skeleton("humanoid"), pixels=pixels)
    kinematics = body()
    # Landmarks are not in the motion: placed anew from it, at the skeleton's own joints.
    marked = {kinematics.landmarks[mark]: joint for joint, mark in kinematics.head_landmarks.items()}
    position = fit.motion.world_positions()
    body_m = np.full((len(position), len(kinematics.landmarks), 3), np.nan)
    for name in BODY_JOINTS:
        body_m[:, kinematics.landmarks.index(name)] = position[:, marked[name]]
    error_px = reprojection_errors_px(pixels, kinematics.landmarks, body_m)
    return {
        "frames": len(position),
        "bone_spread": fit.report.spread_after,
        "landmarks_median_px": fit.report.reprojection_median_px,
        "landmarks_mean_px": fit.report.reprojection_px,
        "joints_median_px": float(np.median(error_px)),
        "joints_mean_px": float(error_px.mean()),
        "limits_kept_share": fit.report.limits_kept_share,
        "contacts": sum(len(spans) for spans in fit.report.contact_spans_s.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", type=Path, help="a session that `clapcap demo` made; without, it is made anew")
    parser.add_argument("--walk4", action="store_true", help="also fit walk4 of the recordings")
    parser.add_argument("-o", "--output", type=Path, help="also write the numbers as JSON")
    arguments = parser.parse_args()
    rows: dict[str, Any] = {"synthetic": [synthetic(cameras) for cameras in (4, 3, 2)], "speed": speed()}
    rows["example"] = example(arguments.example)
    if arguments.walk4:
        rows["walk4"] = walk4()
    console = Console()
    table = Table("", "measured", "bar", title="Inverse kinematics")
    for row in rows["synthetic"]:
        bar = f"{100 * WITHIN[0]:.0f} to {100 * WITHIN[1]:.0f} % within"
        for what in ("points", "pixels"):
            said = f"{row[f'{what}_mm']:.1f} mm, {100 * row[f'{what}_within']:.0f} % within one deviation"
            table.add_row(f"{row['take']}: on {what}", said, bar)
    fast, shown = rows["speed"], rows["example"]
    here = f"{fast['frames_a_second_of_two_cores']:.0f} frames a second of two cores ({fast['cpu_ms_a_frame']:.1f} ms)"
    table.add_row(f"speed, {fast['frames']} frames", here, f">= {FRAMES_A_SECOND:.0f}")
    joints = f"{shown['skeleton_after_offset_mm']:.1f} mm ({shown['skeleton_mm']:.1f} without taking offsets off)"
    table.add_row("example: joints after one offset each", joints, f"<= {JOINT_MM:.0f} mm")
    table.add_row("example: frames within all limits", f"{100 * shown['limits_kept_share']:.0f} %", "100 %")
    table.add_row("example: skating, sinking", f"{shown['skating_mm']:.1f}, {shown['sinking_mm']:.1f} mm", "<= 5 mm")
    if "walk4" in rows:
        walk = rows["walk4"]
        table.add_row("walk4: bone-length spread", f"{100 * walk['bone_spread']:.4f} %", "0")
        said = f"{walk['landmarks_median_px']:.1f} and {walk['landmarks_mean_px']:.1f} px"
        table.add_row("walk4: landmarks, median and mean", said, "stated")
        said = f"{walk['joints_median_px']:.1f} and {walk['joints_mean_px']:.1f} px"
        table.add_row("walk4: joints against the body's points", said, "stated")
    console.print(table)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
