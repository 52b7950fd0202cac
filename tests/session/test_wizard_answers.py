"""What people type and drag into the wizard: paths, lengths, boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from clapcap.errors import ClapcapError, SessionError
from session.commands.calibrate import spread_lists
from session.settings import BoardSettings
from session.wizard.answers import Answers
from session.wizard.board_step import PAPERS, board_from_flags, in_words, reach_m, read_mm, scaled_marker_mm
from session.wizard.videos_step import MADE_BY_DEVICES, expand, typed_paths


@pytest.mark.parametrize(
    ("typed", "paths"),
    [
        ("a.mp4", ["a.mp4"]),
        ("a.mp4 b.mp4", ["a.mp4", "b.mp4"]),
        ("'my films/a.mp4' \"b c.mp4\"", ["my films/a.mp4", "b c.mp4"]),
        (r"my\ films/a.mp4", ["my films/a.mp4"]),
        ("file:///films/a%20b.mp4", ["/films/a b.mp4"]),
    ],
)
def test_paths_as_terminals_write_what_is_dragged_in(typed: str, paths: list[str]) -> None:
    assert typed_paths(typed) == [Path(path) for path in paths]


def test_a_path_that_exists_is_taken_as_it_stands(tmp_path: Path) -> None:
    odd = tmp_path / "it's here.mp4"
    odd.touch()
    assert typed_paths(str(odd)) == [odd]
    with pytest.raises(SessionError, match="in quotes"):
        typed_paths("it's not here.mp4")


def test_a_folder_means_the_videos_in_it_or_its_pictures(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mov", "notes.txt"):
        (tmp_path / "films" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "films" / name).touch()
    assert [path.name for path in expand(tmp_path / "films")] == ["a.mov", "b.mp4"]
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1" / "0001.png").touch()
    assert expand(tmp_path / "cam1") == [tmp_path / "cam1"]
    with pytest.raises(SessionError, match="is no video and holds none"):
        expand(tmp_path / "films" / "notes.txt")


@pytest.mark.parametrize(
    ("name", "counts_up"),
    [
        ("IMG_0123", True), ("MVI_0007", True), ("PXL_20240502_101112345", True), ("GX010042", True),
        ("20240502_101112", True), ("DSC00012", True), ("cam1", False), ("left", False), ("camera_12", False),
    ],
)  # fmt: skip
def test_names_that_count_up_are_told_from_names_of_cameras(name: str, counts_up: bool) -> None:
    assert bool(MADE_BY_DEVICES.fullmatch(name)) is counts_up


@pytest.mark.parametrize(("typed", "mm"), [("34.8", 34.8), ("34,8", 34.8), ("34 mm", 34.0), ("100MM", 100.0)])
def test_lengths(typed: str, mm: float) -> None:
    assert read_mm(typed) == mm


@pytest.mark.parametrize("typed", ["3.4 cm", "0", "-5", "a lot", "1/2"])
def test_what_is_no_length(typed: str) -> None:
    with pytest.raises(SessionError, match="no length in millimetres"):
        read_mm(typed)


def test_markers_keep_their_share_of_the_square() -> None:
    board = BoardSettings(5, 7, 40.0, 30.0)
    assert scaled_marker_mm(board, 38.0) == 28.5
    assert board_from_flags(board, Answers(square_mm=38.0)).marker_mm == 28.5
    assert board_from_flags(board, Answers(square_mm=38.0, marker_mm=29.0)).marker_mm == 29.0
    assert board_from_flags(board, Answers(board="6x9")) == BoardSettings(6, 9, 40.0, 30.0)
    for wrong in (Answers(marker_mm=41.0), Answers(kind="circles"), Answers(dictionary="DICT_9X9")):
        with pytest.raises(ClapcapError):
            board_from_flags(board, wrong)


@pytest.mark.parametrize("paper", list(PAPERS))
def test_each_board_to_print_fits_its_paper_and_a_larger_one_does_not(paper: str) -> None:
    from calib.boards.board import CharucoBoard
    from calib.boards.print_board import fitting_page

    board = PAPERS[paper]
    for larger, name in ((0.0, paper), (0.01 * board.square_mm + 3, None)):
        square_m = (board.square_mm + larger) / 1000
        page = fitting_page(CharucoBoard(board.columns, board.rows, square_m, 0.75 * square_m, board.dictionary))
        assert page.name.startswith(paper) == (name == paper)
    assert board.marker_mm == 0.75 * board.square_mm
    assert reach_m(board) == pytest.approx(0.0777 * board.marker_mm, rel=0.01)  # 1088 px / 14 px


def test_boards_in_words() -> None:
    assert in_words(BoardSettings(8, 7, 30.0, 22.5, kind="checkerboard")) == "plain chessboard, 8 x 7 squares of 30 mm"
    assert in_words(BoardSettings(6, 6, 31.2, 24.0, kind="aprilgrid")) == (
        "AprilGrid, 6 x 6 tags of 24 mm, 31.2 mm from tag to tag"
    )


def test_lists_are_spread_for_the_option_parser() -> None:
    assert spread_lists(["calibrate", "s", "--live", "0", "1", "--yes"]) == [
        *("calibrate", "s", "--live", "0", "--live", "1", "--yes"),
    ]
    assert spread_lists(["calibrate", "s", "--videos"]) == ["calibrate", "s", "--videos"]
    assert spread_lists(["calibrate", "--videos=a", "s"]) == ["calibrate", "--videos=a", "s"]
    for words in (["process", "s", "--live", "0", "1"], ["process", "calibrate", "--live", "0", "1"]):
        assert spread_lists(words) == words
