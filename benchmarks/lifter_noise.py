"""How MediaPipe errs, in numbers: `python -m benchmarks.lifter_noise SEEN REAL [-o noise.toml]`.

Fits the noise model of `lift.noise`. SEEN is a folder of clips that `benchmarks.seen_people` made: many motions, views
and looks, with exact truth; REAL is a folder with `cameras.toml` and each camera's keypoints of a real take, whose
triangulation is the truth. Drawn people are harder to see than real ones, and one real take is one person: both count
half. The bias is fitted to drawn people alone, since triangulated points have the detector's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.lifter_pairs import Pair, real_pairs, seen_pairs
from lift.bodies import torso_axes
from lift.noise import taken_apart
from lift.points import ARMS_TOLD, LEGS_TOLD, MIRROR, POINTS, SHOULDERS

Array = npt.NDArray[np.float64]

LAGS_S = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15])


def fit(pairs: Sequence[Pair]) -> tuple[dict[str, float], dict[str, dict[str, object]]]:
    """Return the scalars and the tables by point of the noise model."""
    exchanged = [swaps(p) for p in pairs]
    swapped = [np.any(list(e.values()), axis=0) for e in exchanged]
    lag_s = fit_lag(pairs)
    bias, bias_spread = fit_bias(pairs, swapped)
    rests, clips = [], []
    for p, swap in zip(pairs, swapped, strict=True):
        rest = np.where(swap[:, None, None], np.nan, p.error_m - (predicted_bias(p, bias) if p.with_bias else 0))
        clip = np.nanmean(rest, axis=0)
        clips.append(clip)
        rests.append(rest - clip)
    log_size = [np.log(np.maximum(np.abs(rest), 1e-4)) for rest in rests]
    tail = excess([logs - np.nanmedian(logs, axis=0) for logs in log_size])
    log_clip = np.log(np.maximum(np.abs(np.stack(clips)), 1e-4))
    size = [logs.mean(axis=-1) for logs in log_size]  # NaN where either axis is
    scalars = {
        "bias_spread": bias_spread,
        "correlation_s": lasting(rests, [p.rate_hz for p in pairs], (0.0, 0.1)),
        "tail": tail,
        "clip_tail": excess([log_clip - np.nanmedian(log_clip, axis=0)]),
        "tail_s": lasting([s - np.nanmean(s, axis=0) for s in size], [p.rate_hz for p in pairs], (0.1, 0.4)),
        "lag_s": lag_s,
        **{f"{k}_swaps_per_s": events([e[k][:, None] for e in exchanged], pairs)[0] for k in ("arm", "leg", "body")},
        "swap_s": events([s[:, None] for s in swapped], pairs)[1],
    }
    lost = [p.confidence < LOST_CONFIDENCE for p in pairs]
    scalars["dropouts_per_s"], scalars["dropout_s"] = events(lost, pairs)
    slope, rest_spread = fit_confidence(size, [p.confidence for p in pairs], tail)
    scalars |= {"confidence_slope": slope, "confidence_spread": rest_spread}
    sizes = [world_size(p, swap) for p, swap in zip(pairs, swapped, strict=True)]
    for place, name in enumerate(("world_scale", "world_depth")):
        logs = np.log([size[place] for size in sizes])
        scalars[name], scalars[f"{name}_spread"] = float(np.exp(np.median(logs))), spread_of(logs)
    joint_errors = [world_error(p, swap, size) for p, swap, size in zip(pairs, swapped, sizes, strict=True)]
    scalars["world_shoulders"] = correlation(*(np.concatenate([e[:, k] for e in joint_errors]) for k in SHOULDERS))
    worlds = [taken_apart(error) for error in joint_errors]
    world_clips = [np.nanmean(world, axis=0) for world in worlds]
    log_world = np.log(np.maximum(np.abs(np.stack(world_clips)), 1e-4))
    scalars["world_clip_tail"] = excess([log_world - np.nanmedian(log_world, axis=0)])
    world_rests = [world - clip for world, clip in zip(worlds, world_clips, strict=True)]
    scalars["world_correlation_s"] = lasting(world_rests, [p.rate_hz for p in pairs], (0.0, 0.2))
    scalars["outside"], scalars["lost_outside"] = fit_edge(pairs)
    stacked, confidence = np.concatenate(rests), np.concatenate([p.confidence for p in pairs])
    world_stack = np.concatenate(world_rests)
    tables: dict[str, dict[str, object]] = {
        "bias_m": {name: [float(v) for v in vector] for name, vector in bias.items()},
        "clip_m": by_name(np.stack(clips), typical),
        "sigma_m": by_name(stacked, typical),
        "confidence": by_name(confidence[..., None], lambda v: float(np.nanmean(v))),
        "world_lateral_m": by_name(world_stack[..., :2], typical),
        "world_depth_m": by_name(world_stack[..., 2:], typical),
        "world_clip_lateral_m": by_name(np.stack(world_clips)[..., :2], typical),
        "world_clip_depth_m": by_name(np.stack(world_clips)[..., 2:], typical),
    }
    return scalars, tables


def world_size(p: Pair, swapped: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the factors of the detector's own 3D across the ray, and along it over that, against the truth."""
    known = np.isfinite(p.pose_m).all(axis=-1) & np.isfinite(p.world_m).all(axis=-1) & ~swapped[:, None]
    true, world = p.pose_m[known], p.world_m[known]
    across = float((true[:, :2] * world[:, :2]).sum() / (true[:, :2] ** 2).sum())
    along = float((true[:, 2] * world[:, 2]).sum() / (true[:, 2] ** 2).sum())
    return max(across, 0.3), float(np.clip(along / max(across, 0.3), 0.3, 2.0))


