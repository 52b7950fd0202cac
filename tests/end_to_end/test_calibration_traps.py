"""Traps that give a wrong calibration with good residuals: each is named in words, and no file is written over."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).parent))
from studio import CAMERAS, board_pose, call, carried_board, draw_board, film, looking_at, nothing

from calib.cameras import Camera
from calib.interchange import load_cameras

Array = npt.NDArray[np.float64]
Scene = Callable[[Camera, float], npt.NDArray[np.uint8]]

SIDE_BY_SIDE = (
    looking_at("cam1", (-0.12, -1, 0.4), (-0.12, 0, 0.4)),
    looking_at("cam2", (0.12, -1, 0.4), (0.12, 0, 0.4)),
)
"""Two cameras that look the same way."""


class Trap:
    """A session of videos made for it, on which `clapcap calibrate --yes` is run."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys

    def film(self, cameras: Sequence[Camera], scene: Scene, *board: str) -> None:
        folder = self.root.parent / "films"
        videos = [film(folder / f"{camera.name}.mp4", camera, scene) for camera in cameras]
        assert call("new", self.root, "--calibration", *videos, *board) == 0
        self._capsys.readouterr()

    def calibrate(self, *flags: str) -> tuple[int, str]:
        """Return the exit code, and all that was said, in one line."""
        code = call("calibrate", self.root, "--yes", *flags)
        said = self._capsys.readouterr()
        print(said.out, said.err)
        assert "Traceback" not in said.err
        return code, " ".join((said.out + said.err).split())

    def refused(self, *flags: str) -> str:
        """Run it where it must be refused: nothing that was there is changed, and there is no calibration."""
        before = self.files()
        code, said = self.calibrate(*flags)
        assert code == 2
        after = self.files()
        assert {path: after.get(path) for path in before} == before
        return said

    def files(self) -> dict[str, bytes]:
        """Everything but the settings, in which flags are remembered, and the notes on what was computed."""
        kept = (path for path in self.root.rglob("*") if path.is_file())
        return {str(p): p.read_bytes() for p in kept if p.name not in ("session.toml", "manifest.json")}

    def up_in_pictures(self) -> float:
        """Return the y component of the world's up in the pictures: -1 where up is up."""
        cameras = load_cameras(self.root / "results" / "calibration" / "cameras.toml")
        return float(np.mean([camera.T_cam_world[1, 2] for camera in cameras]))

    @property
    def verdict(self) -> dict[str, object]:
        manifest = json.loads((self.root / "results" / "calibration" / "manifest.json").read_text())
        found: dict[str, object] = manifest["stages"]["solve"]["report"]["verdict"]
        return found


@pytest.fixture
def trap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Trap:
    return Trap(tmp_path / "session", capsys)


def overhead(time_s: float) -> Array:
    """Return T_world_board of a board carried about; from 1.2 s on raised, from 2 s on held overhead, print down."""
    T = board_pose(time_s)
    share = np.clip((time_s - 1.2) / 0.8, 0, 1)
    share = share * share * (3 - 2 * share)
    there = Rotation.from_euler("z", 20, degrees=True) * Rotation.from_euler("x", 160, degrees=True)
    here = Rotation.from_matrix(T[:3, :3])
    T[:3, :3] = (here * Rotation.from_rotvec(share * (here.inv() * there).as_rotvec())).as_matrix()
    T[:3, 3] += share * (np.array([0, 0, 0.55]) - T[:3, 3])
    return T


def facing(time_s: float) -> Array:
    """Return T_world_board of a board that is carried about and never tilted from facing -y."""
    T = board_pose(time_s)
    T[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    T[1, 3] *= 2
    return T


def in_the_middle(time_s: float) -> Array:
    """Return T_world_board of a board that is tilted, but stays in the middle of both cameras' pictures."""
    T = board_pose(time_s)
    T[:3, 3] = [0.02 * np.sin(3 * time_s), 0.3 + 0.2 * np.sin(1.1 * time_s), 0.4]
    return T


def test_a_board_overhead_turns_the_world_over_and_that_is_said(trap: Trap) -> None:
    low = (looking_at("cam1", (-0.3, -1.0, 0.15), (0, 0, 0.4)), looking_at("cam2", (0.3, -1.0, 0.1), (0, 0, 0.4)))
    trap.film(low, lambda camera, time_s: draw_board(camera, overhead(time_s)))
    code, said = trap.calibrate()
    assert code == 0
    # Cameras under a board that faces down are the same as cameras upside down over a board that faces up.
    assert "with all cameras upside down (if they are not, the board was held still overhead: --floor none" in said
    assert trap.up_in_pictures() > 0.5
    code, said = trap.calibrate("--floor", "none")
    assert code == 0
    assert "levelled by the cameras" in said
    assert trap.up_in_pictures() < -0.5
    code, said = trap.calibrate("--floor", "board", "--floor-time", "0.5")
    assert "although it leans" in said


def test_cameras_that_only_meet_in_pairs(trap: Trap) -> None:
    pairs = (*CAMERAS, *(looking_at(name, (x, 1, 0.6), (0, 0, 0.4)) for name, x in (("cam3", -0.3), ("cam4", 0.3))))

    def scene(camera: Camera, time_s: float) -> npt.NDArray[np.uint8]:
        front = camera.name in ("cam1", "cam2")
        if front != (time_s < 1.5):
            return nothing(camera, time_s)
        T = board_pose(time_s)
        if not front:
            T[:3, :3] = Rotation.from_euler("z", 180, degrees=True).as_matrix() @ T[:3, :3]
        return draw_board(camera, T)

    trap.film(pairs, scene)
    said = trap.refused()
    assert "not connected" in said
    assert "cam1 with cam2; cam3 with cam4" in said
    assert "one of cam1, cam2 and one of cam3, cam4 see it at the same time" in said
    assert "Moments in which two cameras see the board together" in said  # told before it was tried to solve
    assert not (trap.root / "results" / "calibration" / "cameras.toml").exists()


def test_the_spec_of_another_board(trap: Trap) -> None:
    trap.film(CAMERAS.cameras, carried_board, "--board", "8x5", "--dictionary", "DICT_5X5_50")
    said = trap.refused()
    assert "DICT_4X4" in said
    assert "4 columns" in said


def test_a_board_that_was_never_tilted(trap: Trap) -> None:
    trap.film(SIDE_BY_SIDE, lambda camera, time_s: draw_board(camera, facing(time_s)))
    code, said = trap.calibrate()
    assert "never tilted" in said or "probably never tilted" in said
    if code == 0:
        assert trap.verdict["grade"] != "good"
        assert "tilt the board by 30 degrees" in said


def test_a_board_that_stayed_in_the_middle(trap: Trap) -> None:
    trap.film(SIDE_BY_SIDE, lambda camera, time_s: draw_board(camera, in_the_middle(time_s)))
    code, said = trap.calibrate()
    assert code == 0
    assert trap.verdict["grade"] != "good"
    assert "the board was never near all of its edges" in said
