"""How MediaPipe errs on drawn people: `python -m benchmarks.seen_errors FOLDER`, of clips by `benchmarks.seen_people`.

Prints errors in the picture and of MediaPipe's own 3D, by point, and how far the latter hang together. All lengths are
millimetres at a subject of 1.75 m.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.lifter_noise import names_once, places
from lift.geometry import turn_ahead
from lift.points import MIRROR, POINTS, STATURE_M, root, stature
from lift.seen import SeenClip, load_seen

Array = npt.NDArray[np.float64]

JOINTS = [k for k, name in enumerate(POINTS) if name.endswith(("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))]
"""The twelve joints of the body, where detectors and mocap mean the same."""

COMPONENTS = (1, 2, 3, 5, 10, 20)


@dataclass(frozen=True, eq=False)
class Errors:
    """Of one clip, mm; frames in which somebody is seen.

    picture (frames, points, 2): across, at the subject. own (frames, points, 3): of MediaPipe's 3D about the hips, seen
    along the ray to them and scaled for the whole clip: right, down, along the ray. aligned (frames,): mean distance of
    the joints after turning, moving and scaling each frame. scaled (frames,): after scaling each frame alone.
    swapped: the share of frames in which the joints in the picture fit better with the sides exchanged.
    """

    picture: Array
    own: Array
    aligned: Array
    scaled: Array
    swapped: float


def errors_of(clip: SeenClip) -> Errors | None:
    """Return a clip's errors; None if nobody is seen."""
    seen = np.isfinite(clip.world_m).all(axis=(1, 2))
    if not seen.any():
        return None
    truth = clip.truth_m[seen].astype(np.float64)
    truth *= STATURE_M / float(np.median(stature(truth)))
    ray, own = clip.ray[seen].astype(np.float64), clip.world_m[seen].astype(np.float64)
    picture = ray * truth[..., 2:] - truth[..., :2]
    crossed = ray[:, MIRROR] * truth[..., 2:] - truth[..., :2]
    straight, mirrored = (np.nanmean(np.linalg.norm(e[:, JOINTS], axis=-1), axis=1) for e in (picture, crossed))
    hips = root(truth)
    turn = turn_ahead((hips[:, :2] / hips[:, 2:]).astype(np.float32)).astype(np.float64)
    pose = np.einsum("fij,fpj->fpi", turn, truth - hips[:, None])
    a, b = own[:, JOINTS], pose[:, JOINTS]
    scale = (a * b).sum(axis=(1, 2)) / (a**2).sum(axis=(1, 2))
    return Errors(
        picture=1000 * picture,
        own=1000 * ((own * pose).sum() / (own**2).sum() * own - pose),
        aligned=1000 * aligned_error(a, b),
        scaled=1000 * np.linalg.norm(scale[:, None, None] * a - b, axis=-1).mean(axis=1),
        swapped=float(np.mean(mirrored < straight)),
    )


def aligned_error(points: Array, truth: Array) -> Array:
    """Return the mean distances (frames,) of points (frames, points, 3) turned, moved and scaled onto the truth.

    By the singular value decomposition of Umeyama, IEEE PAMI 13(4), 1991.
    """
    a, b = points - points.mean(axis=1, keepdims=True), truth - truth.mean(axis=1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    scale = (s * sign).sum(axis=1) / (a**2).sum(axis=(1, 2))
    moved = scale[:, None, None] * a @ ((u * sign[:, None]) @ vt)
    mean: Array = np.linalg.norm(moved - b, axis=-1).mean(axis=1)
    return mean


def explained(values: Array) -> Array:
    """Return the shares of the variance (frames, numbers) that the first principal components explain, summed up."""
    variance = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    shares: Array = np.cumsum(variance) / variance.sum()
    return shares


def by_point(errors: list[Errors]) -> Table:
    """Return the errors of points, both sides together."""
    table = Table(title="Errors by point, mm: median (mean) in the picture; root mean squares of the own 3D")
    columns = ("point", "picture", "90 %", "own across", "up", "along", "all clip", "within it")
    for column in columns:
        table.add_column(column, justify="left" if column == "point" else "right")
    for name in names_once():
        at = places(name)
        size = np.concatenate([np.linalg.norm(e.picture[:, at], axis=-1).ravel() for e in errors])
        own = np.concatenate([e.own[:, at].reshape(-1, 3) for e in errors])
        means = np.concatenate([e.own[:, at].mean(axis=0) for e in errors])
        rests = np.concatenate([(e.own[:, at] - e.own[:, at].mean(axis=0)).reshape(-1, 3) for e in errors])
        table.add_row(
            name,
            f"{np.nanmedian(size):.0f} ({np.nanmean(size):.0f})",
            f"{np.nanpercentile(size, 90):.0f}",
            *(f"{rms(own[:, axis]):.0f}" for axis in range(3)),
            *(f"{rms(part[:, :2]):.0f}, {rms(part[:, 2]):.0f}" for part in (means, rests)),
        )
    return table


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of clips")
    clips = load_seen(parser.parse_args().folder)
    found = [errors_of(clip) for clip in clips]
    errors = [e for e in found if e is not None]
    console = Console()
    frames, seen = sum(len(clip.ray) for clip in clips), sum(len(e.own) for e in errors)
    console.print(f"{len(clips)} clips of {frames} frames at 60 Hz; somebody is seen in {seen}.")
    console.print(by_point(errors))
    for name, what in (("aligned", "turned, moved and scaled"), ("scaled", "scaled")):
        values = [getattr(e, name) for e in errors]
        of_clips = np.array([v.mean() for v in values])
        spread = ", ".join(f"{p:.0f}" for p in np.percentile(of_clips, [10, 25, 50, 75, 90]))
        console.print(
            f"Own 3D, 12 joints, each frame {what}: mean {np.concatenate(values).mean():.0f} mm; "
            f"clips at 10, 25, 50, 75, 90 %: {spread} mm."
        )
    swaps = np.array([e.swapped for e in errors])
    console.print(
        f"Sides exchanged in the picture: {100 * swaps.mean():.1f} % of frames, in more than half of "
        f"{np.mean(swaps > 0.5):.1%} of the clips."
    )
    flat = [e.own.reshape(len(e.own), -1) for e in errors]
    kinds = {
        "all": np.concatenate(flat),
        "clips' means": np.stack([f.mean(axis=0) for f in flat]),
        "within clips": np.concatenate([f - f.mean(axis=0) for f in flat]),
    }
    table = Table(title="Own 3D: variance of its 54 errors explained by the first principal components")
    for column in ("errors", *(str(count) for count in COMPONENTS)):
        table.add_column(column, justify="right")
    for name, values in kinds.items():
        shares = explained(values)
        table.add_row(name, *(f"{shares[count - 1]:.0%}" for count in COMPONENTS))
    console.print(table)


if __name__ == "__main__":
    main()
