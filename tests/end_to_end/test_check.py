"""`clapcap check` on rendered videos: three cameras, one of which is moved after the calibration."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).parent))
from studio import BOARD, board_pose, call, carried_board, draw_board, film, looking_at, nothing

from calib.cameras import Camera

CAMERAS = {
    "cam1": looking_at("cam1", (-0.55, -0.9, 0.7), (0, 0, 0.35)),
    "cam2": looking_at("cam2", (0.0, -1.05, 0.55), (0, 0, 0.35)),
    "cam3": looking_at("cam3", (0.55, -0.9, 0.75), (0, 0, 0.35)),
}
STEP_M = (0.03, 0.0, 0.0)


def moved(camera: Camera) -> Camera:
    T = np.linalg.inv(camera.T_cam_world)
    T[:3, 3] += STEP_M
    return replace(camera, T_cam_world=np.linalg.inv(T))


def record(folder: Path, cameras: dict[str, Camera], scene: Callable, **options: object) -> list[Path]:
    starts = {"cam1": 0.0, "cam2": 0.21, "cam3": -0.13}
    return [
        film(folder / f"{name}.mp4", camera, scene, start_s=starts[name], **options) for name, camera in cameras.items()
    ]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("check")
    videos = record(root / "videos", CAMERAS, carried_board, duration_s=6.0)
    board = f"{BOARD.columns}x{BOARD.rows}"
    assert call("new", root / "session", "--calibration", *videos, "--board", board, "--square-mm", 54) == 0
    assert call("calibrate", root / "session", "--yes") == 0
    return root / "session"


def digests(session: Path) -> dict[str, str]:
    files = [path for path in (session / "results" / "calibration").rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in [*files, session / "session.toml"]}


def later_board(camera: Camera, time_s: float) -> np.ndarray:
    """Another walk through the space than that of the calibration."""
    return draw_board(camera, board_pose(time_s + 3.3))


def put_down(camera: Camera, time_s: float) -> np.ndarray:
    """Put down in five places, for 1.1 to 1.9 s each, and in between carried off."""
    ends = np.cumsum([1.1, 1.7, 1.3, 1.9, 1.5])
    place = int(np.searchsorted(ends, time_s))
    if place >= 5 or (time_s < 0) or ends[place] - time_s < 0.3:
        return nothing(camera, time_s)
    T = board_pose(0.0)
    tilt = [[0.5, 0.1, 0], [-0.5, 0.3, 0.2], [0.1, 0.6, -0.3], [0.2, -0.6, 0.4], [-0.2, 0.1, 0.8]][place]
    T[:3, :3] = (Rotation.from_euler("x", 90, degrees=True) * Rotation.from_rotvec(tilt)).as_matrix()
    T[:3, 3] = [[0, 0, 0.35], [0.2, 0.05, 0.3], [-0.2, 0, 0.45], [0.1, 0.1, 0.25], [-0.1, -0.1, 0.4]][place]
    return draw_board(camera, T)


def test_nothing_was_moved(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(session)
    videos = record(tmp_path / "today", CAMERAS, later_board, duration_s=3.0)
    assert call("check", session, *videos) == 0
    said = capsys.readouterr().out
    for name in CAMERAS:
        assert f"{name} where it was (within " in said
    assert "The calibration still holds." in said
    assert digests(session) == before
    found = json.loads((session / "results" / "check-today" / "check.json").read_text())
    assert found["unchanged"]
    assert found["cameras"]["cam2"]["moved_m"] < 0.002


def test_the_moved_camera_is_named(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(session)
    folder = session / "check"  # where a check looks unless told otherwise
    record(folder, {**CAMERAS, "cam3": moved(CAMERAS["cam3"])}, later_board, duration_s=3.0)
    assert call("check", session) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "cam3 was moved: " in said
    assert "cam1 where it was" in said
    assert "leave cam3 out of takes filmed since" in said
    assert digests(session) == before
    found = json.loads((session / "results" / "check" / "check.json").read_text())["cameras"]["cam3"]
    assert found["moved_m"] == pytest.approx(0.03, abs=5 * found["moved_std_m"])
    assert found["moved_std_m"] < 0.003


def test_without_sound_a_board_that_is_put_down_will_do(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = {**CAMERAS, "cam1": moved(CAMERAS["cam1"])}
    record(tmp_path / "silent", now, put_down, duration_s=7.5, sound=False)
    assert call("check", session, tmp_path / "silent") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "could not be synced: only the 5 moments count in which the board stands still" in said
    assert "cam1 was moved: " in said
    assert "cam2 where it was" in said
    assert "cam3 where it was" in said


def test_a_session_that_is_not_calibrated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("new", tmp_path / "fresh") == 0
    assert call("check", tmp_path / "fresh") == 2
    assert "is not calibrated yet" in capsys.readouterr().err


def test_no_videos_to_check_by(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", session, tmp_path / "nowhere") == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_a_video_of_another_name(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "today", {"cam1": CAMERAS["cam1"]}, later_board, duration_s=0.5, clap_s=0.2)
    film(tmp_path / "today" / "phone.mp4", CAMERAS["cam2"], later_board, duration_s=0.5, clap_s=0.2)
    assert call("check", session, tmp_path / "today") == 2
    assert "holds phone, but the calibration knows cam1, cam2, cam3" in capsys.readouterr().err
