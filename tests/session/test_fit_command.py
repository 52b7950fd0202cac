"""`clapcap fit` on files: on points, on pixels, and what is said when something is missing."""

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.synthetic_take import detect, make_take
from calib.formats.anipose_toml import save_anipose_toml
from session.main import app
from skeleton.formats.npz import load_motion, save_keypoints3d, save_observations2d
from triangulate.triangulate import triangulate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("fit")
    rng = np.random.default_rng(3)
    take = make_take(rng, 40)
    result = triangulate(detect(take, rng, 0.1).views(take), take.cameras)
    save_keypoints3d(root / "keypoints3d.npz", result.keypoints)
    save_observations2d(root / "observations2d.npz", result.observations)
    save_anipose_toml(root / "cameras.toml", take.cameras, {})
    return root


def fit(folder, *options):
    arguments = ["fit", str(folder / "keypoints3d.npz"), *(str(o) for o in options)]
    return CliRunner().invoke(app, arguments)


def test_on_points_and_on_pixels(folder):
    points, pixels = folder / "points.npz", folder / "pixels.npz"
    on_points = fit(folder, "-o", points)
    assert on_points.exit_code == 0, on_points.output
    assert "mm from the points" in on_points.output
    views = ("--observations", folder / "observations2d.npz", "--cameras", folder / "cameras.toml")
    on_pixels = fit(folder, "-o", pixels, *views)
    assert on_pixels.exit_code == 0, on_pixels.output
    assert "px from the views (median)" in on_pixels.output
    a, b = load_motion(points), load_motion(pixels)
    assert 0 < np.abs(a.root_m - b.root_m).max() < 0.1
    assert b.sigma_m is not None
    assert b.contact is not None
    assert b.contact.shape == (40, len(b.contact_names))


def test_views_need_cameras(folder):
    result = fit(folder, "-o", folder / "no.bvh", "--observations", folder / "observations2d.npz")
    assert result.exit_code != 0
    assert "--cameras is not" in f"{result.output} {result.exception}"
    assert not (folder / "no.bvh").exists()
