"""Filters against known motion: `python -m benchmarks.filters [--sweep] [-o filters.json]`.

Recorded people (CLAPCAP_DATA or ../shared/data: a walk, a run with a jump, a dance) at 30, 60 and 120 frames a second,
with noise added as it was measured on triangulated points: most of a detector's error is slow (it lasts 0.3 s: on the
rendered example neighbouring frames correlate by 0.89 at 30 frames a second), and a smaller part changes from frame to
frame. `example` is what the rendered example has, `walk4` what the recording of that name has, `rough` a detector that
looks at every frame for itself. The table gives root mean square errors of each filter at its default in position,
speed and acceleration, the last two by differences over 1/30 s at every rate, as shares of the error without a filter.
With `--sweep`, the same over a range of each filter's first parameter: where it is flat.

Two more tables: gaps of 0.15 s cut out and filled, against a piecewise cubic that does not overshoot, with the share of
errors within the deviation that is stated; and spikes of one and two frames put in and found, and what is called a
spike though nobody put it there (at 120 frames a second, glitches at the start of the dance).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.signal import lfilter

from retarget.bvh import read_bvh
from retarget.cleanup.filters import FILTERS, parameters_of
from retarget.cleanup.gaps import fill_gaps
from retarget.cleanup.points import without
from retarget.cleanup.spikes import find_spikes
from skeleton.formats import load_keypoints3d
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]

ROOT = Path(__file__).parent.parent
RATES_HZ = (30.0, 60.0, 120.0)
SLOW_S = 0.3
SPAN_S = 1 / 30
MOST_S = 20.0
GAP_S = 0.15

NOISES_MM = {"example": (9.0, 0.8), "walk4": (14.0, 3.0), "rough": (5.0, 10.0)}
"""Deviations of a coordinate: the slow part and that of each frame."""

SCENES = {
    "walk": ("accad_joints", "accad_joints/female1/Female-Walk_turn_change.trc"),
    "run, jump": ("accad_joints", "accad_joints/male2/Male2-Run_to_jump_to_walk.trc"),
    "dance": ("cmu_dance_bvh", "cmu_dance_bvh/85/85_02.bvh"),
}

SWEEPS = {
    "butterworth": (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0),
    "savitzky-golay": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
    "gaussian": (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0),
    "median": (0.07, 0.1, 0.15, 0.2, 0.25),
    "one-euro": (0.5, 1.0, 2.0, 3.0, 5.0, 8.0),
    "kalman": (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
}


@dataclass(frozen=True, eq=False)
class Take:
    """A motion at one rate: (frames, points, 3) metres, (frames,) seconds."""

    xyz_m: Array
    time_s: Array


def data_folder() -> Path:
    return Path(os.environ.get("CLAPCAP_DATA") or ROOT.parent / "shared" / "data") / "mocap"


def load_scene(name: str) -> Take:
    """Read a recorded motion at its own rate, up to 20 s."""
    archive, member = SCENES[name]
    folder = data_folder()
    with tarfile.open(folder / f"{archive}.tar.xz") as tar, tempfile.TemporaryDirectory() as place:
        content = tar.extractfile(member)
        assert content is not None
        path = Path(place) / Path(member).name
        path.write_bytes(content.read())
        with (folder / "index.csv").open(encoding="utf-8") as index:
            row = next(row for row in csv.DictReader(index) if row["path"] == member)
        if path.suffix == ".trc":
            keypoints = load_keypoints3d(path)
            xyz, time_s = keypoints.xyz_m, keypoints.time_s
        else:
            motion = read_bvh(path, scale=1 / float(row["unit_to_m"]))
            xyz = motion.world_positions()
            time_s = np.arange(len(xyz)) / float(row["fps"])
            xyz, time_s = xyz[int(row["skip_first"]) :], time_s[int(row["skip_first"]) :]
    kept = time_s <= time_s[0] + MOST_S
    whole = np.isfinite(xyz[kept]).all(axis=(0, 2))
    return Take(xyz[kept][:, whole], time_s[kept] - time_s[0])


def at_rate(take: Take, rate_hz: float) -> Take:
    time_s = np.arange(int(take.time_s[-1] * rate_hz)) / rate_hz
    return Take(CubicSpline(take.time_s, take.xyz_m)(time_s), time_s)


def noise_m(shape: tuple[int, ...], rate_hz: float, slow_m: float, quick_m: float, rng: np.random.Generator) -> Array:
    """Return noise of a slow part (autoregressive of first order) and a part of each frame's own."""
    keep = np.exp(-1 / (rate_hz * SLOW_S))
    drive = np.sqrt(1 - keep**2) * rng.standard_normal(shape)
    drive[0] /= np.sqrt(1 - keep**2)
    slow: Array = lfilter([1.0], [1.0, -keep], drive, axis=0)
    return slow_m * slow + quick_m * rng.standard_normal(shape)


