"""The simplest baseline: one matrix from what is seen in a frame to the body, by least squares.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from clapcap.progress import Progress, silent
from lift.batches import Sampler
from lift.model import Lifter, ModelSettings, build_model

Array = npt.NDArray[np.float64]

RIDGE = 1e-3
"""Of the mean of the features' squares: without it, points that are never seen would make the system singular."""

_EVERY = 4  # frames: those next to each other say the same


def fit_linear(sampler: Sampler, batches: int, progress: Progress = silent) -> Lifter:
    """Return a network of kind "linear" that is the ridge regression of joints and root over so many batches.

    Each output is fitted on the frames in which it is known. Contact and uncertainty it leaves at 0.
    """
    grams: dict[int, Array] = {}
    products: dict[int, Array] = {}
    for number in range(batches):
        batch = sampler.batch(number)
        flat = batch.features[:, ::_EVERY].reshape(-1, batch.features.shape[-1])
        x = np.concatenate([flat, np.ones((len(flat), 1))], axis=1).astype(np.float64)
        joints = batch.joints_m[:, ::_EVERY].reshape(len(flat), -1, 3)
        code = batch.root_code[:, ::_EVERY].reshape(len(flat), 1, 3)
        targets = np.concatenate([joints, code], axis=1).astype(np.float64)
        known = np.isfinite(targets).all(axis=-1)
        for point in range(targets.shape[1]):
            rows = x[known[:, point]]
            grams[point] = grams.get(point, 0) + rows.T @ rows
            products[point] = products.get(point, 0) + rows.T @ targets[known[:, point], point]
        progress(number + 1, batches)
    model = build_model(ModelSettings(kind="linear"))
    weight, bias = torch.zeros_like(model.leave.weight), torch.zeros_like(model.leave.bias)
    for point, gram in grams.items():
        if not gram.any():  # nowhere recorded: the answer stays 0
            continue
        ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        solution = torch.from_numpy(np.linalg.solve(gram + ridge, products[point])).float()
        place = slice(3 * point, 3 * point + 3)
        weight[place], bias[place] = solution[:-1].T, solution[-1]
    model.leave.load_state_dict({"weight": weight, "bias": bias})
    return model.eval()
