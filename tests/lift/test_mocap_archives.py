"""From archives to one joint set: axes, units, rates, gaps, glitches, contacts, sets of subjects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from recorded import NAMES, row, trc_text, walking, write_archives

from clapcap.errors import FileFormatError
from lift.bodies import torso_axes
from lift.mocap.archives import Motions, load_motions
from lift.mocap.contacts import foot_contacts
from lift.mocap.convert import RATE_HZ, convert, even, sources
from lift.mocap.index import Sequence, read_index
from lift.mocap.posed import PosedJoints
from lift.points import POINTS


def test_z_is_up_left_is_left_and_lengths_are_metres(motions: Motions):
    xyz = motions.xyz_m[motions.frames(0)].astype(float)
    at = {name: xyz[:, k] for k, name in enumerate(POINTS)}
    axes = torso_axes(xyz)
    np.testing.assert_allclose(axes[..., 2, 1], 1, atol=0.02)  # up along the trunk is up
    toes = ((at["left_foot_index"] - at["left_ankle"]) * axes[..., 2]).sum(axis=-1)
    assert (toes > 0.1).all()  # left x up is the front, where the toes are: not mirrored
    np.testing.assert_allclose(np.linalg.norm(at["left_hip"] - at["right_hip"], axis=1), 0.18, atol=1e-3)
    assert np.isnan(at["head"]).all()  # this source has a head band only
    assert np.isnan(at["nose"]).all()


def test_the_sets_are_those_of_the_split_and_the_height_is_that_of_the_bones(motions: Motions):
    assert [motions.subject[motions.of(split)].tolist() for split in ("train", "val", "test")] == [
        ["anna", "bert"],
        ["carl"],
        ["dora"],
    ]
    # Thigh 0.42, shin 0.42, trunk 0.5 m when standing; strides lengthen the legs a little: 1.34 / 0.779.
    np.testing.assert_allclose(motions.stature_m, 1.74, atol=0.06)


def test_the_cache_is_used_while_nothing_changed_and_made_anew_when_an_archive_did(recordings: Path, tmp_path: Path):
    folder = tmp_path / "recordings"
    shutil.copytree(recordings, folder)
    first = load_motions(folder, tmp_path / "cache")
    made = next((tmp_path / "cache").iterdir())
    before = made.stat().st_mtime_ns
    again = load_motions(folder, tmp_path / "cache")
    np.testing.assert_array_equal(again.xyz_m, first.xyz_m)
    assert made.stat().st_mtime_ns == before
    index = (folder / "index.csv").read_text().replace(",60,240,0,", ",60,240,5,")
    (folder / "index.csv").write_text(index)
    skipped = load_motions(folder, tmp_path / "cache")
    assert len(skipped.xyz_m) == len(first.xyz_m) - 4 * 5
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_damaged_cache_says_so(recordings: Path, tmp_path: Path):
    load_motions(recordings, tmp_path)
    next(tmp_path.iterdir()).write_bytes(b"no archive")
    with pytest.raises(FileFormatError, match="Delete it"):
        load_motions(recordings, tmp_path)


def test_a_subject_in_two_sets_is_refused(tmp_path: Path):
    rows = [row("a/x/1.trc", "train", "x"), row("a/x/2.trc", "test", "x")]
    write_archives(tmp_path, rows, {})
    with pytest.raises(FileFormatError, match="more than one set: x"):
        read_index(tmp_path)


def test_an_index_that_disagrees_with_the_split_is_refused(tmp_path: Path):
    write_archives(tmp_path, [row("a/x/1.trc", "train", "x")], {})
    (tmp_path / "split.json").write_text(json.dumps({"train": [], "val": ["a/x/1.trc"], "test": []}))
    with pytest.raises(FileFormatError, match=r"disagree on a/x/1\.trc"):
        read_index(tmp_path)


def test_sequences_that_the_archives_lack_are_named(tmp_path: Path):
    rows = [row("a/x/1.trc", "train", "x"), row("a/x/2.trc", "train", "x")]
    write_archives(tmp_path, rows, {"a/x/1.trc": trc_text(walking(60, 60, 0), 60)})
    with pytest.raises(FileFormatError, match=r"1 of 2 sequences .* first a/x/2\.trc"):
        load_motions(tmp_path, tmp_path / "cache")


def test_a_truncated_archive_is_refused(recordings: Path, tmp_path: Path):
    shutil.copytree(recordings, tmp_path / "r")
    archive = tmp_path / "r" / "steps.tar.xz"
    archive.write_bytes(archive.read_bytes()[:5000])
    with pytest.raises(FileFormatError, match=r"steps\.tar\.xz"):
        load_motions(tmp_path / "r", tmp_path / "cache")


def described(**more: object) -> Sequence:
    usual = {
        **{"path": "a/x.trc", "split": "train", "subject": "x", "activity": "walk", "skeleton": "accad_joint_centres"},
        **{"fps": 120.0, "frames_total": 0, "skip_first": 0, "unit_m": 1.0, "floor_m": 0.0, "glitch_frames": ()},
        **{"licence": "CC BY 3.0"},
    }
    return Sequence(**(usual | more))  # type: ignore[arg-type]


def joints(frames: int, fps: float) -> PosedJoints:
    return PosedJoints(tuple(NAMES), walking(frames, fps, 1))


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0, 120.0])
def test_every_rate_becomes_60_hz_without_losing_the_motion(fps: float):
    seconds = 4
    true = convert(joints(seconds * 60 + 1, 60), described(fps=60.0)).xyz_m
    found = convert(joints(round(seconds * fps) + 1, fps), described(fps=fps)).xyz_m
    assert len(found) == seconds * RATE_HZ + 1
    # The strides' corners at 15 Hz: a spline through samples 67 ms apart cuts them by less than 1 cm.
    np.testing.assert_allclose(found, true, atol=0.01 if fps == 15 else 0.002)


def test_frames_to_skip_and_glitches_count_the_files_own_frames():
    posed = joints(301, 120)
    spoilt = posed.xyz.copy()
    spoilt[101] += 5  # a jump of 5 m in one frame, which thinning by two just passes by
    spoilt[200] += 5
    thinned = PosedJoints(posed.names, spoilt[::2])
    whole = convert(PosedJoints(posed.names, posed.xyz[::2]), described(), every=2).xyz_m
    found = convert(thinned, described(glitch_frames=(101, 200), skip_first=40), every=2).xyz_m
    assert len(found) == len(whole) - 20
    np.testing.assert_allclose(found, whole[20:], atol=0.005)  # bridged


def test_short_gaps_are_bridged_and_long_ones_masked():
    time = np.arange(120) / 60
    path = np.stack([np.sin(2 * time), np.cos(2 * time), time], axis=-1)[:, None]
    gaps = path.copy()
    gaps[20:30] = np.nan  # 11 steps, 0.18 s
    gaps[60:90] = np.nan  # half a second
    found = even(gaps, 60.0)
    np.testing.assert_allclose(found[15:35], path[15:35], atol=2e-3)
    assert np.isnan(found[60:90]).all()
    assert np.isfinite(found[90:]).all()


def test_a_path_is_not_continued_beyond_its_ends():
    path = np.full((60, 1, 3), np.nan)
    path[20:40] = 1.0
    found = even(path, 60.0)
    assert np.isfinite(found[20:40]).all()
    assert np.isnan(found[:20]).all()
    assert np.isnan(found[40:]).all()


def test_feet_stand_where_they_are_low_and_slow_and_are_unknown_where_they_are_slow_and_high():
    sole = np.zeros((180, 2, 3))
    sole[60:120, 0, 0] = np.linspace(0, 1.5, 60)  # swings at 1.5 m/s
    sole[60:120, 0, 2] = 0.1
    sole[120:, 0, 0] = 1.5
    sole[120:, 0, 2] = 0.4  # rests on a chair
    sole[:, 1] = np.nan
    contact = foot_contacts(sole, 60.0)
    assert (contact[:58, 0] == 1).all()
    assert (contact[62:118, 0] == 0).all()
    assert (contact[122:, 0] == -1).all()
    assert (contact[:, 1] == -1).all()


def test_the_wrist_of_cmu_is_the_end_of_the_wrist_bone_on_both_sides():
    assert sources()["cmu_asf"]["left_wrist"] == "lwrist"
    assert sources()["cmu_asf"]["right_wrist"] == "rwrist"
    assert sources()["cmu_mb_bvh"]["right_wrist"] == "RightFingerBase"
    assert sources()["cmu_max_bvh"]["right_wrist"] == {"rhand": 1.0}
    assert sources()["cmu_daz_bvh"]["right_shoulder"] == "rShldr"
    assert sources()["accad_joint_centres"]["right_sole"] == "toe_r"


@pytest.mark.data
@pytest.mark.slow
def test_the_real_recordings_are_people_the_right_way_round(data: Path, tmp_path: Path):
    folder = data / "mocap"
    if not (folder / "index.csv").is_file():
        pytest.skip("no recorded motion: CLAPCAP_DATA has no folder mocap")
    motions = load_motions(folder, tmp_path)
    # One of 672 sequences is shorter than half a second; 109 minutes are in the README of the recordings.
    assert len(motions) == 671
    assert len(motions.xyz_m) / 3600 == pytest.approx(109, abs=1)
    assert motions.stature_m.min() > 1.45
    assert motions.stature_m.max() < 1.9
    place = {name: k for k, name in enumerate(POINTS)}
    for subject in np.unique(motions.subject):
        frames = np.concatenate(
            [np.arange(motions.start[k], motions.start[k + 1]) for k in np.flatnonzero(motions.subject == subject)]
        )
        xyz = motions.xyz_m[frames].astype(float)
        axes = torso_axes(xyz)
        for tip, base, least_m in (("left_foot_index", "left_ankle", 0.04), ("nose", "head", 0.04)):
            ahead = ((xyz[:, place[tip]] - xyz[:, place[base]]) * axes[..., 2]).sum(axis=-1)
            assert not np.isfinite(ahead).any() or np.nanmedian(ahead) > least_m, (subject, tip)
        forearm = np.nanmedian(np.linalg.norm(xyz[:, place["left_elbow"]] - xyz[:, place["left_wrist"]], axis=1))
        assert 0.2 < forearm < 0.33, subject  # the zero wrist bones of the public BVH would make it 0.19
