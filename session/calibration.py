"""Calibrating a session: from the videos of the board, or from a calibration made elsewhere, to `cameras.toml`."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.board_views import corner_stages, parse_frames
from session.calibration_import import bring_in, import_stage
from session.calibration_tables import shared_views_table
from session.clocks import (
    refuse_unsynced,
    session_time_s,
    sync_method,
    sync_recording,
    take_timestamps,
    timestamp_groups,
)
from session.floor import check_known_lengths, floor_stage, solved_cameras_file, world_in_words
from session.folder import Recording, Session
from session.manifest import Stage
from session.presets import preset_files, preset_priors
from session.previous import diagnostics_file, keep_previous, say_kept
from session.report.calibration_stage import report_stage
from session.settings import SOLVERS, update_settings
from session.stages import Stages
from session.terminal import Terminal
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from calib.corners.corner_views import CornerViews
    from calib.intrinsics.lens_prior import LensPrior
    from calib.solve.calibrate import CalibrationResult
    from calib.solve.shared_views import SharedViews


def remember_calibration(
    session: Session,
    timestamps: Path | None,
    frames: str | None,
    imported: Path | None,
    floor_time_s: float | None,
    solver: str | None,
) -> Session:
    """Write what was given by flags into the session, and return the session anew.

    Raises
    ------
    SessionError
        If a value is wrong, or a file of that name is in the session already and differs.
    """
    changes: dict[tuple[str, ...], Any] = {}
    if timestamps is not None:
        take_timestamps(session.calibration, timestamps)
    if frames is not None:
        parse_frames(frames)
        changes["calibration", "frames"] = frames
    if imported is not None:
        changes["calibration", "import"] = bring_in(session, imported)
    if floor_time_s is not None:
        changes["calibration", "floor_time_s"] = floor_time_s
    if solver is not None:
        if solver not in SOLVERS:
            raise SessionError(f'--solver "{solver}" is unknown: needed one of {", ".join(SOLVERS)}.')
        changes["calibration", "solver"] = solver
    update_settings(session.settings_file, changes)
    return Session.open(session.root)


def calibrate_session(session: Session, terminal: Terminal) -> CameraGroup:
    """Run all stages of the calibration that are still to be done, and return the cameras.

    Raises
    ------
    ClapcapError
        With what, where and what to do.
    """
    from calib.interchange import load_cameras

    if session.settings.calibration.import_:
        import_stage(session, terminal)
        floor_stage(session, Stages(session, session.calibration, terminal))
    else:
        _solve_stages(session, terminal)
    cameras = load_cameras(session.cameras_file)
    check_known_lengths(session, cameras, terminal)
    return cameras


def _solve_stages(session: Session, terminal: Terminal) -> None:
    recording = session.calibration
    recording.need_videos(2, "calibration")
    stages = Stages(session, recording, terminal)
    time_map = sync_recording(session, recording, stages)
    refuse_unsynced(recording, time_map)
    files = corner_stages(session, recording, stages)
    settings = session.settings.calibration
    table = [recording.timestamps] if recording.timestamps.exists() else []
    presets = preset_files(session)
    stage = Stage(
        "solve",
        [*files.values(), recording.results / "time_map.json", *table, *presets.values()],
        [solved_cameras_file(session), diagnostics_file(session)],
        {
            "solver": settings.solver,
            "floor_time_s": settings.floor_time_s,
            "look_for_floor": settings.floor == "board",
            **({"presets": sorted(presets)} if presets else {}),
        },
    )

    def make() -> Mapping[str, Any]:
        from calib.corners.corner_views import CornerViews
        from calib.formats.anipose_toml import save_anipose_toml
        from calib.quality.verdict import judge
        from calib.solve.extrinsics import refuse_disconnected
        from calib.solve.shared_views import shared_view_matrix

        views = [CornerViews.load(path) for path in files.values()]
        shared = share_views(recording, time_map, views)
        shared_views_table(shared.camera_names, shared_view_matrix(shared), terminal)
        refuse_disconnected(shared)
        lenses = preset_priors(session, {view.camera: view.image_size_px for view in views})
        started = time.perf_counter()
        with terminal.progress("solving"):
            result = solve(shared, settings.solver, settings.floor_time_s, settings.floor == "board", lenses)
        seconds = time.perf_counter() - started
        verdict = judge(shared, result, middle_error_m(result))
        report = result.report
        say_kept(keep_previous(session, result.cameras), terminal)
        with written_whole(diagnostics_file(session)) as partial:
            report.diagnostics.save(partial)
        with written_whole(solved_cameras_file(session)) as partial:
            save_anipose_toml(partial, result.cameras, {"error": report.rmse_px, "solver": report.solver})
        return {
            "rmse_px": report.rmse_px,
            "moments": report.moments,
            "outliers": len(report.outliers),
            "world": report.world,
            "board": str(views[0].board),
            "cameras": [dataclasses.asdict(camera) for camera in report.cameras],
            "sync": sync_method(time_map),
            "lag_s": dict(report.certain_lag_s(time_map)),
            "verdict": dataclasses.asdict(verdict),
            "seconds": seconds,
        }

    stages.run(
        stage,
        make,
        lambda r: f"{len(r['cameras'])} cameras from {r['moments']} moments, reprojection rmse {r['rmse_px']:.2f} px",
    )
    floor_stage(session, stages)
    report_stage(session, stages, solved_cameras_file(session), world_in_words(session))


def middle_error_m(result: CalibrationResult) -> float | None:
    """Return how far off a corner of the board is placed in the middle of the space; None where not known."""
    from calib.quality.capture_volume import middle_uncertainty

    found = result.report.diagnostics
    if found.errors is None:
        return None
    middle = middle_uncertainty(result.cameras, found.errors, found.T_world_board, found.corners_m)
    return float(middle.total_m(found.coordinate_rms_px)[0])


def share_views(recording: Recording, time_map: TimeMap, views: Sequence[CornerViews]) -> SharedViews:
    """Bring the corners of all cameras to common moments, by whatever times the cameras."""
    from calib.solve.shared_views import by_frame_index, by_group, by_session_time

    method = sync_method(time_map)
    if method == "frames":
        return by_frame_index(views)
    times = {
        view.camera: session_time_s(recording, time_map, view.camera, view.frame_index, view.time_s) for view in views
    }
    if method == "timestamps":
        groups = timestamp_groups(recording, {view.camera: view.frame_index for view in views})
        if groups is not None:
            return by_group(views, groups, times)
    return by_session_time(views, times)


def solve(
    shared: SharedViews, solver: str, floor_time_s: float, look_for_floor: bool, lenses: Mapping[str, LensPrior]
) -> CalibrationResult:
    """Calibrate with the chosen solver."""
    from calib.solve.calibrate import CalibrationOptions, calibrate

    named = None if math.isnan(floor_time_s) or not look_for_floor else floor_time_s
    options = CalibrationOptions(floor_time_s=named, look_for_floor=look_for_floor, lenses=lenses)
    if solver == "anipose":
        from calib.solve.anipose_solver import calibrate_anipose

        return calibrate_anipose(shared, options)
    return calibrate(shared, options)
