"""Checkpoints of a training: written whole or not at all, read without running anything that is in them.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from clapcap.errors import FileFormatError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values; a run killed meanwhile leaves the checkpoint before."""
    partial = path.with_name(f".partial-{path.name}")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises
    ------
    FileFormatError
        The file is damaged, or holds more than tensors and plain values.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise FileFormatError(
            f"{path}: the checkpoint cannot be read ({str(error).splitlines()[0]}). Delete it to begin again."
        ) from error
    return state
