"""`clapcap single`: one video to everything, on a made-up walk."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lifted_scene import CAMERA, FRAMES, SIZE, calibration, call, film, one_line, refused, seen_walk, trunk
from take_scene import points_of, walk

import session.processing.bones
from media.frames import read_frames
from retarget.bvh import read_bvh
from session.main import run
from session.manifest import Manifest
from skeleton.formats import load_keypoints3d
from skeleton.formats.npz import load_keypoints2d, load_motion, save_keypoints2d
from skeleton.keypoints import Keypoints2D


@pytest.fixture
def made(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D], monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """The folder that `single` makes by default, and what it says."""
    film(tmp_path / "phone" / "walk.mp4")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    said = one_line(call("single", tmp_path / "phone" / "walk.mp4", "--weights", weights, "--height", 1.8))
    return work / "walk-clapcap", said


@pytest.mark.slow
def test_the_page_speaks_of_one_camera_and_agrees_with_the_terminal(made: tuple[Path, str]) -> None:
    folder, said = made
    page = " ".join((folder / "report.html").read_text(encoding="utf-8").split())
    for words in (
        "guessed: the camera does not see it",
        "Whether the camera sees it",
        "<th>seen</th>",
        "from where the camera saw them",
        "typed where the video and this folder lie",
        "the video with the skeleton drawn over it",
    ):
        assert words in page, words
    for words in ("contradicts the others", "How many cameras", "fewer than 2 cameras", "the cameras saw"):
        assert words not in page, words
    shown = re.search(r"by the network │ (± \d+ mm)", said)
    assert shown is not None
    assert f"<b>{shown[1]}</b>" in page
    assert "points guessed over short gaps │ 0.0 %" in said


@pytest.mark.slow
def test_no_film_of_an_earlier_skeleton_stays(made: tuple[Path, str], tmp_path: Path, weights: Path) -> None:
    folder, _ = made
    video, film_file = tmp_path / "phone" / "walk.mp4", folder / "overlay-walk.mp4"
    drawn = film_file.read_bytes()
    said = one_line(call("single", video, "--weights", weights, "--height", 1.8, "--no-overlay"))
    assert "overlay unchanged, kept" in said
    assert film_file.read_bytes() == drawn
    said = one_line(call("single", video, "--weights", weights, "--height", 1.6, "--no-overlay"))
    assert "overlay-walk.mp4 showed an earlier skeleton and is removed" in said
    assert "look at report.html and overlay.png" in said
    assert not film_file.exists()
    assert "overlay-walk.mp4" not in (folder / "report.html").read_text(encoding="utf-8")
    said = one_line(call("single", video, "--weights", weights, "--height", 1.6))
    assert "look at report.html and overlay-walk.mp4" in said
    assert "edited by hand" not in said
    film_file.write_bytes(b"cut by hand")
    call("single", video, "--weights", weights, "--height", 1.7, "--no-overlay")
    assert (folder / "overlay-walk.edited-1.mp4").read_bytes() == b"cut by hand"


@pytest.mark.slow
def test_one_video_gives_all_files_and_says_what_they_rest_on(made: tuple[Path, str], tmp_path: Path) -> None:
    folder, said = made
    assert [path.name for path in (tmp_path / "phone").iterdir()] == ["walk.mp4"]
    endings = (".bvh", ".trc", ".c3d", ".csv", ".json", "_angles.csv", ".mot")
    for name in (*(f"walk{ending}" for ending in endings), "overlay.png", "cameras.toml"):
        assert (folder / name).stat().st_size > 0, name
    assert load_keypoints2d(folder / "keypoints2d" / "walk.npz").xy_px.shape == (FRAMES, 33, 2)
    points, motion = load_keypoints3d(folder / "keypoints3d.npz"), load_motion(folder / "motion.npz")
    for note in (points.note, motion.note):
        assert "inferred from one view (walk), not measured" in note
        assert "1.8 m, as given" in note
    assert read_bvh(folder / "walk.bvh").rotation_xyzw.shape == motion.rotation_xyzw.shape
    bones_m = np.linalg.norm(np.diff(motion.world_positions()[:, motion.parents[1:]], axis=0), axis=-1)
    assert np.isfinite(bones_m).all()
    pictures = [frame.image for frame in read_frames(folder / "overlay-walk.mp4")]
    assert len(pictures) == FRAMES // 2  # of 60 a second
    assert pictures[0].shape[:2] == (SIZE[1], SIZE[0])
    assert np.ptp(pictures[FRAMES // 4][:120].astype(int)) > 60  # bones on a plain gray
    assert np.ptp(pictures[FRAMES // 4][-20:, :150].astype(int)) > 100  # the mark
    report = (folder / "report.html").read_text(encoding="utf-8")
    for text in (report.replace("&#39;", "'"), said):
        assert "nferred from one view" in text
        assert "the subject's height of 1.8 m, as given" in text
        assert "the main lens of a phone is assumed" in text
    assert "clapcap single walk.mp4 -o walk-clapcap --height 1.8" in report
    assert "two cameras" not in report.split("What to do next")[0]
    lifted = Manifest(folder, folder).report("lift")
    assert (lifted["height_given"], lifted["lens_from"], lifted["camera"]) == (True, "default", "walk")
    assert 0 < lifted["gravity_sigma_deg"] < 90


@pytest.mark.slow
def test_again_keeps_all_and_a_change_recomputes_what_follows(
    made: tuple[Path, str], tmp_path: Path, weights: Path
) -> None:
    folder, _ = made
    video = tmp_path / "phone" / "walk.mp4"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = one_line(call("single", video, "--weights", weights, "--height", 1.8))
    assert "✓" not in again
    for stage in ("detect walk", "lift", "clean up", "fit", "files", "overlay", "report"):
        assert f"= walk: {stage} unchanged, kept" in again
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    tall = load_keypoints3d(folder / "keypoints3d.npz")
    smaller = one_line(call("single", video, "--weights", weights, "--height", 1.2))
    assert "= walk: detect walk unchanged" in smaller
    assert "✓ walk: lift" in smaller
    small = load_keypoints3d(folder / "keypoints3d.npz")
    size = [np.linalg.norm(p.xyz_m - p.xyz_m.mean(axis=1, keepdims=True), axis=-1).mean() for p in (tall, small)]
    assert size[1] / size[0] == pytest.approx(1.2 / 1.8, rel=1e-3)


@pytest.mark.slow
def test_what_was_finished_before_an_interruption_is_kept(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D], monkeypatch: pytest.MonkeyPatch
) -> None:
    video, folder = film(tmp_path / "walk.mp4"), tmp_path / "out"
    arguments = ("single", video, "-o", folder, "--weights", weights, "--no-overlay")
    with monkeypatch.context() as patch:
        patch.setattr(session.processing.bones, "fit_report", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert call(*arguments).exit_code != 0
    assert not list(folder.glob("*.bvh"))
    said = one_line(call(*arguments))
    for stage in ("detect walk", "lift", "clean up"):
        assert f"= walk: {stage} unchanged, kept" in said
    assert "✓ walk: fit" in said
    assert (folder / "overlay.png").exists()
    assert not (folder / "overlay-walk.mp4").exists()


@pytest.mark.slow
def test_a_calibration_gives_lens_and_world(tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D]) -> None:
    video, known = film(tmp_path / "walk.mp4"), calibration(tmp_path / "cameras.toml")
    refused("single", video, "--camera", known, "--weights", weights, says=("does not hold walk", "--camera-name"))
    options = ("--camera", known, "--camera-name", "cam1", "--weights", weights, "--no-overlay", "-o", tmp_path / "out")
    said = one_line(call("single", video, *options))
    assert "up by the calibration" in said
    lifted = Manifest(tmp_path / "out", tmp_path / "out").report("lift")
    assert lifted["focal_px"] == pytest.approx(CAMERA.matrix[0, 0] * SIZE[0] / CAMERA.size_px[0])
    assert lifted["gravity_sigma_deg"] is None
    points = load_keypoints3d(tmp_path / "out" / "keypoints3d.npz")
    body, truth = trunk(points.names, points.xyz_m), trunk(*points_of(walk(FRAMES)))
    # In the calibration's world: along the ray to the body, as far as its size tells.
    ray = (truth - CAMERA.center_m) / np.linalg.norm(truth - CAMERA.center_m, axis=-1, keepdims=True)
    off = body - CAMERA.center_m
    aside = np.linalg.norm(off - (off * ray).sum(axis=-1, keepdims=True) * ray, axis=-1)
    assert np.median(aside) < 0.15


def test_errors_say_what_is_wrong_and_what_to_do(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    video = film(tmp_path / "walk.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "text.txt").write_text("no video")
    own = tmp_path / "mine"
    own.mkdir()
    (own / "thesis.txt").write_text("mine")
    good = ("--weights", weights)
    for arguments, says in (
        ((tmp_path / "missing.mp4", *good), ("missing.mp4 does not exist",)),
        ((tmp_path / "text.txt", *good), ("is no video", ".mp4")),
        ((tmp_path / "text.mp4", *good), ("text.mp4", "not a video that can be read")),
        ((video, *good, "--height", 172), ("172", "0.5 to 2.5 m", "1.72")),
        ((video, *good, "--height", 0.3), ("0.3", "0.5 to 2.5 m")),
        ((video, *good, "--focal-mm", 4.2), ("4.2", "8 to 400", "35 mm")),
        ((video, *good, "--camera", tmp_path / "no.toml"), ("no.toml does not exist",)),
        ((video, *good, "--camera", tmp_path / "text.txt"), ("text.txt",)),
        ((video, "--weights", tmp_path / "no.safetensors"), ("no.safetensors does not exist", "leave it out")),
        ((video, "--weights", own), ("mine is a folder, needed a lifter.safetensors", "clapcap train lifter")),
        ((video, "--weights", tmp_path / "text.txt"), ("text.txt", "no lifter's weights", "clapcap train lifter")),
        ((video, *good, "--height", "nan"), ("--height nan", "0.5 to 2.5 m")),
        ((video, *good, "--camera-name", "cam1"), ("--camera-name cam1", "no calibration is given")),
        (
            (video, *good, "--camera", tmp_path / "no.toml", "--focal-mm", 26),
            ("--focal-mm 26 and no.toml are both given", "leave one out"),
        ),
        ((video, *good, "-o", own), ("mine", "nothing of them is written over", "-o")),
        ((video, *good, "-o", video), ("is a file", "-o")),
    ):
        refused("single", *arguments, says=says)
    assert [path.name for path in own.iterdir()] == ["thesis.txt"]
    assert not (tmp_path / "walk-clapcap").exists()
    (own / "session.toml").write_text("")
    refused("single", video, *good, "-o", own, says=("is a session folder",))
    refused("single", own, *good, says=("clapcap process",))


def test_nobody_and_hardly_anybody(tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D]) -> None:
    video = film(tmp_path / "walk.mp4")
    detected["walk"] = seen_walk(nobody=True)
    refused("single", video, "-o", tmp_path / "a", "--weights", weights, says=("nobody is seen in walk", "0 %", "2 %"))
    body = seen_walk()
    hidden = np.arange(FRAMES) > 5
    detected["walk"] = replace(
        body,
        xy_px=np.where(hidden[:, None, None], np.nan, body.xy_px),
        confidence=np.where(hidden[:, None], 0, body.confidence),
    )
    refused("single", video, "-o", tmp_path / "b", "--weights", weights, says=("6 of 90 frames", "needed 10"))
    assert not (tmp_path / "b" / "keypoints3d.npz").exists()
    for frames, says in ((6, "walk has 6 frames, needed 10"), (1, "walk has 1 frame, needed 10")):
        detected["walk"] = replace(
            body, xy_px=body.xy_px[:frames], confidence=body.confidence[:frames], time_s=body.time_s[:frames]
        )
        refused("single", video, "-o", tmp_path / f"{frames}", "--weights", weights, says=(says, "longer piece"))


def test_results_of_one_video_are_no_session_and_pixels_of_one_view_no_depth(made: tuple[Path, str]) -> None:
    folder, _ = made
    for command in ("report", "process", "check", "sync"):
        refused(command, folder, says=("holds what `clapcap single` made of one video", "report.html"))
    refused("view", folder, says=("overlay-walk.mp4", "report.html"))
    points, views = folder / "keypoints3d.npz", folder / "observations2d.npz"
    refused(
        *("fit", points, "-o", folder / "again.bvh", "--observations", views, "--cameras", folder / "cameras.toml"),
        says=("observations2d.npz holds what one camera saw (walk)", "two or more", f"clapcap fit {points}"),
    )
    assert not (folder / "again.bvh").exists()
    for command in ("convert", "clean"):
        refused(command, folder, "-o", folder / "x.csv", says=("is a folder, needed a file", "keypoints3d.npz"))


def test_a_place_where_nothing_can_be_written_is_told_without_a_traceback(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D], capsys: pytest.CaptureFixture[str]
) -> None:
    save_keypoints2d(tmp_path / "cam1.npz", seen_walk())
    video = film(tmp_path / "walk.mp4")
    folder = tmp_path / "dir.npz"
    folder.mkdir()
    for arguments, says in (
        (("lift", tmp_path / "cam1.npz", "-o", folder), f"{folder}: is a folder, needed the name of a file. Name"),
        (("single", video, "-o", video / "out"), "there can be no such folder. A file is in the way"),
    ):
        with pytest.raises(SystemExit) as stopped:
            run([*map(str, arguments), "--weights", str(weights)])
        assert stopped.value.code == 2
        assert says in capsys.readouterr().err


def test_results_of_another_video_are_not_written_over(
    tmp_path: Path, weights: Path, detected: dict[str, Keypoints2D]
) -> None:
    folder = tmp_path / "out"
    detected["walk"] = seen_walk(nobody=True)
    call("single", film(tmp_path / "a" / "walk.mp4"), "-o", folder, "--weights", weights)
    before = (folder / "manifest.json").read_bytes()
    other = film(tmp_path / "b" / "walk.mp4", shade=200)
    refused("single", other, "-o", folder, "--weights", weights, says=("another video", "-o"))
    named = film(tmp_path / "b" / "run.mp4")
    refused("single", named, "-o", folder, "--weights", weights, says=("another video (walk)", "-o"))
    assert (folder / "manifest.json").read_bytes() == before
