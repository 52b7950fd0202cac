"""A training run: the baselines and the network, in one folder that can be left at any time and gone on with.

    RUN/settings.toml            what the run was begun with
    RUN/linear.safetensors       the per-frame linear baseline, a least-squares fit
    RUN/lifter/, RUN/residual/   checkpoint.pt, losses.csv and TensorBoard's files of the network and of the baseline
    RUN/lifter.safetensors       the weights of the best validation, with RUN/lifter.md, what they are and are not
    good for

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from clapcap.progress import Progress, silent
from lift.batches import Batch, BatchSource, Sampler
from lift.card import training_card
from lift.learning import Learned, Learning
from lift.linear import fit_linear
from lift.mocap.archives import Motions
from lift.model import Lifter, ModelSettings
from lift.noise import load_noise
from lift.seen import SeenClips
from lift.seen_batches import MixedSampler, SeenSampler
from lift.settings import TrainingSettings, dump_settings
from lift.weights_file import save_weights

SETTINGS, LINEAR, RESIDUAL, LIFTER = "settings.toml", "linear", "residual", "lifter"

_VALIDATION_SEED, _LINEAR_SEED = 1, 2
"""Added to the run's seed: batches to validate and to fit the linear baseline by are not those to learn from."""


@dataclass(frozen=True)
class Run:
    """What a run has come to: the network, the baseline, and whether everything was there already."""

    lifter: Learned
    residual: Learned
    settings: TrainingSettings


def train(
    motions: Motions,
    settings: TrainingSettings,
    folder: Path,
    progress: Callable[[str], Progress] = lambda what: silent,
    *,
    seen: SeenClips | None = None,
    start: Lifter | None = None,
) -> Run:
    """Train the baselines, then the network; go on where a run in this folder was left.

    Parameters
    ----------
    motions
        Recorded motion with the sets `train` and `val`.
    settings
        All settings.
    folder
        The run; made if it is not there.
    progress
        Gives for each part's name ("linear", "residual", "lifter") what is told its progress.
    seen
        What a detector really saw of people whose truth is known; those of the set `train` are mixed in.
    start
        A network whose weights the new one begins with; needed only to begin.

    Raises
    ------
    FileFormatError
        The folder holds a run of other settings, or a file that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SETTINGS).is_file():
        _write(folder / SETTINGS, dump_settings(settings))
    torch.set_num_threads(settings.run.threads)
    noise = load_noise()
    shown = None if seen is None else seen.of("train")
    data = f"{len(motions)} sequences, {0 if shown is None else len(shown)} clips"

    def sampler(split: str, offset: int, world: bool) -> Sampler:
        return Sampler(motions, split, settings.windows, settings.cameras, noise, world, 3 * settings.run.seed + offset)

    def learn(name: str, model: ModelSettings, steps: int) -> Learned:
        validation = sampler("val", _VALIDATION_SEED, model.world_landmarks)
        batches: list[Batch] = [validation.batch(number) for number in range(settings.validation.batches)]
        begin = start if name == LIFTER else None
        learning = Learning(settings, model, steps, folder / name, data, begin)
        if learning.finished:
            return learning.learned()

        def keep(learned: Learned) -> None:
            save_weights(folder / f"{name}.safetensors", learned, settings.run.seed)
            if name == LIFTER:
                clips = 0 if shown is None else len(shown)
                _write(folder / f"{LIFTER}.md", training_card(learned, settings, motions, clips, start is not None))

        with _Board(folder / name / "tensorboard", learning.step) as board:
            virtual = sampler("train", 0, model.world_landmarks)
            source: BatchSource = virtual
            if shown is not None and len(shown):
                real = SeenSampler(shown, settings.windows, settings.cameras, model.world_landmarks)
                source = MixedSampler(virtual, real, settings.windows.seen_share)
            return learning.run(source, batches, progress(name), board, keep)

    if not (folder / f"{LINEAR}.safetensors").is_file():
        fitted = fit_linear(sampler("train", _LINEAR_SEED, False), settings.baselines.linear_batches, progress(LINEAR))
        save_weights(folder / f"{LINEAR}.safetensors", Learned(fitted, 0, 0, float("nan"), False), settings.run.seed)
    residual = learn(RESIDUAL, residual_settings(settings), settings.baselines.residual_steps)
    lifter = learn(LIFTER, settings.model, settings.run.steps)
    return Run(lifter, residual, settings)


def residual_settings(settings: TrainingSettings) -> ModelSettings:
    """Return the shape of the per-frame residual baseline; it sees what the network sees, but for the detector's 3D."""
    own = settings.baselines
    return replace(
        settings.model,
        kind="residual",
        channels=own.residual_channels,
        blocks=own.residual_blocks,
        dropout=own.residual_dropout,
        world_landmarks=False,
    )


class _Board:
    """TensorBoard's files, where the package is installed: it is needed for looking only."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.writer = None
        else:
            # Steps after the checkpoint are made again: TensorBoard is to forget them.
            self.writer = SummaryWriter(str(folder), purge_step=step or None)

    def __enter__(self) -> _Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.close()

    def __call__(self, step: int, values: dict[str, float]) -> None:
        if self.writer is not None:
            for name, value in values.items():
                if np.isfinite(value):
                    self.writer.add_scalar(name, value, step)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
