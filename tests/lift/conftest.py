"""Fixtures of the lifter's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lift.mocap.archives import Motions, load_motions

sys.path.insert(0, str(Path(__file__).parent))
from recorded import row, trc_text, walking, write_archives

SUBJECTS = (("train", "anna"), ("train", "bert"), ("val", "carl"), ("test", "dora"))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of archives: four subjects who walk for four seconds."""
    rows, texts = [], {}
    for number, (split, subject) in enumerate(SUBJECTS):
        path = f"steps/{subject}/walk.trc"
        rows.append(row(path, split, subject, frames_total=240))
        texts[path] = trc_text(walking(240, 60, number), 60)
    return write_archives(tmp_path_factory.mktemp("recordings"), rows, texts)


@pytest.fixture(scope="session")
def motions(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Motions:
    return load_motions(recordings, tmp_path_factory.mktemp("cache"))
