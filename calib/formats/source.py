"""Calibrations on disk: text only, within bounds, and never a pickle."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from clapcap.errors import FileFormatError

LARGEST_FILE_BYTES = 256 * 2**20
"""Above any calibration: 2,000 pictures of 3,000 points each, 20 characters a point, make a COLMAP file of 120 MB."""

PICKLE = re.compile(rb"\x80[\x01-\x05]|c\w+\n\w+\n|\([dl]p\d|[}\])]q[\x00-\xff]")
"""How pickles of all protocols begin that hold a dictionary, a list or an object."""


class Source:
    """A calibration on disk, one file or a folder: reads text only, within bounds, each file once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        self._texts: dict[Path, str] = {}

    @property
    def used(self) -> tuple[Path, ...]:
        """The files that were read so far."""
        return tuple(self._texts)

    @property
    def folder(self) -> Path:
        """The folder, or the one that the file lies in."""
        return self.path if self.is_folder else self.path.parent

    def holds(self, *names: str) -> bool:
        """Tell whether the path is a folder that holds these files, or is one of them with the others beside it."""
        return (self.is_folder or self.path.name in names) and all((self.folder / name).is_file() for name in names)

    @cached_property
    def start(self) -> str:
        """The first characters of the file without blanks; of a folder nothing."""
        return "" if self.is_folder else self.text(self.path)[:4096].lstrip()

    def text(self, path: Path) -> str:
        """Return the text of a file.

        Raises
        ------
        FileFormatError
            If it cannot be read, is too large or no UTF-8 text.
        """
        if path not in self._texts:
            self._texts[path] = _read_text(path)
        return self._texts[path]


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    if PICKLE.match(content):
        raise FileFormatError(
            f"{path} is a pickle. Pickles are not read, since they can run any code that their author put in. Export "
            "the calibration from its tool in a text format, such as Pose2Sim's Calib.toml for OpenCap's."
        )
    if len(content) > LARGEST_FILE_BYTES:
        raise FileFormatError(
            f"{path} has more than {LARGEST_FILE_BYTES >> 20} MB, so it is no calibration. Check the path."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is no text: byte {error.start} is not UTF-8. Calibrations are text files: check the path, or save "
            "it as UTF-8."
        ) from error
    if "\x00" in text:
        raise FileFormatError(f"{path} is no text file: it holds zero bytes. Calibrations are text files.")
    return text
