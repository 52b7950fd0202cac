"""Presets kept from one session and used in another: files, names and refusals."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from calib.cameras import Camera, CameraGroup
from calib.formats.anipose_toml import save_anipose_toml
from calib.intrinsics.presets import Preset
from calib.quality.uncertainty import CameraCovariance
from calib.solve.diagnostics import Diagnostics
from clapcap.errors import CalibrationError, SessionError
from session.floor import solved_cameras_file
from session.folder import Session
from session.presets import find_preset, preset_files, preset_priors, refuse_unkeepable, remember_presets, save_presets
from session.previous import diagnostics_file
from session.settings import BoardSettings, new_settings_text, update_settings
from session.terminal import Terminal

NAMES = ("cam1", "cam2")
PARAMETERS = ("focal", "aspect", "cx", "cy", "d1", "d2", "d3", "d4", "d5", *(f"pose{i}" for i in range(6)))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of presets, not that of who runs the tests."""
    monkeypatch.setenv("CLAPCAP_PRESETS", str(tmp_path / "user"))
    return tmp_path / "user"


def make_session(root: Path) -> Session:
    """A session whose cameras are folders of pictures."""
    for name in NAMES:
        (root / "calibration" / name).mkdir(parents=True)
        (root / "calibration" / name / "1.jpg").touch()
    (root / "session.toml").write_text(new_settings_text(BoardSettings()))
    return Session.open(root)


@pytest.fixture(name="session")
def make_calibrated(tmp_path: Path) -> Session:
    """One that was calibrated; variances of cam2's parameters are 1, 4, 9, ..."""
    session = make_session(tmp_path / "studio")
    matrix = np.array([[900.0, 0, 645], [0, 909, 355], [0, 0, 1]])
    cameras = [Camera(name, (1280, 720), matrix, np.array([-0.2, 0.1, 0, 0, 0]), np.eye(4)) for name in NAMES]
    solved_cameras_file(session).parent.mkdir(parents=True)
    save_anipose_toml(solved_cameras_file(session), CameraGroup(tuple(cameras)))
    covariance = np.zeros((2, 15, 2, 15))
    covariance[1, np.arange(15), 1, np.arange(15)] = np.arange(1, 16) ** 2
    Diagnostics(
        camera_names=NAMES,
        image_size_px=np.array([[1280, 720]] * 2),
        board="a board",
        corners_m=np.zeros((4, 3)),
        camera=np.zeros(0, dtype=np.int64),
        moment=np.zeros(0, dtype=np.int64),
        frame_index=np.zeros(0, dtype=np.int64),
        xy_px=np.zeros((0, 4, 2)),
        residual_px=np.zeros((0, 4, 2)),
        inlier=np.zeros((0, 4), dtype=bool),
        T_world_board=np.zeros((0, 4, 4)),
        shared_views=np.zeros((2, 2), dtype=np.int64),
        errors=CameraCovariance(covariance, PARAMETERS, "cam1"),
        noise_px=0.1,
    ).save(diagnostics_file(session))
    return session


def test_a_lens_is_kept_by_name_and_used_elsewhere(session: Session, folder: Path, tmp_path: Path) -> None:
    save_presets(session, ["cam2=gopro"], Terminal())
    kept = Preset.load(folder / "gopro.toml")
    assert kept.name == "gopro"
    assert kept.source == "studio, cam2"
    assert kept.made == date.fromtimestamp(solved_cameras_file(session).stat().st_mtime)
    assert kept.rotation_deg is None  # pictures in a folder
    np.testing.assert_allclose(kept.std, np.arange(1, 10))
    np.testing.assert_allclose(kept.distortion, [-0.2, 0.1, 0, 0, 0])

    other = remember_presets(make_session(tmp_path / "other"), ["cam1=gopro"])
    assert other.settings.calibration.presets == {"cam1": "presets/gopro.toml"}
    (folder / "gopro.toml").unlink()  # the session has a copy
    priors = preset_priors(other, {"cam1": (1920, 1080), "cam2": (1280, 720)})
    assert list(priors) == ["cam1"]
    assert priors["cam1"].mean[0] == pytest.approx(1350)
    assert remember_presets(other, ["cam1=none"]).settings.calibration.presets == {}
    assert (other.root / "presets" / "gopro.toml").exists()


def test_a_lens_is_kept_in_any_file(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "drawer" / "webcam.toml"
    save_presets(session, [f"cam1={file}"], Terminal())
    assert find_preset(str(file)) == file
    assert Preset.load(file).name == "webcam"


def test_nothing_is_written_over(session: Session, folder: Path, tmp_path: Path) -> None:
    save_presets(session, ["cam1=gopro"], Terminal())
    with pytest.raises(SessionError, match=r"gopro\.toml is there already"):
        refuse_unkeepable(session, ["cam2=gopro"])
    used = remember_presets(session, ["cam1=gopro"])
    remember_presets(used, ["cam2=gopro"])  # two cameras of one kind
    (folder / "gopro.toml").unlink()
    save_presets(session, ["cam2=gopro"], Terminal())
    before = (session.root / "presets" / "gopro.toml").read_bytes()
    with pytest.raises(SessionError, match="is there already and differs"):
        remember_presets(used, ["cam1=gopro"])
    assert (session.root / "presets" / "gopro.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cam1", "needed CAMERA=PRESET"),
        ("=gopro", "needed CAMERA=PRESET"),
        ("cam9=gopro", 'names "cam9", but .* holds cam1, cam2'),
        ("cam1=../gopro", "is no name for a preset"),
        ("cam1=none", "is no name for a preset"),
    ],
)
def test_what_cannot_be_kept_is_named(session: Session, text: str, what: str) -> None:
    with pytest.raises(SessionError, match=what):
        refuse_unkeepable(session, [text])


def test_unknown_presets_are_named_with_those_there_are(session: Session) -> None:
    with pytest.raises(SessionError, match=r'no preset "gopro" .*\(there: none yet\)'):
        remember_presets(session, ["cam1=gopro"])
    save_presets(session, ["cam1=webcam"], Terminal())
    with pytest.raises(SessionError, match=r"\(there: webcam\)"):
        find_preset("gopro")
    with pytest.raises(SessionError, match=r"gopro\.toml does not exist"):
        find_preset("gopro.toml")


def test_other_solvers_take_and_tell_no_lenses(session: Session) -> None:
    save_presets(session, ["cam1=webcam"], Terminal())
    session = remember_presets(session, ["cam1=webcam"])
    update_settings(session.settings_file, {("calibration", "solver"): "anipose"})
    session = Session.open(session.root)
    with pytest.raises(SessionError, match=r'"anipose" takes no presets.*--preset cam1=none'):
        preset_files(session)
    with pytest.raises(SessionError, match="only clapcap's own solver"):
        refuse_unkeepable(session, ["cam1=other"])


def test_pictures_of_another_shape_are_refused(session: Session) -> None:
    save_presets(session, ["cam1=webcam"], Terminal())
    session = remember_presets(session, ["cam1=webcam"])
    with pytest.raises(CalibrationError, match="another shape"):
        preset_priors(session, {"cam1": (640, 480)})
    (session.root / "presets" / "webcam.toml").unlink()
    with pytest.raises(SessionError, match="names it as the preset of cam1"):
        preset_files(session)
