from dataclasses import replace

import numpy as np
import pytest

from calib.solve.calibrate import CalibrationOptions, calibrate
from calib.solve.held_out import held_out_error

BEND_M = 0.004
"""How far the board's left and right edges stand off its middle."""


@pytest.fixture(scope="module")
def bent(make_rig):
    return make_rig(moments=160, bend_m=BEND_M)


def test_a_bent_board_is_found_to_be_bent(bent, align):
    result = calibrate(bent.shared)
    x = bent.shared.board.corners_m[:, 0]
    true_m = np.sqrt(np.mean((BEND_M * (x / x.max()) ** 2) ** 2))
    assert result.report.bend_m == pytest.approx(true_m, rel=0.1)
    flat = calibrate(bent.shared, CalibrationOptions(bent=False))
    assert align(result.cameras, bent.cameras)[0].max() < 0.5 * align(flat.cameras, bent.cameras)[0].max()


def test_the_bend_lowers_the_error_of_moments_held_out(bent):
    even, odd = (bent.shared.moments(slice(start, None, 2)) for start in (0, 1))
    odd = replace(odd, xy_px=np.where(bent.strays[:, 1::2, :, None], np.nan, odd.xy_px))
    with_bend = held_out_error(calibrate(even).cameras, odd)
    without = held_out_error(calibrate(even, CalibrationOptions(bent=False)).cameras, odd)
    assert with_bend.reprojection_rmse_px < without.reprojection_rmse_px


@pytest.mark.parametrize("seed", range(3))
def test_a_flat_board_stays_flat(make_rig, seed):
    assert calibrate(make_rig(moments=60, seed=seed).shared).report.bend_m == 0
