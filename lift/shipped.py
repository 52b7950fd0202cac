"""The weights that ship with the package. Importing this module imports no torch."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).with_name("weights")


def shipped_weights(causal: bool = False) -> Path | None:
    """Return where the weights are that ship with the package, None in a copy without them.

    `causal`: those of the network that looks back only, for live use.
    """
    path = WEIGHTS / ("lifter-causal.safetensors" if causal else "lifter.safetensors")
    return path if path.is_file() else None
