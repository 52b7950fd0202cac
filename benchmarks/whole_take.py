"""The refinement of whole takes, measured: `python -m benchmarks.whole_take [--only cost walk4 ...] [-o FILE]`.

Made-up takes (`benchmarks.synthetic_take`), whose truth is exact; walk4 of the recordings (CLAPCAP_DATA or
../shared/data); and the rendered example, if a session of it is given that this clapcap has processed (`--session`).
aniposelib's solver with constant bones gets the same detections, on takes short enough for it.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.synthetic_take import SyntheticTake, corrupt, detect, make_take
from benchmarks.triangulation import load_take, measure
from benchmarks.whole_take_scenes import swing_an_arm
from skeleton.keypoints import Observations2D
from triangulate.anipose_solver import triangulate_anipose
from triangulate.triangulate import TriangulationOptions, TriangulationResult, triangulate
from triangulate.whole_take.take import refine_take

Array = npt.NDArray[np.float64]
Row = dict[str, Any]

ROOT = Path(__file__).parent.parent
FRAME_BY_FRAME = TriangulationOptions(refine=False)
COST_FRAMES, LONG_FRAMES, ANIPOSE_FRAMES = 5_000, 50_000, 300
CORRUPTED_FRAMES, SEEDS = 1_200, (0, 1, 2)
WINDOWED_FRAMES = 1_500


class PeakMemory:
    """How much the process grows while this is open, in MB: its resident pages, looked at every 10 ms."""

    def __enter__(self) -> PeakMemory:
        self.start = self.peak = self._resident()
        self.going = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.going = False
        self.thread.join()

    @property
    def grown_mb(self) -> float:
        """Peak less start."""
        return (self.peak - self.start) / 1e6

    def _watch(self) -> None:
        while self.going:
            self.peak = max(self.peak, self._resident())
            time.sleep(0.01)

    @staticmethod
    def _resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def timed(what: str, frames: int, work: Callable[[], object]) -> Row:
    """Run and return what it cost."""
    with PeakMemory() as memory:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        row = {"case": what, "frames": frames, "wall_s": time.perf_counter() - wall}
        row["cpu_s"] = time.process_time() - cpu
    return {**row, "grown_mb": memory.grown_mb}


def start_of(take: SyntheticTake, rng: np.random.Generator) -> tuple[Observations2D, Array]:
    """Return observations of a take, and points as scattered as those triangulated frame by frame."""
    seen = detect(take, rng)
    sigma = np.abs(seen.xy_px - take.xy_px).max(axis=-1)
    noise = np.sqrt(np.mean(sigma**2) / 2)
    observations = Observations2D(
        take.cameras.names, take.names, seen.xy_px, noise / np.sqrt(seen.confidence / 0.75), take.time_s
    )
    return observations, take.xyz_m + rng.normal(0, 0.018, take.xyz_m.shape)


def cost(long: bool) -> list[Row]:
    """Time and memory: ours by itself, and aniposelib on a short take."""
    rows = []
    for frames in (COST_FRAMES // 5, COST_FRAMES, *((LONG_FRAMES,) if long else ())):
        rng = np.random.default_rng(0)
        take = make_take(rng, frames)
        observations, start = start_of(take, rng)
        with threadpool_limits(1, "blas"):
            rows.append(timed("clapcap", frames, lambda o=observations, s=start, t=take: refine_take(t.cameras, o, s)))
    rng = np.random.default_rng(0)
    take = make_take(rng, ANIPOSE_FRAMES)
    views = detect(take, rng).views(take)
    triangulate_anipose(views, take.cameras)  # compiles
    rows.append(timed("aniposelib, constant bones", ANIPOSE_FRAMES, lambda: triangulate_anipose(views, take.cameras)))
    for row in rows:
        row["ms_a_frame"] = 1000 * row["cpu_s"] / row["frames"]
    return rows


def errors_mm(result: TriangulationResult, take: SyntheticTake) -> Array:
    """(frames, points): distance from the truth."""
    error: Array = 1000 * np.linalg.norm(result.keypoints.xyz_m - take.xyz_m, axis=-1)
    return error


def within(result: TriangulationResult, take: SyntheticTake) -> float:
    """Return the share of errors within one deviation, axis by axis."""
    deviation = np.sqrt(np.einsum("fpii->fpi", result.covariance_m2))
    known = np.isfinite(deviation)
    return float((np.abs(result.keypoints.xyz_m - take.xyz_m) <= deviation)[known].mean())


def corrupted() -> list[Row]:
    """Clean and spoiled takes through the whole of `triangulate`."""
    rows = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        take = make_take(rng, CORRUPTED_FRAMES)
        seen = detect(take, rng)
        clean = triangulate(seen.views(take), take.cameras)
        spoiled_views = corrupt(take, seen, rng).views(take)
        spoiled = triangulate(spoiled_views, take.cameras)
        alone = triangulate(spoiled_views, take.cameras, FRAME_BY_FRAME)
        row = {
            "seed": seed,
            "clean_mm": float(np.nanmean(errors_mm(clean, take))),
            "corrupted_mm": float(np.nanmean(errors_mm(spoiled, take))),
            "corrupted_frame_by_frame_mm": float(np.nanmean(errors_mm(alone, take))),
            "share": float(np.isfinite(spoiled.keypoints.xyz_m[..., 0]).mean()),
            "within_one_deviation": within(spoiled, take),
        }
        rows.append({**row, "ratio": row["corrupted_mm"] / row["clean_mm"]})
    return rows


def coverage() -> list[Row]:
    """Compare reported deviations with errors, where the detector's errors are white and where they last."""
    rows = []
    for last_s in (0.0, 0.1, 0.5):
        for cameras in (3, 4):
            rng = np.random.default_rng(cameras)
            take = make_take(rng, 600, cameras)
            result = triangulate(detect(take, rng, last_s).views(take), take.cameras)
            rows.append(
                {
                    "errors_last_s": last_s,
                    "cameras": cameras,
                    "mean_mm": float(np.nanmean(errors_mm(result, take))),
                    "within_one_deviation": within(result, take),
                }
            )
    return rows


