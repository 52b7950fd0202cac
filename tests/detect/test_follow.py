"""The main person is followed where a detector puts another one first now and then."""

from __future__ import annotations

import numpy as np

from detect.follow import follow_main
from skeleton.keypoints import Keypoints2D

BODY = np.array([[0.0, 0.0], [0.0, 1.0], [0.3, 0.5], [-0.3, 0.5]])
FRAMES = 60


def crowd(swapped: np.ndarray, hidden: np.ndarray) -> tuple[Keypoints2D, np.ndarray]:
    """Return two people, the large one walking past the small one; first in the rows as `swapped` says."""
    time_s = np.arange(FRAMES) / 30
    large = 100 * BODY + np.stack([100 + 60 * time_s, 100 + 0 * time_s], axis=1)[:, None]
    small = np.broadcast_to(70 * BODY + [400.0, 120.0], large.shape).copy()
    large[hidden] = np.nan
    first = np.where(swapped[:, None, None], small, large)
    second = np.where(swapped[:, None, None], large, small)
    second[hidden & ~swapped], first[hidden & ~swapped] = np.nan, small[hidden & ~swapped]
    world = np.tile(np.arange(4.0)[:, None], (FRAMES, 1, 3))
    keypoints = Keypoints2D(
        names=("a", "b", "c", "d"),
        xy_px=first,
        confidence=np.isfinite(first).all(axis=-1).astype(float),
        time_s=time_s,
        image_size_px=np.array([640.0, 360.0]),
        world_m=world,
        others_xy_px=second[:, None],
        others_confidence=np.isfinite(second).all(axis=-1).astype(float)[:, None],
    )
    return keypoints, large


def test_the_larger_person_is_kept_through_swapped_rows_and_gaps() -> None:
    swapped = np.zeros(FRAMES, dtype=bool)
    swapped[[5, 6, 7, 30, 44]] = True
    hidden = np.zeros(FRAMES, dtype=bool)
    hidden[20:25] = True
    keypoints, large = crowd(swapped, hidden)
    found = follow_main(keypoints)
    np.testing.assert_array_equal(found.xy_px, large)
    np.testing.assert_array_equal(found.confidence == 0, np.isnan(large[..., 0]))
    assert found.others_xy_px is None
    assert found.world_m is not None
    np.testing.assert_array_equal(np.isnan(found.world_m[:, 0, 0]), swapped | hidden)


def test_who_comes_back_is_taken_up_again() -> None:
    hidden = np.zeros(FRAMES, dtype=bool)
    hidden[15:55] = True  # for longer than a figure is remembered
    keypoints, _ = crowd(np.zeros(FRAMES, dtype=bool), hidden)
    alone = Keypoints2D(
        names=keypoints.names,
        xy_px=np.where(hidden[:, None, None], np.nan, keypoints.xy_px),
        confidence=np.where(hidden[:, None], 0, keypoints.confidence),
        time_s=keypoints.time_s,
        image_size_px=keypoints.image_size_px,
        others_xy_px=np.full((FRAMES, 1, 4, 2), np.nan),
        others_confidence=np.zeros((FRAMES, 1, 4)),
    )
    found = follow_main(alone)
    np.testing.assert_array_equal((found.confidence > 0).any(axis=1), ~hidden)


def test_one_person_is_left_as_detected() -> None:
    keypoints, _ = crowd(np.zeros(FRAMES, dtype=bool), np.zeros(FRAMES, dtype=bool))
    alone = Keypoints2D(
        keypoints.names, keypoints.xy_px, keypoints.confidence, keypoints.time_s, keypoints.image_size_px
    )
    assert follow_main(alone) is alone
