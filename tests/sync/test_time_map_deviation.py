"""The deviation of a clock over the take, and the file that keeps it."""

import json

import numpy as np
import pytest

from sync.time_map import CameraClock, TimeMap


def test_a_triangle_by_hand():
    # 3 ms at the middle; 40 s away a rate of 100 ppm adds 4 ms: 5 ms.
    clock = CameraClock(1.0, 1.0, 5e-3, 1e-4, "clap", 0.9, middle_s=40.0)
    np.testing.assert_allclose(clock.std_s([0, 40, 80]), [5e-3, 3e-3, 5e-3], rtol=1e-9)


def test_without_a_middle_the_offset_is_known_best_at_zero():
    clock = CameraClock(1.0, 1.0, 3e-3, 1e-4, "manual", 1.0)
    np.testing.assert_allclose(clock.std_s([0, 40]), [3e-3, 5e-3], rtol=1e-9)


def test_the_file_keeps_the_middle_and_older_files_have_none(tmp_path):
    path = tmp_path / "time_map.json"
    TimeMap({"a": CameraClock(1.0, 1.0, 5e-3, 1e-4, "clap", 0.9, middle_s=40.0)}).save(path)
    assert TimeMap.load(path).cameras["a"].middle_s == 40
    document = json.loads(path.read_text())
    del document["cameras"]["a"]["middle_s"]
    path.write_text(json.dumps(document))
    assert TimeMap.load(path).cameras["a"].middle_s == 0
    assert float(TimeMap.load(path).cameras["a"].std_s(0)) == pytest.approx(5e-3)
