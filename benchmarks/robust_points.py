"""What the triangulation of single frames has to bear, in numbers: speed, whole cameras that go wrong, few cameras.

All times are of one core, by the processor's own clock, so that what else runs does not count.
"""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.synthetic_take import detect, make_take
from benchmarks.troubled_takes import Troubled, troubles
from calib.cameras import Camera, CameraGroup
from detect.run import detect_videos
from skeleton.keypoints import Keypoints2D
from sync.resample import common_timeline, resample_keypoints
from triangulate.report import BODY_JOINTS
from triangulate.robust import triangulate_robust
from triangulate.triangulate import TriangulationOptions, TriangulationResult, triangulate

Array = npt.NDArray[np.float64]

EXAMPLE = Path(__file__).parent.parent / "session" / "example"
POINTS_ALONE = TriangulationOptions(refine=False)
SEED = 5
# An observation that is further than this from the truth is wrong: four deviations of the detector that is made up.
WRONG_PX = 40.0


def speed(cameras: int, frames: int) -> dict[str, Any]:
    """Measure milliseconds a frame of 33 points."""
    take = make_take(np.random.default_rng(SEED), frames, cameras)
    seen = detect(take, np.random.default_rng(SEED))
    flat_xy = seen.xy_px.reshape(cameras, -1, 2)
    flat_sigma = 9 / np.sqrt(seen.confidence.reshape(cameras, -1))
    views = seen.views(take)
    start = time.process_time()
    triangulate_robust(take.cameras, flat_xy, flat_sigma)
    between = time.process_time()
    triangulate(views, take.cameras, POINTS_ALONE)
    end = time.process_time()
    return {
        "cameras": cameras,
        "frames": frames,
        "robust_ms_a_frame": 1000 * (between - start) / frames,
        "all_ms_a_frame": 1000 * (end - between) / frames,
    }


def troubled(cameras: int, frames: int) -> list[dict[str, Any]]:
    """Solve takes with troubles, and the same takes for a solver that knows which observations are wrong."""
    rng = np.random.default_rng(SEED)
    take = make_take(rng, frames, cameras)
    rows = []
    for trouble in troubles(take, rng):
        result = triangulate(trouble.seen.views(take), trouble.cameras, POINTS_ALONE)
        known = triangulate(trouble.known.views(take), take.cameras, POINTS_ALONE)
        error, least = (r.keypoints.xyz_m - take.xyz_m for r in (result, known))
        rows.append(
            {
                "cameras": cameras,
                "trouble": trouble.name,
                "mean_mm": 1000 * float(np.nanmean(np.linalg.norm(error, axis=-1))),
                "known_mm": 1000 * float(np.nanmean(np.linalg.norm(least, axis=-1))),
                "share": float(np.isfinite(error[..., 0]).mean()),
                "known_share": float(np.isfinite(least[..., 0]).mean()),
                "within_one_deviation": _within(error, result.covariance_m2),
                **_told_apart(result, trouble, take.xy_px),
                "findings": [finding.text for finding in result.report.findings],
            }
        )
    return rows


def _told_apart(result: TriangulationResult, trouble: Troubled, true_px: Array) -> dict[str, float]:
    """Return recall and precision of the observations that were switched off, and the share of good ones kept."""
    seen = np.isfinite(result.observations.xy_px[..., 0]) & (trouble.seen.confidence > 0)
    off = ~np.isfinite(result.observations.sigma_px) & seen
    # As mended: what is exchanged back is right again.
    wrong = seen & (np.linalg.norm(result.observations.xy_px - true_px, axis=-1) > WRONG_PX)
    return {
        "recall": float((off & wrong).sum() / max(wrong.sum(), 1)),
        "precision": float((off & wrong).sum() / max(off.sum(), 1)),
        "good_kept": float((~off & seen & ~wrong).sum() / max((seen & ~wrong).sum(), 1)),
    }


def _within(error_m: Array, covariance_m2: Array) -> float:
    deviation = np.sqrt(np.diagonal(covariance_m2, axis1=-2, axis2=-1))
    known = np.isfinite(error_m) & np.isfinite(deviation)
    return float((np.abs(error_m) < deviation)[known].mean())


def example_subsets() -> list[dict[str, Any]]:
    """Solve the rendered example, cameras and clocks known, with all subsets of two to four cameras."""
    views, cameras, truth = _example()
    rows = []
    for count in (4, 3, 2):
        for names in combinations(views, count):
            result = triangulate({name: views[name] for name in names}, cameras, POINTS_ALONE)
            rows.append({"cameras": "+".join(names), **_against_truth(result, truth)})
    for row in rows:
        row["growth"] = row["rms_mm"] / rows[0]["rms_mm"]
        row["predicted_growth"] = row["predicted_mm"] / rows[0]["predicted_mm"]
    return rows


def _against_truth(result: TriangulationResult, truth: dict[str, Any]) -> dict[str, Any]:
    """Return errors of the body's joints after one constant offset a joint, and what the covariance predicts."""
    keypoints = result.keypoints
    joint_names = [str(name) for name in truth["joint_names"]]
    true = np.stack([truth["joints_xyz_m"][:, joint_names.index(joint)] for joint in BODY_JOINTS], axis=1)
    at = [keypoints.index(joint) for joint in BODY_JOINTS]
    flat = true.reshape(len(true), -1)
    interpolated = [np.interp(keypoints.time_s, truth["joints_time_s"], column) for column in flat.T]
    error = keypoints.xyz_m[:, at] - np.stack(interpolated, axis=-1).reshape(-1, len(at), 3)
    error -= np.nanmean(error, axis=0)
    covariance = result.covariance_m2[:, at]
    distance = np.linalg.norm(error, axis=-1)
    return {
        "mean_mm": 1000 * float(np.nanmean(distance)),
        "rms_mm": 1000 * float(np.sqrt(np.nanmean(distance**2))),
        "predicted_mm": 1000 * float(np.sqrt(np.nanmean(np.trace(covariance, axis1=2, axis2=3)))),
        "most_mm": 1000 * float(np.nanmax(distance)),
        "share": float(np.isfinite(distance).mean()),
        "within_one_deviation": _within(error, covariance),
    }


def _example() -> tuple[dict[str, Keypoints2D], CameraGroup, dict[str, Any]]:
    with np.load(EXAMPLE / "truth.npz") as file:
        truth: dict[str, Any] = dict(file)
    names = [str(name) for name in truth["camera_names"]]
    found = detect_videos({name: EXAMPLE / "takes" / "dance" / f"{name}.mp4" for name in names})
    views = {
        name: Keypoints2D(
            found[name].names,
            found[name].xy_px,
            found[name].confidence,
            offset_s + rate * found[name].time_s,
            found[name].image_size_px,
        )
        for name, offset_s, rate in zip(names, truth["take_offset_s"], truth["take_rate"], strict=True)
    }
    timeline_s = common_timeline({name: view.time_s for name, view in views.items()})
    width, height = (int(n) for n in truth["image_size_px"])
    cameras = CameraGroup(
        tuple(
            Camera(name, (width, height), truth["matrix"][i], truth["distortion"][i], truth["T_cam_world"][i])
            for i, name in enumerate(names)
        )
    )
    return {name: resample_keypoints(view, timeline_s) for name, view in views.items()}, cameras, truth
