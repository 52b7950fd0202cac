from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.cameras import Camera
from calib.intrinsics.presets import Preset
from calib.lenses import brown, fisheye
from clapcap.errors import CalibrationError, FileFormatError

MATRIX = np.array([[900.0, 0, 700], [0, 910, 340], [0, 0, 1]])


def preset(lens=brown.LENS, rotation_deg=0, **others):
    distortion = [-0.2, 0.05, 0.002, -0.003, 0.01] if lens is brown.LENS else [0.03, -0.01, 0.002, 0.001]
    std = [3.0, 0.001, 4, 5, *(0.01 * (1 + np.arange(len(distortion))))]
    values = {"size_px": (1280, 720), "matrix": MATRIX, "distortion": distortion, "std": std, **others}
    return Preset("webcam", lens, rotation_deg=rotation_deg, made=date(2026, 5, 1), source="my-session, cam1", **values)


def as_camera(prior, size_px):
    mean = prior.mean
    matrix = np.array([[mean[0], 0, mean[2]], [0, mean[0] * mean[1], mean[3]], [0, 0, 1]])
    return Camera("", size_px, matrix, mean[4:], np.eye(4), prior.lens)


def test_a_file_keeps_everything(tmp_path):
    for one in (preset(), preset(fisheye.LENS, rotation_deg=None)):
        one.save(tmp_path / "a.toml")
        found = Preset.load(tmp_path / "a.toml")
        for what in ("name", "lens", "size_px", "rotation_deg", "made", "source"):
            assert getattr(found, what) == getattr(one, what)
        for what in ("matrix", "distortion", "std"):
            np.testing.assert_array_equal(getattr(found, what), getattr(one, what))


def test_a_quarter_turn_by_hand():
    """720 high: the pixel (700, 340) goes to (719 - 340, 700)."""
    turned = preset().turned()
    assert turned.size_px == (720, 1280)
    np.testing.assert_allclose(turned.matrix, [[910, 0, 379], [0, 900, 700], [0, 0, 1]])
    np.testing.assert_allclose(turned.distortion, [-0.2, 0.05, -0.003, -0.002, 0.01])
    np.testing.assert_allclose(turned.std[[2, 3, 6, 7]], [5, 4, 0.04, 0.03])
    assert turned.rotation_deg == 90


@pytest.mark.parametrize("lens", [brown.LENS, fisheye.LENS], ids=["brown", "fisheye"])
@given(st.floats(-0.6, 0.6), st.floats(-0.4, 0.4))
def test_a_turned_lens_draws_the_turned_picture(lens, x, y):
    u, v = as_camera(preset(lens).for_pictures((1280, 720), 0), (1280, 720)).project(np.array([x, y, 1.0]))
    turned = as_camera(preset(lens).for_pictures((720, 1280), 90), (720, 1280))
    np.testing.assert_allclose(turned.project(np.array([-y, x, 1.0])), [719 - v, u], atol=1e-9)
    over = as_camera(preset(lens).for_pictures((1280, 720), 180), (1280, 720))
    np.testing.assert_allclose(over.project(np.array([-x, -y, 1.0])), [1279 - u, 719 - v], atol=1e-9)
    back = as_camera(preset(lens).for_pictures((720, 1280), 270), (720, 1280))
    np.testing.assert_allclose(back.project(np.array([y, -x, 1.0])), [v, 1279 - u], atol=1e-9)


def test_four_quarter_turns_are_none():
    one = preset()
    again = one.turned().turned().turned().turned()
    for what in ("matrix", "distortion", "std"):
        np.testing.assert_allclose(getattr(again, what), getattr(one, what))
    assert again.rotation_deg == one.rotation_deg


def test_a_larger_picture_is_the_same_picture_scaled():
    """Pixel edges stay edges: (u + 0.5) times 1.5 less 0.5."""
    point = np.array([0.3, -0.2, 1.0])
    small = as_camera(preset().for_pictures((1280, 720), 0), (1280, 720)).project(point)
    large = as_camera(preset().for_pictures((1920, 1080), 0), (1920, 1080)).project(point)
    np.testing.assert_allclose(large, (small + 0.5) * 1.5 - 0.5)
    assert preset().scaled((1920, 1080)).std[0] == 4.5


def test_there_is_room_for_focus_and_stabilisation():
    prior = preset().for_pictures((1280, 720), 0)
    # 3 px as found, 0.5 % of 900 px for the focus; 4 px, and 0.3 % of 1280 px.
    assert prior.std[0] == pytest.approx(np.hypot(3, 4.5))
    assert prior.std[2] == pytest.approx(np.hypot(4, 3.84))
    assert prior.std[4] == 0.01
    assert prior.source == "the preset webcam"


def test_turned_nobody_knows_which_way_has_room_for_both():
    """Of the principal point only the side that it lies on is open: 60.5 px right and 19.5 px above the middle."""
    prior = preset(rotation_deg=None).for_pictures((720, 1280), None)
    np.testing.assert_allclose(prior.mean[2:4], [359.5, 639.5])
    one = preset().for_pictures((720, 1280), 90)
    np.testing.assert_allclose(prior.std[2:4], np.hypot(one.std[2:4], [19.5, 60.5]))
    assert prior.mean[0] == 910
    assert prior.mean[1] == pytest.approx(900 / 910)
    assert prior.std[4] == one.std[4]


def test_a_note_of_the_turn_that_the_picture_belies_is_not_believed():
    """Converters turn the pictures and leave the note, or the other way round: the shape decides."""
    prior = preset().for_pictures((1280, 720), 90)
    assert prior.mean[0] == 900


def test_another_shape_is_refused():
    with pytest.raises(CalibrationError, match="webcam is for pictures of 1280 x 720 px, but these have 640 x 480 px"):
        preset().for_pictures((640, 480), 0)
    preset().for_pictures((1280, 728), 0)  # a codec that wants multiples of 8


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("format", "other", "is no camera preset"),
        ("version = 1", "version = 2", "version 2, needed 1"),
        ('lens = "brown"', 'lens = "odd"', '"odd" is no lens model'),
        ("size_px", "size", "lacks size_px"),
        ("made = 2026-05-01", 'made = "May"', "made must be a date"),
        ("rotation_deg = 0", "rotation_deg = 45", "rotation_deg must be"),
        ("distortion = [", "distortion = [0.1, ", "distortion must be finite and of shape"),
        ("[", "{", "no TOML"),
    ],
)
def test_broken_files_are_named(tmp_path, old, new, what):
    path = tmp_path / "a.toml"
    preset().save(path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(FileFormatError, match=what) as error:
        Preset.load(path)
    assert str(path) in str(error.value)


def test_nonsense_is_no_preset():
    with pytest.raises(ValueError, match="must be positive"):
        replace(preset(), size_px=(0, 720))
    with pytest.raises(FileFormatError, match="cannot be read"):
        Preset.load(Path("nowhere.toml"))
