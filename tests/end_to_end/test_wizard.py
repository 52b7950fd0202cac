"""`clapcap calibrate` at a terminal of 80 columns: from an empty folder to the verdict, mistakes, Ctrl-C, pipes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from studio import BOARD, CAMERAS, call, carried_board, film
from terminal_user import COLUMNS, CTRL_C, CTRL_D, TerminalUser, at_a_terminal

from calib.interchange import load_cameras
from session.folder import Session
from session.settings import BoardSettings

BOARD_FLAGS = ("--board", "4x5", "--square-mm", "54", "--marker-mm", "40.5", "--dictionary", "DICT_4X4_1000")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a space in its name that holds both cameras' videos of the carried board."""
    folder = tmp_path_factory.mktemp("films") / "the board"
    for camera, start_s in zip(CAMERAS, (0.0, 0.31), strict=True):
        film(folder / f"{camera.name}.mp4", camera, carried_board, start_s=start_s)
    return folder


def fits(user: TerminalUser, *long: Path) -> None:
    """Check that nothing is wider than the terminal, but what was typed and the long paths, which must stay whole."""
    whole = [*user.typed, *map(str, long)]
    for line in user.lines():
        assert len(line) <= COLUMNS or any(word and word in line for word in whole), line


def baseline_m(root: Path) -> float:
    one, other = load_cameras(root / "results" / "calibration" / "cameras.toml")
    return float(np.linalg.norm(one.center_m - other.center_m))


def test_from_an_empty_folder_to_the_verdict(tmp_path: Path, filmed: Path) -> None:
    with at_a_terminal(["calibrate"], tmp_path) as user:
        user.sees("Name of the new session's folder? [my-session]")
        user.types("")
        user.sees("The session my-session does not exist yet. Make it? [Y/n]")
        user.types("perhaps")
        user.sees('"perhaps" is neither yes nor no')
        user.types("y")
        user.sees("board not chosen yet")
        user.sees("videos none yet")
        user.sees("calibrated not yet")
        user.sees("Which board? [1]")
        user.types("9")
        user.sees("Type a number from 1 to 5")
        user.types("5")
        user.sees("What does it look like? [1]")
        user.types("")
        user.sees("How many squares")
        user.types("2x2")
        user.sees("A board of 2 x 2 squares cannot calibrate")
        user.types("four by five")
        user.sees('"four by five" is no board size')
        user.types("4x5")
        user.sees("Side of a square, measured")
        user.types("wide")
        user.sees('"wide" is no length')
        user.types("53,46 mm")
        user.sees("Side of the black square of a marker, in mm? [40.095]")
        user.types("")
        user.sees("Which marker dictionary?")
        user.types("4x4_9000")
        user.sees('"DICT_4X4_9000" is no marker dictionary')
        user.types("4x4_1000")
        user.sees("How to film it")
        user.sees("clap once")
        user.sees("[not filmed yet] >")
        user.types("nowhere.mp4")
        user.sees("nowhere.mp4 does not exist")
        user.types(str(filmed / "cam1.mp4").replace(" ", "\\ "))
        user.sees("1 camera so far. More? [stop]")
        user.types(f"'{filmed / 'cam1.mp4'}'")
        user.sees("is named twice")
        user.types(f"file://{filmed}/cam2.mp4".replace(" ", "%20"))
        user.sees("2 cameras so far. More? [no more]")
        user.types("")
        user.sees("2 of 2 cameras on one time line, by clap")
        user.sees("Moments in which two cameras see the board together")
        user.sees("The verdict")
        user.sees("clapcap process my-session")
        assert user.leaves() == 0
        fits(user, filmed)
    session = Session.open(tmp_path / "my-session")
    assert session.settings.board == BoardSettings(4, 5, 53.46, 40.095, "DICT_4X4_1000")
    measured_m = baseline_m(session.root)
    assert sorted(path.name for path in filmed.iterdir()) == ["cam1.mp4", "cam2.mp4"]

    with at_a_terminal(["calibrate"], tmp_path / "my-session") as user:  # again, from inside: nothing to ask
        user.sees("53.46 mm, markers of 40.095 mm, DICT_4X4_1000; measured")
        user.sees("videos 2 cameras: cam1, cam2")
        user.sees("calibration: solve unchanged, kept")
        user.sees("The verdict")
        assert user.leaves() == 0
        fits(user)
    assert call("calibrate", session.root, "--yes", "--square-mm", "54") == 0
    assert measured_m / baseline_m(session.root) == pytest.approx(0.99, rel=1e-3)  # squares 1 % smaller, all smaller


