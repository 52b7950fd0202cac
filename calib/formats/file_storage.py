"""The YAML of OpenCV's FileStorage, as far as calibrations use it: numbers, names, lists of names and matrices.

It is read here rather than by OpenCV or a YAML library: OpenCV's `%YAML:1.0` is not YAML, its parser trusts a matrix's
`rows` and `cols`, and neither says where a file is broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calib.formats.checks import Place, shortened
from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]

KEY = re.compile(r"""(?P<quote>["']?)(?P<key>[A-Za-z_][^:"']*)(?P=quote)\s*:(?:\s+(?P<rest>.*))?""")
PART = re.compile(r"\b(rows|cols)\s*:\s*(\d{1,9})\b")
DATA = re.compile(r"\bdata\s*:\s*\[([^\]]*)\]", re.DOTALL)


class FileStorage:
    """One file, taken apart into its top-level entries."""

    def __init__(self, path: Path, text: str) -> None:
        """Take the text of the file at `path` apart.

        Raises
        ------
        FileFormatError
            If a line belongs to no entry, or an entry is there twice.
        """
        self.path = path
        self._entries: dict[str, str] = {}
        key = ""
        for number, line in enumerate(text.splitlines(), start=1):
            bare = line.strip()
            if not bare or bare.startswith(("#", "%")) or bare in ("---", "..."):
                continue
            found = KEY.fullmatch(line.rstrip())
            if found:
                key = found["key"].strip()
                if key in self._entries:
                    raise FileFormatError(f'{path}, line {number}: "{key}" is there twice. Remove one of them.')
                self._entries[key] = found["rest"] or ""
            elif key and line[0] in " \t-":
                self._entries[key] += "\n" + bare
            else:
                raise FileFormatError(
                    f"{path}, line {number}: {shortened(bare)} is no entry of an OpenCV YAML file, needed KEY: VALUE."
                )

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the entries, in order."""
        return tuple(self._entries)

    def first(self, *keys: str) -> str:
        """Return which of several names for the same thing the file uses.

        Raises
        ------
        FileFormatError
            If none.
        """
        for key in keys:
            if key in self:
                return key
        raise FileFormatError(f"{self.path} lacks {' or '.join(keys)}. Export the calibration again.")

    def text(self, key: str) -> str:
        """Return an entry as plain text."""
        return _unquoted(self._entries[self.first(key)])

    def number(self, key: str) -> float:
        """Return an entry that is one number."""
        raw = self.text(key)
        try:
            return float(raw)
        except ValueError:
            raise Place(self.path, key).broken(f"is {shortened(raw)}", "a number") from None

    def names(self, key: str) -> list[str]:
        """Return an entry that is a list of names, in brackets or one a line."""
        raw = self._entries[self.first(key)].strip()
        if raw.startswith("["):
            parts = raw.strip("[]").replace("\n", " ").split(",")
        else:
            parts = [line.removeprefix("-") for line in raw.splitlines() if line.strip()]
        return [_unquoted(part) for part in parts if part.strip()]

    def matrix(self, key: str, *shapes: tuple[int, ...]) -> Array:
        """Return an entry that is a matrix of one of the shapes; -1 stands for any length."""
        raw, place = self._entries[self.first(key)], Place(self.path, key)
        size, data = dict(PART.findall(raw)), DATA.search(raw)
        if len(size) != 2 or data is None:
            raise place.broken(f"is {shortened(raw)}", "an OpenCV matrix: rows, cols and data")
        try:
            values = [float(value) for value in data[1].replace("\n", " ").split(",") if value.strip()]
        except ValueError as error:
            raise place.broken(f"holds what is no number ({error})", "numbers") from None
        rows, cols = int(size["rows"]), int(size["cols"])
        if rows * cols != len(values):
            raise place.broken(f"holds {len(values)} numbers", f"{rows} x {cols}, as its rows and cols say")
        listed = [values[row * cols : (row + 1) * cols] for row in range(rows)]
        return place.numbers("data", listed, *shapes)


def _unquoted(raw: str) -> str:
    text = raw.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text


def dump(entries: Mapping[str, str | float | Array | list[str]]) -> bytes:
    """Return entries as the content of a file that `cv2.FileStorage` reads; matrices must have two dimensions."""
    lines = ["%YAML:1.0", "---"]
    for key, value in entries.items():
        if isinstance(value, np.ndarray):
            data = ", ".join(repr(float(number)) for number in value.ravel())
            lines += [f"{key}: !!opencv-matrix", f"   rows: {value.shape[0]}", f"   cols: {value.shape[1]}", "   dt: d"]
            lines += [f"   data: [ {data} ]"]
        elif isinstance(value, list):
            lines += [f"{key}:", *(f"   - {_quoted(name)}" for name in value)]
        else:
            lines += [f"{key}: {_quoted(value) if isinstance(value, str) else value}"]
    return ("\n".join(lines) + "\n").encode()


def _quoted(text: str) -> str:
    return f'"{text}"'


def is_file_storage(start: str) -> bool:
    """Tell from the beginning of a file whether it is an OpenCV YAML."""
    return start.startswith("%YAML") or "!!opencv-matrix" in start


def lacking(path: Path, storage: FileStorage, keys: Iterable[str]) -> None:
    """Refuse a file that lacks entries.

    Raises
    ------
    FileFormatError
        Naming all of them.
    """
    missing = [key for key in keys if key not in storage]
    if missing:
        raise FileFormatError(f"{path} lacks {', '.join(missing)}. Export the calibration again.")
