"""What a network answers to rays: run over recordings of any length, straight and mirrored, and turned back.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit

from lift.geometry import centred, features, root_from_code
from lift.model import Lifter
from lift.points import MIRROR
from lift.sides import steady_sides

Array = npt.NDArray[np.float32]

PIECE = 3600
"""Frames lifted at once; pieces overlap by the network's reach, so that cutting changes nothing."""

_ACROSS = np.array([-1, 1, 1], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Answer:
    """Bodies of the standard height in the camera's frame (x right, y down, z forward).

    Attributes
    ----------
    joints_m
        (windows, frames, points, 3): metres about the middle of the hips.
    root_m
        (windows, frames, 3): the hips.
    sigma_m
        (windows, frames, points): deviation of each point, per axis.
    contact
        (windows, frames, 2): how probably the left and the right foot stand.
    """

    joints_m: Array
    root_m: Array
    sigma_m: Array
    contact: Array


def answer(model: Lifter, ray: Array, confidence: Array, world_m: Array | None, recorded: bool = True) -> Answer:
    """Lift rays (windows, frames, points, 2) with confidences (windows, frames, points), NaN: not seen.

    `world_m` (windows, frames, points, 3) is the detector's own 3D about the hips, for a network that takes it.
    `recorded`: what is known afterwards is used. Sides that the detector exchanged are put right (`lift.sides`), and
    the mirrored recording is lifted too: the mean of both is the answer, so that what a network learned of left is
    known of right. Without, frames are lifted as they come.
    """
    if not recorded:
        return _one_way(model, ray, confidence, world_m)
    taken = steady_sides(ray, confidence, centred(ray, confidence).spread)
    ray, confidence = np.take_along_axis(ray, taken[..., None], -2), np.take_along_axis(confidence, taken, -1)
    world_m = None if world_m is None else np.take_along_axis(world_m, taken[..., None], -2)
    straight = _one_way(model, ray, confidence, world_m)
    other_world = None if world_m is None else world_m[..., MIRROR, :] * _ACROSS
    other = _one_way(model, ray[..., MIRROR, :] * _ACROSS[:2], confidence[..., MIRROR], other_world)
    return Answer(
        (straight.joints_m + other.joints_m[..., MIRROR, :] * _ACROSS) / 2,
        (straight.root_m + other.root_m * _ACROSS) / 2,
        (straight.sigma_m + other.sigma_m[..., MIRROR]) / 2,
        (straight.contact + other.contact[..., ::-1]) / 2,
    )


def _one_way(model: Lifter, ray: Array, confidence: Array, world_m: Array | None) -> Answer:
    view = centred(ray, confidence)
    given = world_m if model.settings.world_landmarks else None
    if given is None and model.settings.world_landmarks:
        given = np.full((*ray.shape[:3], 3), np.nan, dtype=np.float32)
    joints, code, contact, log_sigma = run_in_pieces(model, features(view, confidence, given))
    return Answer(
        joints @ view.turn,  # its transpose turns back: rows are vectors
        root_from_code(code, view),
        np.exp(log_sigma),
        expit(contact),
    )


def run_in_pieces(model: Lifter, inputs: Array) -> tuple[Array, ...]:
    """Run a network over features (windows, frames, channels) of any length; the four outputs as arrays."""
    frames, reach = inputs.shape[1], model.reach
    parts = []
    for start in range(0, frames, PIECE):
        low, high = max(0, start - reach), min(frames, start + PIECE + reach)
        with torch.inference_mode():
            lifted = model(torch.from_numpy(inputs[:, low:high]))
        kept = slice(start - low, min(start + PIECE, frames) - low)
        parts.append([value[:, kept].numpy() for value in lifted])
    return tuple(np.concatenate([part[k] for part in parts], axis=1) for k in range(4))