def test_printing_now_and_filming_later(tmp_path: Path) -> None:
    with at_a_terminal(["calibrate", "studio"], tmp_path) as user:
        user.sees("Make it?")
        user.types("")
        user.sees("Print a new one on A4: read from up to 2 m away")
        user.types("1")
        user.sees("board.pdf (A4 portrait, 210 x 297 mm)")
        user.sees("How many mm is one square? [not printed yet]")
        user.types("3.4")
        user.sees("3.4 mm is far from the 35 mm")
        user.types("")
        user.sees("[not filmed yet] >")
        user.types("")
        user.sees("the same command goes on here")
        user.sees("clapcap calibrate studio")
        assert user.leaves() == 0
        fits(user)
    root = tmp_path / "studio"
    printed = (root / "board.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert not Session.open(root).settings.calibration.board_measured

    with at_a_terminal(["calibrate"], tmp_path) as user:
        user.sees("1 studio")
        user.types("1")
        user.sees("Print the one in session.toml: 5 x 7 squares of 35 mm")
        user.sees("Which board? [5]")
        user.types("")
        user.sees("the same as studio/board.pdf")
        user.sees("How many mm")
        user.types("33,95")
        user.sees("97.0 % of the design")
        user.sees("[not filmed yet] >")
        user.presses(CTRL_C)
        user.sees("the same command goes on from there")
        assert user.leaves() == 130
    assert list(root.glob("*.pdf")) == [root / "board.pdf"]
    assert Session.open(root).settings.board == BoardSettings(5, 7, 33.95, 25.463, "DICT_4X4_50")
    with at_a_terminal(["calibrate", root], tmp_path) as user:  # measured: the board is not asked again
        user.sees("33.95 mm, markers of 25.463 mm, DICT_4X4_50; measured")
        user.sees("[not filmed yet] >")
        user.presses(CTRL_D)
        assert user.leaves() == 130
        assert "Which board?" not in user.said
        assert "Traceback" not in user.said
    piped(tmp_path, "calibrate", root, "--board", "4x6", "--print", root / "board.pdf")
    assert (root / "board.pdf").read_bytes() == printed  # another board's print is not written over
    assert (root / "board-2.pdf").exists()


def test_videos_named_by_a_phone_get_names(tmp_path: Path, filmed: Path) -> None:
    for number, name in ((1, "IMG_0123.mp4"), (2, "20240502_101112.mp4")):
        (tmp_path / name).write_bytes((filmed / f"cam{number}.mp4").read_bytes())
    call("new", tmp_path / "s", *BOARD_FLAGS)
    with at_a_terminal(["calibrate", "s", "--square-mm", "54"], tmp_path) as user:
        user.sees("[not filmed yet] >")
        user.types("IMG_0123.mp4 20240502_101112.mp4")
        user.sees("2 cameras so far")
        user.types("")
        user.sees("Name of the camera of IMG_0123.mp4? [cam1]")
        user.types("left")
        user.sees("Name of the camera of 20240502_101112.mp4?")
        user.types("left")
        user.sees("is taken")
        user.types("")
        user.sees("The verdict")
        assert user.leaves() == 0
    assert sorted(Session.open(tmp_path / "s").calibration.videos) == ["cam1", "left"]
    assert (tmp_path / "IMG_0123.mp4").exists()


def test_interrupted_while_it_works_it_goes_on_there(tmp_path: Path, filmed: Path) -> None:
    root = tmp_path / "s"
    call("new", root, "--calibration", *sorted(filmed.iterdir()), *BOARD_FLAGS)
    with at_a_terminal(["calibrate", root], tmp_path) as user:
        user.sees("Is that right? [Y/n]")
        user.types("")
        user.sees("How many mm is one square? [54]")
        user.types("")
        user.sees("2 of 2 cameras on one time line")
        user.presses(CTRL_C)
        user.sees("the same command goes on from there")
        assert user.leaves() == 130
        assert "Traceback" not in user.said
    with at_a_terminal(["calibrate", root], tmp_path) as user:
        user.sees("calibration: sync unchanged, kept")
        user.sees("The verdict")
        assert user.leaves() == 0


def test_a_board_that_is_not_the_one_stated_is_described(tmp_path: Path, filmed: Path) -> None:
    root = tmp_path / "s"
    call("new", root, "--calibration", *sorted(filmed.iterdir()), "--board", "7x5", "--dictionary", "DICT_5X5_50")
    with at_a_terminal(["calibrate", root], tmp_path) as user:
        user.sees("Is that right? [Y/n]")
        user.types("n")
        user.sees("What does it look like?")
        user.types("1")
        user.sees("How many squares")
        user.types("4x5")
        user.sees("Side of a square")
        user.types("")
        user.sees("Side of the black square")
        user.types("60")
        user.sees("does not fit into 54 mm")
        user.types("")
        user.sees("dictionary?")
        user.types("DICT_4X4_1000")
        user.sees("The verdict")
        assert user.leaves() == 0


def test_with_yes_nothing_is_asked_even_at_a_terminal(tmp_path: Path, filmed: Path) -> None:
    flags = ("--videos", filmed, "--names", "west", "east", *BOARD_FLAGS, "--print", "print.svg")
    with at_a_terminal(["calibrate", "s", "--yes", *flags], tmp_path) as user:
        user.sees("The verdict")
        assert user.leaves() == 0
        assert "? [" not in user.said
    assert sorted(Session.open(tmp_path / "s").calibration.videos) == ["east", "west"]
    assert (tmp_path / "print.svg").exists()


def piped(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "session", *map(str, arguments)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_without_a_terminal_nothing_is_asked_and_nothing_is_coloured(tmp_path: Path, filmed: Path) -> None:
    call("new", tmp_path / "s", "--calibration", *sorted(filmed.iterdir()), *BOARD_FLAGS)
    done = piped(tmp_path, "calibrate", "s")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "The verdict" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= COLUMNS


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "clapcap calibrate my-session"),
        (["--yes"], "clapcap calibrate my-session"),
        (["elsewhere", "--yes"], "clapcap new elsewhere"),
        (["s", "--yes"], "needs 2 or more"),
        (["s", "--videos", "nowhere.mp4"], "nowhere.mp4 does not exist"),
        (["s", "--videos", "s"], "is no video and holds none"),
        (["s", "--square-mm", "0"], "0 < marker < square"),
        (["s", "--board", "4by5"], "is no board size"),
    ],
)
def test_what_cannot_be_done_without_asking_is_said(tmp_path: Path, arguments: list[str], says: str) -> None:
    call("new", tmp_path / "s")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = piped(tmp_path, "calibrate", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_videos_that_would_be_written_over_are_refused(tmp_path: Path, filmed: Path) -> None:
    call("new", tmp_path / "s", "--calibration", filmed / "cam1.mp4", *BOARD_FLAGS)
    before = (tmp_path / "s" / "calibration" / "cam1.mp4").read_bytes()
    films = ("--videos", filmed / "cam2.mp4", filmed / "cam1.mp4", "--names")
    done = piped(tmp_path, "calibrate", "s", *films, "cam1", "cam2")
    assert done.returncode == 2
    assert "Nothing was written" in done.stderr
    done = piped(tmp_path, "calibrate", "s", *films, "cam3", "cam3")
    assert "--names cam1 cam2" in done.stderr
    assert [path.name for path in (tmp_path / "s" / "calibration").iterdir()] == ["cam1.mp4"]
    assert (tmp_path / "s" / "calibration" / "cam1.mp4").read_bytes() == before


def test_the_measured_square_scales_the_marker(tmp_path: Path) -> None:
    call("new", tmp_path / "s", *BOARD_FLAGS)
    piped(tmp_path, "calibrate", "s", "--square-mm", "52.92")
    assert Session.open(tmp_path / "s").settings.board == BoardSettings(4, 5, 52.92, 39.69, BOARD.dictionary)


def test_filming_live_needs_no_clap(tmp_path: Path) -> None:
    """Two silent cameras, played from files, are watched, recorded, and calibrated by the times of their frames."""
    for camera in CAMERAS:
        film(tmp_path / f"{camera.name}.mp4", camera, carried_board, sound=False)
    with at_a_terminal(["calibrate", "s", "--live", "cam1.mp4", "cam2.mp4", *BOARD_FLAGS], tmp_path) as user:
        user.sees("Make it?")
        user.types("")
        user.sees("Filming")
        user.sees("together (of 10): cam1+cam2")
        user.sees("q: that is all, Ctrl-C: stop")
        user.sees("calibration/cam1.mp4 90 pictures in 3.0 s")
        user.sees("timestamps.csv when each picture was taken: no clap is needed")
        user.sees("2 of 2 cameras on one time line, by timestamps")
        user.sees("The verdict")
        assert user.leaves() == 0
        fits(user)
    true_m = float(np.linalg.norm(CAMERAS.cameras[0].center_m - CAMERAS.cameras[1].center_m))
    assert baseline_m(tmp_path / "s") == pytest.approx(true_m, rel=0.02)  # the small recording gives it to 1 to 2 %
    recorded = (tmp_path / "s" / "calibration" / "cam1.mp4").read_bytes()
    done = piped(tmp_path, "calibrate", "s", "--yes", "--live", "cam1.mp4", "cam2.mp4")
    assert done.returncode == 2
    assert "nothing is written over" in done.stderr
    assert (tmp_path / "s" / "calibration" / "cam1.mp4").read_bytes() == recorded
    done = piped(tmp_path, "calibrate", "s", "--yes", "--live", "cam1.mp4", "cam2.mp4", "--no-record")
    assert done.returncode == 0
    assert "Nothing was recorded" in done.stdout
    assert "\x1b" not in done.stdout


def test_other_boards_are_asked_for_what_they_have(tmp_path: Path) -> None:
    boards = (
        (("2", "8x6", "8x7", "30"), BoardSettings(8, 7, 30.0, 22.5, "DICT_4X4_1000", "checkerboard")),
        (("3", "6x6", "31,2", "24"), BoardSettings(6, 6, 31.2, 24.0, "DICT_4X4_1000", "aprilgrid")),
    )
    asked = {
        "2": ("across x down?", "looks the same upside down", "Side of a square"),
        "3": ("across x down?", "tag's same edge", "Side of a tag"),
    }
    for (kind, *answers), board in boards:
        with at_a_terminal(["calibrate", f"s{kind}"], tmp_path) as user:
            user.sees("Make it?")
            user.types("")
            user.sees("Which board?")
            user.types("5")
            user.sees("What does it look like?")
            user.types(kind)
            for question, answer in zip(asked[kind], answers, strict=True):
                user.sees(question)
                user.types(answer)
            user.sees("[not filmed yet] >")
            assert "dictionary?" not in user.said
            user.types("")
            assert user.leaves() == 0
            fits(user)
        assert Session.open(tmp_path / f"s{kind}").settings.board == board
