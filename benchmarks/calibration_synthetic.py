"""The calibration's solver on made-up boards, where the truth is known: errors, honesty of its uncertainty, cost.

1. Pose errors of four cameras from 0.5 px of noise and 5 % strays, over scenes that differ in path and noise. The found
   cameras are brought onto the true ones as one rigid group (by their centres, no scale), so that where the world's
   origin lies does not count; what is left is each camera's error in place and rotation.
2. The reported standard deviations against the spread of repeated calibrations of one scene with new noise, both
   relative to the anchor camera.
3. Seconds and peak memory of a whole calibration from corners, eight cameras, up to 2,000 poses of the board.

Run: `python -m benchmarks.calibration_synthetic [-o calibration_synthetic.json] [--only accuracy covariance cost]`
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from benchmarks.board_scenes import SceneSpec, make_scene, pose_errors
from calib.boards.board import CharucoBoard
from calib.cameras import CameraGroup
from calib.intrinsics.lens_prior import LensPrior
from calib.solve.anipose_solver import calibrate_anipose
from calib.solve.calibrate import CalibrationOptions, CalibrationResult, calibrate
from calib.solve.shared_views import SharedViews
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]
Solver = Callable[[SharedViews, CameraGroup], CalibrationResult]

ACCURACY = SceneSpec(board=CharucoBoard(7, 5, 0.1, 0.075), radius_m=1.8)
"""A board of 70 x 50 cm, as printed on one sheet of A2 and a bit, seen from 1.8 m by cameras on an arc."""

COVARIANCE = replace(ACCURACY, moments=90, rate_hz=8.0, lying=8)
COST = SceneSpec(cameras=8, arc_rad=2.4, radius_m=2.5, focal_px=1000, rate_hz=8.0, lying=8, stray_share=0.02)
POSES = (250, 500, 1000, 2000)

POSITION_BAR_M, ROTATION_BAR_DEG = 1.5e-3, 0.1
RATIO_BAR = (0.8, 1.25)


def all_free(shared: SharedViews, truth: CameraGroup) -> CalibrationResult:
    """Calibrate with nothing known."""
    return calibrate(shared)


def lenses_known(shared: SharedViews, truth: CameraGroup) -> CalibrationResult:
    """Calibrate with the true lenses given, as in caliscope's own synthetic tests."""
    priors = {}
    for camera in truth:
        K = camera.matrix
        mean = np.array([K[0, 0], K[1, 1] / K[0, 0], K[0, 2], K[1, 2], *camera.distortion])
        priors[camera.name] = LensPrior(camera.lens, mean, np.zeros(len(mean)), "the truth")
    return calibrate(shared, CalibrationOptions(lenses=priors))


def anipose(shared: SharedViews, truth: CameraGroup) -> CalibrationResult:
    """Calibrate by aniposelib with nothing known."""
    return calibrate_anipose(shared)


def accuracy(name: str, solve: Solver, spec: SceneSpec, seeds: int) -> dict[str, Any]:
    """Calibrate scenes of different paths and noise; return the errors of the worst camera of each."""
    position, rotation, seconds = [], [], []
    failed: list[str] = []
    for seed in range(seeds):
        scene = make_scene(replace(spec, seed=seed))
        start = time.perf_counter()
        try:
            result = solve(scene.shared, scene.cameras)
        except CalibrationError as error:
            failed.append(str(error))
            continue
        seconds.append(time.perf_counter() - start)
        errors = pose_errors(result.cameras, scene.cameras)
        position.append(errors[0])
        rotation.append(errors[1])
    each, turned = np.array(position), np.array(rotation)
    return {
        "solver": name,
        "moments": spec.moments,
        "scenes": seeds,
        "failed": failed,
        "position_rms_mm": 1e3 * float(np.sqrt(np.mean(each**2))),
        "position_worst_median_mm": 1e3 * float(np.median(each.max(axis=1))),
        "position_worst_mm": 1e3 * float(each.max()),
        "rotation_rms_deg": float(np.sqrt(np.mean(turned**2))),
        "rotation_worst_median_deg": float(np.median(turned.max(axis=1))),
        "rotation_worst_deg": float(turned.max()),
        "within_bar": float(np.mean((each.max(axis=1) <= POSITION_BAR_M) & (turned.max(axis=1) <= ROTATION_BAR_DEG))),
        "seconds": float(np.median(seconds)),
    }


