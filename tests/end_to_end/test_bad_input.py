"""Bad input through the command line: exit code 2, an error that names file and remedy, nothing written over."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from studio import (
    BOARD,
    CAMERAS,
    board_pose,
    call,
    carried_board,
    draw_board,
    film,
    nothing,
    save_cameras,
)

from calib.boards.board import CharucoBoard
from calib.corners.board_search import explain_missing_board


@pytest.fixture(scope="module")
def board_videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both cameras' videos of the carried board."""
    folder = tmp_path_factory.mktemp("board")
    starts = {"cam1": 0.0, "cam2": 0.31}
    return {c.name: film(folder / f"{c.name}.mp4", c, carried_board, start_s=starts[c.name]) for c in CAMERAS}


@pytest.fixture(scope="module")
def empty_videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both cameras' videos of an empty room with a clap."""
    folder = tmp_path_factory.mktemp("empty")
    return {c.name: film(folder / f"{c.name}.mp4", c, nothing, duration_s=1.5, clap_s=0.5) for c in CAMERAS}


class Tried:
    """A session on which a command was tried."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys

    def refused(self, *arguments: object, says: tuple[str, ...]) -> str:
        """Run a command that must fail: exit code 2, and each of `says` in the message; all files stay as they were."""
        before = self.files()
        code = call(*arguments)
        error = self.capsys.readouterr().err
        print(error)
        assert code == 2, error
        for part in says:
            assert part in error
        assert "Traceback" not in error
        after = self.files()
        assert {path: after.get(path) for path in before} == before
        return error

    def files(self) -> dict[str, bytes]:
        """Everything in the session that a command may not touch: videos, settings, and results but the manifests."""
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != "manifest.json")
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


@pytest.fixture
def tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tried:
    return Tried(tmp_path / "session", capsys)


def new(root: Path, *arguments: object) -> None:
    assert call("new", root, *arguments) == 0


def test_no_videos(tried: Tried) -> None:
    new(tried.root)
    tried.refused("process", tried.root, says=(str(tried.root), "clapcap new"))
    tried.refused("sync", tried.root, says=("holds no videos",))
    tried.refused("calibrate", tried.root, "--yes", says=("calibration holds no video", "needs 2"))


def test_one_video(tried: Tried, board_videos: dict[str, Path]) -> None:
    new(tried.root, "--calibration", board_videos["cam1"], "--take", "dance", board_videos["cam1"])
    tried.refused("calibrate", tried.root, "--yes", says=("cam1.mp4", "needs 2"))
    # A take of one camera is lifted; this one shows a board and nobody.
    tried.refused("process", tried.root, says=("dance", "nobody is seen in cam1", "one camera that sees the person"))


def test_a_file_that_is_no_video(tried: Tried, board_videos: dict[str, Path], tmp_path: Path) -> None:
    fake = tmp_path / "cam2.mp4"
    fake.write_text("this is no video\n" * 100)
    new(tried.root, "--calibration", board_videos["cam1"], fake)
    tried.refused("calibrate", tried.root, "--yes", says=("cam2.mp4",))


def test_a_video_cut_in_the_middle(tried: Tried, board_videos: dict[str, Path], tmp_path: Path) -> None:
    whole = film(tmp_path / "whole" / "cam2.mkv", CAMERAS["cam2"], carried_board, start_s=0.31)
    cut = tmp_path / "cam2.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    new(tried.root, "--calibration", board_videos["cam1"], cut)
    tried.refused("calibrate", tried.root, "--yes", says=("cam2.mkv", "again"))
    cut = tmp_path / "mp4" / "cam2.mp4"
    cut.parent.mkdir()
    cut.write_bytes(board_videos["cam2"].read_bytes()[: board_videos["cam2"].stat().st_size // 2])
    other = tried.root.parent / "other"
    new(other, "--calibration", board_videos["cam1"], cut)
    tried.refused("calibrate", other, "--yes", says=("cam2.mp4", "again"))


def test_no_board_in_any_frame(tried: Tried, empty_videos: dict[str, Path]) -> None:
    new(tried.root, "--calibration", *empty_videos.values())
    tried.refused("calibrate", tried.root, "--yes", says=("cam1.mp4", "45"))


def test_no_board_in_one_camera(tried: Tried, board_videos: dict[str, Path], tmp_path: Path) -> None:
    empty = film(tmp_path / "cam2.mp4", CAMERAS["cam2"], nothing, start_s=0.31)
    new(tried.root, "--calibration", board_videos["cam1"], empty)
    tried.refused("calibrate", tried.root, "--yes", says=("cam2.mp4",))


def test_a_board_that_does_not_match(tried: Tried, board_videos: dict[str, Path]) -> None:
    new(tried.root, "--calibration", *board_videos.values(), "--board", "7x5", "--dictionary", "DICT_5X5_50")
    tried.refused("calibrate", tried.root, "--yes", says=("DICT_4X4", "4", "5"))


def test_the_right_board_seen_badly_is_not_called_the_wrong_one(board_videos: dict[str, Path]) -> None:
    said = explain_missing_board(board_videos["cam2"], BOARD, np.arange(90))
    assert "markers were seen" in said
    assert "from the side" in said
    assert "spec" not in said


def test_cameras_that_share_no_view(tried: Tried, tmp_path: Path) -> None:
    seen_by = {"cam1": lambda t: t < 1.5, "cam2": lambda t: t >= 1.6}
    videos = []
    for camera in CAMERAS:

        def scene(camera, time_s):
            shown = seen_by[camera.name](time_s)
            return draw_board(camera, board_pose(time_s)) if shown else nothing(camera, time_s)

        videos.append(film(tmp_path / f"{camera.name}.mp4", camera, scene))
    new(tried.root, "--calibration", *videos)
    tried.refused("calibrate", tried.root, "--yes", says=("cam1", "cam2"))


def test_no_audio_track_and_the_manual_way(tried: Tried, board_videos: dict[str, Path], tmp_path: Path) -> None:
    silent = film(tmp_path / "cam2.mp4", CAMERAS["cam2"], carried_board, start_s=0.31, sound=False)
    new(tried.root, "--calibration", board_videos["cam1"], silent)
    tried.refused("calibrate", tried.root, "--yes", says=("cam2", "audio", "--offset cam2="))
    assert call("sync", tried.root, "--take", "calibration", "--offset", "cam2=0.31") == 0
    assert call("calibrate", tried.root, "--yes") == 0
    assert (tried.root / "results" / "calibration" / "cameras.toml").exists()


def test_no_clap(tried: Tried, board_videos: dict[str, Path], tmp_path: Path) -> None:
    quiet = film(tmp_path / "cam2.mp4", CAMERAS["cam2"], carried_board, start_s=0.31, clap_s=None)
    new(tried.root, "--calibration", board_videos["cam1"], quiet)
    tried.refused("calibrate", tried.root, "--yes", says=("cam2", "clap", "--offset cam2="))


def test_nobody_in_the_picture(tried: Tried, empty_videos: dict[str, Path], tmp_path: Path) -> None:
    new(tried.root, "--take", "dance", *empty_videos.values())
    assert call("calibrate", tried.root, "--import", save_cameras(tmp_path / "cameras.toml")) == 0
    tried.refused("process", tried.root, says=("dance", "nobody", "cam1", "cam2"))
    assert not (tried.root / "results" / "dance" / "keypoints3d.npz").exists()


def test_a_take_of_cameras_that_were_not_calibrated(
    tried: Tried, empty_videos: dict[str, Path], tmp_path: Path
) -> None:
    new(tried.root, "--take", "dance", *empty_videos.values(), film(tmp_path / "cam9.mp4", CAMERAS["cam1"], nothing))
    assert call("calibrate", tried.root, "--import", save_cameras(tmp_path / "cameras.toml")) == 0
    tried.refused("process", tried.root, says=("cam9", "cam1, cam2"))


def test_an_unknown_offset_or_method(tried: Tried, board_videos: dict[str, Path]) -> None:
    new(tried.root, "--calibration", *board_videos.values())
    tried.refused("sync", tried.root, "--offset", "cam7=1", says=("cam7", "cam1, cam2"))
    tried.refused("sync", tried.root, "--offset", "cam2", says=("--offset cam2=0.73",))
    tried.refused("sync", tried.root, "--method", "luck", says=("luck", "clap"))


def test_an_import_that_is_no_calibration(tried: Tried, tmp_path: Path) -> None:
    new(tried.root)
    bad = tmp_path / "cameras.toml"
    bad.write_text("[cam_0]\nname = 3\n")
    tried.refused("calibrate", tried.root, "--import", bad, says=("cameras.toml",))
    tried.refused("calibrate", tried.root, "--import", tmp_path / "none.toml", says=("none.toml",))


def test_a_board_for_paper_that_cannot_be(tried: Tried, tmp_path: Path) -> None:
    new(tried.root)
    tried.refused("board", tried.root, "-o", tmp_path / "board.docx", says=(".pdf",))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(small_disk: Path, board_videos: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    root = small_disk / "session"
    new(root, "--calibration", *board_videos.values())
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))
    tried = Tried(root, capsys)
    tried.refused("calibrate", root, "--yes", says=("full", "run the same command again"))
    filler.unlink()
    assert call("calibrate", root, "--yes") == 0


def test_a_read_only_folder(
    small_disk: Path, board_videos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_disk / "session"
    new(root, "--calibration", *board_videos.values())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    Tried(root, capsys).refused("calibrate", root, "--yes", says=("read-only",))
    Tried(root, capsys).refused("board", root, "-o", root / "board.pdf", says=("read-only",))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert call("new", locked / "session") == 2
    assert "permissions" in capsys.readouterr().err


def test_a_legacy_and_inverted_print_is_recognised(tried: Tried, tmp_path: Path) -> None:
    print_ = CharucoBoard(BOARD.columns, 6, BOARD.square_m, BOARD.marker_m, BOARD.dictionary, legacy=True)
    videos = [
        film(
            tmp_path / f"{camera.name}.mp4", camera, lambda c, t: 255 - draw_board(c, board_pose(t), print_), clap_s=1.0
        )
        for camera in CAMERAS
    ]
    new(tried.root, "--calibration", *videos, "--board", "4x6")
    assert call("calibrate", tried.root, "--yes") == 0
    assert "inverted print, legacy layout" in " ".join(tried.capsys.readouterr().out.split())
