"""`clapcap lift`: one stage alone, on a made-up walk."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lifted_scene import CAMERA, FRAMES, SIZE, calibration, call, one_line, refused, seen_walk, trunk
from take_scene import cameras, points_of, walk

from retarget.bvh import read_bvh
from skeleton.formats import load_keypoints3d
from skeleton.formats.npz import load_motion, save_keypoints2d
from skeleton.joint_sets import load_joint_set


def test_lift_tells_what_it_cannot_write_before_it_lifts(tmp_path: Path, weights: Path) -> None:
    save_keypoints2d(tmp_path / "cam1.npz", seen_walk())
    for output, says in (("points.txt", "points.txt: no format"), ("", "is a folder, needed a file")):
        refused("lift", tmp_path / "cam1.npz", "--weights", weights, "-o", tmp_path / output, says=(says, ".npz"))


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".trc", ".json", ".c3d"])
def test_lift_alone_stands_over_the_origin(tmp_path: Path, weights: Path, suffix: str) -> None:
    save_keypoints2d(tmp_path / "cam1.npz", seen_walk())
    output = tmp_path / f"points{suffix}"
    said = one_line(call("lift", tmp_path / "cam1.npz", "--weights", weights, "-o", output))
    assert "a height of 1.75 m, which is assumed" in said
    assert "inferred from one view (cam1), not measured" in said
    if suffix == ".c3d":
        pytest.importorskip("ezc3d")
    points = load_keypoints3d(output)
    assert points.names == load_joint_set("body18").points
    hips, shoulders = (
        points.xyz_m[:, [points.index(f"left_{part}"), points.index(f"right_{part}")]].mean(axis=1)
        for part in ("hip", "shoulder")
    )
    assert np.linalg.norm(hips[0, :2]) < 1e-3
    assert (shoulders[:, 2] > hips[:, 2] + 0.3).all()
    assert (hips[:, 2] > 0.6).all()


def test_lift_with_cameras_is_in_their_world_and_fit_goes_on_from_it(tmp_path: Path, weights: Path) -> None:
    save_keypoints2d(tmp_path / "cam2.npz", seen_walk("cam2"))
    known = calibration(tmp_path / "cameras.toml")
    points = tmp_path / "keypoints3d.npz"
    said = one_line(call("lift", tmp_path / "cam2.npz", "--cameras", known, "--weights", weights, "-o", points))
    assert "up by the calibration" in said
    lifted = load_keypoints3d(points)
    seen, truth = (
        cameras()["cam2"].project(trunk(*one)) * SIZE[0] / CAMERA.size_px[0]
        for one in ((lifted.names, lifted.xyz_m), points_of(walk(FRAMES)))
    )
    assert np.linalg.norm(seen - truth, axis=-1).mean() < 0.05 * SIZE[1]
    for name in ("motion.bvh", "motion.npz"):
        one_line(call("fit", points, "-o", tmp_path / name))
    assert len(read_bvh(tmp_path / "motion.bvh").time_s) == FRAMES
    assert "inferred from one view" in load_motion(tmp_path / "motion.npz").note
    refused(
        "lift", tmp_path / "cam2.npz", "--cameras", calibration(tmp_path / "c.toml", "cam1", "cam3"), "--weights",
        weights, "-o", points, says=("does not hold cam2", "cam1, cam3"),
    )  # fmt: skip
