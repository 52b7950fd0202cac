"""One camera of the embedded example through the command line: what a user of one video gets, against the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calib.interchange import load_cameras
from lift.inference import at_times
from lift.metrics import Errors, errors
from lift.points import POINTS
from retarget.bvh import read_bvh
from session.demo import EXAMPLE, TAKE
from session.truth import Truth
from skeleton.formats import load_keypoints3d
from skeleton.formats.npz import load_keypoints2d
from skeleton.joint_sets import load_joint_set, map_keypoints2d

CLAPCAP = [sys.executable, "-m", "session"]
CAMERA = "cam1"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `clapcap single` makes of one camera's video."""
    folder = tmp_path_factory.mktemp("single") / "dance"
    video = EXAMPLE / "takes" / TAKE / f"{CAMERA}.mp4"
    command = [*CLAPCAP, "single", video, "-o", folder, "--height", "1.76"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stdout)
    return folder


def true_points(time_s: np.ndarray) -> np.ndarray:
    """Return the truth of body18 (frames, points, 3), world, at the camera's own times."""
    truth = Truth.load(EXAMPLE / "truth.npz")
    points = {name: truth.joints_xyz_m[:, place] for place, name in enumerate(truth.joint_names)}
    points["head"] = (points["left_ear"] + points["right_ear"]) / 2
    place = truth.camera_names.index(CAMERA)
    moments = truth.offset_s[TAKE][place] + truth.rate[TAKE][place] * time_s
    return at_times(np.stack([points[name] for name in POINTS], axis=1), truth.joints_time_s, moments)


def in_camera(results: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return lifted and true points in the camera's frame."""
    found = load_keypoints3d(results / "keypoints3d.npz")
    (camera,) = load_cameras(results / "cameras.toml")
    truth = Truth.load(EXAMPLE / "truth.npz")
    T = truth.T_cam_world[truth.camera_names.index(CAMERA)]
    return camera.to_camera(found.xyz_m), true_points(found.time_s) @ T[:3, :3].T + T[:3, 3]


def test_the_body_is_nearer_to_the_truth_than_the_detectors_own_3d(results: Path):
    found, true = in_camera(results)
    seen = map_keypoints2d(load_keypoints2d(results / "keypoints2d" / f"{CAMERA}.npz"), load_joint_set("body18"))
    assert seen.world_m is not None
    ours, theirs = errors(found, true), errors(seen.world_m[: len(true)], true[: len(seen.world_m)])
    assert better(ours, theirs)
    assert ours.pa_mpjpe_mm < 50


def better(ours: Errors, theirs: Errors) -> bool:
    """Whether the three measures are within what is promised."""
    return (
        ours.pa_mpjpe_mm < 0.8 * theirs.pa_mpjpe_mm
        and ours.n_mpjpe_mm < 0.8 * theirs.n_mpjpe_mm
        and ours.acceleration_mm < 0.35 * theirs.acceleration_mm
    )


def test_up_is_up_and_the_feet_stand(results: Path):
    (camera,) = load_cameras(results / "cameras.toml")
    truth = Truth.load(EXAMPLE / "truth.npz")
    up = truth.T_cam_world[truth.camera_names.index(CAMERA)][:3, 2]
    assert np.degrees(np.arccos(camera.T_cam_world[:3, 2] @ up)) < 6
    fit = json.loads((results / "manifest.json").read_text())["stages"]["fit"]["report"]
    assert fit["skating_mm"] <= 10
    assert fit["spread_after"] < 1e-9


def test_files_say_that_depth_is_inferred_and_where_the_scale_comes_from(results: Path):
    said = (results / "said.txt").read_text()
    for part in ("inferred from one view", "1.76 m, as given", "phone is assumed"):
        assert part in " ".join(said.split())
    assert "inferred from one view" in load_keypoints3d(results / "keypoints3d.npz").note
    assert "Inferred from one view" in (results / "report.html").read_text()
    motion = read_bvh(results / f"{CAMERA}.bvh")
    assert len(motion.time_s) > 200
    standing_m = np.ptp(motion.world_positions()[..., 2], axis=1)
    assert np.median(standing_m) == pytest.approx(1.6, abs=0.25)  # a dancer of 1.76 m, from ankle to crown