def windowed() -> list[Row]:
    """Windows against all frames at once, on a spoiled take."""
    rng = np.random.default_rng(5)
    take = make_take(rng, WINDOWED_FRAMES)
    given = triangulate(corrupt(take, detect(take, rng), rng).views(take), take.cameras, FRAME_BY_FRAME)
    start = given.keypoints.xyz_m
    whole = refine_take(take.cameras, given.observations, start, window_frames=WINDOWED_FRAMES)
    rows = []
    for frames in (150, 300, 750):
        parts = refine_take(take.cameras, given.observations, start, window_frames=frames)
        apart = 1000 * np.linalg.norm(parts.xyz_m - whole.xyz_m, axis=-1)
        rows.append(
            {"window_frames": frames, "largest_mm": float(np.nanmax(apart)), "mean_mm": float(np.nanmean(apart))}
        )
    return rows


def jump() -> list[Row]:
    """Measure errors where an arm swings at 8 m/s and 10 g, with and without a detector's errors."""
    take, fast = swing_an_arm(np.random.default_rng(2))
    wrist = take.names.index("left_wrist")
    speed = np.linalg.norm(np.gradient(take.xyz_m[:, wrist], take.time_s, axis=0), axis=-1)
    acceleration = np.linalg.norm(np.diff(take.xyz_m[:, wrist], 2, axis=0), axis=-1) / np.diff(take.time_s)[0] ** 2
    seen = detect(take, np.random.default_rng(3))
    views = seen.views(take)
    whole, alone = triangulate(views, take.cameras), triangulate(views, take.cameras, FRAME_BY_FRAME)
    # What smoothing itself takes off: observations without error, believed as little as a detector's.
    sigma_px = alone.observations.sigma_px
    exact = Observations2D(take.cameras.names, take.names, take.xy_px, sigma_px, take.time_s)
    bent = 1000 * np.linalg.norm(refine_take(take.cameras, exact, take.xyz_m).xyz_m - take.xyz_m, axis=-1)
    rows = []
    for case, errors in (
        ("whole take", errors_mm(whole, take)),
        ("frame by frame", errors_mm(alone, take)),
        ("whole take, observations exact", bent),
    ):
        error = errors[:, wrist]
        rows.append(
            {
                "case": case,
                "fast_mm": float(np.nanmean(error[fast])),
                "fast_largest_mm": float(np.nanmax(error[fast])),
                "slow_mm": float(np.nanmean(error[~fast])),
                "speed_m_s": float(speed.max()),
                "acceleration_m_s2": float(acceleration.max()),
            }
        )
    return rows


