"""What calibrations say of their own accuracy, against how far repeated calibrations are from the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.quality.capture_volume import visited_points
from calib.quality.uncertainty import point_uncertainty, visible
from calib.solve.calibrate import calibrate
from calib.solve.held_out import triangulate_corners


@pytest.mark.slow
def test_points_are_off_by_what_the_calibration_says(make_rig: Callable[..., Any]) -> None:
    # 20 calibrations know a standard deviation within 16 % for each of the cameras' parameters; their errors reach the
    # points through some ten independent directions, so the root mean square over all points is known within some 6 %.
    rig = make_rig(cameras=4, moments=80, noise_px=0.0, stray_share=0.0)
    points = visited_points(rig.cameras, rig.T_world_board, rig.shared.board.corners_m)
    seen = np.stack([np.where(visible(c, points)[:, None], c.project(points), np.nan) for c in rig.cameras])
    centred = points - points.mean(axis=0)
    rng = np.random.default_rng(5)
    off_m, claimed_m = [], []
    for _ in range(20):
        noise_px = rng.normal(0, 0.5, rig.shared.xy_px.shape)
        result = calibrate(replace(rig.shared, xy_px=rig.shared.xy_px + noise_px))
        errors = result.report.diagnostics.errors
        assert errors is not None
        found = triangulate_corners(result.cameras, seen)  # from exact pixels: what is off is the calibration
        turn, _ = Rotation.align_vectors(centred, found - found.mean(axis=0))
        off_m.append(turn.apply(found - found.mean(axis=0)) - centred)
        claimed_m.append(point_uncertainty(result.cameras, errors, found, found).from_cameras_m)
    ratio = np.sqrt(np.mean(np.sum(np.square(off_m), axis=-1)) / np.nanmean(np.square(claimed_m)))
    assert 0.8 <= ratio <= 1.25, f"{ratio:.3f}"
