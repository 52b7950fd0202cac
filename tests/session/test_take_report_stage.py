"""The stage and the command that write the page of a take: made when something changed, for everybody in the take."""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from take_scene import NAMES, cameras, take

import session.report.take_page
from calib.formats.anipose_toml import save_anipose_toml
from clapcap.errors import SessionError
from session.folder import Session
from session.main import app
from session.manifest import Manifest, Stage
from session.processing.report import report_session, take_page_file
from session.report.take_findings import TakeFindings
from session.report.take_soles import soles_of
from session.terminal import Terminal
from skeleton.formats.npz import save_keypoints3d, save_motion, save_observations2d
from skeleton.hierarchy_file import load_skeleton
from sync.time_map import CameraClock, TimeMap


def write_results(folder: Path, findings: TakeFindings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_keypoints3d(folder / "keypoints3d.npz", findings.keypoints)
    save_observations2d(folder / "observations2d.npz", findings.observations)
    if findings.motion is not None:
        save_motion(folder / "motion.npz", findings.motion)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "studio"
    for name in NAMES:
        for recording in ("calibration", "takes/dance"):
            (root / recording).mkdir(parents=True, exist_ok=True)
            (root / recording / f"{name}.mp4").write_bytes(b"a video")
    (root / "session.toml").write_text("", encoding="utf-8")
    results = root / "results" / "dance"
    write_results(results, take(60, faults=False))
    (root / "results" / "calibration").mkdir()
    save_anipose_toml(root / "results" / "calibration" / "cameras.toml", cameras(), {})
    clocks = {name: CameraClock(0.1 * place, 1.0, 0.0004, 1e-6, "clap", 1.0) for place, name in enumerate(NAMES)}
    TimeMap(clocks).save(results / "time_map.json")
    fit = Stage("fit", [results / "keypoints3d.npz"], [results / "motion.npz"], {"skeleton": "humanoid"})
    Manifest(results, root).record(fit, {"spread_before": 0.034})
    return root


def report(root: Path, name: str | None = None) -> str:
    """Run the stage, and return what the terminal showed."""
    screen = io.StringIO()
    report_session(Session.open(root), name, Terminal(Console(file=screen, width=200)))
    return screen.getvalue()


def test_the_page_is_made_once_and_again_when_something_has_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    take_page = session.report.take_page.take_page
    monkeypatch.setattr(session.report.take_page, "take_page", lambda found: made.append(found) or take_page(found))
    page_file = root / "results" / "dance" / "report.html"
    assert str(page_file) in report(root)
    assert len(made) == 1
    page = page_file.read_text(encoding="utf-8")
    assert "clapcap process studio --take dance" in page
    assert "The whole body is there" in page
    assert "is known to 0.40 ms: a fiftieth of a frame." in page
    assert "skeleton = &#34;humanoid&#34;" in page
    assert "takes/dance/cam1.mp4" in page
    assert str(root) not in page  # paths of the computer are nobody's business
    assert "unchanged, kept" in report(root)
    assert len(made) == 1
    write_results(page_file.parent, take(70, faults=False))
    report(root)
    assert len(made) == 2
    assert len(made[1].keypoints.time_s) == 70
    (root / "session.toml").write_text('[calibration]\nimport = "mine.toml"\n', encoding="utf-8")
    Manifest(root / "results" / "calibration", root).record(Stage("solve", [], []), {"rmse_px": 0.2})
    report(root)
    assert len(made) == 3


def test_links_lead_to_the_other_pages_that_there_are(root: Path) -> None:
    report(root)
    page_file = root / "results" / "dance" / "report.html"
    assert "sync.html" not in page_file.read_text(encoding="utf-8")
    (page_file.parent / "sync.html").write_text("sync", encoding="utf-8")
    calibration = root / "results" / "calibration" / "report.html"
    calibration.write_text("calibration", encoding="utf-8")
    assert str(calibration) in report(root)
    page = page_file.read_text(encoding="utf-8")
    assert 'href="sync.html"' in page
    assert 'href="../calibration/report.html"' in page
    assert (page_file.parent / "../calibration/report.html").exists()


def test_everybody_gets_a_page_that_leads_to_the_others(root: Path) -> None:
    results = root / "results" / "dance"
    write_results(results / "person2", take(60, faults=False, motion=None))
    report(root)
    first, second = (take_page_file(folder).read_text(encoding="utf-8") for folder in (results, results / "person2"))
    assert 'href="person2/report.html"' in first
    assert 'href="../report.html"' in second
    assert '<b aria-current="page">Person 2</b>' in second
    assert (results / "person2" / "../report.html").exists()
    shutil.rmtree(results / "person2")
    report(root)
    assert "Person 1" not in take_page_file(results).read_text(encoding="utf-8")


def test_soles_are_read_where_the_motion_tells_of_them(root: Path) -> None:
    file = root / "results" / "dance" / "motion.npz"
    skeleton = load_skeleton("humanoid")
    motion = take(60, faults=False).motion
    assert motion is not None
    assert soles_of(motion, skeleton) == ()
    names = [contact.name for contact in skeleton.contacts]
    standing = np.zeros((60, len(names)), dtype=bool)
    standing[10:30, names.index("left_heel")] = True
    motion = replace(motion, contact_names=tuple(names), contact=standing)
    save_motion(file, motion)
    grown = replace(motion, rest_offset_m=1.1 * motion.rest_offset_m)
    for moving, scale in ((motion, 1.0), (grown, 1.1)):
        sole = soles_of(moving, skeleton)[names.index("left_heel")]
        assert sole.name == "left_heel"
        assert np.flatnonzero(sole.standing).tolist() == list(range(10, 30))
        foot = moving.joint_names.index("left_foot")
        # It keeps its distance from its joint, and stays on the joint's own axes.
        offset_m = moving.world_rotations()[foot].inv().apply(sole.path_m - moving.world_positions()[:, foot])
        heel = next(contact for contact in skeleton.contacts if contact.name == "left_heel")
        np.testing.assert_allclose(offset_m, np.tile(scale * np.array(heel.offset_m), (60, 1)), atol=1e-9)
    report(root)
    page = (root / "results" / "dance" / "report.html").read_text(encoding="utf-8")
    assert "left heel" in page
    assert "What stands must not slide" in page


def test_nothing_processed_is_said_with_what_to_do(root: Path) -> None:
    shutil.rmtree(root / "results" / "dance")
    with pytest.raises(SessionError, match=r"nothing to report on.*clapcap process .*studio --take dance"):
        report(root, "dance")
    with pytest.raises(SessionError, match=r'does not hold a take called "tango"'):
        report(root, "tango")


def test_a_take_that_was_not_processed_does_not_stop_the_others(root: Path) -> None:
    shutil.copytree(root / "takes" / "dance", root / "takes" / "tango")
    said = report(root)
    assert "tango has not been processed yet, so it has no page." in said
    assert (root / "results" / "dance" / "report.html").exists()


def test_the_command_prints_the_path(root: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(root), "--take", "dance"])
    assert result.exit_code == 0
    assert str(root / "results" / "dance" / "report.html") in result.output
