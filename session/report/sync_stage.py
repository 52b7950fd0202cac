"""The stage that makes the page of a recording's sync, from what the syncing left behind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from session.atomic import written_whole
from session.clocks import session_time_s, sounds_file
from session.folder import Recording, Session
from session.manifest import Stage
from session.sound_moments import load_moments
from session.stages import Stages
from sync.time_map import TimeMap


def sync_page_file(recording: Recording) -> Path:
    """Return where the page goes."""
    return recording.results / "sync.html"


def sync_page_stage(session: Session, recording: Recording, stages: Stages, time_map: TimeMap) -> None:
    """Make `sync.html` of a recording that has been synced."""
    clocks_file, refined_file = recording.results / "time_map.json", recording.results / "clocks.json"
    page_file = sync_page_file(recording)
    # Refined clocks that are older than the sync belong to another one.
    refined: Mapping[str, Any] = {}
    if refined_file.exists() and refined_file.stat().st_mtime_ns >= clocks_file.stat().st_mtime_ns:
        refined = stages.manifest.report("clocks")
    stage = Stage(
        "sync page",
        [
            clocks_file,
            *([sounds_file(recording)] if sounds_file(recording).exists() else []),
            *recording.videos.values(),
            *([recording.timestamps] if recording.timestamps.exists() else []),
        ],
        [page_file],
        {"refined": refined},
    )

    def make() -> Mapping[str, Any]:
        from media.frame_times import frame_times_s
        from session.report.sync_page import SyncFindings, sync_page

        frame_s = {name: frame_times_s(path) for name, path in recording.videos.items()}
        session_s = {
            name: session_time_s(recording, time_map, name, np.arange(len(times)), times)
            if time_map.cameras[name].ok
            else np.full(len(times), np.nan)
            for name, times in frame_s.items()
        }
        findings = SyncFindings(
            session=session.root.resolve().name,
            recording=recording.name,
            made=_made(clocks_file),
            time_map=time_map,
            heard=load_moments(sounds_file(recording), time_map) if sounds_file(recording).exists() else None,
            videos=recording.videos,
            frame_s=frame_s,
            session_s=session_s,
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