def errors(xyz_m: Array, truth: Take) -> Array:
    """Return root mean square errors of a coordinate: position m, speed m/s, acceleration m/s2."""
    reach = max(1, round(SPAN_S / float(truth.time_s[1] - truth.time_s[0])))
    off = xyz_m - truth.xyz_m
    h = reach * float(truth.time_s[1] - truth.time_s[0])
    speed = (off[2 * reach :] - off[: -2 * reach]) / (2 * h)
    acceleration = (off[2 * reach :] - 2 * off[reach:-reach] + off[: -2 * reach]) / h**2
    return np.sqrt([np.mean(off**2), np.mean(speed**2), np.mean(acceleration**2)])


def measure(sweep: bool) -> list[dict[str, Any]]:
    rows = []
    for scene in SCENES:
        recorded = load_scene(scene)
        for rate_hz in RATES_HZ:
            truth = at_rate(recorded, rate_hz)
            for noise, (slow_mm, quick_mm) in NOISES_MM.items():
                rng = np.random.default_rng(5)
                seen = truth.xyz_m + noise_m(truth.xyz_m.shape, rate_hz, slow_mm / 1000, quick_mm / 1000, rng)
                sigma = np.full(seen.shape[:2], np.hypot(slow_mm, quick_mm) / 1000)
                plain = errors(seen, truth)
                case = {"scene": scene, "rate_hz": rate_hz, "noise": noise}
                rows.append({**case, "filter": "none", "parameters": {}, **_named(plain, plain)})
                for name, apply in FILTERS.items():
                    for parameters in _choices(name, sweep, rate_hz):
                        found = errors(apply(seen, truth.time_s, sigma, **parameters), truth)
                        rows.append({**case, "filter": name, "parameters": parameters, **_named(found, plain)})
    return rows


def _choices(name: str, sweep: bool, rate_hz: float) -> list[dict[str, float]]:
    defaults = parameters_of(name)
    if not sweep:
        return [defaults]
    first = next(iter(defaults))
    values = [v for v in SWEEPS[name] if first != "cutoff_hz" or v < rate_hz / 2]
    return [{**defaults, first: value} for value in values]


def _named(found: Array, plain: Array) -> dict[str, float]:
    position, speed, acceleration = found.tolist()
    return {
        "position_mm": 1000 * position,
        "speed_m_s": speed,
        "acceleration_m_s2": acceleration,
        "position_share": position / float(plain[0]),
        "speed_share": speed / float(plain[1]),
        "acceleration_share": acceleration / float(plain[2]),
    }


def measure_gaps() -> list[dict[str, Any]]:
    rows = []
    for scene in SCENES:
        for rate_hz in RATES_HZ:
            truth = at_rate(load_scene(scene), rate_hz)
            for noise in NOISES_MM:
                seen = _seen(truth, noise, rate_hz)
                gap = np.zeros(seen.sigma_m.shape, dtype=bool)
                frames = round(GAP_S * rate_hz) - 1
                for point in range(gap.shape[1]):
                    for start in range(15 + 3 * point % int(rate_hz), len(gap) - frames - 10, int(rate_hz)):
                        gap[start : start + frames, point] = True
                filled = fill_gaps(without(seen, gap))
                cubic = np.full_like(seen.xyz_m, np.nan)
                for point in range(gap.shape[1]):
                    kept = ~gap[:, point]
                    cubic[:, point] = PchipInterpolator(truth.time_s[kept], seen.xyz_m[kept, point])(truth.time_s)
                off = filled.xyz_m - truth.xyz_m
                rows.append(
                    {
                        **{"scene": scene, "rate_hz": rate_hz, "noise": noise},
                        "ours_mm": 1000 * float(np.sqrt(np.mean(off[gap] ** 2))),
                        "cubic_mm": 1000 * float(np.sqrt(np.mean((cubic - truth.xyz_m)[gap] ** 2))),
                        "within_share": float(np.mean(np.abs(off[gap]) < filled.sigma_m[gap][:, None])),
                    }
                )
    return rows


