"""The stage that makes the page of a calibration, from the files that the solving left behind."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from clapcap import __version__
from clapcap.errors import FileFormatError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Manifest, Stage
from session.previous import diagnostics_file, previous_cameras, report_file
from session.report.versions import library_versions
from session.stages import Stages

LIBRARIES = ("numpy", "scipy", "opencv-contrib-python", "av")
"""Whose versions the page names: those that decide digits."""


def report_stage(session: Session, stages: Stages, solved: Path, world: str) -> None:
    """Make `report.html` of the calibration in force.

    Parameters
    ----------
    session, stages
        Of which the calibration was solved from videos.
    solved
        The cameras as the stage `solve` wrote them, in the world of its diagnostics: `cameras.toml`, unless the world
        was moved afterwards.
    world
        How the world of `cameras.toml` was chosen, in words.
    """
    recording = session.calibration
    solve = stages.manifest.report("solve")
    settings = _settings(session, recording, stages.manifest, solve)
    previous = previous_cameras(session)
    time_map = recording.results / "time_map.json"
    stage = Stage(
        "report",
        [
            session.cameras_file,
            solved,
            diagnostics_file(session),
            *recording.videos.values(),
            *([time_map] if time_map.exists() else []),
            *([previous] if previous else []),
        ],
        [report_file(session)],
        {"shown": settings, "solve": solve, "world": world},
    )

    def make() -> Mapping[str, Any]:
        from calib.interchange import load_cameras
        from calib.quality.comparison import compare
        from calib.solve.diagnostics import Diagnostics
        from session.report.calibration_page import CalibrationFindings, calibration_page
        from sync.time_map import TimeMap

        cameras = load_cameras(session.cameras_file)
        before = None
        if previous:
            try:
                before = load_cameras(previous)
            except FileFormatError as error:  # it was kept because it could not be read, or was edited since
                stages.terminal.warn(f"No comparison with the previous calibration: {error}")
        T_world_solved = np.linalg.inv(cameras.cameras[0].T_cam_world) @ load_cameras(solved).cameras[0].T_cam_world
        findings = CalibrationFindings(
            session=session.root.resolve().name,
            made=_made(session.cameras_file),
            cameras=cameras,
            diagnostics=Diagnostics.load(diagnostics_file(session)).in_world(T_world_solved),
            world=world,
            solve=solve,
            clocks=TimeMap.load(time_map) if time_map.exists() else None,
            comparison=compare(before, cameras) if before else None,
            before=before,
            before_words=f"{previous.parent.name}/{previous.name}, made {_made(previous)}" if previous else "",
            settings=settings,
            videos=recording.videos,
        )
        with stages.terminal.progress("taking pictures for the report") as progress:
            page = calibration_page(findings, progress)
        with written_whole(report_file(session)) as partial:
            partial.write_text(page, encoding="utf-8")
        return {"kilobytes": len(page.encode()) // 1000}

    stages.run(stage, make, lambda report: f"{report_file(session)}, {report['kilobytes']} kB: open it in a browser")


def _made(file: Path) -> str:
    when = datetime.fromtimestamp(file.stat().st_mtime)
    return f"on {when.day} {when:%B %Y at %H:%M}"


def _settings(
    session: Session, recording: Recording, manifest: Manifest, solve: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return what decided the result, and what it took: (what, value)."""
    settings = session.settings
    board, calibration = settings.board, settings.calibration
    floor_s = calibration.floor_time_s
    took = {
        "finding the board": sum(manifest.report(f"corners {name}").get("seconds", 0.0) for name in recording.videos),
        "solving": solve.get("seconds", 0.0),
    }
    rows = [
        ("clapcap", __version__),
        (
            "board, as stated",
            f"{board.columns} x {board.rows} squares of {board.square_mm:g} mm, markers of {board.marker_mm:g} mm, "
            f"{board.dictionary}",
        ),
        ("board, as found", str(solve.get("board", ""))),
        ("solver", calibration.solver),
        ("frames of the videos", calibration.frames or "all"),
        ("moments used", str(solve.get("moments", ""))),
        ("clocks by", str(solve.get("sync", ""))),
        ("floor", "" if math.isnan(floor_s) else f"the board at {floor_s:g} s of session time"),
        ("time taken", ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items() if seconds)),
        ("videos", ", ".join(video.name for video in recording.videos.values())),
        ("Python", f"{platform.python_version()} with {library_versions(LIBRARIES)}"),
    ]
    return [(what, value) for what, value in rows if value]
