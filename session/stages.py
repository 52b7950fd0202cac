"""Running a stage of a recording: skipped when nothing has changed, said, recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from session.folder import Recording, Session
from session.manifest import Manifest, Stage
from session.terminal import Terminal


class Stages:
    """The stages of one recording's results."""

    def __init__(self, session: Session, recording: Recording, terminal: Terminal) -> None:
        """Open the manifest of the recording."""
        self.manifest = Manifest(recording.results, session.root)
        self.terminal = terminal
        self._recording = recording

    def run(
        self, stage: Stage, make: Callable[[], Mapping[str, Any]], said: Callable[[Mapping[str, Any]], str]
    ) -> None:
        """Run `make`, which writes the stage's outputs and returns its report, unless the outputs are current.

        `said` puts the report into words.
        """
        if self.manifest.is_current(stage):
            self.terminal.skipped(self._title(stage))
            return
        self.keep_edited(stage)
        self.finish(stage, make(), said)

    def finish(self, stage: Stage, report: Mapping[str, Any], said: Callable[[Mapping[str, Any]], str]) -> None:
        """Record a stage whose outputs have been written, and say what it did."""
        self.manifest.record(stage, report)
        self.terminal.done(self._title(stage), said(report))

    def keep_edited(self, stage: Stage) -> None:
        """Set aside outputs that somebody has edited since they were written, before they are written anew."""
        for path in stage.outputs:
            if path.exists() and self.manifest.was_edited(stage.name, path):
                kept = _free_name(path)
                path.rename(kept)
                self.terminal.warn(f"{path.name} was edited by hand: your version is kept as {kept.name}.")

    def _title(self, stage: Stage) -> str:
        return f"{self._recording.name}: {stage.name}"


def _free_name(path: Path) -> Path:
    number = 1
    while True:
        kept = path.with_name(f"{path.stem}.edited-{number}{path.suffix}")
        if not kept.exists():
            return kept
        number += 1
