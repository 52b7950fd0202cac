"""Where `clapcap calibrate` puts the floor, and what it says of the scale, on rendered videos of two cameras."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).parent))
from studio import BOARD, CAMERAS, board_pose, call, draw_board, film, nothing

from calib.interchange import load_cameras

LAID_AT_S = 4.0
TAPE_M = float(np.linalg.norm(CAMERAS["cam1"].center_m - CAMERAS["cam2"].center_m))


def carried_then_laid(camera, time_s):
    """Carried about for four seconds, then gone from the picture for a moment, then on the floor, a little turned."""
    if time_s < LAID_AT_S:
        return draw_board(camera, board_pose(time_s))
    if time_s < LAID_AT_S + 0.3:
        return nothing(camera, time_s)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", 15, degrees=True).as_matrix()
    T[:3, 3] = [0.05, -0.1, 0.0]
    return draw_board(camera, T)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("floor")
    starts = {"cam1": 0.0, "cam2": 0.31}
    videos = [
        film(root / "videos" / f"{c.name}.mp4", c, carried_then_laid, start_s=starts[c.name], duration_s=5.2)
        for c in CAMERAS
    ]
    assert call("new", root / "session", "--calibration", *videos, "--board", "4x5", "--square-mm", 54) == 0
    assert call("calibrate", root / "session", "--yes") == 0
    return root / "session"


def heights(session: Path) -> np.ndarray:
    cameras = load_cameras(session / "results" / "calibration" / "cameras.toml")
    return np.array([camera.center_m[2] for camera in cameras])


def test_the_board_laid_down_is_the_floor(session: Path) -> None:
    assert BOARD.square_m == 0.054
    # Cameras at 0.7 and 0.6 m; half a degree of the board's tilt is 1 cm there.
    np.testing.assert_allclose(heights(session), [0.7, 0.6], atol=0.02)


def test_a_tape_that_agrees_is_told(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = [f"cam1-cam2={TAPE_M:.3f}", "cam1-floor=0.7"]
    assert call("calibrate", session, "--yes", "--known-length", known[0], "--known-length", known[1]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Scale: the calibration says 0." in said
    assert "between cam1 and the floor, your tape 0.700 m" in said
    assert "cam1-cam2 = 0.6" in (session / "session.toml").read_text()


def test_a_scale_that_is_off_by_a_tenth_is_refused(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (session / "session.toml").read_text()
    assert (
        call("calibrate", session, "--yes", "--known-length", "cam1-floor=0.63", "--known-length", "cam1-cam2=0.54")
        == 2
    )
    said = capsys.readouterr().err
    assert "The printed square is probably 48." in said
    assert "Nothing was rescaled" in said
    (session / "session.toml").write_text(text)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--known-length", "cam1-cam2"), 'such as "cam1-cam2=2.35" or "cam1-floor=1.42"'),
        (("--known-length", "cam1-cam7=2"), "needed two of cam1, cam2, floor and metres"),
        (("--floor", "ceiling"), 'needed "board", "none" or "feet:TAKE"'),
        (("--floor", "feet:dance"), 'does not hold a take called "dance"'),
    ],
)
def test_flags_that_cannot_be_read(
    session: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], told: str
) -> None:
    text = (session / "session.toml").read_text()
    assert call("calibrate", session, "--yes", *flags) == 2
    assert told in capsys.readouterr().err
    assert (session / "session.toml").read_text() == text


def test_no_floor_is_looked_for_when_none_is_wanted(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("calibrate", session, "--yes", "--floor", "none") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "World: no floor was looked for, as asked; the world is levelled by the cameras" in said
    assert 'floor = "none"' in (session / "session.toml").read_text()
    assert (heights(session) > 0).all()
