"""The verdict in words: thresholds, reasons, and what to do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calib.quality.verdict import GOOD_M, NO_FLOOR, USABLE_M, Verdict, judge
from calib.solve.calibrate import CalibrationResult, calibrate
from calib.solve.shared_views import SharedViews


@pytest.fixture(scope="module")
def solved(make_rig: Callable[..., Any]) -> tuple[SharedViews, CalibrationResult]:
    """A good calibration: three cameras, a board carried through the middle and laid down."""
    shared = make_rig(cameras=3, moments=150, noise_px=0.3, stray_share=0.01).shared
    return shared, calibrate(shared)


def with_camera(result: CalibrationResult, place: int, **changes: Any) -> CalibrationResult:
    """Return the result with one camera's report changed."""
    cameras = list(result.report.cameras)
    cameras[place] = dataclasses.replace(cameras[place], **changes)
    return dataclasses.replace(result, report=dataclasses.replace(result.report, cameras=tuple(cameras)))


def test_a_good_calibration_is_good_and_leads_on(solved: tuple[SharedViews, CalibrationResult]) -> None:
    verdict = judge(*solved, 0.0031)
    assert verdict.grade == "good"
    assert verdict.weakest == ""
    assert verdict.sentences[0] == "Good to about 3 mm in the middle of your space."
    assert verdict.sentences[-1] == "Next: record your take, without touching the cameras."
    assert not any("weak" in sentence for sentence in verdict.sentences)


@pytest.mark.parametrize(
    ("std_m", "grade", "headline"),
    [
        (0.99 * GOOD_M, "good", "Good to about 5 mm in the middle of your space."),
        (1.01 * GOOD_M, "usable", "Usable: good to about 5 mm in the middle of your space; 5 mm can be had."),
        (0.99 * USABLE_M, "usable", "Usable: good to about 15 mm in the middle of your space; 5 mm can be had."),
        (0.04, "redo", "Not good enough: it is only good to about 40 mm in the middle of your space (wanted: 15 mm or "
                       "better)."),
        (0.0012, "good", "Good to about 1.2 mm in the middle of your space."),
    ],
)  # fmt: skip
def test_grades(solved: tuple[SharedViews, CalibrationResult], std_m: float, grade: str, headline: str) -> None:
    verdict = judge(*solved, std_m)
    assert (verdict.grade, verdict.headline) == (grade, headline)


def test_without_any_uncertainty_residuals_alone_make_nothing_good(
    solved: tuple[SharedViews, CalibrationResult],
) -> None:
    shared, result = solved
    for place in range(3):
        result = with_camera(result, place, position_std_m=np.nan, focal_std_px=np.nan)
    verdict = judge(shared, result)
    assert verdict.grade == "usable"
    assert "millimetres are not known" in verdict.headline


@pytest.mark.parametrize(
    ("changes", "reason", "remedy"),
    [
        ({"views": 6}, "it saw the board only 6 times (20 are wanted)", "carry the board through more"),
        ({"views": 1}, "it saw the board only once", "carry the board"),
        ({"focal_std_px": 40.0}, "its focal length is uncertain by 4 %", "closer to cam2 and tilt it there"),
        ({"position_std_m": 0.021}, "its place is uncertain by 21 mm", "carry the board"),
        ({"corners": 100, "outliers": 30}, "30 % of its corners did not fit", "more slowly before cam2"),
        ({"rmse_px": 9.0}, "its corners miss by 9.0 px, those of the others by", "was not moved"),
    ],
)
def test_each_weakness_is_named_with_its_remedy(
    solved: tuple[SharedViews, CalibrationResult], changes: dict[str, Any], reason: str, remedy: str
) -> None:
    shared, result = solved
    verdict = judge(shared, with_camera(result, 1, **changes), 0.002)
    assert verdict.grade == "usable"
    assert verdict.weakest == "cam2"
    said = " ".join(verdict.sentences)
    assert "cam2 is the weak one, because" in said
    assert reason in said
    assert remedy in verdict.next_step


def test_a_camera_that_shares_few_views(solved: tuple[SharedViews, CalibrationResult]) -> None:
    shared, result = solved
    matrix = result.report.shared_views.copy()
    matrix[0, 1:] = matrix[1:, 0] = 4
    result = dataclasses.replace(result, report=dataclasses.replace(result.report, shared_views=matrix))
    verdict = judge(shared, result, 0.002)
    assert verdict.weakest == "cam1"
    assert "together with another camera only 4 times (10 are wanted)" in " ".join(verdict.sentences)


def test_the_weakest_camera_comes_first(solved: tuple[SharedViews, CalibrationResult]) -> None:
    shared, result = solved
    result = with_camera(with_camera(result, 0, views=15), 2, views=4, rmse_px=1.0)
    first, second = judge(shared, result, 0.002).sentences[1:3]
    assert first.startswith("cam3 is the weakest, because it saw the board only 4 times")
    assert " and its corners miss by" in first
    assert second.startswith("cam1 is weak too, because it saw the board only 15 times")


def test_a_board_that_stayed_in_the_middle_or_was_never_tilted(
    solved: tuple[SharedViews, CalibrationResult],
) -> None:
    shared, result = solved
    middle = shared.xy_px.copy()
    size = shared.image_size_px[1]
    centre = np.nanmean(middle[1], axis=(0, 1), keepdims=True)
    middle[1] = (middle[1] - centre) / 6 + size / 2
    verdict = judge(dataclasses.replace(shared, xy_px=middle), result, 0.002)
    assert "cam2" in verdict.weakest
    assert "the board was never near all of its edges" in " ".join(verdict.sentences)
    flat = np.where(np.isfinite(shared.xy_px), 0.0, np.nan)
    flat[1] += shared.board.corners_m[:, :2] * [700, -700] + size / 2
    flat[[0, 2]] = shared.xy_px[[0, 2]]
    verdict = judge(dataclasses.replace(shared, xy_px=flat), result, 0.002)
    assert "the board was never tilted towards it by more than 0 degrees" in " ".join(verdict.sentences)
    assert "tilt the board by 30 degrees and more before cam2" in verdict.next_step


def test_a_missing_floor_is_said(solved: tuple[SharedViews, CalibrationResult]) -> None:
    shared, result = solved
    report = dataclasses.replace(result.report, world="no floor was found: the board never lay still")
    assert NO_FLOOR in judge(shared, dataclasses.replace(result, report=report), 0.002).sentences


def test_the_manifest_gives_it_back(solved: tuple[SharedViews, CalibrationResult]) -> None:
    shared, result = solved
    verdict = judge(shared, with_camera(result, 1, views=6), 0.002)
    assert Verdict.from_plain(json.loads(json.dumps(dataclasses.asdict(verdict)))) == verdict
