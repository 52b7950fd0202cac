"""After solving: where the world's floor is taken from, and whether its scale agrees with a tape."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap.errors import CalibrationError, SessionError
from session.atomic import written_whole
from session.clocks import refuse_unsynced, sync_recording, with_lags
from session.folder import Session
from session.manifest import Manifest, Stage
from session.settings import FEET, FLOORS, update_settings
from session.stages import Stages
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import CameraGroup


def remember_floor(session: Session, floor: str | None, known_lengths: Sequence[str]) -> Session:
    """Write what was given by flags into the session, and return the session anew.

    Raises
    ------
    SessionError, CalibrationError
        If the floor is of no known kind, its take does not exist, or a length cannot be read.
    """
    changes: dict[tuple[str, ...], Any] = {}
    if floor is not None:
        if floor.startswith(FEET):
            session.take(floor.removeprefix(FEET))
        elif floor not in FLOORS:
            raise SessionError(f'--floor "{floor}" is unknown: needed "board", "none" or "{FEET}TAKE".')
        changes["calibration", "floor"] = floor
    if known_lengths:
        from calib.world.known_lengths import parse_known_length

        names = tuple(session.calibration.videos) or _calibrated(session)
        known = dict(session.settings.calibration.known_m)
        for text in known_lengths:
            length_m = parse_known_length(text, names).length_m
            known[text.rpartition("=")[0]] = length_m
        changes["calibration", "known_m"] = known
    update_settings(session.settings_file, changes)
    return Session.open(session.root)


def _calibrated(session: Session) -> tuple[str, ...]:
    """Return the names of the calibrated cameras; none, if there are none yet."""
    from calib.interchange import load_cameras

    return load_cameras(session.cameras_file).names if session.cameras_file.exists() else ()


def feet_take(session: Session) -> str | None:
    """Return the name of the take whose feet make the floor; None: the floor is the calibration's own."""
    floor = session.settings.calibration.floor
    return floor.removeprefix(FEET) if floor.startswith(FEET) else None


def solved_cameras_file(session: Session) -> Path:
    """Return where the solved cameras go: to `cameras.toml`, unless their floor is still to be found."""
    if feet_take(session) is None:
        return session.cameras_file
    return session.calibration.results / "cameras_before_floor.toml"


def floor_stage(session: Session, stages: Stages) -> None:
    """Move the calibration's world to the floor under the feet of a take, if the settings say so.

    The take's 2D keypoints are triangulated by the cameras as solved, so that the floor depends on the videos alone and
    not on results in the world that it makes.

    Raises
    ------
    ClapcapError
        If the take does not exist or nobody's feet can be found in it.
    """
    name = feet_take(session)
    if name is None:
        return
    from session.processing.detection import detect_take, detection, keypoints2d_files
    from session.processing.points import load_main_views

    take = session.take(name)[0]
    take_stages = Stages(session, take, stages.terminal)
    time_map = sync_recording(session, take, take_stages, detection(session, take, take_stages))
    refuse_unsynced(take, time_map)
    time_map = with_lags(session, time_map)
    detect_take(session, take, take_stages)
    solved = solved_cameras_file(session)
    settings = session.settings.process
    stage = Stage(
        "floor",
        [solved, *keypoints2d_files(take).values(), *([take.timestamps] if take.timestamps.exists() else [])],
        [session.cameras_file],
        {
            "take": name,
            "solver": settings.solver,
            "rate_hz": settings.rate_hz,
            "clocks": {camera: [clock.offset_s, clock.rate] for camera, clock in time_map.cameras.items()},
        },
    )

    def make() -> Mapping[str, Any]:
        from calib.cameras import CameraGroup
        from calib.formats.anipose_toml import save_anipose_toml
        from calib.interchange import load_cameras
        from calib.world.feet import floor_from_feet
        from session.processing.points import triangulate_views
        from session.single_stages import cameras_for

        views = load_main_views(take, time_map, settings.rate_hz, solved)
        with stages.terminal.progress("triangulating the feet") as progress:
            keypoints, *_ = triangulate_views(views, cameras_for(solved, views), settings.solver, progress)
        cameras = load_cameras(solved)
        floor = floor_from_feet(keypoints, cameras)
        T_world_floor = np.linalg.inv(floor.T_floor_world)
        moved = CameraGroup(
            tuple(dataclasses.replace(camera, T_cam_world=camera.T_cam_world @ T_world_floor) for camera in cameras)
        )
        found = stages.manifest.report("solve")
        known = {key: found[of] for key, of in (("error", "rmse_px"), ("solver", "solver")) if of in found}
        with written_whole(session.cameras_file) as partial:
            save_anipose_toml(partial, moved, {**known, "floor": f"{FEET}{name}"})
        return {"world": floor.policy, "tilt_std_deg": floor.tilt_std_deg, "gap_m": floor.gap_m}

    stages.run(stage, make, lambda report: report["world"])


def world_in_words(session: Session) -> str:
    """Return how the world's frame was chosen."""
    manifest = Manifest(session.calibration.results, session.root)
    stage = "solve" if feet_take(session) is None else "floor"
    return str(manifest.report(stage).get("world", "as it was imported"))


def check_known_lengths(session: Session, cameras: CameraGroup, terminal: Terminal) -> None:
    """Compare the calibration with the lengths that the session knows, and say how it agrees.

    Raises
    ------
    CalibrationError
        If a length cannot be read, or the scale is so far off that nothing should be computed with it.
    """
    settings = session.settings
    if not settings.calibration.known_m:
        return
    from calib.world.known_lengths import check_scale, parse_known_length

    known = [
        parse_known_length(f"{ends}={length_m}", cameras.names)
        for ends, length_m in settings.calibration.known_m.items()
    ]
    if not (settings.calibration.import_ or world_in_words(session).startswith("floor")):
        from calib.world.known_lengths import FLOOR

        to_floor = [length for length in known if length.second == FLOOR]
        known = [length for length in known if length.second != FLOOR]
        for length in to_floor:
            terminal.warn(f"Not compared: the length {length}, since the calibration does not know the floor.")
        if not known:
            return
    check = check_scale(cameras, known, None if settings.calibration.import_ else settings.board.square_mm)
    if check.verdict == "refused":
        raise CalibrationError(
            f"{check.words} If the tape was wrong instead, correct known_m under [calibration] in "
            f"{session.settings_file}."
        )
    (terminal.say if check.verdict == "agrees" else terminal.warn)(check.words)
