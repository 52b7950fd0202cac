"""`clapcap export`: where it finds a motion, what it refuses, and BVH where Blender is missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_take import body, make_poses
from clapcap.errors import SessionError
from retarget.bvh import read_bvh
from session.export import export_motion, find_take
from session.terminal import Terminal
from skeleton.formats.npz import save_motion
from skeleton.motion import Motion


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """The results of a take that hold a motion."""
    kinematics = body()
    poses = make_poses(np.random.default_rng(1), 20, 30.0)
    results = tmp_path / "session" / "results" / "dance"
    results.mkdir(parents=True)
    (tmp_path / "session" / "session.toml").write_text("", encoding="utf-8")
    video = tmp_path / "session" / "takes" / "dance"
    video.mkdir(parents=True)
    motion = Motion(
        kinematics.skeleton.joint_names,
        kinematics.skeleton.parents,
        kinematics.skeleton.rest_offset_m,
        kinematics.local_quaternions(poses),
        poses.root_m,
        np.arange(20) / 30,
    )
    save_motion(results / "motion.npz", motion)
    return results


def test_a_take_is_found_by_its_results_its_videos_and_its_motion(take: Path):
    by = [find_take(path) for path in (take, take.parents[1] / "takes" / "dance", take / "motion.npz")]
    assert {found.name for found in by} == {"dance"}
    assert {found.motion.resolve() for found in by} == {(take / "motion.npz").resolve()}
    assert all(found.take is not None and found.take.name == "dance" for found in by)


def test_a_folder_without_a_motion_is_refused_with_what_to_do(tmp_path: Path):
    with pytest.raises(SessionError, match=r"motion\.npz.*clapcap process"):
        find_take(tmp_path)


def test_an_unknown_format_and_a_wrong_suffix_are_refused(take: Path):
    with pytest.raises(SessionError, match="blend, fbx, glb, usd, bvh"):
        export_motion(take, "obj", None, False, Terminal())
    with pytest.raises(SessionError, match=r"ends with \.bvh"):
        export_motion(take, "bvh", take / "x.fbx", False, Terminal())


def test_a_file_elsewhere_is_never_written_over(take: Path, tmp_path: Path):
    mine = tmp_path / "mine.bvh"
    mine.write_text("precious", encoding="utf-8")
    with pytest.raises(SessionError, match="not written over"):
        export_motion(take, "bvh", mine, False, Terminal())
    assert mine.read_text(encoding="utf-8") == "precious"


def test_an_export_that_was_edited_is_set_aside(take: Path):
    made = export_motion(take, "bvh", None, False, Terminal())
    made.write_text("edited", encoding="utf-8")
    export_motion(take, "bvh", None, False, Terminal())
    assert (take / "dance.edited-1.bvh").read_text(encoding="utf-8") == "edited"
    assert len(read_bvh(made).time_s) == 20


def test_without_blender_the_message_says_so_and_the_bvh_is_there(take: Path, tmp_path: Path):
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "bpy.py").write_text('raise ImportError("no bpy here")\n', encoding="utf-8")
    environment = dict(os.environ, PYTHONPATH=str(stub))
    command = [sys.executable, "-m", "session", "export", str(take), "--to", "fbx"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "no bpy here" in said
    assert "clapcap[blender]" in said
    assert "dance.bvh" in said
    assert "Traceback" not in said
    assert len(read_bvh(take / "dance.bvh").time_s) == 20
    assert not (take / "dance.fbx").exists()
    assert not list(take.glob(".partial-*"))
