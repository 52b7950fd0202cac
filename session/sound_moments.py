"""What a recording's clocks were heard by, kept so that the sound's way can be taken out once places are known."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clapcap.errors import FileFormatError

if TYPE_CHECKING:
    from sync.clap import SyncResult
    from sync.time_map import TimeMap


def save_moments(path: Path, result: SyncResult | None) -> None:
    """Write what `result` was solved from; None: nothing was heard."""
    arrays = {}
    if result is not None and result.moments is not None:
        arrays = {field.name: getattr(result.moments, field.name) for field in fields(result.moments)}
        arrays["sounds_s"] = result.sounds_s
        arrays["reference"] = np.array(result.reference or "")
    # In memory first: on a full disk, zipfile is left open and complains once more when it is collected.
    archive = io.BytesIO()
    np.savez(archive, format=np.array("clapcap-sounds"), version=np.array(1), **arrays)
    path.write_bytes(archive.getvalue())


def load_moments(path: Path, time_map: TimeMap) -> SyncResult | None:
    """Read what `save_moments` wrote, for the time map that came of it; None where nothing was heard.

    Raises
    ------
    FileFormatError
        If the file is something else.
    """
    from sync.clap import SyncResult
    from sync.joint_fit import SharedMoments

    try:
        with np.load(path, allow_pickle=False) as file:
            if "reference" not in file:
                return None
            moments = SharedMoments(**{field.name: file[field.name] for field in fields(SharedMoments)})
            return SyncResult(time_map, {}, str(file["reference"]), moments, file["sounds_s"])
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError(
            f"{path} is not what clapcap wrote there ({error}). Delete it and run again: clapcap sync"
        ) from error
