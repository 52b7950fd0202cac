"""One view to 3D in numbers: `python -m benchmarks.lifter WEIGHTS TAKE [-o lifter.json]`.

TAKE is a folder with `cameras.toml` and each camera's keypoints (npz, with the detector's own 3D) of a take that
several calibrated cameras saw. Each camera alone is lifted, and compared over the body joints with the triangulation of
all of them; beside it MediaPipe's own world landmarks on the same frames. Then frames lifted a second.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from calib.interchange import load_cameras
from lift.answer import run_in_pieces
from lift.geometry import channel_count
from lift.inference import lift_keypoints
from lift.metrics import Errors, errors, mean_errors
from lift.model import Lifter
from lift.points import POINTS
from lift.weights_file import load_weights
from skeleton.formats.npz import load_keypoints2d
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


def speed(model: Lifter) -> float:
    """Return frames lifted a second, from features to joints."""
    inputs = (
        np.random.default_rng(0)
        .normal(size=(1, TIMED_FRAMES, channel_count(model.settings.world_landmarks)))
        .astype(np.float32)
    )
    run_in_pieces(model, inputs[:, :300])
    start = time.perf_counter()
    run_in_pieces(model, inputs)
    return TIMED_FRAMES / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a lifter's weights (safetensors)")
    parser.add_argument("take", type=Path, help="cameras.toml and the keypoints of each camera")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/lifter.json"))
    arguments = parser.parse_args()
    model = load_weights(arguments.weights)
    views = single_views(model, arguments.take)
    mean = tuple(mean_errors([pair[k] for pair in views.values()]) for k in range(2))
    table = Table(title="Each camera alone against all of them: lifted / MediaPipe's world landmarks / ratio")
    for column in ("camera", "PA-MPJPE mm", "N-MPJPE mm", "acceleration mm/frame²", "angles °"):
        table.add_column(column, justify="left" if column == "camera" else "right")
    for name, (ours, theirs) in [*views.items(), ("mean", mean)]:
        cells = [
            f"{getattr(ours, key):.1f} / {getattr(theirs, key):.1f} / {getattr(ours, key) / getattr(theirs, key):.2f}"
            for key in ("pa_mpjpe_mm", "n_mpjpe_mm", "acceleration_mm", "angle_deg")
        ]
        table.add_row(name, *cells)
    console = Console()
    console.print(table)
    per_s = speed(model)
    console.print(f"{per_s:,.0f} frames a second")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    rows = {name: {"lifted": asdict(ours), "world": asdict(theirs)} for name, (ours, theirs) in views.items()}
    arguments.output.write_text(json.dumps({"views": rows, "frames_per_s": per_s}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
