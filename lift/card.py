"""The card beside trained weights: what they learned from, under which terms, how good they are, and what for not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lift.mocap.archives import Motions
from lift.mocap.convert import RATE_HZ

if TYPE_CHECKING:
    from lift.evaluate import Evaluation
    from lift.learning import Learned
    from lift.settings import TrainingSettings

METRICS_MARK = "## Metrics"

NAMES = {
    "lifter": "this network",
    "residual": "residual network, frame by frame (Martinez et al. 2017)",
    "linear": "linear, frame by frame",
    "world": "MediaPipe's own 3D, as its errors are modelled",
}
"""The methods of an evaluation in words."""

TERMS = {
    "CMU terms": (
        "CMU Graphics Lab Motion Capture Database: free for all uses, may be included in products that are sold, not "
        "resold as data. The data used in this project was obtained from mocap.cs.cmu.edu. The database was created "
        "with funding from NSF EIA-0196217."
    ),
    "CC BY 3.0": (
        "Open Motion Project by ACCAD/The Ohio State University, Creative Commons Attribution 3.0 Unported. Part of "
        "it as joint centres that were estimated from the markers."
    ),
}
"""What each licence of the index asks to be said."""


def training_card(
    learned: Learned, settings: TrainingSettings, motions: Motions, clips: int = 0, started: bool = False
) -> str:
    """Return the card of a network, still without its metrics.

    `clips`: how many of drawn people it learned from; `started`: whether it began with the weights of another run.
    """
    model = learned.model.settings
    count = sum(parameter.numel() for parameter in learned.model.parameters())
    used = [k for split in ("train", "val") for k in motions.of(split)]
    minutes = {
        split: sum(float(np.diff(motions.start)[k]) for k in motions.of(split)) / RATE_HZ / 60
        for split in ("train", "val", "test")
    }
    licences = sorted(set(motions.licence[used].tolist()))
    steps = (
        f"The weights are those after step {learned.best_step} of {learned.step} (moving average), the best on the "
        f"validation subjects: {learned.best_mm:.1f} mm mean distance of the body joints about the hips. "
        f"Seed {settings.run.seed}, batches of {settings.windows.windows} windows of {settings.windows.frames} frames."
        if learned.step
        else "A least-squares fit."
    )
    if started:
        steps += " The run began with the weights of one before it on the same recordings."
    drawn = [
        f"- and in {100 * settings.windows.seen_share:.0f} % of the windows from {clips} clips of a drawn person, "
        "moved by those subjects, as MediaPipe really saw it: `benchmarks/seen_people.py`",
    ]
    lines = [
        f"# A lifter: one view to 3D, {model.kind}{', causal' if model.causal else ''}",
        "",
        f"{count} parameters. From 18 points in one camera's picture to their places in space about the hips, the "
        "path of the hips, contact of the feet and an uncertainty per point; for a body of 1.75 m, at 60 frames a "
        "second.",
        "",
        steps,
        "",
        "## Data",
        "",
        f"Recorded human motion, {minutes['train']:.0f} minutes to learn from, {minutes['val']:.0f} to validate, "
        f"{minutes['test']:.0f} to test; no subject is in two of them. Seen by virtual cameras, detected with errors "
        "fitted to MediaPipe's.",
        "",
        f"- learned from: {', '.join(_subjects(motions, 'train'))}",
        *(drawn if clips else ()),
        f"- validated by: {', '.join(_subjects(motions, 'val'))}",
        f"- tested on: {', '.join(_subjects(motions, 'test'))}",
        "",
        "## Licences of the data",
        "",
        *(f"- {TERMS.get(licence, licence)}" for licence in licences),
        "",
        METRICS_MARK,
        "",
        "Not measured yet: `clapcap evaluate lifter RUN DATA` writes them here.",
        "",
        "## Limits",
        "",
        "- Depth and size from one view are inferred. The size comes from the height that is given, else 1.75 m.",
        "- Nearly all motion is of adults who walk, run, dance, exercise and gesture indoors, upright, without "
        "crutches, wheelchairs or prostheses. Lying, crawling and climbing are rare.",
        "- Heels were recorded for one of the subjects learned from, tips of the toes and noses not for all: these "
        "points are weaker.",
        "- One person at a time. Two who hold each other were each learned alone.",
        "- Feet of the recordings slide by some centimetres a second, and so may the answers'.",
        "",
    ]
    return "\n".join(lines)


def with_metrics(card: str, evaluation: Evaluation) -> str:
    """Return the card with the table of an evaluation in place of the one it has."""
    before, _, after = card.partition(METRICS_MARK)
    _, _, limits = after.partition("## Limits")
    header = "| method | PA-MPJPE mm | N-MPJPE mm | MPJPE mm | acceleration mm/frame² | angles deg |"
    rows = [
        f"| {NAMES[name]} | {e.pa_mpjpe_mm:.1f} | {e.n_mpjpe_mm:.1f} | {e.mpjpe_mm:.1f} | {e.acceleration_mm:.2f} | "
        f"{e.angle_deg:.1f} |"
        for name, e in evaluation.overall.items()
    ]
    table = [
        METRICS_MARK,
        "",
        f"Test subjects, {evaluation.views} virtual cameras a sequence, the fitted detector's errors; means over "
        "twelve body joints and all frames, at the subjects' true size.",
        "",
        header,
        "|---|---:|---:|---:|---:|---:|",
        *rows,
        "",
    ]
    return before + "\n".join(table) + "\n## Limits" + limits


def _subjects(motions: Motions, split: str) -> list[str]:
    return sorted(np.unique(motions.subject[motions.of(split)]).tolist())
