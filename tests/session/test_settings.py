"""session.toml: read, refused where it is wrong, changed without losing its comments."""

import math
from pathlib import Path

import pytest

from clapcap.errors import SessionError
from session.settings import BoardSettings, Settings, load_settings, new_settings_text, update_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "session.toml"
    path.write_text(new_settings_text(BoardSettings(7, 5, 100.0, 75.0, "DICT_4X4_50")), encoding="utf-8")
    return path


def test_the_template_holds_the_board_and_the_defaults(file: Path) -> None:
    settings = load_settings(file)
    assert settings.board == BoardSettings(7, 5, 100.0, 75.0, "DICT_4X4_50")
    assert math.isnan(settings.process.rate_hz)
    assert settings.cleanup == Settings().cleanup
    assert settings.recording("dance").sync == "auto"


def test_whole_numbers_are_taken_for_lengths(file: Path) -> None:
    file.write_text("[board]\nsquare_mm = 54\n")
    assert load_settings(file).board.square_mm == 54.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[board\n", "not valid TOML"),
        ("[bord]\n", "Did you mean `board`"),
        ("[board]\nsquares = 4\n", "unknown key `board.squares`"),
        ('[board]\ncolumns = "4"\n', "`board.columns` is '4', needed int"),
        ("[board]\ncolumns = 0\n", "needed more than 0"),
        ('[process]\nsolver = "magic"\n', "needed one of clapcap, anipose"),
        ("[cleanup]\nmax_gap_s = -0.1\n", "`cleanup.max_gap_s` is -0.1, needed 0 or more"),
        ('[cleanup]\nfilter = "butter"\n', 'Did you mean "butterworth"'),
        (
            '[cleanup]\nfilter = "gaussian"\nparameters = { window_s = 1 }\n',
            "has no parameter window_s: it has cutoff_hz",
        ),
        ('[cleanup]\nparameters = { cutoff_hz = "6" }\n', "must give numbers"),
        ('[recordings.dance]\nsync = "luck"\n', "`recordings.dance.sync`"),
        ('[recordings.dance]\noffset_s = { cam2 = "x" }\n', "must give seconds"),
        ("board = 3\n", "must be a table"),
    ],
)
def test_mistakes_are_named(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(SessionError, match=says.replace("[", r"\[").replace("`", "`")) as error:
        load_settings(file)
    assert str(file) in str(error.value)


def test_the_gap_limit_of_older_sessions_is_still_read(file: Path) -> None:
    file.write_text("[process]\nmax_gap_s = 0.5\n")
    assert load_settings(file).cleanup.max_gap_s == 0.5
    file.write_text("[process]\nmax_gap_s = 0.5\n[cleanup]\nmax_gap_s = 0.1\n")
    assert load_settings(file).cleanup.max_gap_s == 0.1
    file.write_text('[cleanup]\nfilter = "one-euro"\nparameters = { beta = 5 }\n')
    assert load_settings(file).cleanup.parameters == {"beta": 5}


def test_a_change_keeps_every_comment(file: Path) -> None:
    before = file.read_text()
    update_settings(file, {("recordings", "dance", "offset_s"): {"cam2": 0.73}, ("process", "solver"): "anipose"})
    after = file.read_text()
    assert load_settings(file).recording("dance").offset_s == {"cam2": 0.73}
    assert load_settings(file).process.solver == "anipose"
    assert [line.split("#")[1] for line in before.splitlines() if "#" in line] == [
        line.split("#")[1] for line in after.splitlines() if "#" in line
    ]


def test_a_change_can_be_repeated(file: Path) -> None:
    for offset in (0.1, 0.2):
        update_settings(file, {("recordings", "dance", "offset_s"): {"cam2": offset}})
        update_settings(file, {("recordings", "walk", "sync"): "frames"})
    settings = load_settings(file)
    assert settings.recording("dance").offset_s == {"cam2": 0.2}
    assert settings.recording("walk").sync == "frames"
