"""`clapcap clean` and the clean-up of a take: what they write, what they say, and that nothing measured is lost."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from rich.console import Console

from clapcap.errors import CleanupError, FileFormatError, SessionError
from retarget.bvh import read_bvh, write_bvh
from retarget.cleanup.filters import FILTERS, parameters_of
from retarget.cleanup.points import CleanUp
from session.clean_files import clean_file, moments
from session.commands.clean import command
from session.folder import Recording, Session
from session.processing.cleanup import STAGE, clean_take, measured_points_file
from session.settings import BoardSettings, new_settings_text
from session.stages import Stages
from session.terminal import Terminal
from skeleton.formats import load_keypoints3d, save_keypoints3d
from skeleton.keypoints import Keypoints3D
from skeleton.motion import Motion

NAMES = ("left_wrist", "right_wrist", "left_ankle")


@pytest.fixture
def points() -> Keypoints3D:
    rng = np.random.default_rng(1)
    time_s = np.arange(180) / 60
    phase = rng.uniform(0, 6, (3, 3))
    xyz = 0.3 * np.sin(4 * time_s[:, None, None] + phase) + 0.002 * rng.standard_normal((180, 3, 3))
    xyz[60, 0] += 0.4  # a spike
    xyz[100:105, 1] = np.nan  # a short gap
    xyz[100:150, 2] = np.nan  # a long one
    there = np.isfinite(xyz).all(axis=-1)
    return Keypoints3D(
        NAMES,
        xyz,
        np.where(there, 0.002, np.nan),
        time_s,
        np.where(there, 1.0, np.nan)[None],
        ("cam1",),
        np.zeros(there.shape, bool),
    )


@pytest.fixture
def heard() -> tuple[Terminal, io.StringIO]:
    words = io.StringIO()
    return Terminal(Console(file=words, width=100)), words


def rows(text: str) -> dict[str, list[str]]:
    """Return the rows of the table that a terminal showed."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")]
        if len(cells) == 5:
            found[cells[0]] = cells[1:]
    return found


@pytest.mark.parametrize("suffix", [".npz", ".trc", ".csv", ".json"])
def test_points_of_every_format_are_cleaned(suffix, points, tmp_path, heard):
    terminal, words = heard
    source, output = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    save_keypoints3d(source, points)
    before = source.read_bytes()
    clean_file(source, output, CleanUp(), terminal)
    assert source.read_bytes() == before
    after = load_keypoints3d(output)
    there = np.isfinite(after.xyz_m).all(axis=-1)
    assert there[:, :2].all()
    assert np.flatnonzero(~there[:, 2]).tolist() == list(range(100, 150))
    assert np.linalg.norm(after.xyz_m[60, 0] - points.xyz_m[59, 0]) < 0.1
    table = rows(words.getvalue())
    assert table["left_wrist"][:3] == ["1", "1", "0"]
    assert float(table["left_wrist"][3].split()[0]) == pytest.approx(1000 * 0.4 * 3**0.5, rel=0.03)
    assert table["right_wrist"] == ["0", "5", "0", "0.0 mm"]
    assert table["left_ankle"] == ["0", "0", "50", "0.0 mm"]
    assert table["all"][:3] == ["1", "6", "50"]


