"""Videos detected in pieces: the same as in one go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detect import cut
from detect.cut import joined, pieces
from detect.run import detect_videos
from skeleton.keypoints import Keypoints2D


def test_pieces_follow_from_the_number_of_frames_alone() -> None:
    assert pieces(None) == [None]
    assert pieces(599) == [None]
    assert pieces(600) == [(0, 300), (300, 600)]
    assert pieces(1001) == [(0, 334), (334, 667), (667, 1001)]
    assert len(pieces(1_000_000)) == cut.MOST_PIECES


def part(start: int, frames: int, others: int, world: bool) -> Keypoints2D:
    rng = np.random.default_rng(start)
    return Keypoints2D(
        names=("a", "b"),
        xy_px=rng.uniform(0, 9, (frames, 2, 2)),
        confidence=rng.uniform(0, 1, (frames, 2)),
        time_s=start + np.arange(frames, dtype=float),
        image_size_px=np.array([9.0, 9.0]),
        world_m=rng.normal(size=(frames, 2, 3)) if world else None,
        others_xy_px=rng.uniform(0, 9, (frames, others, 2, 2)) if others else None,
        others_confidence=rng.uniform(0, 1, (frames, others, 2)) if others else None,
    )


def test_joined_pieces_keep_every_row_and_lack_what_a_piece_lacked() -> None:
    parts = [part(0, 3, 0, True), part(3, 2, 2, False), part(5, 4, 1, True)]
    whole = joined(parts)
    np.testing.assert_array_equal(whole.time_s, np.arange(9.0))
    np.testing.assert_array_equal(whole.xy_px, np.concatenate([p.xy_px for p in parts]))
    assert whole.world_m is not None
    assert np.isnan(whole.world_m[3:5]).all()
    np.testing.assert_array_equal(whole.world_m[5:], parts[2].world_m)
    assert whole.others_xy_px is not None
    assert whole.others_confidence is not None
    assert whole.others_xy_px.shape == (9, 2, 2, 2)
    assert np.isnan(whole.others_xy_px[:3]).all()
    assert np.isnan(whole.others_xy_px[5:, 1]).all()
    np.testing.assert_array_equal(whole.others_xy_px[3:5], parts[1].others_xy_px)
    assert (whole.others_confidence[:3] == 0).all()
    assert joined([part(0, 3, 0, False)]).world_m is None


@pytest.mark.slow
def test_a_real_video_in_pieces_gives_the_same_keypoints(monkeypatch: pytest.MonkeyPatch) -> None:
    from session.demo import EXAMPLE, TAKE

    video: dict[str, Path] = {"cam1": EXAMPLE / "takes" / TAKE / "cam1.mp4"}
    whole = detect_videos(video, people=1)["cam1"]
    monkeypatch.setattr(cut, "LEAST_FRAMES", 120)
    told = []
    in_pieces = detect_videos(video, people=1, cut=True, progress=lambda done, total: told.append((done, total)))[
        "cam1"
    ]
    for what in ("time_s", "xy_px", "confidence", "world_m"):
        np.testing.assert_array_equal(getattr(in_pieces, what), getattr(whole, what))
    assert told[-1] == (len(whole.time_s), len(whole.time_s))
