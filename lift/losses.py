"""What training minimises. Importing this module imports torch: do so inside functions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lift.model import Lifted


@dataclass(frozen=True)
class LossWeights:
    """What each part counts; lengths in metres are multiplied by it.

    position: distance of the points about the hips; velocity: of their steps from frame to frame; root: of the root's
    code; root_velocity: of its steps; contact: cross entropy of the feet; uncertainty: negative log likelihood of the
    deviation, which learns from the errors without changing them.
    """

    position: float = 10.0
    velocity: float = 30.0
    root: float = 1.0
    root_velocity: float = 5.0
    contact: float = 0.1
    uncertainty: float = 0.05


@dataclass(frozen=True, eq=False)
class Targets:
    """The truth of a batch.

    joints_m (windows, frames, points, 3) and root_code (windows, frames, 3), NaN not known; contact (windows,
    frames, 2): 1, 0 or -1 not known.
    """

    joints_m: Tensor
    root_code: Tensor
    contact: Tensor


def loss_parts(lifted: Lifted, truth: Targets) -> dict[str, Tensor]:
    """Return each part's mean over what is known, unweighted; 0 where nothing is known."""
    known = torch.isfinite(truth.joints_m).all(dim=-1)
    error = lifted.joints_m - torch.nan_to_num(truth.joints_m)
    distance = _length(error)
    both = known[:, 1:] & known[:, :-1]
    root_known = torch.isfinite(truth.root_code).all(dim=-1)
    root_error = lifted.root_code - torch.nan_to_num(truth.root_code)
    contact_known = truth.contact >= 0
    contact = functional.binary_cross_entropy_with_logits(lifted.contact, truth.contact.clamp(min=0), reduction="none")
    sigma = lifted.log_sigma.exp()
    # Three axes of one normal distribution: 3 log sigma + |e|^2 / (2 sigma^2).
    surprise = 3 * lifted.log_sigma + (distance.detach() ** 2) / (2 * sigma**2)
    return {
        "position": _mean(distance, known),
        "velocity": _mean(_length(error[:, 1:] - error[:, :-1]), both),
        "root": _mean(root_error.abs().sum(dim=-1), root_known),
        "root_velocity": _mean(
            (root_error[:, 1:] - root_error[:, :-1]).abs().sum(dim=-1), root_known[:, 1:] & root_known[:, :-1]
        ),
        "contact": _mean(contact, contact_known),
        "uncertainty": _mean(surprise.clamp(max=50), known),
    }


def weighted(parts: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Return the loss."""
    return torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()


def _length(error: Tensor) -> Tensor:
    """Return the norm along the last axis, with a gradient at 0 too."""
    return (error.square().sum(dim=-1) + 1e-8).sqrt()


def _mean(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, 0.0).sum() / known.sum().clamp(min=1)
