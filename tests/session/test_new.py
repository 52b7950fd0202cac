"""`clapcap new`: lists of videos on the command line, links that leave the originals alone, refusals before writing."""

from pathlib import Path

import pytest

from session.commands.new import TAKE_MARK, spread_lists
from session.folder import Session
from session.main import run


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    """Two files that `new` takes for videos: it does not open them."""
    made = []
    for name in ("cam1.mp4", "cam2.mp4"):
        made.append(tmp_path / "phone" / name)
        made[-1].parent.mkdir(exist_ok=True)
        made[-1].write_bytes(name.encode() * 100)
    return made


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        run([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def test_lists_are_spread_for_the_option_parser() -> None:
    assert spread_lists(
        ["new", "s", "--calibration", "a", "b", "--board", "4x5", "--take", "dance", "c", "d", "--take", "walk", "e"]
    ) == [
        *("new", "s", "--calibration", "a", "--calibration", "b", "--board", "4x5"),
        *("--take", f"dance{TAKE_MARK}c", "--take", f"dance{TAKE_MARK}d", "--take", f"walk{TAKE_MARK}e"),
    ]


def test_other_commands_are_left_alone() -> None:
    for words in (["process", "s", "--take", "dance"], ["process", "new", "--take", "dance"]):
        assert spread_lists(words) == words


def test_videos_are_linked_and_the_originals_untouched(tmp_path: Path, videos: list[Path]) -> None:
    before = [video.read_bytes() for video in videos]
    root = tmp_path / "session"
    assert call("new", root, "--calibration", *videos, "--take", "dance", *videos, "--board", "7x5") == 0
    session = Session.open(root)
    assert list(session.calibration.videos) == ["cam1", "cam2"]
    assert list(session.take("dance")[0].videos) == ["cam1", "cam2"]
    assert (session.settings.board.columns, session.settings.board.rows) == (7, 5)
    assert session.calibration.videos["cam1"].read_bytes() == before[0]
    assert [video.read_bytes() for video in videos] == before


def test_one_camera_is_told_that_it_needs_no_board(
    tmp_path: Path, videos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "s"
    assert call("new", root, "--take", "dance", videos[0]) == 0
    said = capsys.readouterr().out
    assert "one camera needs no board" in said
    assert f"clapcap process {root} --height 1.72" in said
    assert call("new", root, "--take", "walk", *videos) == 0
    said = capsys.readouterr().out
    assert "needs no board" not in said
    assert f"clapcap calibrate {root}" in said


def test_again_adds_a_take_and_keeps_the_settings(tmp_path: Path, videos: list[Path]) -> None:
    root = tmp_path / "session"
    call("new", root, "--calibration", *videos)
    (root / "session.toml").write_text("# mine\n[board]\ncolumns = 6\n")
    assert call("new", root, "--calibration", *videos, "--take", "walk", *videos) == 0
    assert (root / "session.toml").read_text() == "# mine\n[board]\ncolumns = 6\n"
    assert [take.name for take in Session.open(root).takes] == ["walk"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--calibration", "nowhere.mp4"], "nowhere.mp4 does not exist"),
        (["--calibration", "{folder}/notes.txt"], "is no video"),
        (["--take", "dance"], "has no videos"),
        (["--take", "calibration", "{folder}/cam1.mp4"], "cannot name a take"),
        (["--take", "a/b", "{folder}/cam1.mp4"], "cannot name a take"),
        (["--board", "4by5"], "4x5"),
        (["--square-mm", "30"], "marker"),
        (["--dictionary", "DICT_9X9"], "DICT_9X9"),
        (["--calibration", "{folder}/cam1.mp4", "{folder}/other/cam1.mov"], 'both be camera "cam1"'),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path: Path, videos: list[Path], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    folder = videos[0].parent
    (folder / "notes.txt").write_text("no video")
    (folder / "other").mkdir()
    (folder / "other" / "cam1.mov").write_bytes(b"another")
    root = tmp_path / "session"
    assert call("new", root, *(argument.format(folder=folder) for argument in arguments)) == 2
    assert says in capsys.readouterr().err
    assert not root.exists()


def test_a_different_video_of_the_same_name_is_not_written_over(
    tmp_path: Path, videos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "session"
    call("new", root, "--calibration", *videos)
    other = tmp_path / "other" / "cam1.mp4"
    other.parent.mkdir()
    other.write_bytes(bytes(videos[0].stat().st_size))  # of the same size, to make it hard
    assert call("new", root, "--calibration", other) == 2
    assert "Nothing was written" in capsys.readouterr().err
    assert (root / "calibration" / "cam1.mp4").read_bytes() == videos[0].read_bytes()


def test_no_session_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("process", tmp_path / "nothing") == 2
    assert "clapcap new" in capsys.readouterr().err