def world_error(p: Pair, swapped: npt.NDArray[np.bool_], size: tuple[float, float]) -> Array:
    """Return what size and flattening leave of the detector's own 3D (frames, points, 3); NaN where swapped."""
    error = p.world_m - p.pose_m * np.array([size[0], size[0], size[0] * size[1]])
    return np.where(swapped[:, None, None], np.nan, error)


def spread_of(values: Array) -> float:
    """Return the deviation by the median distance from the median: one odd recording does not change it."""
    return float(np.median(np.abs(values - np.median(values))) / 0.6745)


def correlation(a: Array, b: Array) -> float:
    """Return the correlation about 0 of values that may be NaN."""
    both = np.isfinite(a) & np.isfinite(b)
    product = (a[both] * b[both]).sum() / np.sqrt((a[both] ** 2).sum() * (b[both] ** 2).sum())
    return float(np.clip(product, -0.95, 0.95))


LOST_CONFIDENCE = 0.1
"""MediaPipe gives every point a place; below this visibility the place is a guess, and users of it drop it."""


def fit_edge(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return how much larger errors are just outside of the picture, and how far outside half of the points are lost.

    Where too few points lie there, what was usual in 254 clips of drawn people: 4.6 and 0.06.
    """
    beyond = np.concatenate([p.beyond.ravel() for p in pairs])
    error = np.concatenate([np.linalg.norm(p.error_m, axis=-1).ravel() for p in pairs])
    lost = np.concatenate([np.isnan(p.ray[..., 0]).ravel() for p in pairs])
    just = (beyond > 0) & (beyond < EDGE)
    if just.sum() < FEWEST_OUTSIDE:
        return 4.6, 0.06
    ratio = float(np.nanmedian(error[just]) / np.nanmedian(error[beyond < 0]))
    steps = np.linspace(0, EDGE, 11)
    share = [lost[(beyond >= low) & (beyond < high)].mean() for low, high in pairwise(steps)]
    passed = [float(low) for low, part in zip(steps, share, strict=False) if part >= 0.5]
    return max(ratio, 1.0), min(passed, default=EDGE)


EDGE, FEWEST_OUTSIDE = 0.2, 500


def names_once() -> list[str]:
    """Return the points without their side, in order."""
    return list(dict.fromkeys(point.removeprefix("left_").removeprefix("right_") for point in POINTS))


def places(name: str) -> list[int]:
    """Return where a point of either side is."""
    return [k for k, point in enumerate(POINTS) if point.removeprefix("left_").removeprefix("right_") == name]


def typical(values: Array) -> float:
    """Return the deviation by the median: gross errors are the tail's business."""
    return float(np.nanmedian(np.abs(values)) / 0.6745)


def by_name(values: Array, measure) -> dict[str, object]:  # type: ignore[no-untyped-def] # a lambda of arrays
    """Measure values (.., points, n) of both sides together; points nobody gave get the median of the others."""
    found = {name: measure(values[..., places(name), :]) for name in names_once()}
    middle = float(np.median([v for v in found.values() if np.isfinite(v)]))
    return {name: v if np.isfinite(v) else middle for name, v in found.items()}


def excess(logs: Sequence[Array]) -> float:
    """Return the deviation by which logarithms of errors' sizes scatter more than those of a normal distribution.

    The logarithm of small errors scatters widely and says nothing of tails: the upper half is measured, and mirrored.
    """
    spread = np.concatenate([values.ravel() for values in logs])
    upper = spread[np.isfinite(spread) & (spread > 0)]
    normal = np.log(np.abs(np.random.default_rng(0).standard_normal(200_000)))
    normal = normal - np.median(normal)
    return float(np.sqrt(max(np.mean(upper**2) - np.mean(normal[normal > 0] ** 2), 0.0)))


def swaps(p: Pair) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the frames in which arms, legs or both fit better with sides exchanged, where it makes a difference."""
    crossed = p.ray[:, MIRROR] * p.truth_m[..., 2:] - p.truth_m[..., :2]
    straight, mirrored = (np.linalg.norm(error, axis=-1) for error in (p.error_m, crossed))
    found = {}
    for name, points in (("arm", ARMS_TOLD), ("leg", LEGS_TOLD)):
        as_told, exchanged = (np.nanmean(distance[:, points], axis=1) for distance in (straight, mirrored))
        found[name] = (as_told > SWAP_M) & (exchanged < SWAP_SHARE * as_told)
    both = found["arm"] & found["leg"]
    return {"arm": found["arm"] & ~both, "leg": found["leg"] & ~both, "body": both}


SWAP_M, SWAP_SHARE = 0.06, 0.6
"""Sides are swapped where points lie farther than that from where they should, and at most that share of it crossed."""


def fit_lag(pairs: Sequence[Pair]) -> float:
    """Return the time constant of the low pass that brings the truth nearest to the detections."""
    scores = []
    for lag in LAGS_S:
        rest = []
        for p in pairs:
            if not p.with_bias:  # triangulated points lag as the detections do
                continue
            keep = np.exp(-1 / (p.rate_hz * lag)) if lag > 0 else 0.0
            smooth = p.truth_m[..., :2].copy()
            for frame in range(1, len(smooth)):  # each frame depends on the one before
                mixed = keep * smooth[frame - 1] + (1 - keep) * smooth[frame]
                smooth[frame] = np.where(np.isfinite(mixed), mixed, smooth[frame])
            error = p.error_m + p.truth_m[..., :2] - smooth
            rest.append(np.nanmedian(np.abs(error - np.nanmedian(error, axis=0))))
        scores.append(np.mean(rest))
    return float(LAGS_S[int(np.argmin(scores))])


def predicted_bias(p: Pair, bias: dict[str, Array]) -> Array:
    """Return what a bias in the trunk's axes is in the picture (frames, points, 2)."""
    axes = torso_axes(p.truth_m)
    vectors = np.stack([bias[point.removeprefix("left_").removeprefix("right_")] for point in POINTS])
    outwards = np.array([-1.0 if point.startswith("right") else 1.0 for point in POINTS])
    vectors = vectors * np.stack([outwards, np.ones(len(POINTS)), np.ones(len(POINTS))], axis=-1)
    moved: Array = np.einsum("fij,pj->fpi", axes, vectors)[..., :2]
    return moved


def fit_bias(pairs: Sequence[Pair], swapped: Sequence[npt.NDArray[np.bool_]]) -> tuple[dict[str, Array], float]:
    """Return each point's bias (3,) in the trunk's axes, by least squares, and how it differs between cameras."""
    bias: dict[str, Array] = {}
    apart = []
    for name in names_once():
        own = []
        for p, swap in zip(pairs, swapped, strict=True):
            if not p.with_bias:
                continue
            rows, values = [], []
            axes = torso_axes(p.truth_m)
            for place in places(name):
                side = np.array([-1.0 if POINTS[place].startswith("right") else 1.0, 1.0, 1.0])
                good = ~swap & np.isfinite(p.error_m[:, place]).all(axis=1) & np.isfinite(axes).all(axis=(1, 2))
                rows.append((axes[good, :2] * side).reshape(-1, 3))
                values.append(p.error_m[good, place].reshape(-1))
            own.append((np.concatenate(rows), np.concatenate(values)))
        A, b = np.concatenate([rows for rows, _ in own]), np.concatenate([values for _, values in own])
        prior = 0.02 * len(b) * np.eye(3)  # directions that no camera saw across stay near 0
        bias[name] = np.linalg.solve(A.T @ A + prior, A.T @ b)
        for rows, values in own:
            along = rows @ bias[name]
            apart.append(float((along @ values) / max(along @ along, 1e-9)))
    return bias, float(np.clip(np.std(apart), 0.1, 1.0))


def lasting(values: Sequence[Array], rates_hz: Sequence[float], lags_s: tuple[float, float]) -> float:
    """Return the time constant by which the correlation falls between two lags."""
    correlation = []
    for lag_s in lags_s:
        products, squares = 0.0, 0.0
        for value, rate in zip(values, rates_hz, strict=True):
            lag = round(lag_s * rate)
            product = value[lag:] * value[: len(value) - lag]
            products += float(np.nansum(product)) / max(np.isfinite(product).sum(), 1)
            squares += float(np.nanmean(value**2))
        correlation.append(products / squares)
    ratio = np.clip(correlation[1] / correlation[0], 0.01, 0.99)
    return float(-(lags_s[1] - lags_s[0]) / np.log(ratio))


def events(on: Sequence[npt.NDArray[np.bool_]], pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return how often something begins, a second, and how long it lasts on average; with one more of a frame each."""
    seconds = sum(now.size / p.rate_hz for now, p in zip(on, pairs, strict=True))
    going = sum(float(now.sum()) / p.rate_hz for now, p in zip(on, pairs, strict=True))
    begins = sum(int((now[1:] & ~now[:-1]).sum() + now[0].sum()) for now in on)
    return (begins + 1) / seconds, max((going + 1 / 30) / (begins + 1), 1 / 30)


def fit_confidence(size: Sequence[Array], confidence: Sequence[Array], tail: float) -> tuple[float, float]:
    """Return how much confidence falls per e-fold of an error's size, and the deviation of what is left."""
    x = np.concatenate([(s - np.nanmean(s, axis=0)).ravel() for s in size])
    y = np.concatenate([(c - np.nanmean(c, axis=0)).ravel() for c in confidence])
    good = np.isfinite(x) & np.isfinite(y)
    # What two axes' logarithms scatter by themselves is no size: the slope is over the size's own variance.
    slope = -float(np.mean(x[good] * y[good])) / max(tail**2, 1e-3)
    slope = float(np.clip(slope, 0.0, 0.5))
    return slope, float(np.sqrt(max(np.var(y[good]) - (slope * tail) ** 2, 1e-4)))


def write(path: Path, scalars: dict[str, float], tables: dict[str, dict[str, object]]) -> None:
    """Write the parameters as TOML, with what is not fitted."""
    lines = [
        "# How MediaPipe's pose landmarks err; `lift.noise.NoiseModel` says what each number means.",
        "# Written by benchmarks/lifter_noise.py from drawn people and a real take of four views. Metres of a body",
        "# of 1.75 m.",
        "",
        *(f"{name} = {value:.4g}" for name, value in scalars.items()),
    ]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        for point, value in table.items():
            shown = "[" + ", ".join(f"{v:.4f}" for v in value) + "]" if isinstance(value, list) else f"{value:.4f}"
            lines.append(f"{point} = {shown}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seen", type=Path, help="clips that benchmarks.seen_people made")
    parser.add_argument("real", type=Path, help="cameras.toml and a real take's keypoints in 2D")
    parser.add_argument("-o", "--output", type=Path, default=Path("lift/data/noise.toml"))
    arguments = parser.parse_args()
    drawn, real = seen_pairs(arguments.seen), real_pairs(arguments.real)
    pairs = drawn + max(1, round(len(drawn) / len(real))) * real
    scalars, tables = fit(pairs)
    write(arguments.output, scalars, tables)
    console = Console()
    table = Table(title="Errors of points in the picture, mm of a body of 1.75 m")
    for column in ("point", "bias out, up, front", "stays", "comes and goes", "own 3D across, along"):
        table.add_column(column, justify="left" if column == "point" else "right")
    for name in names_once():
        bias = tables["bias_m"][name]
        assert isinstance(bias, list)
        table.add_row(
            name,
            ", ".join(f"{1000 * v:.0f}" for v in bias),
            *(f"{1000 * float(str(tables[key][name])):.0f}" for key in ("clip_m", "sigma_m")),
            ", ".join(f"{1000 * float(str(tables[key][name])):.0f}" for key in ("world_lateral_m", "world_depth_m")),
        )
    console.print(table)
    console.print({name: round(value, 4) for name, value in scalars.items()})


if __name__ == "__main__":
    main()
