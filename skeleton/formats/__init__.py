"""Codecs, one file each; keypoints in 3D are written and read by the suffix of the path.

Codecs write to exactly the path that they are given, byte for byte the same for the same input; that a file appears
whole or not at all is the caller's work. What a format cannot hold is lost, and the codec's docstring says what.
`skeleton.formats.npz` also holds 2D keypoints and motions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clapcap.errors import FileFormatError
from skeleton.formats import c3d, csv_table, frames_json, npz, trc
from skeleton.keypoints import Keypoints3D


@dataclass(frozen=True)
class Codec:
    """How keypoints in 3D become a file and come back."""

    save: Callable[[Path, Keypoints3D], None]
    load: Callable[[Path], Keypoints3D]


KEYPOINTS3D_CODECS = {
    ".npz": Codec(npz.save_keypoints3d, npz.load_keypoints3d),
    ".csv": Codec(csv_table.save, csv_table.load),
    ".trc": Codec(trc.save, trc.load),
    ".json": Codec(frames_json.save, frames_json.load),
    ".c3d": Codec(c3d.save, c3d.load),
}


def save_keypoints3d(path: Path, keypoints: Keypoints3D) -> None:
    """Write keypoints to `path`, in the format of its suffix.

    Raises
    ------
    FileFormatError
        If no codec has the suffix, or the format cannot hold these keypoints.
    OSError
        If the file cannot be written.
    """
    _codec(path).save(path, keypoints)


def load_keypoints3d(path: Path) -> Keypoints3D:
    """Read keypoints from `path`, in the format of its suffix.

    Raises
    ------
    FileFormatError
        If no codec has the suffix, or the file cannot be read or does not follow its format.
    """
    return _codec(path).load(path)


def check_suffix(path: Path) -> None:
    """Raise FileFormatError if no codec has the suffix of `path`: to be told before long work, not after."""
    _codec(path)


def _codec(path: Path) -> Codec:
    try:
        return KEYPOINTS3D_CODECS[path.suffix.lower()]
    except KeyError:
        if path.is_dir():
            raise FileFormatError(
                f"{path} is a folder, needed a file of keypoints in 3D: {', '.join(KEYPOINTS3D_CODECS)}. Name the file "
                f"in it: {path / 'keypoints3d.npz'}, say."
            ) from None
        raise FileFormatError(
            f"{path}: no format for keypoints in 3D has the suffix {path.suffix!r}. "
            f"Use one of {', '.join(KEYPOINTS3D_CODECS)}."
        ) from None
