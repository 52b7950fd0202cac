"""Keypoints in 3D as one JSON object a frame, which programs in this field exchange.

    {"frame": 1024, "timestamp_ms": 34133, "joints": {"nose":
        {"x": 0.1, "y": 2.0, "z": 1.6, "confidence": 0.8, "sigma_mm": 12.5}}}

Written: a JSON list of such objects, one a line. `frame` counts from 0. `timestamp_ms` is session time, a whole number
where it is one, else with the digits that bring the time back exactly. Positions are metres in the world (right-handed,
Z up), `sigma_mm` is their standard deviation in millimetres. All joints stand in every frame; of a missing one x, y and
z are null and the confidence is 0. `"filled": true` stands only at positions that were interpolated over a gap.

The first object also holds `"note"` where the keypoints have one: what whoever uses them must know.

`confidence` comes from sigma, for programs that want a number in [0, 1]: 50 mm / (50 mm + sigma), so 1 for an exact
point, 0.5 at 5 cm, towards 0 without end; null where sigma is unknown.

Lost: camera names, reprojection errors, the sigma of missing points, the last digit of sigma. A point with one missing
coordinate is missing.

Read: a list, or objects one after the other (JSON lines); joints may be left out of a frame, and keys may be added.
Without `sigma_mm`, the confidence tells sigma.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from skeleton.formats.contract import check_frames, check_names, keypoints3d, reading
from skeleton.keypoints import Keypoints3D

HALF_CONFIDENCE_SIGMA_M = 0.05
"""The sigma that is written as a confidence of one half: about what makes a joint useless for animation."""

_SPACE = re.compile(r"\s*")


def save(path: Path, keypoints: Keypoints3D) -> None:
    """Write the frames; raises FileFormatError for what cannot be written, OSError when the disk refuses."""
    check_names(path, keypoints.names)
    check_frames(path, keypoints)
    confidence = HALF_CONFIDENCE_SIGMA_M / (HALF_CONFIDENCE_SIGMA_M + keypoints.sigma_m)
    columns = (keypoints.xyz_m, confidence, 1000 * keypoints.sigma_m, keypoints.filled)
    by_frame = zip(*(column.tolist() for column in columns), strict=True)
    lines = []
    # Text is made frame by frame.
    for frame, (time_s, values) in enumerate(zip(keypoints.time_s.tolist(), by_frame, strict=True)):
        joints = {name: _joint(*of_joint) for name, *of_joint in zip(keypoints.names, *values, strict=True)}
        note = f'"note": {json.dumps(keypoints.note)}, ' if keypoints.note and not frame else ""
        lines.append(
            f'{{"frame": {frame}, "timestamp_ms": {_milliseconds(time_s)}, {note}'
            f'"joints": {json.dumps(joints, ensure_ascii=False, allow_nan=False)}}}'
        )
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def load(path: Path) -> Keypoints3D:
    """Read the frames; raises FileFormatError if the file cannot be read or has another layout."""
    with reading(path, "a list of frames with joints"):
        frames = _documents(path.read_text(encoding="utf-8-sig"))
        names = list(dict.fromkeys(name for frame in frames for name in frame["joints"]))
        column = {name: place for place, name in enumerate(names)}
        values = np.full((len(frames), len(names), 4), np.nan)  # x, y, z, sigma
        filled = np.zeros((len(frames), len(names)), dtype=bool)
        time_s = np.empty(len(frames))
        for row, frame in enumerate(frames):
            time_s[row] = float(Decimal(frame["timestamp_ms"]) / 1000)
            for name, joint in frame["joints"].items():
                try:
                    values[row, column[name]] = _position_and_sigma(joint)
                    filled[row, column[name]] = joint is not None and joint.get("filled", False) is True
                except (TypeError, ValueError, KeyError, AttributeError) as error:
                    raise ValueError(f"object {row}, joint {name}: {error!r}") from error
        note = str(frames[0].get("note", "")) if frames else ""
        return replace(keypoints3d(names, values[..., :3], time_s, values[..., 3], filled), note=note)


def _joint(xyz: list[float], confidence: float, sigma_mm: float, filled: bool) -> dict[str, Any]:
    if not all(math.isfinite(value) for value in xyz):
        return {"x": None, "y": None, "z": None, "confidence": 0, "sigma_mm": None}
    x, y, z = xyz
    joint: dict[str, Any] = {"x": x, "y": y, "z": z, "confidence": None if math.isnan(confidence) else confidence}
    joint["sigma_mm"] = sigma_mm if math.isfinite(sigma_mm) else None
    if filled:
        joint["filled"] = True
    return joint


def _milliseconds(time_s: float) -> str:
    """Return the time in milliseconds without rounding: a decimal shift of the number as it prints."""
    text = f"{Decimal(repr(time_s)).scaleb(3):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _documents(text: str) -> list[dict[str, Any]]:
    """Return the objects of a list, or of a file of objects one after the other."""
    decoder = json.JSONDecoder(parse_float=Decimal)  # floats would round the milliseconds
    documents: list[Any] = []
    place = _after_space(text, 0)
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        documents.append(document)
        place = _after_space(text, place)
    return documents[0] if len(documents) == 1 and isinstance(documents[0], list) else documents


def _after_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place


def _position_and_sigma(joint: dict[str, Any] | None) -> tuple[float, float, float, float]:
    missing = (math.nan, math.nan, math.nan, math.nan)
    if joint is None or any(joint[axis] is None for axis in "xyz"):
        return missing
    x, y, z = (float(joint[axis]) for axis in "xyz")
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z)):
        return missing
    sigma_mm, confidence = joint.get("sigma_mm"), joint.get("confidence")
    if sigma_mm is not None:
        return x, y, z, float(sigma_mm) / 1000
    if confidence is None:
        return x, y, z, math.nan
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence is {confidence}, needed 0 to 1")
    sigma = HALF_CONFIDENCE_SIGMA_M * (1 / float(confidence) - 1) if confidence else math.inf
    return x, y, z, sigma
