"""The commands in the README and in docs/ are real: each is known, and the README's recipe runs as written."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "session"))
from small_lifter import write_small_lifter

from benchmarks.made_rigs import build_rig
from retarget.bvh import read_bvh, write_bvh
from session.demo import EXAMPLE, TAKE

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CLAPCAP = [sys.executable, "-m", "session"]


def commands(page: Path, program: str) -> list[list[str]]:
    """Return the commands of a page that call `program`, in console blocks and in code spans, as words."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line[2:].split("  #")[0] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    spans = re.findall(rf"`({program} [^`]+)`", text)
    return [shlex.split(line) for line in (*lines, *spans) if line.startswith(program + " ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in commands(page, "make"):
        target = words[1].split("=")[0]
        assert target in targets, " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_flag_exists(page: Path) -> None:
    for words in commands(page, "clapcap"):
        name = words[1]
        if name.startswith("-") or name.isupper():
            continue
        told = subprocess.run([*CLAPCAP, name, "--help"], capture_output=True, text=True, env={"COLUMNS": "200"})
        assert told.returncode == 0, " ".join(words)
        for flag in (word for word in words[2:] if word.startswith("-")):
            assert re.search(rf"(^|[\s,]){re.escape(flag)}\b", told.stdout), " ".join(words)


@pytest.mark.slow
def test_the_readme_recipe_runs_as_written(tmp_path: Path) -> None:
    for source, folder in ((EXAMPLE / "calibration", "board"), (EXAMPLE / "takes" / TAKE, "dance")):
        (tmp_path / folder).symlink_to(source)
    block = next(b for b in (ROOT / "README.md").read_text().split("```") if b.startswith("console\n$ clapcap new"))
    for line in block.splitlines()[1:]:
        words = shlex.split(line[2:])
        done = subprocess.run([*CLAPCAP, *words[1:]], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    results = tmp_path / "my-session" / "results" / TAKE
    named = re.findall(r"`(dance\.\w+|\w+\.npz|overlay\.png)`", (ROOT / "README.md").read_text())
    assert {"dance.bvh", "dance.trc", "overlay.png"} <= set(named)
    for name in named:
        assert (results / name).stat().st_size > 0


@pytest.mark.slow
def test_the_tutorial_runs_as_written(tmp_path: Path) -> None:
    for source, folder in ((EXAMPLE / "calibration", "board"), (EXAMPLE / "takes" / TAKE, "dance")):
        (tmp_path / folder).symlink_to(source)
    rig = build_rig("mixamo", {"all": 1.05, "left_shin": 1.2, "right_shin": 1.2}, 0.0, "mixamorig:")
    write_bvh(tmp_path / "character.bvh", rig, scale=100)
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines()]
    assert len(lines) >= 9
    for line in lines:
        if "--to blend" in line and importlib.util.find_spec("bpy") is None:
            continue  # tests/session/test_export_command.py has what is said then
        words = shlex.split(line)
        done = subprocess.run([*CLAPCAP, *words[1:]], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout[-1000:]}\n{done.stderr}"
    dancing = read_bvh(tmp_path / "dancing.bvh", scale=100)
    assert "mixamorig:LeftForeArm" in dancing.joint_names
    assert len(dancing.time_s) > 200


@pytest.mark.slow
def test_the_page_on_one_camera_runs_as_written(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "takes" / TAKE / "cam1.mp4", tmp_path / "walk.mp4")
    weights = ["--weights", str(write_small_lifter(tmp_path / "lifter"))]
    text = (ROOT / "docs" / "single-view.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line[2:]) for block in blocks for line in block.splitlines()]
    assert [words[1] for words in lines] == ["single", "lift", "fit"]
    for words in lines:
        if words[1] == "lift":  # what `single` has left
            shutil.copy(tmp_path / "walk-clapcap" / "keypoints2d" / "walk.npz", tmp_path / "cam1.npz")
            shutil.copy(tmp_path / "walk-clapcap" / "cameras.toml", tmp_path / "cameras.toml")
        own = weights if words[1] != "fit" else []
        done = subprocess.run([*CLAPCAP, *words[1:], *own], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}\n{done.stderr}"
    named = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    for name in re.findall(r"`([^`]+\.\w+)`", " ".join(named)):
        assert (tmp_path / "walk-clapcap" / name).stat().st_size > 0, name
    assert len(read_bvh(tmp_path / "motion.bvh").time_s) > 200
