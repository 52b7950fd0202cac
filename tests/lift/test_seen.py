"""Pairs of detections and truth: what is written is read back, and what is broken is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from lift.points import POINTS
from lift.seen import SeenRecord, load_clip, load_record, load_seen, save_seen
from skeleton.formats.npz import load_keypoints2d, save_keypoints2d
from skeleton.joint_sets import load_joint_set
from skeleton.keypoints import Keypoints2D

FRAMES, FOCAL_PX, WIDTH, HEIGHT = 5, 500.0, 400, 600
MATRIX = np.array([[FOCAL_PX, 0, (WIDTH - 1) / 2], [0, FOCAL_PX, (HEIGHT - 1) / 2], [0, 0, 1]])
NAMES = load_joint_set("blazepose33").points


def record() -> SeenRecord:
    """Return a body that moves evenly, seen at 30 Hz without any error."""
    rng = np.random.default_rng(5)
    still = rng.uniform([-0.8, -0.9, 3.5], [0.8, 0.9, 4.5], (len(NAMES), 3))
    times = np.arange(2 * FRAMES - 1) / 60
    paths = still + times[:, None, None] * np.array([0.3, 0, 0])
    xy_px = paths[::2, :, :2] / paths[::2, :, 2:] * FOCAL_PX + MATRIX[:2, 2]
    seen = Keypoints2D(
        NAMES,
        xy_px,
        np.full(xy_px.shape[:2], 0.9),
        times[::2],
        np.array([WIDTH, HEIGHT]),
        paths[::2] + np.array([0.0, 0.0, 7.0]),  # any origin will do: the hips are taken as it
    )
    ears = (paths[:, NAMES.index("left_ear")] + paths[:, NAMES.index("right_ear")]) / 2
    truth = np.stack([ears if name == "head" else paths[:, NAMES.index(name)] for name in POINTS], axis=1)
    return SeenRecord(seen, truth, MATRIX, "val", "a/b/walk.bvh", "walk")


def test_a_clip_comes_back_and_is_a_file_of_keypoints_too(tmp_path: Path) -> None:
    made = record()
    save_seen(tmp_path / "clip.npz", made)
    back = load_record(tmp_path / "clip.npz")
    np.testing.assert_allclose(back.truth_m, made.truth_m, atol=1e-6)
    np.testing.assert_array_equal(back.matrix, made.matrix)
    assert (back.split, back.source, back.activity) == ("val", "a/b/walk.bvh", "walk")
    np.testing.assert_array_equal(load_keypoints2d(tmp_path / "clip.npz").xy_px, made.keypoints.xy_px)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


def test_networks_get_rays_and_3d_at_60_hz(tmp_path: Path) -> None:
    made = record()
    save_seen(tmp_path / "clip.npz", made)
    clip = load_clip(tmp_path / "clip.npz")
    assert len(clip.ray) == 2 * FRAMES - 1
    assert clip.rate_hz == pytest.approx(30)
    np.testing.assert_allclose(clip.half_size, [0.4, 0.6])
    # Everything moves evenly and across, so what is between two pictures is their mean; the head is a mean in the
    # picture, not in space.
    others = [k for k, name in enumerate(POINTS) if name != "head"]
    across = clip.ray * clip.truth_m[..., 2:]
    np.testing.assert_allclose(across[:, others], clip.truth_m[:, others, :2], atol=1e-5)
    hips = clip.truth_m[:, [POINTS.index("left_hip"), POINTS.index("right_hip")]].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(clip.world_m, clip.truth_m - hips, atol=1e-5)
    np.testing.assert_allclose(clip.confidence, 0.9, atol=1e-6)


def test_frames_without_anybody_are_not_seen(tmp_path: Path) -> None:
    made = record()
    seen = made.keypoints
    xy_px, confidence, world = seen.xy_px.copy(), seen.confidence.copy(), np.array(seen.world_m)
    xy_px[2], confidence[2], world[2] = np.nan, 0, np.nan
    empty = replace(seen, xy_px=xy_px, confidence=confidence, world_m=world)
    save_seen(tmp_path / "clip.npz", replace(made, keypoints=empty))
    clip = load_clip(tmp_path / "clip.npz")
    gone = np.isnan(clip.ray).all(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(gone), [3, 4, 5])  # and between it and the pictures beside it
    assert clip.confidence[4].max() == 0
    assert np.isnan(clip.world_m[4]).all()


def test_clips_are_parted_by_subjects(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "val", "train")):
        save_seen(tmp_path / f"clip{number}.npz", replace(record(), split=split))
    clips = load_seen(tmp_path)
    assert [clip.name for clip in clips.of("train")] == ["clip0", "clip2"]
    assert len(clips) == 3
    assert len(clips.of("test")) == 0


def test_broken_clips_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "clip.npz"
    save_seen(whole, record())
    short = tmp_path / "short.npz"
    short.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(FileFormatError, match="short"):
        load_clip(short)
    alone = tmp_path / "alone.npz"
    save_keypoints2d(alone, record().keypoints)
    with pytest.raises(FileFormatError, match="without a truth: it lacks truth_m"):
        load_clip(alone)
    with np.load(whole) as file:
        arrays = dict(file)
    for name, value, words in (
        ("split", np.array("mine"), "needed one of train, val, test"),
        ("matrix", np.zeros((3, 3)), "camera matrix"),
        ("truth_m", arrays["truth_m"][:3], "the truth has 3 frames"),
        ("truth_m", arrays["truth_m"][:, :4], "the truth has shape"),
    ):
        np.savez(tmp_path / "bad.npz", **(arrays | {name: value}))
        with pytest.raises(FileFormatError, match=words):
            load_clip(tmp_path / "bad.npz")
    (tmp_path / "none").mkdir()
    with pytest.raises(FileFormatError, match="has no clips"):
        load_seen(tmp_path / "none")
