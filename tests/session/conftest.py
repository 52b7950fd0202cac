"""What tests of one view share: a small lifter, and a detector that finds a made-up walk."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lifted_scene import (
    seen_walk,
)
from small_lifter import write_small_lifter

import detect.run
from skeleton.keypoints import Keypoints2D


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_lifter(tmp_path_factory.mktemp("lifter"))


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> dict[str, Keypoints2D]:
    """What the detector finds, by camera; others see the walk as cam1 does."""
    found: dict[str, Keypoints2D] = {}

    def detect_videos(videos: Mapping[str, Path], **options: Any) -> dict[str, Keypoints2D]:
        results = {name: found.get(name, seen_walk()) for name in videos}
        for name, keypoints in results.items():
            options["on_done"](name, keypoints)
        return results

    monkeypatch.setattr(detect.run, "detect_videos", detect_videos)
    return found
