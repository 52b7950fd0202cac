"""The file contracts between stages, as plain npz: keypoints2d, observations2d, keypoints3d, motion.

Arrays have the names, shapes and units of the dataclasses: metres, seconds, pixels; world with Z up; names are Unicode
arrays. `format` says which contract it is and `version` which edition. Nothing is pickled, nothing is lost; unknown
keys are ignored when reading.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from skeleton.formats.contract import check_names, reading
from skeleton.keypoints import Keypoints2D, Keypoints3D, Observations2D
from skeleton.motion import Motion

KEYPOINTS2D = "clapcap-keypoints2d"
OBSERVATIONS2D = "clapcap-observations2d"
KEYPOINTS3D = "clapcap-keypoints3d"
MOTION = "clapcap-motion"
VERSION = 1

_NAMES = ("names", "camera_names", "joint_names", "contact_names")


def save_keypoints2d(path: Path, keypoints: Keypoints2D) -> None:
    """Write 2D keypoints; raises FileFormatError for names that cannot be written, OSError when the disk refuses."""
    arrays: dict[str, Any] = {
        "names": keypoints.names,
        "xy_px": keypoints.xy_px,
        "confidence": keypoints.confidence,
        "time_s": keypoints.time_s,
        "image_size_px": keypoints.image_size_px,
    }
    if keypoints.world_m is not None:
        arrays["world_m"] = keypoints.world_m
    if keypoints.others_xy_px is not None:
        arrays["others_xy_px"] = keypoints.others_xy_px
        arrays["others_confidence"] = keypoints.others_confidence
    _save(path, KEYPOINTS2D, arrays)


def load_keypoints2d(path: Path) -> Keypoints2D:
    """Read 2D keypoints; raises FileFormatError if the file cannot be read or is something else."""
    with reading(path, KEYPOINTS2D):
        arrays = _load(
            path,
            KEYPOINTS2D,
            ("names", "xy_px", "confidence", "time_s", "image_size_px"),
            optional=("world_m", "others_xy_px", "others_confidence"),
        )
        return Keypoints2D(**arrays)


def save_observations2d(path: Path, observations: Observations2D) -> None:
    """Write observations; raises FileFormatError for names that cannot be written, OSError when the disk refuses."""
    arrays = {
        "camera_names": observations.camera_names,
        "names": observations.names,
        "xy_px": observations.xy_px,
        "sigma_px": observations.sigma_px,
        "time_s": observations.time_s,
    }
    _save(path, OBSERVATIONS2D, arrays)


def load_observations2d(path: Path) -> Observations2D:
    """Read observations; raises FileFormatError if the file cannot be read or is something else."""
    with reading(path, OBSERVATIONS2D):
        arrays = _load(path, OBSERVATIONS2D, ("camera_names", "names", "xy_px", "sigma_px", "time_s"))
        return Observations2D(**arrays)


def save_keypoints3d(path: Path, keypoints: Keypoints3D) -> None:
    """Write 3D keypoints; raises FileFormatError for names that cannot be written, OSError when the disk refuses."""
    arrays: dict[str, Any] = {
        "names": keypoints.names,
        "xyz_m": keypoints.xyz_m,
        "sigma_m": keypoints.sigma_m,
        "time_s": keypoints.time_s,
        "reprojection_px": keypoints.reprojection_px,
        "camera_names": keypoints.camera_names,
        "filled": keypoints.filled,
    }
    if keypoints.note:
        arrays["note"] = np.array(keypoints.note)
    _save(path, KEYPOINTS3D, arrays)


def load_keypoints3d(path: Path) -> Keypoints3D:
    """Read 3D keypoints; raises FileFormatError if the file cannot be read or is something else."""
    with reading(path, KEYPOINTS3D):
        arrays = _load(
            path,
            KEYPOINTS3D,
            ("names", "xyz_m", "sigma_m", "time_s", "reprojection_px", "camera_names"),
            optional=("filled", "note"),
        )
        _unpack_note(arrays)
        arrays.setdefault("filled", np.zeros(arrays["sigma_m"].shape, dtype=bool))
        return Keypoints3D(**arrays)


def save_motion(path: Path, motion: Motion) -> None:
    """Write a motion; raises FileFormatError for names that cannot be written, OSError when the disk refuses."""
    arrays: dict[str, Any] = {
        "joint_names": motion.joint_names,
        "parents": motion.parents,
        "rest_offset_m": motion.rest_offset_m,
        "rotation_xyzw": motion.rotation_xyzw,
        "root_m": motion.root_m,
        "time_s": motion.time_s,
    }
    optional = {"sigma_m": motion.sigma_m, "inferred": motion.inferred, "contact": motion.contact}
    arrays.update({key: value for key, value in optional.items() if value is not None})
    if motion.contact is not None:
        arrays["contact_names"] = motion.contact_names
    if motion.note:
        arrays["note"] = np.array(motion.note)
    _save(path, MOTION, arrays)


def load_motion(path: Path) -> Motion:
    """Read a motion; raises FileFormatError if the file cannot be read or is something else."""
    with reading(path, MOTION):
        arrays = _load(
            path,
            MOTION,
            ("joint_names", "parents", "rest_offset_m", "rotation_xyzw", "root_m", "time_s"),
            optional=("sigma_m", "inferred", "contact", "contact_names", "note"),
        )
        _unpack_note(arrays)
        if arrays["parents"].dtype.kind not in "iu":
            raise TypeError(f"parents holds {arrays['parents'].dtype}, needed whole numbers")
        return Motion(**arrays)


def contract_of(path: Path) -> str | None:
    """Return which contract a file follows by its own word; None if it is no npz that says so."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return str(archive["format"]) if "format" in archive else None
    except (OSError, ValueError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error):
        return None


