"""What a calibration is told with: who saw the board together, camera by camera, and the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from session.floor import world_in_words
from session.folder import Session
from session.manifest import Manifest
from session.settings import FEET
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.quality.verdict import Verdict

MARKS = {"good": ("✓", "green"), "usable": ("!", "yellow"), "redo": ("✗", "red")}


def shared_views_table(names: Sequence[str], matrix: npt.NDArray[np.int64], terminal: Terminal) -> None:
    """Print in how many moments two cameras both saw the board; on the diagonal, one.

    Where the names are too long for the columns, the columns are headed by the cameras' numbers.
    """
    cell = max(4, *(len(str(count)) for count in matrix.ravel()))
    first = max(len(name) for name in names)
    numbered = 2 + first + sum(max(cell, len(name)) + 2 for name in names) > terminal.width
    labels = [f"{number} {name}" for number, name in enumerate(names, start=1)] if numbered else list(names)
    heads = [str(number) for number in range(1, len(names) + 1)] if numbered else list(names)
    widths = [max(cell, len(head)) for head in heads]
    first = max(len(label) for label in labels)
    terminal.say("Moments in which two cameras see the board together (diagonal: one alone):")
    lines = [["", *heads], *([label, *map(str, row)] for label, row in zip(labels, matrix, strict=True))]
    for label, *cells in lines:
        row = "".join(f"  {text:>{width}}" for text, width in zip(cells, widths, strict=True))
        terminal.verbatim(f"  {label:<{first}}{row}")


def calibration_table(session: Session, terminal: Terminal) -> None:
    """Print how each camera was calibrated; nothing for a calibration that was imported."""
    if session.settings.calibration.import_:
        return
    report = Manifest(session.calibration.results, session.root).report("solve")
    rows = [
        (
            camera["name"],
            str(camera["views"]),
            str(camera["corners"]),
            str(camera["outliers"]),
            f"{camera['rmse_px']:.2f}",
            f"{100 * camera['coverage']:.0f} %",
            _deviation_mm(camera["position_std_m"]),
            f"{1000 * report['lag_s'][camera['name']]:+.1f}",
        )
        for camera in report["cameras"]
    ]
    header = ("camera", "views", "corners", "outliers", "rmse px", "picture", "± mm", "delay ms")
    terminal.table(f"The cameras, from {report['board']}", header, rows)
    if any(report["lag_s"].values()):
        terminal.say("Delay: how long after its time stamps a camera exposes; takes are corrected by it.")
    terminal.say(f"World: {world_in_words(session)}.")


def say_verdict(session: Session, terminal: Terminal) -> None:
    """Print how good the calibration is and what to do next; of an imported one, the latter only."""
    from calib.quality.verdict import NO_FLOOR

    verdict = _verdict(session)
    if verdict is not None:
        terminal.heading("The verdict")
        if session.settings.calibration.floor.startswith(FEET):
            verdict = dataclasses.replace(verdict, notes=tuple(note for note in verdict.notes if note != NO_FLOOR))
        headline, *rest = verdict.sentences
        mark, colour = MARKS[verdict.grade]
        terminal.marked(mark, colour, headline)
        for sentence in rest:
            terminal.say(sentence)
    if verdict is None or verdict.grade != "redo":
        take = session.takes[0].name if session.takes else None
        if take is None:
            terminal.command(f"clapcap new {session.root} --take dance cam1.mp4 cam2.mp4")
        terminal.command(f"clapcap process {session.root}")


def _verdict(session: Session) -> Verdict | None:
    from calib.quality.verdict import Verdict

    found = Manifest(session.calibration.results, session.root).report("solve").get("verdict")
    return None if found is None or session.settings.calibration.import_ else Verdict.from_plain(found)


def _deviation_mm(position_std_m: float | None) -> str:
    """Put a camera's uncertainty into a cell: that of the reference camera is 0 by definition, aniposelib has none."""
    if position_std_m is None:
        return "-"
    return f"{1000 * position_std_m:.1f}" if position_std_m else "ref."
