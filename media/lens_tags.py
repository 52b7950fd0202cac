"""What a phone writes into a video about the lens that it was filmed with."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

FOCAL_35MM = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "focallengthin35mmfilm", "focal_length_35mm")
"""Keys of the focal length that would give the same view on 35 mm film: Apple's, and EXIF's as other programs copy it.
Apple writes it into the meta box of the video's track, which libav does not read."""

DIAGONAL_35MM = float(np.hypot(36.0, 24.0))
"""The picture on 35 mm film, by whose diagonal such focal lengths compare (CIPA DCG-001)."""

SHORTEST_MM, LONGEST_MM = 8.0, 400.0
"""A number outside of this is no such focal length."""

_PARENTS = (b"moov", b"trak", b"udta")
_MOST_BYTES = 1 << 20  # of a box of tags: a damaged length must not fill the memory
_INTEGERS = {65: ">b", 66: ">h", 67: ">i", 74: ">q", 75: ">B", 76: ">H", 77: ">I", 78: ">Q"}
_FLOATS = {23: ">f", 24: ">d"}


def focal_35mm(path: Path) -> float | None:
    """Return the focal length that a video (MP4, MOV) states, in millimetres on 35 mm film; None where it states none.

    A file that cannot be read states none: whoever opens its pictures says what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            for start, end in _metas(file, 0, size):
                for key, value in _items(file, start, end):
                    if key.lower() in FOCAL_35MM and value is not None and SHORTEST_MM <= value <= LONGEST_MM:
                        return value
    except (OSError, struct.error):
        pass
    return None


def focal_px(mm: float, size_px: tuple[int, int]) -> float:
    """Return the focal length in pixels of a picture (width, height) from that on 35 mm film."""
    return mm / DIAGONAL_35MM * float(np.hypot(*size_px))


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the contents of the boxes (ISO/IEC 14496-12, 4.2) in a stretch of a file."""
    while start + 8 <= end:
        file.seek(start)
        header = file.read(16)
        length, kind, head = int.from_bytes(header[:4], "big"), header[4:8], 8
        if length == 1:
            length, head = int.from_bytes(header[8:16], "big"), 16
        after = end if length == 0 else start + length
        if after < start + head or after > end:
            return
        yield kind, start + head, after
        start = after


def _metas(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    for kind, inside, after in _boxes(file, start, end):
        if kind in _PARENTS:
            yield from _metas(file, inside, after)
        elif kind == b"meta":
            yield inside, after


def _items(file: BinaryIO, start: int, end: int) -> Iterator[tuple[str, float | None]]:
    """Yield key and number of the items of a meta box (QuickTime File Format, "Metadata"); None: it is no number."""
    file.seek(start)
    # ISO's meta box begins with a version and flags, QuickTime's with its first box.
    if file.read(8)[4:8] != b"hdlr":
        start += 4
    boxes = {kind: (inside, after) for kind, inside, after in _boxes(file, start, end)}
    if b"keys" not in boxes or b"ilst" not in boxes:
        return
    inside, after = boxes[b"keys"]
    keys = [_text(file, at, till) for _, at, till in _boxes(file, inside + 8, after)]
    for index, at, till in _boxes(file, *boxes[b"ilst"]):
        number = int.from_bytes(index, "big")
        if 1 <= number <= len(keys):
            values = [_number(_bytes(file, *place)) for kind, *place in _boxes(file, at, till) if kind == b"data"]
            yield keys[number - 1], values[0] if values else None


def _number(data: bytes) -> float | None:
    """Return the number in a data box: of its well-known type, or at the start of its text ("26", "50.00mm")."""
    kind, value = int.from_bytes(data[:4], "big") & 0xFFFFFF, data[8:]
    if kind == 1:
        found = re.match(r"\s*(\d+(?:\.\d+)?)", value.decode("utf-8", errors="replace"))
        return float(found[1]) if found else None
    if kind in (21, 22):  # as long as it needs to be
        return float(int.from_bytes(value, "big", signed=kind == 21))
    layout = _FLOATS.get(kind) or _INTEGERS.get(kind)
    return float(struct.unpack(layout, value)[0]) if layout else None


def _text(file: BinaryIO, start: int, end: int) -> str:
    return _bytes(file, start, end).decode("utf-8", errors="replace")


def _bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(min(end - start, _MOST_BYTES))