def _unpack_note(arrays: dict[str, Any]) -> None:
    """Make the note a text, if there is one."""
    if "note" in arrays:
        if arrays["note"].dtype.kind != "U" or arrays["note"].ndim:
            raise TypeError(f"note holds {arrays['note'].dtype}, needed a text")
        arrays["note"] = str(arrays["note"])


def _save(path: Path, contract: str, arrays: dict[str, Any]) -> None:
    plain: dict[str, npt.NDArray[Any]] = {"format": np.array(contract), "version": np.array(VERSION)}
    for key, value in arrays.items():
        if key in _NAMES:
            check_names(path, value)
            value = np.array(value, dtype=np.str_)
        plain[key] = value
    # Given a path, numpy would append .npz to a temporary name; given a file on a full disk, leave it half closed.
    archive = io.BytesIO()
    np.savez(archive, **plain)
    path.write_bytes(archive.getbuffer())


def _load(path: Path, contract: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise ValueError("it is no npz archive")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                found = str(archive["format"]) if "format" in archive else None
                if found != contract:
                    raise FileFormatError(
                        f"{path} is not {contract}: its `format` is {found!r}. Give the file of the right stage."
                    )
                version = int(archive["version"])
                if version != VERSION:
                    raise FileFormatError(
                        f"{path} is version {version} of {contract}, this clapcap reads version {VERSION}. "
                        "Update clapcap, or make the file again."
                    )
                if missing := [key for key in required if key not in archive]:
                    raise FileFormatError(
                        f"{path} lacks {', '.join(missing)}: {contract} needs {', '.join(required)}. Make it again."
                    )
                arrays: dict[str, Any] = {key: archive[key] for key in (*required, *optional) if key in archive}
        except (zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"it is a broken npz archive ({error})") from error
    for key in _NAMES:
        if key in arrays:
            if arrays[key].dtype.kind != "U" or arrays[key].ndim != 1:
                raise TypeError(f"{key} holds {arrays[key].dtype} of shape {arrays[key].shape}, needed a list of texts")
            arrays[key] = tuple(arrays[key].tolist())
    return arrays
