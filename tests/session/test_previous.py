"""Nothing of a calibration is lost when another one replaces it, and its page is a stage like all others."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))
from test_calibration_report import Reader, findings

from calib.cameras import CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from calib.interchange import load_cameras
from session.folder import Session
from session.previous import diagnostics_file, keep_previous, previous_cameras, report_file
from session.report.calibration_stage import report_stage
from session.settings import BoardSettings, new_settings_text
from session.stages import Stages
from session.terminal import Terminal

CAMERAS = ("front", "left", "right")
WORLD = "floor: the board lay still"


def solved(root: Path) -> Session:
    """A session as solving leaves it: settings, pictures, cameras and diagnostics."""
    made = findings(root / "calibration")
    for place, name in enumerate(CAMERAS):
        (root / "calibration" / str(place)).rename(root / "calibration" / name)
    (root / "session.toml").write_text(new_settings_text(BoardSettings()))
    session = Session.open(root)
    cameras = CameraGroup(tuple(replace(c, name=name) for c, name in zip(made.cameras, CAMERAS, strict=True)))
    session.calibration.results.mkdir(parents=True)
    save_anipose_toml(session.cameras_file, cameras)
    assert made.diagnostics.errors is not None
    replace(made.diagnostics, camera_names=CAMERAS, errors=replace(made.diagnostics.errors, anchor=CAMERAS[1])).save(
        diagnostics_file(session)
    )
    return session


def moved(cameras: CameraGroup, step_m: float) -> CameraGroup:
    """Move the first camera along its own x axis."""
    first = cameras.cameras[0]
    T = first.T_cam_world.copy()
    T[0, 3] -= step_m
    return CameraGroup((replace(first, T_cam_world=T), *cameras.cameras[1:]))


def make_page(session: Session) -> str:
    """Run the stage; return what it said."""
    said = io.StringIO()
    terminal = Terminal(Console(file=said, width=200))
    report_stage(session, Stages(session, session.calibration, terminal), session.cameras_file, WORLD)
    return said.getvalue()


def test_the_page_is_made_once_and_again_when_what_it_shows_changes(tmp_path: Path) -> None:
    session = solved(tmp_path)
    assert "report.html" in make_page(session)
    page = report_file(session).read_text(encoding="utf-8")
    assert "report  unchanged, kept" in make_page(session)
    assert WORLD in page
    assert "first calibration of this session" in page
    assert str(tmp_path) not in page  # a page is sent to others, who need not know where it was made
    save_anipose_toml(session.cameras_file, moved(load_cameras(session.cameras_file), 0.2))
    assert "unchanged" not in make_page(session)


def test_the_calibration_that_is_replaced_is_kept_and_compared_with(tmp_path: Path) -> None:
    session = solved(tmp_path)
    make_page(session)
    first, first_page = session.cameras_file.read_bytes(), report_file(session).read_bytes()
    now = moved(load_cameras(session.cameras_file), 0.04)
    kept = keep_previous(session, now)
    assert kept is not None
    assert kept.read_bytes() == first
    assert session.cameras_file.read_bytes() == first  # still in force, until the new one is written
    assert (kept.parent / "report-1.html").read_bytes() == first_page
    assert (kept.parent / "diagnostics-1.npz").exists()
    assert not report_file(session).exists()  # it speaks of cameras that are not in force any more
    assert previous_cameras(session) == kept

    (kept.parent / "diagnostics-1.npz").rename(diagnostics_file(session))
    save_anipose_toml(session.cameras_file, now)
    make_page(session)
    text = Reader(report_file(session).read_text(encoding="utf-8")).text
    assert "Compared with previous/cameras-1.toml, made on" in text
    assert "front moved" in text
    assert "40 mm" in text


def test_every_one_is_kept_and_the_last_is_the_previous(tmp_path: Path) -> None:
    session = solved(tmp_path)
    assert previous_cameras(session) is None
    for number in range(1, 12):  # the tenth comes after the ninth
        now = moved(load_cameras(session.cameras_file), 0.01 * number)
        kept = keep_previous(session, now)
        assert kept is not None
        assert kept.name == f"cameras-{number}.toml"
        save_anipose_toml(session.cameras_file, now)
    assert previous_cameras(session) == session.calibration.results / "previous" / "cameras-11.toml"


def test_the_same_again_is_not_kept_twice(tmp_path: Path) -> None:
    session = solved(tmp_path)
    assert keep_previous(session, load_cameras(session.cameras_file)) is None
    assert diagnostics_file(session).exists()


def test_what_cannot_be_read_is_kept_too(tmp_path: Path) -> None:
    session = solved(tmp_path)
    now = load_cameras(session.cameras_file)
    session.cameras_file.write_text("[cam_0]\nname = 'edited by ha")
    kept = keep_previous(session, now)
    assert kept is not None
    assert kept.read_text() == "[cam_0]\nname = 'edited by ha"
    save_anipose_toml(session.cameras_file, now)
    (kept.parent / "diagnostics-1.npz").rename(diagnostics_file(session))
    said = make_page(session)
    assert "No comparison with the previous calibration" in said
    assert "report.html" in said


def test_a_world_that_was_moved_after_solving_takes_the_board_along(tmp_path: Path) -> None:
    session = solved(tmp_path)
    before = tmp_path / "cameras_before_floor.toml"
    session.cameras_file.rename(before)
    T_solved_world = np.eye(4)
    T_solved_world[:3, 3] = [0, 0, -0.5]  # the origin is now half a metre lower
    cameras = load_cameras(before)
    save_anipose_toml(
        session.cameras_file,
        CameraGroup(tuple(replace(c, T_cam_world=c.T_cam_world @ T_solved_world) for c in cameras)),
    )
    terminal = Terminal(Console(file=io.StringIO()))
    report_stage(session, Stages(session, session.calibration, terminal), before, "floor: the feet")
    page = report_file(session).read_text(encoding="utf-8")
    # The board that lay on the old floor lies half a metre above the new one.
    assert '"points": [[-0.15, -0.1, 0.5], [0.15, -0.1, 0.5], [0.15, 0.1, 0.5], [-0.15, 0.1, 0.5]]' in page


@pytest.mark.parametrize("broken", ["previous/cameras-1.toml", "previous/notes.txt", "previous/cameras-old.toml"])
def test_other_files_beside_the_kept_ones_do_no_harm(tmp_path: Path, broken: str) -> None:
    session = solved(tmp_path)
    other = session.calibration.results / broken
    other.parent.mkdir()
    other.write_text("mine")
    kept = keep_previous(session, moved(load_cameras(session.cameras_file), 0.1))
    assert kept is not None
    assert other.read_text() == "mine"
    assert kept != other
