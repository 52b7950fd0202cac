"""Stages run when something has changed, and only then; files appear whole; edited files are kept."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import session.manifest
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.stages import Stages
from session.terminal import Terminal


class Copying:
    """A stage that copies a file and counts how often it ran."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = 0
        self.source = root / "source.txt"
        self.target = root / "results" / "take" / "target.txt"
        self.source.write_text("one")
        self.screen = io.StringIO()

    def run(self, **settings: Any) -> str:
        recording = Recording("take", self.root, {}, self.target.parent)
        terminal = Terminal(Console(file=self.screen, width=80))
        stage = Stage("copy", [self.source], [self.target], settings)
        Stages(Session(self.root), recording, terminal).run(stage, self.make, lambda report: f"{report['n']} bytes")
        return self.screen.getvalue()

    def make(self) -> Mapping[str, Any]:
        self.runs += 1
        with written_whole(self.target) as partial:
            partial.write_text(self.source.read_text())
        return {"n": len(self.source.read_text())}


@pytest.fixture
def copying(tmp_path: Path) -> Copying:
    return Copying(tmp_path)


def test_an_unchanged_stage_is_skipped_and_says_so(copying: Copying) -> None:
    assert "3 bytes" in copying.run()
    assert "unchanged, kept" in copying.run()
    assert copying.runs == 1


def test_a_changed_input_runs_it_again(copying: Copying) -> None:
    copying.run()
    copying.source.write_text("two")
    copying.run()
    assert copying.target.read_text() == "two"


def test_a_changed_setting_version_or_missing_output_runs_it_again(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying.run(speed=1)
    copying.run(speed=2)
    assert copying.runs == 2
    copying.target.unlink()
    copying.run(speed=2)
    assert copying.runs == 3
    monkeypatch.setattr(session.manifest, "__version__", "99")
    copying.run(speed=2)
    assert copying.runs == 4


def test_a_touched_but_equal_input_does_not(copying: Copying) -> None:
    copying.run()
    copying.source.write_text("one")
    copying.run()
    assert copying.runs == 1


def test_what_was_edited_by_hand_is_kept(copying: Copying) -> None:
    copying.run()
    copying.target.write_text("mine")
    copying.run()
    assert copying.target.read_text() == "one"
    assert copying.target.with_name("target.edited-1.txt").read_text() == "mine"
    copying.target.write_text("mine again")
    copying.run()
    assert copying.target.with_name("target.edited-2.txt").read_text() == "mine again"


def test_nan_settings_compare_equal(copying: Copying) -> None:
    copying.run(rate=float("nan"))
    copying.run(rate=float("nan"))
    assert copying.runs == 1


def test_a_damaged_manifest_means_computing_anew(copying: Copying) -> None:
    copying.run()
    (copying.target.parent / "manifest.json").write_text("{]")
    copying.run()
    assert copying.runs == 2


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail() -> None:
        with written_whole(target) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"
