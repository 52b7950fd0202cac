"""A lifter for tests, learned in seconds: one matrix, from made-up people who stride in circles."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "lift"))
from recorded import row, trc_text, walking, write_archives

from lift.batches import Sampler
from lift.learning import Learned
from lift.linear import fit_linear
from lift.mocap.archives import load_motions
from lift.noise import load_noise
from lift.settings import load_settings
from lift.weights_file import save_weights


def write_small_lifter(folder: Path) -> Path:
    """Write the weights, and return their file."""
    rows, texts = [], {}
    for number, (split, subject) in enumerate((("train", "anna"), ("train", "bert"), ("val", "carl"))):
        path = f"steps/{subject}/walk.trc"
        rows.append(row(path, split, subject, frames_total=240))
        texts[path] = trc_text(walking(240, 60, number), 60)
    motions = load_motions(write_archives(folder, rows, texts), folder / "cache")
    settings = load_settings(None)
    windows = replace(settings.windows, windows=32, frames=40)
    source = Sampler(motions, "train", windows, settings.cameras, load_noise(), False, 5)
    target = folder / "small.safetensors"
    save_weights(target, Learned(fit_linear(source, 12), 0, 0, float("nan"), False), 5)
    return target
