"""One view to 3D in numbers: `python -m benchmarks.lifter WEIGHTS TAKE [--seen FOLDER] [--fit] [-o lifter.json]`.

TAKE is a folder with `cameras.toml` and each camera's keypoints (npz, with the detector's own 3D) of a take that
several calibrated cameras saw. Each camera alone is lifted, and compared over the body joints with the triangulation of
all of them; beside it MediaPipe's own world landmarks on the same frames. With `--seen`, the same for clips of drawn
people that `benchmarks.seen_people` made, whose truth is exact: those of the validation subjects. With `--fit`, also
the skeleton that `clapcap single` makes of each camera: its joints, how far it is from upright, how constant its bones
are and how far standing feet slide. Then the time it takes: frames a second of a network that looks both ways,
milliseconds a frame of a causal one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from calib.interchange import load_cameras
from lift.answer import answer
from lift.inference import lift_keypoints
from lift.lens import usual_camera
from lift.live import LiveLifter
from lift.metrics import Errors, errors, mean_errors
from lift.model import Lifter
from lift.points import POINTS
from lift.seen import load_seen
from lift.upright.standing import stand_upright
from lift.weights_file import load_weights
from retarget.one_view import fit_one_view, one_view_pixels
from skeleton.formats.npz import load_keypoints2d
from skeleton.hierarchy_file import load_skeleton
from skeleton.joint_sets import load_joint_set, map_keypoints2d
from triangulate.triangulate import triangulate

Array = npt.NDArray[np.float64]

TIMED_FRAMES = 3000


def triangulated(folder: Path) -> Array:
    """Return the take's points of body18 (frames, points, 3), metres, world."""
    cameras = load_cameras(folder / "cameras.toml")
    found = triangulate({name: load_keypoints2d(folder / f"{name}.npz") for name in cameras.names}, cameras).keypoints
    points = {name: found.xyz_m[:, place] for place, name in enumerate(found.names)}
    points["head"] = (points["left_ear"] + points["right_ear"]) / 2
    return np.stack([points[point] for point in POINTS], axis=1)


def single_views(model: Lifter, folder: Path) -> dict[str, tuple[Errors, Errors]]:
    """Return each camera's errors: lifted, and MediaPipe's world landmarks."""
    truth = triangulated(folder)
    result = {}
    for camera in load_cameras(folder / "cameras.toml"):
        keypoints = load_keypoints2d(folder / f"{camera.name}.npz")
        true = camera.to_camera(truth)
        lifted = lift_keypoints(model, keypoints, camera)
        world = map_keypoints2d(keypoints, load_joint_set("body18")).world_m
        assert world is not None
        result[camera.name] = (errors(lifted.joints_m, true), errors(world, true))
    return result


JOINTS = {"upper_arm": "shoulder", "forearm": "elbow", "hand": "wrist", "thigh": "hip", "shin": "knee", "foot": "ankle"}
"""The humanoid's joints by the points that they are."""


@dataclass(frozen=True)
class Fitted:
    """A skeleton of one view: errors of its joints, of up (degrees), bones' spread, and how far standing feet slide."""

    errors: Errors
    up_deg: float
    spread: float
    skating_mm: float


def fitted_views(model: Lifter, folder: Path) -> dict[str, Fitted]:
    """Return what the skeletons of each camera alone are like."""
    truth, skeleton = triangulated(folder), load_skeleton("humanoid")
    result = {}
    for camera in load_cameras(folder / "cameras.toml"):
        keypoints = load_keypoints2d(folder / f"{camera.name}.npz")
        standing = stand_upright(lift_keypoints(model, keypoints, camera), keypoints, camera)
        fit = fit_one_view(standing, skeleton, one_view_pixels(standing, keypoints))
        position = dict(zip(fit.motion.joint_names, np.swapaxes(fit.motion.world_positions(), 0, 1), strict=True))
        found = np.full((len(truth), len(POINTS), 3), np.nan)
        for joint, point in JOINTS.items():
            for side in ("left", "right"):
                found[:, POINTS.index(f"{side}_{point}")] = position[f"{side}_{joint}"]
        up = camera.T_cam_world[:3, 2] @ standing.camera.T_cam_world[:3, 2]
        result[camera.name] = Fitted(
            errors(standing.camera.to_camera(found), camera.to_camera(truth)),
            float(np.degrees(np.arccos(np.clip(up, -1, 1)))),
            fit.report.spread_after,
            1000 * fit.report.skating_m,
        )
    return result