def test_the_command_smooths_and_draws(points, tmp_path):
    save_keypoints3d(tmp_path / "points.npz", points)
    words = "clean points.npz -o smooth.npz --filter butterworth --cutoff-hz 6 --max-gap 1 --no-spikes"
    command = [sys.executable, "-m", "session", *words.split(), "--plot", "left_wrist", "--plot", "left_ankle"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "butterworth, cutoff_hz 6" in done.stdout
    after = load_keypoints3d(tmp_path / "smooth.npz")
    assert np.isfinite(after.xyz_m).all()
    assert after.filled.sum() == 55  # with --no-spikes the spike is kept, if smoothed
    jerk = [np.abs(np.diff(k.xyz_m[:55], 3, axis=0)).mean() for k in (points, after)]
    assert jerk[1] < 0.3 * jerk[0]
    for name in ("left_wrist", "left_ankle"):
        assert (tmp_path / f"smooth-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_help_tells_every_parameter_and_its_default():
    hints = get_type_hints(command, include_extras=True)

    def told(name):
        return next(part.help for part in hints[name].__metadata__ if hasattr(part, "help"))

    for name in FILTERS:
        assert name in told("filter_")
        for parameter, default in parameters_of(name).items():
            assert re.search(rf"\b{name}\b[^,(]*\({default:g}\)", told(parameter)), (name, parameter)


def test_pictures_mark_what_was_found(points, tmp_path, heard):
    save_keypoints3d(tmp_path / "a.npz", points)
    drawn = clean_file(
        tmp_path / "a.npz", tmp_path / "b.npz", CleanUp(), heard[0], plot=NAMES, picture=".svg", between_s=(0.5, 2.0)
    )
    text = {name: path.read_text() for name, path in zip(NAMES, drawn, strict=True)}
    # Words in the picture are drawn as shapes, their text is kept in comments.
    assert "<!-- spike -->" in text["left_wrist"]
    assert "<!-- filled -->" in text["right_wrist"]
    assert "<!-- missing still -->" in text["left_ankle"]
    assert "<!-- missing still -->" not in text["left_wrist"]
    again = [path.read_bytes() for path in drawn]
    clean_file(
        tmp_path / "a.npz", tmp_path / "b.npz", CleanUp(), heard[0], plot=NAMES, picture=".svg", between_s=(0.5, 2.0)
    )
    assert [path.read_bytes() for path in drawn] == again


def test_a_bvh_stays_in_its_unit_with_its_bones(tmp_path, heard):
    time_s = np.arange(90) / 30
    rng = np.random.default_rng(2)
    half = np.radians(20 * np.sin(3 * time_s) + rng.standard_normal(90)) / 2
    turn = np.stack([np.sin(half), 0 * half, 0 * half, np.cos(half)], axis=-1)
    rotation = np.tile([0, 0, 0, 1.0], (90, 3, 1))
    rotation[:, 1] = turn
    offset = np.array([[0, 0, 0], [0, 0, 0.4], [0, 0, 0.3]])
    names = ("hips", "leg", "leg_end")
    motion = Motion(names, np.array([-1, 0, 1]), offset, rotation, np.zeros((90, 3)), time_s)
    write_bvh(tmp_path / "a.bvh", motion, scale=100)
    wanted = CleanUp(filter="gaussian", parameters={"cutoff_hz": 3.0})
    clean_file(tmp_path / "a.bvh", tmp_path / "b.bvh", wanted, heard[0], bvh_unit="cm", plot=["leg_end"])
    before, after = (read_bvh(tmp_path / name, scale=100) for name in ("a.bvh", "b.bvh"))
    np.testing.assert_allclose(after.rest_offset_m, before.rest_offset_m, atol=1e-9)
    shake = [np.abs(np.diff(m.world_positions()[:, 2], 2, axis=0)).mean() for m in (before, after)]
    assert shake[1] < 0.5 * shake[0]
    assert (tmp_path / "b-leg_end.png").exists()
    assert "gaps" not in heard[1].getvalue().split("frames")[0]


def test_mistakes_are_named_and_write_nothing(points, tmp_path, heard):
    source = tmp_path / "a.npz"
    save_keypoints3d(source, points)
    before = source.read_bytes()

    def clean(output="b.npz", wanted=None, **more):
        clean_file(source, tmp_path / output, wanted or CleanUp(), heard[0], **more)

    with pytest.raises(SessionError, match="is the file to be cleaned"):
        clean("a.npz")
    (tmp_path / "link.npz").symlink_to(source)
    with pytest.raises(SessionError, match="is the file to be cleaned"):
        clean("link.npz")
    with pytest.raises(FileFormatError, match=r"points are written as .npz, .csv"):
        clean("b.bvh")
    with pytest.raises(SessionError, match=r"holds no nose to draw\. It holds left_wrist"):
        clean(plot=["left_wrist", "nose"])
    with pytest.raises(SessionError, match="--picture"):
        clean(picture=".gif")
    with pytest.raises(CleanupError, match="needed less than half of the 60 frames"):
        clean(wanted=CleanUp(filter="butterworth", parameters={"cutoff_hz": 40.0}))
    with pytest.raises(SessionError, match="two moments in seconds"):
        moments("5:2")
    assert moments("2.5:6") == (2.5, 6.0)
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "link.npz"}


class TestStage:
    @pytest.fixture
    def session(self, points, tmp_path) -> tuple[Path, Recording]:
        root = tmp_path / "session"
        (root / "takes" / "dance").mkdir(parents=True)
        (root / "session.toml").write_text(new_settings_text(BoardSettings()), encoding="utf-8")
        take = Session.open(root).take("dance")[0]
        take.results.mkdir(parents=True)
        save_keypoints3d(measured_points_file(take), points)
        return root, take

    @staticmethod
    def run(root: Path, take: Recording, terminal: Terminal) -> Stages:
        session = Session.open(root)
        stages = Stages(session, take, terminal)
        clean_take(session, take, stages)
        return stages

    def test_the_measured_points_stay_and_settings_count(self, session, points, heard):
        root, take = session
        terminal, words = heard
        report = self.run(root, take, terminal).manifest.report(STAGE)
        assert (report["spikes"], report["filled"], report["open"]) == (1, 6, 50)
        assert report["joints"]["left_wrist"]["spikes"] == 1
        assert "1 spike taken out, 6 of 540 points filled, 50 still missing, no filter" in words.getvalue()
        raw = load_keypoints3d(measured_points_file(take))
        np.testing.assert_array_equal(raw.xyz_m, points.xyz_m)
        cleaned = load_keypoints3d(take.results / "keypoints3d.npz")
        assert cleaned.filled.sum() == 6
        self.run(root, take, terminal)
        assert "unchanged, kept" in words.getvalue()
        file = root / "session.toml"
        file.write_text(
            file.read_text()
            .replace('filter = "none" ', 'filter = "butterworth" ')
            .replace("spikes = true", "spikes = false")
        )
        report = self.run(root, take, terminal).manifest.report(STAGE)
        assert (report["filter"], report["spikes"]) == ("butterworth", 0)
        assert "spikes not looked for" in words.getvalue()

    def test_a_cutoff_that_the_take_cannot_have_names_the_settings(self, session, heard):
        root, take = session
        file = root / "session.toml"
        text = file.read_text().replace('filter = "none" ', 'filter = "butterworth" ')
        file.write_text(text.replace("parameters = {} ", "parameters = { cutoff_hz = 50 } "))
        with pytest.raises(SessionError, match=r"session.toml, \[cleanup\]: butterworth: the cutoff is 50 Hz"):
            self.run(root, take, heard[0])
        assert not (take.results / "keypoints3d.npz").exists()
