"""The stage that makes the page of a recording's sync, from what the syncing left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from session.atomic import written_whole
from session.clocks import sounds_file
from session.folder import Recording, Session
from session.frame_clocks import frame_clocks, refined_clocks
from session.manifest import Stage
from session.sound_moments import load_moments
from session.stages import Stages
from sync.time_map import TimeMap


def sync_page_file(recording: Recording) -> Path:
    """Return where the page goes."""
    return recording.results / "sync.html"


def sync_page_stage(session: Session, recording: Recording, stages: Stages, time_map: TimeMap) -> None:
    """Make `sync.html` of a recording that has been synced."""
    clocks_file, page_file = recording.results / "time_map.json", sync_page_file(recording)
    refined: Mapping[str, Any] = stages.manifest.report("clocks") if refined_clocks(recording) else {}
    stage = Stage(
        "sync page",
        [
            clocks_file,
            *([sounds_file(recording)] if sounds_file(recording).exists() else []),
            *recording.videos.values(),
            *([recording.timestamps] if recording.timestamps.exists() else []),
        ],
        [page_file],
        {"refined": refined, "clocks": {name: asdict(clock) for name, clock in time_map.cameras.items()}},
    )

    def make() -> Mapping[str, Any]:
        from session.report.sync_page import SyncFindings, sync_page

        findings = SyncFindings(
            session=session.root.resolve().name,
            recording=recording.name,
            made=_made(clocks_file),
            time_map=time_map,
            heard=load_moments(sounds_file(recording), time_map) if sounds_file(recording).exists() else None,
            videos=recording.videos,
            times=frame_clocks(recording, time_map),
            refined=refined,
        )
        with stages.terminal.progress("drawing the sync") as progress:
            page = sync_page(findings, progress)
        with written_whole(page_file) as partial:
            partial.write_text(page, encoding="utf-8")
        return {"kilobytes": len(page.encode()) // 1000}

    stages.run(stage, make, lambda report: f"{page_file}, {report['kilobytes']} kB: open it in a browser")


def _made(file: Path) -> str:
    when = datetime.fromtimestamp(file.stat().st_mtime)
    return f"on {when.day} {when:%B %Y at %H:%M}"
