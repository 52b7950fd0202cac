"""The weights that ship with the package. Importing this module imports no torch."""

from __future__ import annotations

from pathlib import Path


def shipped_weights() -> Path | None:
    """Return where the weights are that ship with the package, None in a copy without them."""
    path = Path(__file__).with_name("weights") / "lifter.safetensors"
    return path if path.is_file() else None