@dataclass(frozen=True, eq=False)
class Estimates:
    """What one repetition found of each camera, relative to the anchor, and what it said of its own uncertainty."""

    anchor: str
    center_m: Array
    turn_rad: Array
    focal_px: Array
    lag_s: Array
    position_std_m: Array
    turn_std_rad: Array
    focal_std_px: Array
    lag_std_s: Array


def estimates(result: CalibrationResult, truth: CameraGroup) -> Estimates:
    """Read a result in the frame of its anchor camera; rotations are told as they differ from the truth."""
    R_anchor_cam = np.stack(
        [truth[result.report.anchor].T_cam_world[:3, :3] @ camera.T_cam_world[:3, :3].T for camera in truth]
    )
    report, cameras = result.report, result.cameras
    T = np.stack([camera.T_cam_world for camera in cameras])
    T_anchor_world = cameras[report.anchor].T_cam_world
    T_anchor_cam = T_anchor_world @ np.linalg.inv(T)
    return Estimates(
        anchor=report.anchor,
        center_m=T_anchor_cam[:, :3, 3],
        turn_rad=Rotation.from_matrix(T_anchor_cam[:, :3, :3] @ np.swapaxes(R_anchor_cam, 1, 2)).as_rotvec(),
        focal_px=np.array([camera.matrix[0, 0] for camera in cameras]),
        lag_s=np.array([camera.lag_s for camera in report.cameras]),
        turn_std_rad=_turn_std_rad(result),
        position_std_m=np.array([camera.position_std_m for camera in report.cameras]),
        focal_std_px=np.array([camera.focal_std_px for camera in report.cameras]),
        lag_std_s=np.array([camera.lag_std_s for camera in report.cameras]),
    )


def _turn_std_rad(result: CalibrationResult) -> Array:
    """Return (cameras,): the reported standard deviation of each camera's rotation, root mean square of three axes."""
    errors = result.report.diagnostics.errors
    assert errors is not None
    variance = np.stack([np.diag(errors.covariance[c, :, c])[-6:-3] for c in range(len(result.cameras))])
    return np.asarray(np.sqrt(variance.mean(axis=1)))


def covariance_honesty(spec: SceneSpec, repetitions: int) -> list[dict[str, Any]]:
    """Repeat one scene with new noise; return, per camera, reported standard deviations over the spread found."""
    scenes = (make_scene(replace(spec, noise_seed=n)) for n in range(repetitions))
    found = [estimates(calibrate(scene.shared), scene.cameras) for scene in scenes]
    anchors = [estimate.anchor for estimate in found]
    anchor = max(set(anchors), key=anchors.count)
    found = [estimate for estimate in found if estimate.anchor == anchor]

    def spread(values: Sequence[Array]) -> Array:
        return np.asarray(np.std(np.stack(values), axis=0, ddof=1))

    def reported(values: Sequence[Array]) -> Array:
        return np.asarray(np.sqrt(np.mean(np.stack(values) ** 2, axis=0)))

    rows = {
        "position mm": (
            1e3 * reported([e.position_std_m for e in found]),
            1e3 * np.sqrt((spread([e.center_m for e in found]) ** 2).mean(axis=1)),
        ),
        "rotation degrees": (
            np.degrees(reported([e.turn_std_rad for e in found])),
            np.degrees(np.sqrt((spread([e.turn_rad for e in found]) ** 2).mean(axis=1))),
        ),
        "focal px": (reported([e.focal_std_px for e in found]), spread([e.focal_px for e in found])),
        "delay ms": (1e3 * reported([e.lag_std_s for e in found]), 1e3 * spread([e.lag_s for e in found])),
    }
    table = []
    for quantity, (said, was) in rows.items():
        for place in range(spec.cameras):
            if said[place] > 0:  # the anchor's place is held
                table.append(
                    {
                        "quantity": quantity,
                        "camera": f"cam{place + 1}",
                        "anchor": anchor,
                        "repetitions": len(found),
                        "reported": float(said[place]),
                        "spread": float(was[place]),
                        "ratio": float(said[place] / was[place]),
                    }
                )
    return table


