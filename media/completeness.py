"""How much of a video file is missing: by the sizes that its own outermost structure states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# The MP4 and MOV boxes that make up a recording. Some cameras append data of their own after them.
RECORDING_BOXES = (b"mdat", b"moov", b"moof")
EBML_HEADER = b"\x1a\x45\xdf\xa3"
MATROSKA_SEGMENT = b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """Return how many bytes the file falls short of what its header promises; 0 where it is whole or does not say.

    Boxes of MP4 and MOV (ISO/IEC 14496-12, 4.2), the segment of MKV and WebM (RFC 8794, 6), RIFF chunks of AVI.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[:4] == EBML_HEADER:
            end = _matroska_end(file)
        elif head[:4] == b"RIFF":
            end = _riff_end(file, size)
        else:
            end = _boxes_end(file, size)
    return max(end - size, 0)


def lacks_index(path: Path) -> bool:
    """Whether the file is an MP4 or MOV without the index (`moov`) that a camera writes when it ends a recording."""
    with path.open("rb") as file:
        size = path.stat().st_size
        boxes = list(_boxes(file, size))
    if not boxes or boxes[0][0] not in (b"ftyp", b"wide", b"mdat"):
        return False
    return not any(kind == b"moof" or (kind == b"moov" and end <= size) for kind, end in boxes)


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield kind and end of the outermost boxes of an MP4 or MOV; the last one may end behind the file."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        position = size if length == 0 else position + length  # 0: to the end of the file
        yield kind, position
        if 0 < length < 8:  # no box
            return


def _boxes_end(file: BinaryIO, size: int) -> int:
    ends = [end for kind, end in _boxes(file, size) if end > size and kind in RECORDING_BOXES]
    return max(ends, default=0)


def _matroska_end(file: BinaryIO) -> int:
    while True:
        identifier = file.read(4)
        length = _ebml_size(file)
        if length is None:  # a live recording: the size was not known
            return 0
        if identifier == MATROSKA_SEGMENT:
            return file.tell() + length
        if identifier != EBML_HEADER:
            return 0
        file.seek(length, 1)


def _ebml_size(file: BinaryIO) -> int | None:
    """Read a variable-length size: as many zero bits as bytes follow, a one, the value; all ones is unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    follow = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> follow)]) + file.read(follow), "big")
    return None if value == (1 << (7 * (follow + 1))) - 1 else value


def _riff_end(file: BinaryIO, size: int) -> int:
    position = 0
    while position + 8 <= size:  # AVI files of more than a gigabyte are several RIFF chunks
        file.seek(position)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            return 0
        position += 8 + length + length % 2
    return position
