"""Trained weights as safetensors, with what they need to be used.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import FileFormatError
from lift.model import Lifter, ModelSettings, build_model
from lift.points import POINTS
from lift.shipped import shipped_weights as shipped_weights

if TYPE_CHECKING:
    from lift.learning import Learned

FORMAT, VERSION = "clapcap-lifter", 1
ABOUT = "about"
"""The key of the file's metadata under which what it is stands as JSON."""


def save_weights(path: Path, learned: Learned, seed: int) -> None:
    """Write the weights of a network that learned with that seed."""
    from safetensors.torch import save_file

    about = {
        "format": FORMAT,
        "version": VERSION,
        "points": POINTS,
        "model": asdict(learned.model.settings),
        "step": learned.best_step,
        "validation_mm": round(learned.best_mm, 2),
        "seed": seed,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in learned.model.state_dict().items()}
    partial = path.with_name(f".partial-{path.name}")
    save_file(tensors, str(partial), {ABOUT: json.dumps(about)})  # one key: safetensors shuffles several
    os.replace(partial, path)


def load_weights(path: Path) -> Lifter:
    """Read a network, ready to lift.

    Raises
    ------
    FileFormatError
        The file is no lifter, of another version, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            if (about["format"], about["version"]) != (FORMAT, VERSION):
                raise ValueError(f"it is {about['format']} {about['version']}, this clapcap reads {FORMAT} {VERSION}")
            if tuple(about["points"]) != POINTS:
                raise ValueError("it lifts other points")
            model = build_model(ModelSettings(**about["model"]))
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 # no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileFormatError(f"{path}: no lifter's weights that can be read: {error}.") from error
    return model.eval()
