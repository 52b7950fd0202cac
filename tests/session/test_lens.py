"""What is known of the one lens: a calibration before what is given, that before what the video says, else a guess."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from take_scene import SIZE, cameras

import media.lens_tags
from calib.cameras import CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from clapcap.errors import CalibrationError, SessionError
from session.lens import find_lens

HALF = (SIZE[0] // 2, SIZE[1] // 2)


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    save_anipose_toml(tmp_path / "cameras.toml", cameras(), {})
    return tmp_path / "cameras.toml"


def test_a_calibrated_camera_is_fitted_to_the_pictures_and_keeps_its_place(calibration: Path) -> None:
    lens = find_lens("cam2", None, HALF, calibration)
    assert (lens.source, lens.placed, lens.camera.name) == ("calibration", True, "cam2")
    assert lens.focal_px == pytest.approx(450)
    np.testing.assert_allclose(lens.camera.T_cam_world, cameras()["cam2"].T_cam_world, atol=1e-9)
    other = find_lens("walk", None, HALF, calibration, called="cam3")
    assert other.camera.name == "walk"
    np.testing.assert_allclose(other.camera.T_cam_world, cameras()["cam3"].T_cam_world, atol=1e-9)
    assert "cam3" in other.words


def test_the_only_camera_is_it_and_a_lens_alone_has_no_world(tmp_path: Path) -> None:
    alone = replace(cameras()["cam1"], T_cam_world=np.eye(4))
    save_anipose_toml(tmp_path / "lens.toml", CameraGroup((alone,)), {})
    lens = find_lens("walk", None, SIZE, tmp_path / "lens.toml")
    assert (lens.source, lens.placed, lens.focal_px) == ("calibration", False, pytest.approx(900))


def test_without_a_calibration_the_focal_length_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = tmp_path / "walk.mov"
    guess = find_lens("walk", video, SIZE)
    assert (guess.source, guess.placed, guess.focal_px) == ("default", False, pytest.approx(0.78 * SIZE[0]))
    monkeypatch.setattr(media.lens_tags, "focal_35mm", lambda path: 27.0 if path == video else None)
    told = find_lens("walk", video, SIZE)
    diagonal_px = np.hypot(*SIZE)
    assert (told.source, told.focal_px) == ("metadata", pytest.approx(27 / 43.2666 * diagonal_px, rel=1e-4))
    assert "27 mm on 35 mm film" in told.words
    given = find_lens("walk", video, SIZE, focal_mm=13.0)
    assert (given.source, given.focal_px) == ("given", pytest.approx(13 / 43.2666 * diagonal_px, rel=1e-4))


def test_what_cannot_be_is_refused(calibration: Path) -> None:
    with pytest.raises(SessionError, match=r"does not hold walk .it holds cam1, cam2, cam3, cam4"):
        find_lens("walk", None, SIZE, calibration)
    with pytest.raises(CalibrationError):
        find_lens("cam1", None, (720, 1280), calibration)
    with pytest.raises(SessionError, match="needed 8 to 400"):
        find_lens("walk", None, SIZE, focal_mm=4.2)