def walk4() -> list[Row]:
    """Measure the recording as `benchmarks.triangulation` does."""
    data = Path(os.environ.get("CLAPCAP_DATA") or ROOT.parent / "shared" / "data")
    if not (data / "walk4").is_dir():
        return [{"solver": f"{data / 'walk4'} is missing: set CLAPCAP_DATA to the folder of recordings"}]
    views, cameras = load_take(data / "walk4")
    solvers: dict[str, Callable[[], TriangulationResult]] = {
        "whole take": lambda: triangulate(views, cameras),
        "frame by frame": lambda: triangulate(views, cameras, FRAME_BY_FRAME),
        "aniposelib, constant bones": lambda: triangulate_anipose(views, cameras),
    }
    shown = ("solver", "ms_a_frame", "median_px", "mean_px", "bone_spread_percent")
    rows = [measure(name, solve, views, cameras) for name, solve in solvers.items()]
    return [{key: row[key] for key in shown} for row in rows]


def example(folder: Path | None) -> list[Row]:
    """Compare the rendered dance with its truth."""
    from calib.interchange import load_cameras
    from session.truth import Truth, joint_errors
    from skeleton.formats.npz import load_keypoints3d
    from triangulate.report import BODY_JOINTS

    if folder is None:
        return [{"points": "not measured: give --session, the example's session after `clapcap process`"}]
    results = folder / "results"
    cameras = load_cameras(results / "calibration" / "cameras.toml")
    truth = Truth.load(ROOT / "session" / "example" / "truth.npz")
    rows = []
    for path in sorted((results / "dance").glob("keypoints3d*.npz")):
        points = load_keypoints3d(path)
        found = joint_errors(points.names, points.xyz_m.copy(), points.time_s, cameras, truth, BODY_JOINTS)
        rows.append(
            {
                "points": path.name,
                "mean_mm": found.mean_mm,
                "after_offsets_mm": found.mean_after_offset_mm,
                "share": found.share,
            }
        )
    return rows


def show(console: Console, title: str, rows: list[Row]) -> None:
    """Print rows of equal keys as a table."""
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parts = ("cost", "windows", "jump", "coverage", "corrupted", "walk4", "example")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--long", action="store_true", help=f"also time {LONG_FRAMES} frames")
    parser.add_argument("--session", type=Path, help="the rendered example's session, processed")
    parser.add_argument("-o", "--output", type=Path, help="also write the tables as JSON")
    arguments = parser.parse_args()
    work: dict[str, Callable[[], list[Row]]] = {
        "cost": lambda: cost(arguments.long),
        "windows": windowed,
        "jump": jump,
        "coverage": coverage,
        "corrupted": corrupted,
        "walk4": walk4,
        "example": lambda: example(arguments.session),
    }
    console = Console(width=140)
    tables = {}
    for part in arguments.only:
        tables[part] = work[part]()
        show(console, part, tables[part])
    if arguments.output:
        arguments.output.write_text(json.dumps(tables, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
