"""The per-frame JSON: the very layout that others exchange, and the forms in which it comes."""

import json
from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.formats import frames_json
from skeleton.keypoints import Keypoints3D

EXAMPLE = """{"frame": 1024, "timestamp_ms": 34133, "joints": {
  "nose": {"x": 0.1, "y": 2, "z": 1.6, "confidence": 0.5, "visibility": 1},
  "left_hip": {"x": -0.1, "y": 2.1, "z": 0.9, "confidence": 1.0}}}"""
NEXT = '{"frame": 1025, "timestamp_ms": 34166.6, "joints": {"nose": {"x": 0.2, "y": 2.0, "z": 1.5}, "tail": null}}'


@pytest.mark.parametrize("text", [f"[{EXAMPLE},\n{NEXT}]", f"{EXAMPLE}\n{NEXT}\n", f"\ufeff\n{EXAMPLE}{NEXT}"])
def test_lists_lines_and_concatenated_objects(tmp_path: Path, text: str):
    path = tmp_path / "frames.json"
    path.write_text(text, encoding="utf-8")
    keypoints = frames_json.load(path)
    assert keypoints.names == ("nose", "left_hip", "tail")
    np.testing.assert_array_equal(keypoints.time_s, [34.133, 34.1666])
    np.testing.assert_array_equal(keypoints.xyz_m[:, 0], [[0.1, 2, 1.6], [0.2, 2, 1.5]])
    np.testing.assert_allclose(keypoints.sigma_m[0, :2], [0.05, 0], atol=1e-15)
    assert np.isnan(keypoints.sigma_m[1, 0])  # no confidence
    assert np.isnan(keypoints.xyz_m[1, 1:]).all()  # left out, and null


def test_sigma_goes_before_confidence(tmp_path: Path):
    path = tmp_path / "frames.json"
    path.write_text(f"[{EXAMPLE}]".replace('"confidence": 0.5', '"confidence": 0.5, "sigma_mm": 7.5'))
    np.testing.assert_array_equal(frames_json.load(path).sigma_m[0], [0.0075, 0.0])


def test_what_is_written_is_plain_json(tmp_path: Path):
    keypoints = Keypoints3D(
        names=("nose", "naïve"),
        xyz_m=[[[0.1, 2, 1.6], [1, 1, np.nan]], [[0.2, 2, 1.5], [0, 0, 0]]],
        sigma_m=[[0.05, 0.01], [np.nan, 0.2]],
        time_s=[34.133, 34.1666],
        reprojection_px=np.empty((0, 2, 2)),
        camera_names=(),
        filled=[[False, False], [False, True]],
    )
    path = tmp_path / "frames.json"
    frames_json.save(path, keypoints)
    text = path.read_text(encoding="utf-8")
    assert '"timestamp_ms": 34133, ' in text  # an integer where it is one
    missing = {"x": None, "y": None, "z": None, "confidence": 0, "sigma_mm": None}
    assert json.loads(text) == [
        {
            "frame": 0,
            "timestamp_ms": 34133,
            "joints": {
                "nose": {"x": 0.1, "y": 2.0, "z": 1.6, "confidence": 0.5, "sigma_mm": 50.0},
                "naïve": missing,
            },
        },
        {
            "frame": 1,
            "timestamp_ms": 34166.6,
            "joints": {
                "nose": {"x": 0.2, "y": 2.0, "z": 1.5, "confidence": None, "sigma_mm": None},
                "naïve": {
                    "x": 0.0,
                    "y": 0.0,
                    "z": 0.0,
                    "confidence": pytest.approx(0.2),
                    "sigma_mm": 200.0,
                    "filled": True,
                },
            },
        },
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"timestamp_ms": 34133', '"time": 34133', "'timestamp_ms' is missing"),
        ('"timestamp_ms": 34133', '"timestamp_ms": null', "not a list of frames"),
        ('"timestamp_ms": 34133', '"timestamp_ms": 1e999999', "not finite"),
        ('"timestamp_ms": 34133', '"timestamp_ms": 34200', "time_s does not increase"),
        ('"joints": {\n', '"points": {\n', "'joints' is missing"),
        ('"joints": {\n', '"joints": [], "more": {\n', "not a list of frames"),
        ('"z": 1.6', '"w": 1.6', r"object 0, joint nose: KeyError\('z'\)"),
        ('"z": 1.6', '"z": "up"', "object 0, joint nose: .*up"),
        ('"confidence": 0.5', '"confidence": 1.5', "confidence is 1.5, needed 0 to 1"),
        ('"confidence": 0.5', '"sigma_mm": -3', "sigma_m holds negative values"),
        ('"confidence": 0.5', '"sigma_mm": "small"', "object 0, joint nose: .*small"),
        ("}}}", "}}", "not a list of frames"),
        ('"x"', "x", "not a list of frames"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, old: str, new: str, complaint: str):
    path = tmp_path / "bad.json"
    text = f"[{EXAMPLE},\n{NEXT}]"
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FileFormatError, match=complaint) as caught:
        frames_json.load(path)
    assert str(path) in str(caught.value)
