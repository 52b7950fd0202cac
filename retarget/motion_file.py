"""A motion from a file, whichever of the two kinds it is."""

from __future__ import annotations

from pathlib import Path

from clapcap.errors import FileFormatError
from skeleton.formats.npz import load_motion
from skeleton.motion import Motion

SUFFIXES = (".npz", ".bvh")


def load_motion_file(path: Path) -> Motion:
    """Read a motion from motion.npz, or from a BVH file in metres with Y up.

    Raises
    ------
    FileFormatError
        If the file is neither, or cannot be read.
    """
    if path.suffix == ".bvh":
        from retarget.bvh import read_bvh

        return read_bvh(path)
    if path.suffix == ".npz":
        return load_motion(path)
    raise FileFormatError(f"{path}: a motion is a file that ends with {' or '.join(SUFFIXES)}.")
