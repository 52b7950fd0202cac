"""`clapcap cameras`: shown, handed on, never written over."""

import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from calib.interchange import load_cameras, written_formats
from session.main import run


@pytest.fixture
def calibration(tmp_path):
    """Return the file of two cameras that look along y, 1 m above the floor."""
    T = np.array([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 2], [0, 0, 0, 1]])
    matrix = np.array([[960.0, 0, 639.5], [0, 960.0, 359.5], [0, 0, 1]])
    aside = T.copy()
    aside[0, 3] = -1.5
    cameras = [Camera(name, (1280, 720), matrix, np.zeros(5), pose) for name, pose in (("left", T), ("right", aside))]
    save_anipose_toml(tmp_path / "cameras.toml", CameraGroup(tuple(cameras)), {"error": 0.3})
    return tmp_path / "cameras.toml"


def call(*arguments):
    """Run the command, return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        run(["cameras", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_cameras_are_shown(calibration, capsys):
    assert call(calibration) == 0
    shown = capsys.readouterr().out
    assert "2 cameras from aniposelib's TOML" in shown
    for word in ("left", "right", "1280 x 720", "960", "67°", "1.500  -2.000   1.000"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", written_formats())
def test_each_format_is_written_and_kept_by_default(calibration, name, capsys, monkeypatch):
    folder = calibration.parent / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert call(calibration, "--to", name) == 0
    assert "2 cameras as" in capsys.readouterr().out
    made = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert made
    assert call(calibration, "--to", name) == 0  # the same again changes nothing
    other = calibration.with_name("other.toml")
    other.write_text(calibration.read_text().replace("960.0", "961.0"))
    assert call(other, "--to", name) == 2
    assert "is there already. Choose another place with -o, or write over it with --force." in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == made
    assert call(other, "--to", name, "--force") == 0
    assert {path for path in folder.rglob("*") if path.is_file()} == set(made)
    assert any(path.read_bytes() != content for path, content in made.items())


def test_a_session_hands_on_its_cameras(calibration, capsys):
    session = calibration.parent / "session"
    (session / "results" / "calibration").mkdir(parents=True)
    (session / "session.toml").touch()
    assert call(session) == 2
    assert f"is not calibrated yet. Run: clapcap calibrate {session}" in capsys.readouterr().err
    calibration.rename(session / "results" / "calibration" / "cameras.toml")
    out = calibration.parent / "Calib.toml"
    assert call(session, "--to", "pose2sim", "-o", out) == 0
    assert load_cameras(out).names == ("left", "right")


def test_an_output_alone_is_in_our_own_format_and_worlds_are_turned(calibration):
    out = calibration.with_name("turned.toml")
    assert call(calibration, "--up", "-y", "-o", out) == 0
    # What was 2 m behind the origin by y is 2 m above it now; what was 1 m up is 1 m towards y.
    np.testing.assert_allclose(load_cameras(out)["left"].center_m, [0, 1, 2], atol=1e-12)
    assert "error = 0.3" in out.read_text()


def test_cameras_are_renamed_at_once(calibration, capsys):
    out = calibration.with_name("renamed.toml")
    assert call(calibration, "--rename", "left=right", "--rename", "right=left", "-o", out) == 0
    assert load_cameras(out).names == ("right", "left")
    np.testing.assert_allclose(load_cameras(out)["right"].center_m, load_cameras(calibration)["left"].center_m)
    for rename, says in (
        ("left", "cannot be read. Write it like this"),
        ("up=down", 'there is no camera "up". Needed one of left, right'),
        ("left=right", "would call several cameras right"),
    ):
        assert call(calibration, "--rename", rename) == 2
        assert says in capsys.readouterr().err


def test_what_cannot_be_done_is_said(calibration, capsys):
    folder = calibration.parent / "folder"
    folder.mkdir()
    for arguments, says in (
        ((calibration, "--to", "mist"), '"mist" is no format of calibrations. Needed one of anipose, blender'),
        ((calibration.with_name("none.toml"),), "cannot be read: No such file or directory"),
        ((calibration, "--to", "colmap", "-o", calibration), "is a file, but COLMAP's text model are several"),
        ((calibration, "--unit", "mm"), "declares its own unit, 1 m, which contradicts mm"),
        ((calibration, "--up", "up"), '"up" is no axis of the world'),
    ):
        assert call(*arguments) == 2
        assert says in capsys.readouterr().err
    assert call(calibration, "--to", "pose2sim", "-o", folder) == 0
    assert (folder / "Calib.toml").is_file()


@pytest.mark.parametrize(
    ("name", "given"), [("easymocap", "intri.yml"), ("colmap", ""), ("opencv", ""), ("qualisys", "")]
)
def test_what_was_written_is_taken_into_a_session_with_all_its_files(calibration, name, given, capsys):
    session = calibration.parent / "session"
    (session / "calibration").mkdir(parents=True)
    (session / "session.toml").touch()
    assert call(calibration, "--to", name, "-o", calibration.parent / name) == 0
    for _ in range(2):  # the second time everything is there already, and the same
        with pytest.raises(SystemExit) as stopped:
            run(["calibrate", str(session), "--import", str(calibration.parent / name / given)])
        assert not stopped.value.code
    assert "2 cameras from" in capsys.readouterr().out
    before, after = load_cameras(calibration), load_cameras(session / "results" / "calibration" / "cameras.toml")
    np.testing.assert_allclose(after.project(np.zeros(3)), before.project(np.zeros(3)), atol=1e-9)
    kept = {path.name for path in (session / "calibration").rglob("*") if path.is_file()}
    assert (
        kept
        == {
            "easymocap": {"intri.yml", "extri.yml"},
            "colmap": {"cameras.txt", "images.txt"},
            "opencv": {"left.yml", "right.yml"},
            "qualisys": {"qualisys"},
        }[name]
    )
