"""Points in space: the views of a take on one timeline, triangulated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clapcap.progress import Progress, silent
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.processing.cameras import take_cameras_file
from session.processing.cleanup import measured_points_file
from session.processing.detection import keypoints2d_files
from session.processing.people import while_seen
from session.stages import Stages
from session.take_clocks import people_file, session_views
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints2D, Keypoints3D, Observations2D


def load_views(take: Recording, time_map: TimeMap, rate_hz: float) -> dict[str, Keypoints2D]:
    """Return the keypoints of all cameras on their common timeline, in session time; of the take's person."""
    return _on_one_timeline(take, session_views(take, keypoints2d_files(take), time_map), rate_hz)


def load_main_views(take: Recording, time_map: TimeMap, rate_hz: float, cameras_file: Path) -> dict[str, Keypoints2D]:
    """Return the main person's keypoints on the cameras' common timeline, before it is kept who is who."""
    from session.single_stages import cameras_for
    from triangulate.people.find import find_people

    views = session_views(take, keypoints2d_files(take), time_map)
    if any(view.others_xy_px is not None for view in views.values()):
        people = find_people(views, cameras_for(cameras_file, views))
        if people.persons:
            views = {camera: people.view(camera, view, 1) for camera, view in views.items()}
    return _on_one_timeline(take, views, rate_hz)


def _on_one_timeline(take: Recording, views: Mapping[str, Keypoints2D], rate_hz: float) -> dict[str, Keypoints2D]:
    from sync.resample import common_timeline, resample_keypoints

    timeline_s = common_timeline({camera: view.time_s for camera, view in views.items()}, rate_hz)
    if take.whole is not None:
        timeline_s = while_seen(views, timeline_s)
    return {camera: resample_keypoints(view, timeline_s) for camera, view in views.items()}


def triangulate_take(session: Session, take: Recording, time_map: TimeMap, stages: Stages) -> None:
    """Triangulate the keypoints of all cameras; the points stay as they were measured."""
    settings = session.settings.process
    output = measured_points_file(take)
    observations_file = take.results / "observations2d.npz"
    stage = Stage(
        "triangulate",
        [
            *keypoints2d_files(take).values(),
            *([people_file(take)] if take.person else []),
            take_cameras_file(session, take),
            *([take.timestamps] if take.timestamps.exists() else []),
        ],
        [output, observations_file],
        {
            "solver": settings.solver,
            "refine": settings.refine,
            "rate_hz": settings.rate_hz,
            **({"person": take.person} if take.person else {}),
            "clocks": {name: [clock.offset_s, clock.rate] for name, clock in time_map.cameras.items()},
        },
    )

    def make() -> Mapping[str, Any]:

        from session.single_stages import cameras_for
        from skeleton.formats.npz import save_keypoints3d, save_observations2d

        views = load_views(take, time_map, settings.rate_hz)
        with stages.terminal.progress("triangulating") as progress:
            keypoints, observations, report = triangulate_views(
                views, cameras_for(take_cameras_file(session, take), views), settings.solver, progress, settings.refine
            )
        with written_whole(output) as partial:
            save_keypoints3d(partial, keypoints)
        with written_whole(observations_file) as partial:
            save_observations2d(partial, observations)
        return {**report, "person": take.person}

    stages.run(stage, make, _triangulated)


def triangulate_views(
    views: Mapping[str, Keypoints2D],
    cameras: CameraGroup,
    solver: str,
    progress: Progress = silent,
    refine: bool = True,
) -> tuple[Keypoints3D, Observations2D, dict[str, Any]]:
    """Triangulate views that share one timeline; gaps stay.

    `refine`: all points of the take at once (our solver only). Also return the observations that the points rest on,
    and the numbers for the report.
    """
    from triangulate.triangulate import TriangulationOptions, triangulate

    if solver == "anipose":
        from triangulate.anipose_solver import triangulate_anipose

        result = triangulate_anipose(views, cameras)
    else:
        result = triangulate(views, cameras, TriangulationOptions(refine=refine), progress)
    report = result.report
    return (
        result.keypoints,
        result.observations,
        {
            "frames": len(result.keypoints.time_s),
            "median_px": report.median_px,
            "rmse_px": report.rmse_px,
            "share": report.share,
            "cameras": {name: dataclasses.asdict(camera) for name, camera in report.cameras.items()},
            "survivors": dataclasses.asdict(report.survivors),
            "findings": [dataclasses.asdict(finding) for finding in report.findings],
        },
    )


def _triangulated(report: Mapping[str, Any]) -> str:
    """Put the report of the triangulation into words."""
    share = 100 * report["share"]
    said = f"{report['frames']} frames, {report['median_px']:.1f} px median, {share:.0f} % of the body's joints"
    for name, camera in report["cameras"].items():
        if camera["swapped_frames"]:
            said += f"; left and right exchanged back in {len(camera['swapped_frames'])} frames of {name}"
    return said
