"""A trained network as ONNX, checked against torch. Importing this module imports torch: do so inside functions."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import torch

from clapcap.errors import FileFormatError
from lift.geometry import channel_count
from lift.model import Lifter

OUTPUTS = ("joints_m", "root_code", "contact", "log_sigma")
CLOSE = 1e-3
"""Largest difference to torch, in metres and the outputs' other units: float32 sums in another order differ by 1e-5."""

_TRACED_FRAMES, _CHECKED_FRAMES = 200, 123


def export_onnx(model: Lifter, path: Path) -> float:
    """Write a network with any number of windows and frames, and run it once beside torch.

    Returns
    -------
    float
        The largest difference of any output.

    Raises
    ------
    FileFormatError
        ONNX is not installed, or the written network answers otherwise than torch.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise FileFormatError(f"ONNX cannot be written: {error}. Install it: pip install 'clapcap[train]'") from error
    model = model.cpu().eval()
    channels = channel_count(model.settings.world_landmarks)
    example = torch.zeros(1, _TRACED_FRAMES, channels)
    partial = path.with_name(f".partial-{path.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        torch.onnx.export(
            model,
            (example,),
            str(partial),
            input_names=["features"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "windows", 1: "frames"} for name in ("features", *OUTPUTS)},
            dynamo=False,  # the tracing exporter: it needs no further package, and our networks have no branches
        )
    features = np.random.default_rng(0).standard_normal((2, _CHECKED_FRAMES, channels)).astype(np.float32)
    with torch.inference_mode():
        wanted = [value.numpy() for value in model(torch.from_numpy(features))]
    session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
    found = session.run(None, {"features": features})
    difference = max(float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))
    if not difference < CLOSE:
        partial.unlink()
        raise FileFormatError(f"{path}: the ONNX network differs from torch's by {difference:.2g}, needed {CLOSE:.0e}.")
    os.replace(partial, path)
    return difference