def measure_spikes() -> list[dict[str, Any]]:
    rows = []
    for rate_hz in RATES_HZ:
        for size_m in (0.0, 0.05, 0.1, 0.2, 0.4):
            for length in (1, 2):
                put, found, wrong, of = 0, 0, 0, 0
                for scene in SCENES:
                    rng = np.random.default_rng(8)
                    truth = at_rate(load_scene(scene), rate_hz)
                    seen = _seen(truth, "example", rate_hz)
                    xyz, spikes = seen.xyz_m.copy(), np.zeros(seen.sigma_m.shape, dtype=bool)
                    if size_m:
                        for point in range(xyz.shape[1]):
                            for start in range(10 + int(rng.integers(0, 20)), len(xyz) - 10, 40):
                                away = rng.standard_normal(3)
                                xyz[start : start + length, point] += size_m * away / np.linalg.norm(away)
                                spikes[start : start + length, point] = True
                    told = find_spikes(xyz, truth.time_s, seen.sigma_m)
                    put, found = put + int(spikes.sum()), found + int((told & spikes).sum())
                    wrong, of = wrong + int((told & ~spikes).sum()), of + spikes.size
                rows.append(
                    {"rate_hz": rate_hz, "size_m": size_m, "frames": length, "put": put, "found": found, "wrong": wrong,
                     "of": of}
                )  # fmt: skip
    return [row for row in rows if row["size_m"] or row["frames"] == 1]


def _seen(truth: Take, noise: str, rate_hz: float) -> Keypoints3D:
    """Return a take as points with that noise, and with its deviation."""
    slow_mm, quick_mm = NOISES_MM[noise]
    shape = truth.xyz_m.shape
    xyz = truth.xyz_m + noise_m(shape, rate_hz, slow_mm / 1000, quick_mm / 1000, np.random.default_rng(5))
    sigma = np.full(shape[:2], np.hypot(slow_mm, quick_mm) / 1000)
    none = np.zeros(shape[:2], dtype=bool)
    return Keypoints3D(tuple(map(str, range(shape[1]))), xyz, sigma, truth.time_s, np.zeros((0, *shape[:2])), (), none)


def show_gaps(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("noise", "fps", *(f"{scene}: ours / cubic, within" for scene in SCENES), title=f"gaps of {GAP_S} s")
    for noise in NOISES_MM:
        for rate_hz in RATES_HZ:
            own = {row["scene"]: row for row in rows if row["noise"] == noise and row["rate_hz"] == rate_hz}
            cells = (
                f"{own[s]['ours_mm']:.1f} / {own[s]['cubic_mm']:.1f} mm, {100 * own[s]['within_share']:.0f} %"
                for s in SCENES
            )
            table.add_row(noise, f"{rate_hz:g}", *cells)
    console.print(table)


def show_spikes(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("fps", "size, m", "frames", "found", "called a spike though none was put there", title="spikes")
    for row in rows:
        share = f"{100 * row['found'] / row['put']:.0f} %" if row["put"] else ""
        cells = (f"{row['rate_hz']:g}", f"{row['size_m']:g}", str(row["frames"]) if row["put"] else "", share)
        table.add_row(*cells, f"{row['wrong']} of {row['of']}")
    console.print(table)


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Print a line a filter, its noise and rate, the scenes side by side."""
    table = Table("noise", "fps", "filter", "parameters", *(f"{scene}: pos / speed / acc" for scene in SCENES))
    lines: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        chosen = ", ".join(f"{key} {value:g}" for key, value in row["parameters"].items())
        key = (row["noise"], f"{row['rate_hz']:g}", row["filter"], chosen)
        if row["filter"] == "none":
            said = f"{row['position_mm']:.1f} mm {row['speed_m_s']:.2f} m/s {row['acceleration_m_s2']:.1f} m/s2"
        else:
            said = " ".join(f"{row[f'{what}_share']:.2f}" for what in ("position", "speed", "acceleration"))
        lines.setdefault(key, {})[row["scene"]] = said
    order = {noise: place for place, noise in enumerate(NOISES_MM)}
    for key in sorted(lines, key=lambda key: (order[key[0]], float(key[1]))):
        table.add_row(*key, *(lines[key].get(scene, "") for scene in SCENES))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sweep", action="store_true", help="over a range of each filter's first parameter")
    parser.add_argument("-o", "--output", type=Path, help="also write the table as JSON")
    arguments = parser.parse_args()
    console = Console(width=150)
    if not data_folder().is_dir():
        raise SystemExit(f"{data_folder()} is missing: set CLAPCAP_DATA to the folder of recordings")
    rows = measure(arguments.sweep)
    show(rows, console)
    gaps, spikes = measure_gaps(), measure_spikes()
    show_gaps(gaps, console)
    show_spikes(spikes, console)
    if arguments.output:
        found = {"filters": rows, "gaps": gaps, "spikes": spikes}
        arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
