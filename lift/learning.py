"""One network learns, in a loop that can be resumed: a step depends on the seed and its number only.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import copy
import csv
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clapcap.errors import FileFormatError
from clapcap.progress import Progress, silent
from lift.batches import Batch, BatchSource
from lift.checkpoints import load_checkpoint, save_checkpoint
from lift.losses import Targets, loss_parts, weighted
from lift.metrics import mpjpe_m
from lift.model import Lifter, ModelSettings, build_model, start_from
from lift.settings import OptimizerSettings, TrainingSettings

CHECKPOINT, LOSSES = "checkpoint.pt", "losses.csv"
SLOWEST_RATE = 0.02  # of the highest, at the end
_AHEAD = 4  # batches made ahead for each worker


@dataclass(frozen=True)
class Learned:
    """What a network has come to.

    Attributes
    ----------
    model
        With the averaged weights of the best validation.
    step, best_step
        How many steps were made; after which the best validation was.
    best_mm
        Its mean distance of the joints about the hips, mm, body of standard height.
    stopped_early
        Whether no better validation came for as long as the settings allow.
    """

    model: Lifter
    step: int
    best_step: int
    best_mm: float
    stopped_early: bool


class Learning:
    """The state of one network's training, which a checkpoint holds whole.

    `data` says in words what it learns from, `start` whose weights it begins with: a run goes on only with the same.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        model: ModelSettings,
        steps: int,
        folder: Path,
        data: str = "",
        start: Lifter | None = None,
    ) -> None:
        self.settings, self.steps, self.folder, self.data = settings, steps, folder, data
        self.device = device_of(settings.run.device)
        torch.manual_seed(settings.run.seed)
        self.model = build_model(model)
        if start is not None:
            start_from(self.model, start)
        self.model.to(self.device)
        self.average = copy.deepcopy(self.model).eval()
        self.best = copy.deepcopy(self.average)
        self.optimizers = optimizers(self.model, settings.optimizer)
        self.step, self.best_step, self.best_mm, self.waited = 0, 0, math.inf, 0
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CHECKPOINT).is_file():
            self._resume(load_checkpoint(self.folder / CHECKPOINT))

    @property
    def finished(self) -> bool:
        """Whether all steps are made, or no better validation came for too long."""
        return self.step >= self.steps or self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether no better validation came for as long as the settings allow."""
        return self.waited >= self.settings.validation.patience

    def run(
        self,
        train: BatchSource,
        validation: list[Batch],
        progress: Progress = silent,
        note: Callable[[int, dict[str, float]], None] = lambda step, values: None,
        keep: Callable[[Learned], None] = lambda learned: None,
    ) -> Learned:
        """Learn until all steps are made or the validation says that it is enough.

        Parameters
        ----------
        train
            Batch k is what step k learns from.
        validation
            The batches by which the best weights are chosen.
        progress
            Is told the steps.
        note
            Is told losses and validations, by step: for TensorBoard.
        keep
            Is given the network whenever a validation was better than all before.
        """
        every = self.settings.validation.every
        with _losses(self.folder / LOSSES, self.step) as write, _made_ahead(train, self.step, self.settings) as batches:
            while not self.finished:
                values = self._learn(next(batches))
                self.step += 1
                write(self.step, values)
                if self.step % 50 == 0:
                    note(self.step, values)
                if self.step % every == 0 or self.step == self.steps:
                    note(self.step, {"validation_mm": self._validate(validation)})
                    if self.best_step == self.step:
                        keep(self.learned())
                if self.step % self.settings.run.checkpoint_every == 0 or self.finished:
                    write.flush()
                    save_checkpoint(self.folder / CHECKPOINT, self._state())
                progress(self.step, self.steps)
        return self.learned()

    def learned(self) -> Learned:
        """Return the best network so far."""
        return Learned(self.best, self.step, self.best_step, self.best_mm, self.stopped_early)

    def _learn(self, batch: Batch) -> dict[str, float]:
        """Make one step; dropout too depends on the seed and the step only."""
        torch.manual_seed(hash_of(self.settings.run.seed, self.step))
        rate = self._rate()
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        self.model.train()
        features, truth = to_tensors(batch, self.device)
        with mixed_precision(self.device):
            lifted = self.model(features)
        parts = loss_parts(type(lifted)(*(value.float() for value in lifted)), truth)
        loss = weighted(parts, self.settings.loss)
        self.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.optimizer.clip)
        if not torch.isfinite(norm):
            raise FileFormatError(
                f"step {self.step}: the loss is no finite number any more. Lower [optimizer] rate and begin a new run."
            )
        for optimizer in self.optimizers:
            optimizer.step()
        keep = min(self.settings.optimizer.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, now in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(now, 1 - keep)
                else:
                    kept.copy_(now)
        return {"loss": loss.item()} | {name: part.item() for name, part in parts.items()}

    def _rate(self) -> float:
        """Return the step's rate: warm-up, then half a cosine."""
        optimizer = self.settings.optimizer
        if self.step < optimizer.warmup:
            return optimizer.rate * (self.step + 1) / optimizer.warmup
        done = (self.step - optimizer.warmup) / max(self.steps - optimizer.warmup, 1)
        return optimizer.rate * (SLOWEST_RATE + (1 - SLOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * min(done, 1))))

    def _validate(self, batches: list[Batch]) -> float:
        """Measure the averaged weights; keep them if they are the best."""
        self.average.eval()
        distances = []
        for batch in batches:
            features, _ = to_tensors(batch, self.device)
            with torch.inference_mode(), mixed_precision(self.device):
                joints = self.average(features).joints_m.float().cpu().numpy()
            distances.append(mpjpe_m(joints, batch.joints_m))
        found = 1000 * float(np.mean(distances))
        if found < self.best_mm:
            self.best_mm, self.best_step, self.waited = found, self.step, 0
            self.best.load_state_dict(self.average.state_dict())
        else:
            self.waited += 1
        return found

    def _state(self) -> dict[str, Any]:
        return {
            "settings": repr(self.identity()),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "best_step": self.best_step,
            "best_mm": self.best_mm,
            "waited": self.waited,
        }

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a run to go on: everything but threads, workers and device."""
        whole = asdict(self.settings)
        for name in ("threads", "workers", "device", "checkpoint_every"):
            whole["run"].pop(name)
        return whole | {"this": asdict(self.model.settings), "all_steps": self.steps, "data": self.data}

    def _resume(self, state: dict[str, Any]) -> None:
        if state["settings"] != repr(self.identity()):
            raise FileFormatError(
                f"{self.folder / CHECKPOINT}: this run was begun with other settings or data. Give those again to go "
                f"on (settings are in {self.folder.parent / 'settings.toml'}), or choose a new folder."
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.best.load_state_dict(state["best"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step, self.best_step = state["step"], state["best_step"]
        self.best_mm, self.waited = state["best_mm"], state["waited"]


def optimizers(model: Lifter, settings: OptimizerSettings) -> list[torch.optim.Optimizer]:
    """Return what makes the steps: Muon for the matrices between layers, AdamW for all else.

    Muon (K. Jordan et al., 2024, kellerjordan.github.io/posts/muon) makes each step of a matrix orthogonal. Scaled to
    AdamW's step sizes it shares their rate. After 600 steps of 16 windows, 128 channels, validation was 67.4 mm against
    74.9 mm with AdamW alone; a step costs a fourth more.
    """
    matrices = [p for p in model.body.parameters() if p.ndim == 2 and min(p.shape) > 1]
    others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=settings.rate, weight_decay=settings.decay)]
    if matrices:
        muon = torch.optim.Muon(matrices, lr=settings.rate, weight_decay=settings.decay, adjust_lr_fn="match_rms_adamw")
        found.append(muon)
    return found


def hash_of(seed: int, number: int) -> int:
    """Return a seed for torch of a run's seed and a step."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def to_tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Targets]:
    """Move a batch to a device."""
    joints, root, contact = (torch.from_numpy(v).to(device) for v in (batch.joints_m, batch.root_code, batch.contact))
    return torch.from_numpy(batch.features).to(device), Targets(joints, root, contact)


