"""Focal lengths that phones write into the meta box of a video's track."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from media.lens_tags import focal_35mm, focal_px
from media.writer import VideoWriter

KEY = b"com.apple.quicktime.camera.focal_length.35mm_equivalent"


def box(kind: bytes, *contents: bytes) -> bytes:
    inside = b"".join(contents)
    return struct.pack(">I", 8 + len(inside)) + kind + inside


def meta(key: bytes, kind: int, value: bytes, iso: bool = False) -> bytes:
    """A meta box with two items, the second of which is the one asked for."""
    keys = box(b"keys", struct.pack(">II", 0, 2), box(b"mdta", b"com.apple.quicktime.make"), box(b"mdta", key))
    data = [struct.pack(">II", k, 0) + v for k, v in ((1, b"Apple"), (kind, value))]
    items = [box(struct.pack(">I", place + 1), box(b"data", one)) for place, one in enumerate(data)]
    handler = box(b"hdlr", bytes(8), b"mdta", bytes(12))
    return box(b"meta", bytes(4) if iso else b"", handler, keys, box(b"ilst", *items))


def movie(*tags: bytes) -> bytes:
    return box(b"ftyp", b"qt  ") + box(b"mdat", bytes(100)) + box(b"moov", box(b"mvhd"), box(b"trak", *tags))


@pytest.mark.parametrize(
    ("kind", "value", "mm"),
    [
        (21, b"\x1a", 26.0),
        (21, b"\x00\x1b", 27.0),
        (22, b"\x00\x00\x00\x78", 120.0),
        (67, struct.pack(">i", 24), 24.0),
        (23, struct.pack(">f", 13.5), 13.5),
        (1, b"50.00mm", 50.0),
    ],
)
def test_the_tracks_focal_length_is_read_whatever_its_type(tmp_path: Path, kind: int, value: bytes, mm: float) -> None:
    path = tmp_path / "phone.mov"
    path.write_bytes(movie(meta(KEY, kind, value)))
    assert focal_35mm(path) == mm
    path.write_bytes(movie(meta(KEY, kind, value, iso=True)))
    assert focal_35mm(path) == mm


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video",
        movie(meta(b"com.apple.quicktime.camera.lens_model", 1, b"26")),
        movie(meta(KEY, 1, b"unknown")),
        movie(meta(KEY, 21, b"\x00")),
        movie(meta(KEY, 67, b"\x18")),  # shorter than its type
        movie(meta(KEY, 21, b"\x1a"))[:-30],
        struct.pack(">I", 3) + b"moov",
    ],
)
def test_what_states_none_or_is_damaged_gives_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mov"
    path.write_bytes(content)
    assert focal_35mm(path) is None


def test_a_video_of_our_own_states_none_and_a_missing_one_neither(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "own.mp4", (32, 32)) as writer:
        writer.write(np.zeros((32, 32, 3), dtype=np.uint8))
    assert focal_35mm(tmp_path / "own.mp4") is None
    assert focal_35mm(tmp_path / "missing.mp4") is None


def test_pixels_follow_from_the_diagonal() -> None:
    # 3:2 as on film: 36 mm are 3600 px, so 26 mm are 2600 px.
    assert focal_px(26.0, (3600, 2400)) == pytest.approx(2600)
    assert focal_px(26.0, (2400, 3600)) == pytest.approx(2600)
