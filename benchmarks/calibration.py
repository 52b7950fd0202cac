"""Calibration of the four webcams of charuco4: ours against aniposelib, on the same corners, in the same run.

Even frames calibrate, odd frames test: every corner that two or more cameras saw is triangulated on its own, by least
reprojection error, with each solver's cameras. Corners count as detected; in the rows "at the lags" they are first
moved to where they were when the other cameras exposed, by the lags that the calibration found from the even frames and
by the corners' own velocities (from the frames before and after).

Run: `python -m benchmarks.calibration [-o calibration.json]`; the recordings are those of CLAPCAP_DATA or
../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from calib.anipose_solver import calibrate_anipose
from calib.boards import CharucoBoard
from calib.calibrate import CalibrationOptions, CalibrationResult, calibrate
from calib.corners import detect_corners
from calib.held_out import held_out_error
from calib.shared_views import SharedViews, by_frame_index

BOARD = CharucoBoard(4, 5, 0.054, 0.0405)


def recordings() -> Path:
    """Return the folder of charuco4."""
    named = os.environ.get("CLAPCAP_DATA")
    return (Path(named) if named else Path(__file__).parent.parent.parent / "shared" / "data") / "charuco4"


def detect(folder: Path) -> tuple[SharedViews, float]:
    """Return the corners of all cameras, and milliseconds a frame of decoding and detection."""
    start = time.perf_counter()
    views = [detect_corners(folder / f"cam_{camera}.mp4", BOARD) for camera in range(4)]
    frames = sum(len(view.time_s) for view in views)
    return by_frame_index(views), 1e3 * (time.perf_counter() - start) / frames


def measure(
    name: str, solve: Callable[[SharedViews], CalibrationResult], shared: SharedViews
) -> list[dict[str, object]]:
    """Calibrate from the even moments and return the errors on the odd ones."""
    start = time.perf_counter()
    result = solve(shared.moments(slice(0, None, 2)))
    seconds = time.perf_counter() - start
    odd = shared.moments(slice(1, None, 2))
    lags = [result.report.lag_s[camera] for camera in shared.camera_names]
    tests = [("as detected", odd)]
    if any(lags):
        tests.append(("at the lags", odd.at_moments(lags)))
    return [
        {"solver": name, "corners": kind, **asdict(held_out_error(result.cameras, views)), "solving_s": seconds}
        for kind, views in tests
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the table as JSON, too")
    arguments = parser.parse_args()
    shared, detection_ms = detect(recordings())
    rows = [
        *measure("clapcap", calibrate, shared),
        *measure("clapcap, clocks believed", lambda v: calibrate(v, CalibrationOptions(lag_s_std=0.0)), shared),
        *measure("aniposelib", calibrate_anipose, shared),
    ]
    print(f"{'solver':26}{'corners':13}{'points':>7}{'rmse px':>9}{'mean mm':>9}{'std mm':>8}{'rigid mm':>10}{'s':>7}")
    for row in rows:
        print(
            f"{row['solver']:26}{row['corners']:13}{row['points']:7d}{row['reprojection_rmse_px']:9.3f}"
            f"{row['neighbour_mean_mm']:+9.3f}{row['neighbour_std_mm']:8.3f}{row['rigid_rmse_mm']:10.3f}"
            f"{row['solving_s']:7.2f}"
        )
    print(f"decoding and detection: {detection_ms:.1f} ms a frame")
    if arguments.output:
        arguments.output.write_text(json.dumps({"detection_ms": detection_ms, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
