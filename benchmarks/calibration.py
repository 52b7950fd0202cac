"""Calibration of the four webcams of charuco4: ours against aniposelib, on the same corners, in the same run.

Every second frame calibrates and the others test, both ways round, with nothing but the videos, the board's spec and
`timestamps.csv`. Every corner of a test frame that two or more cameras saw is triangulated on its own, by least
reprojection error, with each solver's cameras. Two readings:

- "as stamped": corners as they were detected, as if the pictures of one group had been taken at one time. They were
  not: one webcam exposes a tenth of a second before the others, at equal stamps. The last rows show what cameras
  reach as stamped that were fitted to the very frames that test them: what is left is time, not lenses.
- "at exposure": corners moved to where they were at one time, on the parabola through the corner's own track in its
  camera, by the delays found from the calibrating frames alone. Corners not seen in the frames before and after cannot
  be moved and are left out.

Then: how far the two calibrations from separate frames differ, and the time for decoding and detection.

Run: `python -m benchmarks.calibration [-o calibration.json]`; the recordings are those of CLAPCAP_DATA or
../shared/data. `python -m benchmarks.calibration_synthetic` measures against known truth.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from calib.boards.board import CharucoBoard
from calib.cameras import CameraGroup
from calib.corners.all_cameras import detect_all_corners
from calib.corners.corner_views import CornerViews
from calib.solve.anipose_solver import calibrate_anipose
from calib.solve.calibrate import CalibrationOptions, CalibrationResult, calibrate
from calib.solve.held_out import held_out_error
from calib.solve.shared_views import SharedViews, by_group
from sync.timestamps import read_timestamps

BOARD = CharucoBoard(4, 5, 0.054, 0.0405)
NAMES = tuple(f"cam_{camera}" for camera in range(4))
PER_FRAME = ("frame_index", "time_s", "xy_px", "sigma_px", "blur_px", "repeated", "mirrored")
Solver = Callable[[SharedViews], CalibrationResult]


def recordings() -> Path:
    """Return the folder of charuco4."""
    named = os.environ.get("CLAPCAP_DATA")
    return (Path(named) if named else Path(__file__).parent.parent.parent / "shared" / "data") / "charuco4"


def detect(folder: Path) -> tuple[list[CornerViews], float]:
    """Return the corners of all cameras, and milliseconds a frame of decoding and detection."""
    start = time.perf_counter()
    views = list(detect_all_corners({name: folder / f"{name}.mp4" for name in NAMES}, BOARD).values())
    frames = sum(len(view.time_s) for view in views)
    return views, 1e3 * (time.perf_counter() - start) / frames


def share(folder: Path, views: list[CornerViews], frames: slice) -> SharedViews:
    """Bring some frames together, as if there were no others."""
    table = read_timestamps(folder / "timestamps.csv", NAMES)
    chosen, groups, times = [], {}, {}
    for view in views:
        part = replace(view, **{name: getattr(view, name)[frames] for name in PER_FRAME})
        rows = table.cameras[view.camera]
        groups[view.camera] = rows.sync_index[np.searchsorted(rows.frame_index, part.frame_index)]
        times[view.camera] = table.frame_time_s(view.camera, part.frame_index)
        chosen.append(part)
    return by_group(chosen, groups, times)


def measure(name: str, result: CalibrationResult, test: SharedViews, calibrated: str) -> Iterator[dict[str, Any]]:
    """Yield the errors of some cameras on moments that did not make them."""
    lag_s = np.array([result.report.lag_s[camera] for camera in test.camera_names])
    readings = [("as stamped", test)]
    if lag_s.any():
        readings.append(("at exposure", test.at_moments(lag_s - np.median(lag_s), known_only=True)))
    for reading, views in readings:
        yield {
            "solver": name,
            "calibrated": calibrated,
            "corners": reading,
            **asdict(held_out_error(result.cameras, views)),
        }


def difference(one: CameraGroup, other: CameraGroup) -> tuple[list[float], list[float]]:
    """Return how far centres (mm) and rotations (degrees) of two calibrations differ after rigid alignment.

    The worlds are turned onto each other by the cameras' rotations, and brought together by their centres' means.
    """
    turn = Rotation.from_matrix(
        np.stack([b.T_cam_world[:3, :3].T @ a.T_cam_world[:3, :3] for a, b in zip(one, other, strict=True)])
    ).mean()
    a, b = (np.stack([camera.center_m for camera in group]) for group in (one, other))
    apart = np.linalg.norm(turn.apply(a - a.mean(axis=0)) - (b - b.mean(axis=0)), axis=1)
    angle = [
        Rotation.from_matrix(
            one[name].T_cam_world[:3, :3] @ turn.inv().as_matrix() @ other[name].T_cam_world[:3, :3].T
        ).magnitude()
        for name in one.names
    ]
    return [float(mm) for mm in 1e3 * apart], [float(degrees) for degrees in np.degrees(angle)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the tables as JSON, too")
    arguments = parser.parse_args()
    folder = recordings()
    views, detection_ms = detect(folder)
    halves = {"even": share(folder, views, slice(0, None, 2)), "odd": share(folder, views, slice(1, None, 2))}
    everything = share(folder, views, slice(None))
    tests = {"even": everything.moments(slice(1, None, 2)), "odd": everything.moments(slice(0, None, 2))}

    solvers: list[tuple[str, Solver]] = [
        ("clapcap", calibrate),
        ("clapcap, clocks believed", lambda shared: calibrate(shared, CalibrationOptions(lag_s_std=0.0))),
        ("aniposelib", calibrate_anipose),
    ]
    rows: list[dict[str, Any]] = []
    solving_s: dict[str, float] = {}
    between: dict[str, Any] = {}
    for name, solve in solvers:
        start = time.perf_counter()
        results = {half: solve(shared) for half, shared in halves.items()}
        solving_s[name] = (time.perf_counter() - start) / 2
        for half, result in results.items():
            rows += measure(name, result, tests[half], half)
        between[name] = difference(results["even"].cameras, results["odd"].cameras)
    believed = CalibrationOptions(lag_s_std=0.0)
    for half, other in (("even", "odd"), ("odd", "even")):
        result = calibrate(halves[other], believed)
        rows += measure("fitted to the test itself", result, tests[half], other)

    print(f"{'solver':27}{'calibrated':12}{'corners':13}{'points':>7}{'rmse px':>9}{'std mm':>8}{'rigid mm':>10}")
    for row in rows:
        print(
            f"{row['solver']:27}{row['calibrated']:12}{row['corners']:13}{row['points']:7d}"
            f"{row['reprojection_rmse_px']:9.3f}{row['neighbour_std_mm']:8.3f}{row['rigid_rmse_mm']:10.3f}"
        )
    print("\nCalibrated from even and from odd frames: centres apart, mm; rotations apart, degrees; solving, s")
    for name, (apart_mm, apart_deg) in between.items():
        print(
            f"{name:27}{' '.join(f'{mm:6.1f}' for mm in apart_mm)}   "
            f"{' '.join(f'{degrees:5.2f}' for degrees in apart_deg)}   {solving_s[name]:.2f}"
        )
    print(f"\nDecoding and detection: {detection_ms:.1f} ms a frame, {sum(int(v.seen.sum()) for v in views)} views")
    if arguments.output:
        document = {"detection_ms": detection_ms, "rows": rows, "between": between, "solving_s": solving_s}
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
