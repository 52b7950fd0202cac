"""The weights that ship: small, described, and better than what the detector tells by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lift.answer import answer
from lift.batches import observe
from lift.bodies import of_stature
from lift.cameras import CameraSettings, draw_cameras
from lift.inference import at_times, even_times
from lift.metrics import Errors, errors, mean_errors
from lift.model import Lifter
from lift.noise import load_noise
from lift.points import POINTS, STATURE_M, root
from lift.shipped import WEIGHTS, shipped_weights
from lift.weights_file import load_weights
from session.demo import EXAMPLE
from session.truth import Truth

LARGEST = 20e6


@pytest.fixture(scope="module", params=[False, True], ids=["recorded", "live"])
def shipped(request: pytest.FixtureRequest) -> Path:
    path = shipped_weights(causal=request.param)
    assert path is not None
    return path


def test_they_are_small_enough_for_the_wheel_and_have_a_card(shipped: Path):
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < LARGEST
    card = shipped.with_suffix(".md").read_text(encoding="utf-8")
    for part in ("## Data", "## Licences of the data", "mocap.cs.cmu.edu", "Ohio State", "## Metrics", "## Limits"):
        assert part in card
    assert "Not measured yet" not in card
    assert load_weights(shipped).settings.causal == ("causal" in shipped.stem)


def test_a_dance_is_lifted_better_than_by_the_detector(shipped: Path):
    """The example's dance, which nobody has learned from, before virtual cameras and with the fitted errors."""
    ours, theirs = lifted(load_weights(shipped), dance())
    assert ours.pa_mpjpe_mm < 0.7 * theirs.pa_mpjpe_mm
    assert ours.n_mpjpe_mm < 0.7 * theirs.n_mpjpe_mm
    assert ours.acceleration_mm < 0.35 * theirs.acceleration_mm


def dance() -> np.ndarray:
    """Return the example's true points of body18 at 60 Hz, of standard height."""
    truth = Truth.load(EXAMPLE / "truth.npz")
    points = {name: truth.joints_xyz_m[:, place] for place, name in enumerate(truth.joint_names)}
    points["head"] = (points["left_ear"] + points["right_ear"]) / 2
    xyz = np.stack([points[name] for name in POINTS], axis=1)
    time_s = even_times(truth.joints_time_s)
    return of_stature(at_times(xyz, truth.joints_time_s, time_s)[None].astype(np.float32))[0][0]


def lifted(model: Lifter, xyz_m: np.ndarray) -> tuple[Errors, Errors]:
    """Return the errors of a network and of the detector's own 3D, over eight cameras."""
    rng = np.random.default_rng(0)
    body = np.repeat(xyz_m[None], 8, axis=0)
    cameras = draw_cameras(rng, root(body), CameraSettings(fill=(0.3, 0.9)), STATURE_M)
    seen, _ = observe(rng, body, cameras, load_noise(), with_world=True)
    assert seen.world_m is not None
    found = answer(model, seen.ray, seen.confidence, seen.world_m, recorded=not model.settings.causal).joints_m
    true = cameras.to_camera(body)
    ours, theirs = (
        mean_errors([errors(one, other) for one, other in zip(joints, true, strict=True)])
        for joints in (found, seen.world_m)
    )
    return ours, theirs
