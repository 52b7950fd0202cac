"""One file from one format into another: points into points, a motion into BVH or joint angles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import FileFormatError, SessionError
from session.atomic import written_whole
from session.terminal import Terminal

if TYPE_CHECKING:
    from skeleton.motion import Motion

BVH_UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
MOTION_SUFFIXES = (".bvh", ".csv", ".mot", ".npz")


def convert_file(source: Path, output: Path, bvh_unit: str, terminal: Terminal) -> None:
    """Read a file of points or of a motion, and write it in the format of the output's suffix.

    Parameters
    ----------
    source
        Points (.npz, .csv, .json, .trc, .c3d) or a motion (.npz, .bvh); what an npz holds, it says itself.
    output
        For points the same suffixes; for a motion .bvh, .csv (joint angles), .mot (OpenSim's coordinates), .npz.
    bvh_unit
        Lengths of a BVH file, read or written: "m", "cm" or "mm".
    terminal
        Where to say what was written.

    Raises
    ------
    FileFormatError
        A file cannot be read, or its format cannot be written from it.
    SessionError
        The unit is unknown, or there would be nothing to convert.
    """
    from session.processing.files import motion_writer
    from skeleton.formats import KEYPOINTS3D_CODECS, load_keypoints3d, save_keypoints3d

    if bvh_unit not in BVH_UNITS:
        raise SessionError(f'--bvh-unit "{bvh_unit}" is unknown: needed one of {", ".join(BVH_UNITS)}.')
    if source.resolve() == output.resolve():
        raise SessionError(f"{output} is the file to be read: name another one with -o.")
    motion = read_motion(source, BVH_UNITS[bvh_unit])
    if motion is None:
        keypoints = load_keypoints3d(source)
        if output.suffix.lower() not in KEYPOINTS3D_CODECS:
            raise FileFormatError(
                f"{output}: points are written as {', '.join(KEYPOINTS3D_CODECS)}, not {output.suffix or 'that'}. "
                "For BVH and joint angles, fit bones first: clapcap fit"
            )
        with written_whole(output) as partial:
            save_keypoints3d(partial, keypoints)
        frames, points = keypoints.xyz_m.shape[:2]
        terminal.done("convert", f"{frames} frames of {points} points: {output}")
        return
    if output.suffix.lower() not in MOTION_SUFFIXES:
        raise FileFormatError(
            f"{output}: a motion is written as {', '.join(MOTION_SUFFIXES)}, not {output.suffix or 'that'}. "
            "Other programs' scenes: clapcap export"
        )
    with written_whole(output) as partial:
        motion_writer(output, motion, BVH_UNITS[bvh_unit])(partial)
    terminal.done("convert", f"{len(motion.time_s)} frames of {len(motion.joint_names)} joints: {output}")


def read_motion(source: Path, units_per_m: float) -> Motion | None:
    """Read the motion that a file holds; None if it is no file of a motion."""
    from retarget.bvh import read_bvh
    from skeleton.formats.npz import MOTION, contract_of, load_motion

    if source.suffix.lower() == ".bvh":
        return read_bvh(source, scale=units_per_m)
    if source.suffix.lower() == ".npz" and contract_of(source) == MOTION:
        return load_motion(source)
    return None
