"""The cameras of a take: those of the calibration, or corrected by the moving person where that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.processing.detection import keypoints2d_files
from session.processing.lifting import lifted_camera
from session.stages import Stages
from session.take_clocks import people_file
from sync.time_map import TimeMap

STAGE = "cameras"


def corrected_cameras_file(take: Recording) -> Path:
    """Return where a take's own cameras go; all persons of a take share them."""
    return (take.whole or take.results) / "cameras.toml"


def take_cameras_file(session: Session, take: Recording) -> Path:
    """Return the cameras that a take is solved with; of a lifted take, the one that saw it."""
    corrected = corrected_cameras_file(take)
    if lifted_camera(session, take) is not None:
        return corrected
    return corrected if session.settings.process.refine_cameras and corrected.exists() else session.cameras_file


def correct_take_cameras(session: Session, take: Recording, time_map: TimeMap, stages: Stages) -> TimeMap:
    """Correct the cameras' poses and clocks by the moving person, where `session.toml` asks for it; return the clocks.

    Raises
    ------
    TriangulationError
        If the person is seen by too few cameras.
    """
    if not session.settings.process.refine_cameras:
        return time_map
    output = corrected_cameras_file(take)
    stage = Stage(
        STAGE,
        [
            *keypoints2d_files(take).values(),
            *([people_file(take)] if take.person else []),
            session.cameras_file,
            *([take.timestamps] if take.timestamps.exists() else []),
        ],
        [output],
        {
            "rate_hz": session.settings.process.rate_hz,
            "clocks": {name: [clock.offset_s, clock.rate] for name, clock in time_map.cameras.items()},
        },
    )

    def make() -> Mapping[str, Any]:
        from calib.cameras import CameraGroup
        from calib.formats.anipose_toml import save_anipose_toml
        from calib.interchange import load_cameras
        from session.processing.points import load_views
        from session.single_stages import cameras_for
        from triangulate.wand import correct_by_take

        views = load_views(take, time_map, session.settings.process.rate_hz)
        with stages.terminal.progress("correcting the cameras") as progress:
            found = correct_by_take(views, cameras_for(session.cameras_file, views), progress)
        poses = {camera.name: camera.T_cam_world for camera in found.cameras}
        whole = [
            replace(camera, T_cam_world=poses.get(camera.name, camera.T_cam_world))
            for camera in load_cameras(session.cameras_file)
        ]
        with written_whole(output) as partial:
            save_anipose_toml(partial, CameraGroup(tuple(whole)), {"corrected_by": take.name})
        return {
            "before_px": found.before_px,
            "after_px": found.after_px,
            "cameras": {
                name: {
                    "moved_mm": 1000 * change.moved_m,
                    "turned_deg": float(np.degrees(change.turned_rad)),
                    "delay_ms": 1000 * change.delay_s,
                    "moved_std_mm": 1000 * change.moved_std_m,
                    "turned_std_deg": float(np.degrees(change.turned_std_rad)),
                    "delay_std_ms": 1000 * change.delay_std_s,
                }
                for name, change in found.corrections.items()
            },
        }

    stages.run(stage, make, corrections_in_words)
    changed = stages.manifest.report(STAGE)["cameras"]
    clocks = dict(time_map.cameras)
    for name, change in changed.items():
        # What a camera sees is that much later than its clock says.
        clocks[name] = replace(clocks[name], offset_s=clocks[name].offset_s + change["delay_ms"] / 1000)
    return TimeMap(clocks)


def corrections_in_words(report: Mapping[str, Any]) -> str:
    """Say what changed of the cameras."""
    parts = [
        f"{name} {change['moved_mm']:.0f} mm, {change['turned_deg']:.2f} degrees, {change['delay_ms']:+.1f} ms"
        for name, change in report["cameras"].items()
    ]
    return f"corrected by the person: {'; '.join(parts)} ({report['before_px']:.1f} to {report['after_px']:.1f} px)"
