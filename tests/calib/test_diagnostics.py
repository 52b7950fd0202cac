"""What a calibration leaves behind is read as it was written."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from calib.quality.uncertainty import CameraCovariance
from calib.solve.diagnostics import Diagnostics
from clapcap.errors import FileFormatError


def made_up() -> Diagnostics:
    rng = np.random.default_rng(0)
    xy_px = rng.uniform(0, 600, (5, 6, 2))
    residual_px = rng.normal(0, 0.5, (5, 6, 2))
    xy_px[1, 2] = residual_px[1, 2] = np.nan
    residual_px[0, 0] = [3, 4]
    inlier = np.isfinite(residual_px[..., 0])
    inlier[0, 0] = False
    T_world_board = np.tile(np.eye(4), (3, 1, 1))
    T_world_board[1] = np.nan
    return Diagnostics(
        camera_names=("front", "links <&> ü"),
        image_size_px=np.array([[640, 480], [480, 640]]),
        board="4 x 3 squares",
        corners_m=rng.uniform(-0.1, 0.1, (6, 3)),
        camera=np.array([0, 0, 1, 1, 1]),
        moment=np.array([0, 2, 0, 1, 2]),
        frame_index=np.array([4, 9, 5, 6, 11]),
        xy_px=xy_px,
        residual_px=residual_px,
        inlier=inlier,
        T_world_board=T_world_board,
        shared_views=np.array([[2, 2], [2, 3]]),
        errors=CameraCovariance(rng.normal(size=(2, 7, 2, 7)), ("focal", *"abcdef"), "front"),
        noise_px=0.25,
    )


@pytest.mark.parametrize("known", [True, False])
def test_a_round_trip(tmp_path: Path, known: bool) -> None:
    before = made_up() if known else replace(made_up(), errors=None, noise_px=np.nan)
    before.save(tmp_path / "diagnostics.npz")
    after = Diagnostics.load(tmp_path / "diagnostics.npz")
    for field in fields(Diagnostics):
        a, b = getattr(before, field.name), getattr(after, field.name)
        if field.name == "errors":
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(a.covariance, b.covariance)
                assert (a.parameters, a.anchor) == (b.parameters, b.anchor)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-4)  # pixels are in single precision
        else:
            assert a == b or (a != a and b != b)


def test_distances_by_hand() -> None:
    found = made_up()
    assert found.distance_px[0, 0] == pytest.approx(5)
    assert not found.seen[1, 2]
    assert found.seen.sum() == 29
    ones = replace(found, residual_px=np.where(found.inlier[..., None], 2.0, found.residual_px))
    assert ones.coordinate_rms_px == pytest.approx(2)  # the outlier of 5 px is none of it


def test_another_world_moves_the_board_and_nothing_else() -> None:
    T = np.eye(4)
    T[:3, 3] = [1, 2, 3]
    moved = made_up().in_world(T)
    np.testing.assert_array_equal(moved.T_world_board[0, :3, 3], [1, 2, 3])
    assert np.isnan(moved.T_world_board[1]).any()


def test_another_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", camera=np.zeros(3))
    with pytest.raises(FileFormatError, match=r"other\.npz does not hold the diagnostics .* run `clapcap calibrate`"):
        Diagnostics.load(tmp_path / "other.npz")


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"inlier has shape \(4, 6\), needed \(5, 6\)"):
        replace(made_up(), inlier=np.ones((4, 6), dtype=bool))