def seen_clips(model: Lifter, folder: Path) -> dict[str, tuple[Errors, Errors]]:
    """Return each validation clip's errors: lifted, and MediaPipe's world landmarks."""
    result = {}
    for clip in load_seen(folder).of("val"):
        arrays = (values[None] for values in (clip.ray, clip.confidence, clip.world_m))
        lifted = answer(model, *arrays, recorded=not model.settings.causal)
        shown = np.isfinite(clip.world_m).all(axis=(1, 2))
        found = np.where(shown[:, None, None], lifted.joints_m[0], np.nan)
        result[clip.name] = (errors(found, clip.truth_m), errors(clip.world_m, clip.truth_m))
    return result


def speed(model: Lifter) -> float:
    """Return frames lifted a second, from rays to joints; of a causal network one by one, as a camera gives them."""
    rng = np.random.default_rng(0)
    xy = rng.uniform([400, 200], [600, 800], (TIMED_FRAMES, len(POINTS), 2))
    sure, world = np.ones(xy.shape[:2]), rng.normal(0, 0.3, (*xy.shape[:2], 3))
    camera = usual_camera("timed", (1080, 1920))
    if model.settings.causal:
        live = LiveLifter(model, camera)
        start = time.perf_counter()
        for frame in range(TIMED_FRAMES):
            live.push(frame / 60, xy[frame], sure[frame], world[frame])
    else:
        inputs = [values[None].astype(np.float32) for values in (camera.undistort(xy), sure, world)]
        answer(model, *(values[:, :300] for values in inputs))
        start = time.perf_counter()
        answer(model, *inputs)
    return TIMED_FRAMES / (time.perf_counter() - start)


def table(title: str, rows: dict[str, tuple[Errors, Errors]]) -> Table:
    """Return a table of errors: lifted / MediaPipe's world landmarks / ratio."""
    shown = Table(title=f"{title}: lifted / MediaPipe's world landmarks / ratio")
    for column in ("", "PA-MPJPE mm", "N-MPJPE mm", "acceleration mm/frame²", "angles °"):
        shown.add_column(column, justify="right" if column else "left")
    for name, (ours, theirs) in rows.items():
        cells = [
            f"{getattr(ours, key):.1f} / {getattr(theirs, key):.1f} / {getattr(ours, key) / getattr(theirs, key):.2f}"
            for key in ("pa_mpjpe_mm", "n_mpjpe_mm", "acceleration_mm", "angle_deg")
        ]
        shown.add_row(name, *cells)
    return shown


def mean_of(pairs: Sequence[tuple[Errors, Errors]]) -> tuple[Errors, Errors]:
    """Return the means of both."""
    return mean_errors([ours for ours, _ in pairs]), mean_errors([theirs for _, theirs in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a lifter's weights (safetensors)")
    parser.add_argument("take", type=Path, help="cameras.toml and the keypoints of each camera")
    parser.add_argument("--seen", type=Path, help="clips that benchmarks.seen_people made")
    parser.add_argument("--fit", action="store_true", help="fit skeletons too")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/lifter.json"))
    arguments = parser.parse_args()
    model = load_weights(arguments.weights)
    console = Console()
    views = single_views(model, arguments.take)
    views["mean"] = mean_of(list(views.values()))
    console.print(table("Each camera alone against all of them", views))
    if arguments.seen is not None:
        clips = seen_clips(model, arguments.seen)
        views["drawn people"] = mean_of(list(clips.values()))
        console.print(table(f"{len(clips)} clips of drawn people", {"mean": views["drawn people"]}))
    if arguments.fit:
        fits = fitted_views(model, arguments.take)
        theirs = {name: world for name, (_, world) in views.items()}
        pairs = {name: (fit.errors, theirs[name]) for name, fit in fits.items()}
        pairs["mean"] = mean_of(list(pairs.values()))
        console.print(table("The skeleton of each camera alone", pairs))
        for name, fit in fits.items():
            said = (
                f"up {fit.up_deg:.1f}° off, bones' spread {fit.spread:.0e}, standing feet slide {fit.skating_mm:.1f} mm"
            )
            console.print(f"{name}: {said}")
        views["fitted mean"] = pairs["mean"]
    per_s = speed(model)
    console.print(f"{per_s:,.0f} frames a second, {1000 / per_s:.2f} ms a frame")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    rows = {name: {"lifted": asdict(ours), "world": asdict(theirs)} for name, (ours, theirs) in views.items()}
    arguments.output.write_text(json.dumps({"views": rows, "frames_per_s": per_s}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
