"""How well networks lift whole sequences of subjects they have not seen, activity by activity.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from clapcap.progress import Progress, silent
from lift.answer import answer
from lift.batches import observe
from lift.cameras import CameraSettings, draw_cameras
from lift.metrics import Errors, errors, mean_errors
from lift.mocap.archives import Motions
from lift.model import Lifter
from lift.noise import NoiseModel
from lift.points import STATURE_M, root
from lift.weights_file import load_weights

Array = npt.NDArray[np.float32]

LONGEST = 1800
"""Frames lifted at once: half a minute; longer sequences are cut into pieces, each with a camera of its own."""

METHODS = ("lifter", "residual", "linear")
"""The weights of a run, as the table names and orders them."""

WORLD = "world"
"""What the table calls the detector's own 3D, as the noise model makes it."""


@dataclass(frozen=True)
class Evaluation:
    """Errors on a set: of each method over all frames, and by activity; `views` cameras a sequence.

    `uncertainty` is the lifter's share of points whose error lies within its own 68 % of three axes: 0.68 is honest.
    """

    split: str
    views: int
    overall: Mapping[str, Errors]
    by_activity: Mapping[str, Mapping[str, Errors]]
    uncertainty: float
    minutes: Mapping[str, float] = field(default_factory=dict)


def load_methods(folder: Path) -> dict[str, Lifter]:
    """Return the networks of a run that there are; raises FileFormatError if the main one is missing."""
    found = {
        name: load_weights(folder / f"{name}.safetensors")
        for name in METHODS
        if (folder / f"{name}.safetensors").is_file()
    }
    if METHODS[0] not in found:
        raise FileFormatError(
            f"{folder}: there is no {METHODS[0]}.safetensors. Train first: clapcap train lifter DATA -o {folder}"
        )
    return found


def evaluate(
    methods: Mapping[str, Lifter],
    motions: Motions,
    split: str,
    cameras: CameraSettings,
    noise: NoiseModel,
    views: int = 2,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Lift every sequence of a set, seen by virtual cameras, with each method.

    All methods see the same detections. The body's height is taken as known: answers are scaled to it, so that MPJPE
    counts what is left; PA-MPJPE and N-MPJPE do not depend on it.
    """
    sequences = motions.of(split)
    pieces = [
        (k, slice(start, min(start + LONGEST, motions.frames(k).stop)))
        for k in sequences
        for start in range(motions.frames(k).start, motions.frames(k).stop, LONGEST)
    ]
    names = (*methods, WORLD)
    found: dict[str, dict[str, list[Errors]]] = {name: {} for name in names}
    within, told = 0.0, 0
    for done, (sequence, frames) in enumerate(pieces):
        rng = np.random.default_rng([seed, int(frames.start)])
        xyz = motions.xyz_m[frames]
        size = float(motions.stature_m[sequence]) / STATURE_M
        body = np.repeat((xyz / np.float32(size))[None], views, axis=0)
        drawn = draw_cameras(rng, root(body), cameras, STATURE_M)
        seen, _ = observe(rng, body, drawn, noise, with_world=True)
        true = drawn.to_camera(body)
        activity = str(motions.activity[sequence])
        assert seen.world_m is not None
        for one, other in zip(seen.world_m, true, strict=True):
            found[WORLD].setdefault(activity, []).append(errors(one * size, other * size))
        for name, model in methods.items():
            lifted = answer(model, seen.ray, seen.confidence, seen.world_m, recorded=not model.settings.causal)
            joints = lifted.joints_m
            for one, other in zip(joints, true, strict=True):
                found[name].setdefault(activity, []).append(errors(one * size, other * size))
            if name == METHODS[0]:
                error = np.linalg.norm(joints - (true - root(true)[..., None, :]), axis=-1)
                sigma = lifted.sigma_m
                known = np.isfinite(error)
                # 68 % of a normal distribution in three axes lie within 1.87 deviations.
                within += float((error[known] < 1.87 * sigma[known]).sum())
                told += int(known.sum())
        progress(done + 1, len(pieces))
    lengths = np.diff(motions.start)
    activities = sorted({str(a) for a in motions.activity[sequences]})
    return Evaluation(
        split=split,
        views=views,
        overall={name: mean_errors([e for part in parts.values() for e in part]) for name, parts in found.items()},
        by_activity={a: {name: mean_errors(found[name][a]) for name in names} for a in activities},
        uncertainty=within / max(told, 1),
        minutes={a: float(sum(lengths[k] for k in sequences if motions.activity[k] == a)) / 3600 for a in activities},
    )
