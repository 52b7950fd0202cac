"""`clapcap train` and `clapcap evaluate`: training runs of the lifter, and their tables."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from clapcap.errors import ClapcapError
from session.atomic import written_whole
from session.terminal import Terminal

if TYPE_CHECKING:
    from lift.evaluate import Evaluation

CACHE = "cache"

NAMES = {
    "lifter": "this network",
    "residual": "residual, per frame",
    "linear": "linear, per frame",
    "world": "detector's own 3D",
}


def check_what(what: str) -> None:
    """Refuse models that there are not."""
    if what != "lifter":
        raise ClapcapError(f'There is no model "{what}" to train or evaluate: there is lifter.')


def train_lifter(
    data: Path,
    output: Path,
    config: Path | None,
    cache: Path | None,
    terminal: Terminal,
    *,
    seen: Path | None = None,
    start: Path | None = None,
) -> None:
    """Train in a folder, or go on there; `seen` is a folder of clips, `start` the weights to begin with."""
    _ready_torch()
    from clapcap.progress import Progress
    from lift.mocap.archives import load_motions
    from lift.seen import load_seen
    from lift.settings import load_settings
    from lift.train import SETTINGS, train
    from lift.weights_file import load_weights

    begun = output / SETTINGS
    settings = load_settings(config or (begun if begun.is_file() else None))
    with terminal.progress("reading recorded motion") as progress:
        motions = load_motions(data, cache or output / CACHE, progress)
    terminal.done("motion", f"{len(motions)} sequences, {len(motions.xyz_m) / 3600:.0f} minutes")

    clips = None if seen is None else load_seen(seen)
    if clips is not None:
        terminal.done("seen", f"{len(clips.of('train'))} clips to learn from, {len(clips)} in all")
    first = None if start is None else load_weights(start)

    with ExitStack() as stack:

        def bar(name: str) -> Progress:
            stack.close()
            return stack.enter_context(terminal.progress(f"training {name}"))

        run = train(motions, settings, output, bar, seen=clips, start=first)
    for name, learned in (("lifter", run.lifter), ("residual", run.residual)):
        why = ", no better one for long enough" if learned.stopped_early else ""
        terminal.done(name, f"{learned.step} steps{why}; best {learned.best_mm:.1f} mm after step {learned.best_step}")
    terminal.say("How good is it, beside the baselines?")
    terminal.command(f"clapcap evaluate lifter {output} {data}")


def evaluate_lifter(
    run: Path, data: Path, split: str, views: int, onnx: bool, cache: Path | None, terminal: Terminal
) -> None:
    """Print and write the table of a run: RUN/evaluation-SPLIT.json, and into the card for the test subjects.

    Of weights without a run (a file), the table is only printed.
    """
    _ready_torch()
    from lift.card import with_metrics
    from lift.evaluate import evaluate, load_methods
    from lift.mocap.archives import load_motions
    from lift.noise import load_noise
    from lift.onnx_export import export_onnx
    from lift.settings import load_settings
    from lift.train import SETTINGS
    from lift.weights_file import load_weights

    alone = run.is_file()
    if alone and onnx:
        raise ClapcapError(f"{run} is one file: --onnx writes into the folder of a run. Give the folder.")
    methods = {"lifter": load_weights(run)} if alone else load_methods(run)
    settings = load_settings(None if alone else run / SETTINGS)
    with ExitStack() as stack:
        kept = cache or (Path(stack.enter_context(TemporaryDirectory())) if alone else run / CACHE)
        motions = load_motions(data, kept, stack.enter_context(terminal.progress("reading recorded motion")))
    with terminal.progress(f"lifting {split} subjects") as progress:
        found = evaluate(methods, motions, split, settings.cameras, load_noise(), views, 0, progress)
    print_evaluation(found, terminal)
    if alone:
        return
    with written_whole(run / f"evaluation-{split}.json") as path:
        path.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    card = run / "lifter.md"
    if split == "test" and card.is_file():
        with written_whole(card) as path:
            path.write_text(with_metrics(card.read_text(encoding="utf-8"), found), encoding="utf-8")
        terminal.done("card", f"{card}")
    if onnx:
        difference = export_onnx(methods["lifter"], run / "lifter.onnx")
        terminal.done("onnx", f"{run / 'lifter.onnx'}, at most {difference:.1e} from torch")


def print_evaluation(found: Evaluation, terminal: Terminal) -> None:
    """Print the table of all frames, and the lifter's by activity beside the linear baseline's."""
    header = ["method", "PA-MPJPE mm", "N-MPJPE mm", "MPJPE mm", "accel. mm/f²", "angles °"]
    rows = [
        [
            NAMES[name],
            f"{e.pa_mpjpe_mm:.1f}",
            f"{e.n_mpjpe_mm:.1f}",
            f"{e.mpjpe_mm:.1f}",
            f"{e.acceleration_mm:.2f}",
            f"{e.angle_deg:.1f}",
        ]
        for name, e in found.overall.items()
    ]
    terminal.table(f"{found.split} subjects, {found.views} virtual cameras a sequence", header, rows)
    for method in found.overall:
        rows = [
            [
                activity,
                f"{found.minutes[activity]:.1f}",
                *(f"{v:.1f}" for v in (e.pa_mpjpe_mm, e.n_mpjpe_mm, e.mpjpe_mm)),
                f"{e.acceleration_mm:.2f}",
                f"{e.angle_deg:.1f}",
            ]
            for activity, e in ((a, methods[method]) for a, methods in found.by_activity.items())
        ]
        terminal.table(f"{NAMES[method]}, by activity", ["activity", "minutes", *header[1:]], rows)
    terminal.say(
        f"Within its own 68 % region lie {100 * found.uncertainty:.0f} % of the network's points (68 % is honest)."
    )


def _ready_torch() -> None:
    """Import torch, whose threads then wait without turning: where others use the machine too, steps cost a third."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch  # noqa: F401 # whether it is there
    except ImportError as error:
        raise ClapcapError(
            f"Training needs torch, which cannot be imported ({error}). Install clapcap again."
        ) from error