def _cost(solver: str, spec: SceneSpec) -> dict[str, Any]:
    """Run in a process of its own: its peak memory is that of this calibration."""
    shared = make_scene(spec).shared
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    (calibrate if solver == "clapcap" else calibrate_anipose)(shared)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "solver": solver,
        "poses": spec.moments,
        "views": int(shared.usable.sum()),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
        "peak_before_mb": before * unit / 1e6,
    }


def cost(solver: str, spec: SceneSpec) -> dict[str, Any]:
    """Return seconds and peak memory of one calibration."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_cost, solver, spec).result()


def _accuracy_table(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    table = Table("solver", "moments", "scenes", "mm rms", "worst camera, mm", "degrees rms", "worst camera, °", "s")
    for row in rows:
        table.add_row(
            row["solver"],
            str(row["moments"]),
            f"{row['scenes'] - len(row['failed'])} of {row['scenes']}",
            f"{row['position_rms_mm']:.2f}",
            f"{row['position_worst_median_mm']:.2f} (most {row['position_worst_mm']:.2f})",
            f"{row['rotation_rms_deg']:.3f}",
            f"{row['rotation_worst_median_deg']:.3f} (most {row['rotation_worst_deg']:.3f})",
            f"{row['seconds']:.2f}",
        )
    console.print(table)


def _covariance_table(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    table = Table("quantity", "camera", "reported", "spread", "ratio", f"{RATIO_BAR[0]} to {RATIO_BAR[1]}")
    for row in rows:
        held = RATIO_BAR[0] <= row["ratio"] <= RATIO_BAR[1]
        table.add_row(
            row["quantity"], row["camera"], f"{row['reported']:.3f}", f"{row['spread']:.3f}", f"{row['ratio']:.2f}",
            "yes" if held else "no",
        )  # fmt: skip
    console.print(table)


def _cost_table(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    table = Table("solver", "poses", "views", "s", "CPU s", "ms a pose", "peak MB (before)")
    for row in rows:
        table.add_row(
            row["solver"], str(row["poses"]), str(row["views"]), f"{row['seconds']:.2f}", f"{row['cpu_seconds']:.2f}",
            f"{1e3 * row['seconds'] / row['poses']:.2f}", f"{row['peak_mb']:.0f} ({row['peak_before_mb']:.0f})",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the tables as JSON, too")
    parser.add_argument("--only", nargs="+", choices=("accuracy", "covariance", "cost"), help="some of the parts")
    parser.add_argument("--scenes", type=int, default=20, help="of the accuracy")
    parser.add_argument("--repetitions", type=int, default=200, help="of the covariance's scene")
    parser.add_argument("--poses", type=int, nargs="+", default=POSES, help="of the cost")
    arguments = parser.parse_args()
    parts = arguments.only or ["accuracy", "covariance", "cost"]
    console = Console(width=120)
    document: dict[str, Any] = {}
    if "accuracy" in parts:
        long = replace(ACCURACY, moments=480, rate_hz=8.0, lying=8)
        document["accuracy"] = [
            accuracy("clapcap, lenses known", lenses_known, ACCURACY, arguments.scenes),
            accuracy("clapcap, all free", all_free, ACCURACY, arguments.scenes),
            accuracy("clapcap, all free", all_free, long, arguments.scenes),
            accuracy("aniposelib, all free", anipose, ACCURACY, max(1, arguments.scenes // 4)),
        ]
        _accuracy_table(console, document["accuracy"])
    if "covariance" in parts:
        document["covariance"] = covariance_honesty(COVARIANCE, arguments.repetitions)
        _covariance_table(console, document["covariance"])
    if "cost" in parts:
        document["cost"] = [cost("clapcap", replace(COST, moments=poses)) for poses in arguments.poses]
        document["cost"].append(cost("anipose", replace(COST, moments=min(arguments.poses))))
        _cost_table(console, document["cost"])
    if arguments.output:
        arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
