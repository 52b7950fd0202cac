"""Files appear whole or not at all: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".partial-"


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Give the temporary path to write to; on success it becomes `target`, on failure it is removed.

    The temporary name is the same at every run, so that what a killed run leaves behind is written over by the next.
    It keeps the suffix, by which codecs are chosen.

    Raises
    ------
    IsADirectoryError
        The target is a folder.
    NotADirectoryError
        There can be no folder for it, because a file is in the way, say.
    """
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, needed the name of a file", str(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise NotADirectoryError(errno.ENOTDIR, "there can be no such folder", str(target.parent)) from error
    partial = target.with_name(PREFIX + target.name)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    except BaseException as error:
        with suppress(OSError):  # on a disk that has become read-only, the first error is the one to tell
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(partial), partial):
            error.filename = str(target)  # what the user asked for; a full disk does not say where
        raise
