"""Takes of a session with one usable view, which `process` lifts by itself."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lifted_scene import calibration, call, film, one_line, refused, seen_walk

from clapcap.errors import ClapcapError
from session.folder import Recording, Session
from session.manifest import Manifest
from session.one_view import OneView
from skeleton.formats import load_keypoints3d
from skeleton.keypoints import Keypoints2D
from sync.time_map import CameraClock, TimeMap


def new_session(root: Path, weights: Path, *videos: str, settings: str = "", calibrated: bool = False) -> Path:
    for name in videos:
        film(root / "takes" / "dance" / f"{name}.mp4")
    imported = 'import = "calibration/cameras.toml"' if calibrated else ""
    if calibrated:
        calibration(root / "calibration" / "cameras.toml")
    text = f'[calibration]\n{imported}\n[process]\nweights = "{os.fspath(weights)}"\n{settings}\n'
    (root / "session.toml").write_text(text, encoding="utf-8")
    return root


@pytest.mark.slow
def test_process_lifts_a_take_of_one_video_without_a_calibration(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D]
) -> None:
    root = new_session(tmp_path / "studio", weights, "cam1")
    said = one_line(call("process", root, "--height", 1.65))
    assert "one usable view, cam1" in said
    assert "depth is inferred, not measured" in said
    assert "1.65 m, as given" in said
    assert "height_m = 1.65" in (root / "session.toml").read_text()
    results = root / "results" / "dance"
    assert "Inferred from one view" in (results / "report.html").read_text(encoding="utf-8")
    assert "one view" in load_keypoints3d(results / "dance.json").note
    again = one_line(call("process", root))
    assert "✓" not in again
    assert "one usable view, cam1" in again
    assert one_line(call("report", root)).endswith("report.html")
    # Looking at it draws the film of the skeleton, once, and is no edit by hand.
    said = one_line(call("view", results))
    assert "dance: overlay the skeleton over the video: overlay-cam1.mp4" in said
    assert "overlay unchanged, kept" in one_line(call("view", results))
    assert "edited by hand" not in one_line(call("process", root))
    assert sorted(path.name for path in results.glob("overlay*")) == ["overlay-cam1.mp4", "overlay.png"]


@pytest.mark.slow
def test_process_lifts_from_the_camera_that_sees_anybody_and_triangulates_once_two_do(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D]
) -> None:
    detected.update({"cam1": seen_walk("cam1", nobody=True), "cam2": seen_walk("cam2")})
    frames = '[recordings.dance]\nsync = "frames"'
    root = new_session(tmp_path / "studio", weights, "cam1", "cam2", settings=frames, calibrated=True)
    said = one_line(call("process", root))
    assert "one usable view, cam2. Only cam2 sees anybody." in said
    assert "that of the session's calibration (cam2)" in said
    results = root / "results" / "dance"
    manifest = Manifest(results, root)
    assert manifest.report("lift")["camera"] == "cam2"
    assert not manifest.report("triangulate")
    assert load_keypoints3d(results / "keypoints3d.npz").note
    detected["cam1"] = seen_walk("cam1")
    shutil.rmtree(results / "keypoints2d")
    said = one_line(call("process", root))
    assert "one usable view" not in said
    manifest = Manifest(results, root)
    assert not manifest.report("lift")
    assert manifest.report("triangulate")["median_px"] < 1
    assert load_keypoints3d(results / "keypoints3d.npz").note == ""
    assert "Inferred from one view" not in (results / "report.html").read_text(encoding="utf-8")


def test_nobody_in_any_camera_is_refused(tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D]) -> None:
    detected["cam1"] = seen_walk(nobody=True)
    root = new_session(tmp_path / "studio", weights, "cam1")
    refused("process", root, says=("dance", "nobody is seen in cam1", "one camera that sees"))


def test_without_a_clock_the_view_that_sees_most_is_chosen_and_the_way_out_told(tmp_path: Path) -> None:
    take = Recording("dance", tmp_path, dict.fromkeys(("cam1", "cam2"), tmp_path), tmp_path / "results" / "dance")
    good = CameraClock(0.5, 1.0, 0.0, 0.0, "reference", 1.0)
    clocks = TimeMap({"cam1": good, "cam2": replace(good, verdict="no clap")})
    view = OneView.of_several(take, {"cam1": 0.4, "cam2": 0.9}, clocks)
    assert (view.camera, view.clock) == ("cam1", good)  # the one with a clock
    for words in ("cam2: no clap", "clapcap sync", "--offset cam2=SECONDS"):
        assert words in view.why
    view = OneView.of_several(take, {"cam2": 0.9}, clocks)
    assert (view.camera, view.clock, view.why) == ("cam2", None, "Only cam2 sees anybody.")


def test_the_height_of_a_session_is_checked(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text("[subject]\nheight_m = 172\n")
    with pytest.raises(ClapcapError, match=r"subject\.height_m` is 172, needed 0\.5 to 2\.5 m"):
        _ = Session.open(tmp_path).settings