def device_of(name: str) -> torch.device:
    """Return the device of that name; "auto" is the first GPU there is, else the CPU.

    Raises
    ------
    FileFormatError
        There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise FileFormatError(f'[run] device = "{name}": there is no such device here. Use "auto" or "cpu".') from error
    return device


def mixed_precision(device: torch.device) -> torch.autocast:
    """Return a context in which matrices are multiplied in bfloat16, where the device has instructions for that.

    A CPU with them learns 1.7 times as fast (256 channels, two cores), a CPU without them would be slower.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda" or multiplies_bfloat16())


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for products of bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class _Losses:
    """The losses of each step, as CSV."""

    def __init__(self, path: Path, step: int) -> None:
        kept = []
        if path.is_file():  # steps after the checkpoint are made again
            with path.open(newline="", encoding="utf-8") as old:
                kept = [row for row in csv.reader(old) if row and row[0].isdigit() and int(row[0]) <= step]
        self.file = path.open("w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)
        self.writer.writerow(
            ["step", "loss", "position", "velocity", "root", "root_velocity", "contact", "uncertainty"]
        )
        self.writer.writerows(kept)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self.writer.writerow([step, *(repr(value) for value in values.values())])

    def flush(self) -> None:
        self.file.flush()


@contextmanager
def _losses(path: Path, step: int) -> Iterator[_Losses]:
    losses = _Losses(path, step)
    try:
        yield losses
    finally:
        losses.file.close()


@contextmanager
def _made_ahead(sampler: BatchSource, first: int, settings: TrainingSettings) -> Iterator[Iterator[Batch]]:
    """Yield the batches from `first` on, in order, made by threads while the network learns."""
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(settings.run.workers) as pool:

        def batches() -> Iterator[Batch]:
            number = first
            while True:
                while len(waiting) < _AHEAD * settings.run.workers:
                    waiting.append(pool.submit(sampler.batch, number))
                    number += 1
                yield waiting.popleft().result()

        try:
            yield batches()
        finally:
            for future in waiting:
                future.cancel()
