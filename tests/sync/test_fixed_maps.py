"""Time maps that need no estimate, and what is written of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from clapcap.errors import FileFormatError, SyncError
from sync.fixed import MANUAL_STD_S, shared_frames, timestamps_map, with_manual_offsets
from sync.time_map import CameraClock, TimeMap

REFUSED = CameraClock(0.0, 1.0, 1e6, 50e-6, "clap", 0.1, "no clap")


def test_a_clock_maps_there_and_back_by_hand():
    clock = CameraClock(2.0, 1.5, 0, 0, "manual", 1)
    assert clock.to_session([0, 2]).tolist() == [2, 5]
    assert clock.to_camera([2, 5]).tolist() == [0, 2]


def test_shared_frames_and_timestamps_are_identities():
    for make, method in ((shared_frames, "frames"), (timestamps_map, "timestamps")):
        time_map = make(("a", "b"))
        assert {clock.method for clock in time_map.cameras.values()} == {method}
        assert time_map.refused == {}
        assert float(time_map.cameras["b"].to_session(1.25)) == 1.25


def test_an_offset_by_hand_replaces_the_estimate_and_keeps_the_rate():
    good = CameraClock(1.0, 1.00003, 0.001, 2e-6, "clap", 0.9)
    time_map = with_manual_offsets(TimeMap({"a": good, "b": REFUSED, "c": good}), {"b": 0.73, "c": -0.5})
    assert time_map.cameras["a"] is good
    b, c = time_map.cameras["b"], time_map.cameras["c"]
    assert (b.offset_s, b.rate, b.method, b.ok) == (0.73, 1, "manual", True)
    assert (c.offset_s, c.rate, c.rate_std) == (-0.5, 1.00003, 2e-6)
    assert b.offset_std_s == MANUAL_STD_S


def test_the_only_camera_without_an_offset_is_the_reference():
    time_map = with_manual_offsets(TimeMap({"a": REFUSED, "b": REFUSED, "c": REFUSED}), {"b": 0.7, "c": 0.1})
    assert time_map.refused == {}
    assert (time_map.cameras["a"].offset_s, time_map.cameras["a"].method) == (0, "reference")
    time_map = with_manual_offsets(TimeMap({"a": REFUSED, "b": REFUSED, "c": REFUSED}), {"b": 0.7})
    assert set(time_map.refused) == {"a", "c"}
    # One that is left over beside cameras with a clock of their own has no known relation to them.
    known = replace(REFUSED, verdict="ok")
    time_map = with_manual_offsets(TimeMap({"a": REFUSED, "b": known, "c": REFUSED}), {"c": 0.1})
    assert set(time_map.refused) == {"a"}


@pytest.mark.parametrize(
    ("time_map", "offsets", "expected"),
    [
        (TimeMap({"a": REFUSED}), {"z": 1.0}, r"No camera z .* there are a"),
        (TimeMap({"a": REFUSED}), {"a": float("nan")}, "--offset a=0.73"),
        (timestamps_map("a"), {"a": 1.0}, "table of time stamps"),
    ],
)
def test_offsets_that_make_no_sense(time_map, offsets, expected):
    with pytest.raises(SyncError, match=expected):
        with_manual_offsets(time_map, offsets)


def test_a_time_map_round_trips_as_strict_json(tmp_path):
    path = tmp_path / "time_map.json"
    clock = CameraClock(float(np.pi), 1 + 1e-9, 0.003, 5e-5, "clap", 0.8)
    TimeMap({"ä b": clock, "c": REFUSED}).save(path)

    def refuse(name):
        raise AssertionError(name)

    json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert TimeMap.load(path).cameras == {"ä b": clock, "c": REFUSED}


@pytest.mark.parametrize("content", ["", "[]", '{"cameras": {"a": {"offset_s": 1}}}', '{"cameras": 3}'])
def test_a_file_that_is_no_time_map(tmp_path, content):
    path = tmp_path / "time_map.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"time_map\.json is not a time map.*clapcap sync"):
        TimeMap.load(path)
