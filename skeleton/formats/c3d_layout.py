"""The bytes of a C3D file of points: header, parameters and 32 bit floats, little-endian ("Intel").

Source: The C3D File Format User Guide (Motion Lab Systems, 2008 and its edition on the web). A file is a header of one
block of 512 bytes, a parameter section of at most 255 blocks, and the data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

BLOCK = 512
INTEL = 84
BIG_ENDIAN = 86  # SGI/MIPS; 85 (DEC) is little-endian with other floats
HEADER_FRAMES = 65535
"""The last frame that the header and POINT:FRAMES can count: unsigned 16 bit numbers."""

_KEY = 0x50
_TEXT, _INTEGER, _FLOAT = -1, 2, 4
_MOST_BLOCKS = 255
_MOST_ENTRIES = 255  # a dimension is one byte
_MOST_BYTES = 32000  # of one parameter: from one to the next is a signed 16 bit number

Value = str | int | float | Sequence[str] | Sequence[int]


def text_lists(name: str, texts: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the parameters that hold a list of texts: NAME, then NAME2, NAME3, ... as one holds at most 255."""
    longest = max(len(text.encode()) for text in texts)
    entries = max(1, min(_MOST_ENTRIES, _MOST_BYTES // longest))
    chunks = [texts[start : start + entries] for start in range(0, len(texts), entries)]
    return {name if not place else f"{name}{place + 1}": chunk for place, chunk in enumerate(chunks)}


def file_head(
    points: int, frames: int, rate_hz: float, scale: float, groups: Mapping[str, Mapping[str, Value]]
) -> bytes:
    """Return header and parameters, whole blocks: what stands before the data.

    Parameters
    ----------
    points, frames, rate_hz
        Of the data.
    scale
        POINT:SCALE, negative as the data are floats.
    groups
        The parameters; POINT:DATA_START and POINT:SCALE are added.

    Raises
    ------
    ValueError
        The parameters need more than 255 blocks.
    """
    section = b""
    for _ in range(2):  # where the data start is a parameter itself; its length does not depend on its value
        start = 2 + len(section) // BLOCK
        added = {"DATA_START": start, "SCALE": scale}
        section = _parameters({name: {**group, **(added if name == "POINT" else {})} for name, group in groups.items()})
    start = 2 + len(section) // BLOCK
    header = struct.pack("<BB5HfHHf", 2, _KEY, points, 0, 1, min(frames, HEADER_FRAMES), 0, scale, start, 0, rate_hz)
    return header.ljust(BLOCK, b"\0") + section


def _parameters(groups: Mapping[str, Mapping[str, Value]]) -> bytes:
    entries: list[tuple[bytes, bytes]] = []  # what stands before and behind the distance to the next one
    for number, (group, parameters) in enumerate(groups.items(), start=1):
        entries.append((struct.pack("<bb", len(group), -number) + group.encode(), b"\0"))
        for name, value in parameters.items():
            entries.append((struct.pack("<bb", len(name), number) + name.encode(), _value(value) + b"\0"))
    parts = []
    for place, (before, behind) in enumerate(entries, start=1):
        parts.append(before + struct.pack("<H", 0 if place == len(entries) else 2 + len(behind)) + behind)
    body = b"".join(parts)
    blocks = -(-(4 + len(body)) // BLOCK)
    if blocks > _MOST_BLOCKS:
        raise ValueError(f"the parameters need {blocks} blocks of {BLOCK} bytes, at most {_MOST_BLOCKS} fit")
    return (struct.pack("<BBBB", 1, _KEY, blocks, INTEL) + body).ljust(blocks * BLOCK, b"\0")


def _value(value: Value) -> bytes:
    """Return type, dimensions and data of a parameter; integers are unsigned 16 bit numbers."""
    if isinstance(value, str):
        return struct.pack("<bBB", _TEXT, 1, len(value.encode())) + value.encode()
    if isinstance(value, int):
        return struct.pack("<bBH", _INTEGER, 0, value)
    if isinstance(value, float):
        return struct.pack("<bBf", _FLOAT, 0, value)
    texts = [entry.encode() for entry in value if isinstance(entry, str)]
    if texts:
        width = max(len(text) for text in texts)
        return struct.pack("<bBBB", _TEXT, 2, width, len(texts)) + b"".join(text.ljust(width) for text in texts)
    numbers = [entry for entry in value if isinstance(entry, int)]
    return struct.pack(f"<bBB{len(numbers)}H", _INTEGER, 1, len(numbers), *numbers)


def long_counts(frames: int) -> tuple[dict[str, float], dict[str, Sequence[int]]]:
    """Return what counts more than 65535 frames: of the group POINT (C-Motion's), and of TRIAL (Vicon's)."""
    if frames <= HEADER_FRAMES:
        return {}, {}
    words = [frames % 65536, frames // 65536]
    return {"LONG_FRAMES": float(frames)}, {"ACTUAL_START_FIELD": [1, 0], "ACTUAL_END_FIELD": words}


@dataclass(frozen=True)
class Head:
    """What the header says: first and last frame, the data's first byte, and whether its numbers are big-endian."""

    first_frame: int
    last_frame: int
    data_start: int
    processor: int


def read_head(path: Path) -> Head:
    """Read the header.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or ends within its header.
    """
    with path.open("rb") as file:
        header = file.read(BLOCK)
        if len(header) < BLOCK:
            raise ValueError(f"it has {len(header)} bytes, not even a header of {BLOCK}")
        file.seek((header[0] - 1) * BLOCK)  # to the parameters, whose fourth byte is the kind of processor
        processor = file.read(4)[-1:]
    if not processor:
        raise ValueError("it ends before its parameters")
    order = ">" if processor[0] == BIG_ENDIAN else "<"
    first, last = struct.unpack(f"{order}2H", header[6:10])
    block = struct.unpack(f"{order}H", header[16:18])[0]
    return Head(first, last, (max(block, 1) - 1) * BLOCK, processor[0])


def read_floats(path: Path, head: Head, frames: int, points: int) -> npt.NDArray[np.float32]:
    """Read Intel floats without analog data, (frames, points, 4); raises ValueError if the file was cut short."""
    with path.open("rb") as file:
        file.seek(head.data_start)
        numbers = np.fromfile(file, dtype="<f4", count=frames * points * 4)
    if len(numbers) < frames * points * 4:
        raise ValueError(f"it was cut short: it holds {len(numbers) // (points * 4)} of {frames} frames")
    return numbers.reshape(frames, points, 4)


def fourth_words(
    missing: npt.NDArray[np.bool_], residual: npt.NDArray[np.int64], cameras: Iterable[npt.NDArray[np.bool_]]
) -> npt.NDArray[np.float32]:
    """Return the fourth number of each point: -1 where missing, else the residual's byte and a bit a camera (up to 7).

    By convention a point that was interpolated has the residual 0 and no camera.
    """
    words = residual.copy()
    for place, used in zip(range(7), cameras, strict=False):
        words += used.astype(np.int64) << (8 + place)
    return np.where(missing, -1, words).astype(np.float32)
