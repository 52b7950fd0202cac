"""Processing a take: from its videos to keypoints, bones and files, stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clapcap.errors import ClapcapError, SessionError
from session.calibration import calibrate_session
from session.clocks import refuse_unsynced, sync_recording, with_lags
from session.folder import Recording, Session
from session.one_view import OneView, lift_one_view
from session.processing.bones import fit_take
from session.processing.cameras import correct_take_cameras
from session.processing.cleanup import clean_take
from session.processing.detection import detect_take, detection, keypoints2d_files, seen_shares
from session.processing.files import export_take
from session.processing.lifting import STAGE as LIFT
from session.processing.lifting import Height, session_weights
from session.processing.people import find_take_people, set_aside_others
from session.processing.pictures import draw_take
from session.processing.points import triangulate_take
from session.processing.report import report_take
from session.report.sync_stage import sync_page_stage
from session.settings import SOLVERS, is_person, update_settings
from session.stages import Stages
from session.summary import summary_table
from session.take_clocks import find_take_clocks, refine_take_clocks
from session.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calib.cameras import CameraGroup
    from sync.time_map import TimeMap


def remember_process(
    session: Session,
    solver: str | None,
    overlay: bool | None,
    person: str | None = None,
    refine_cameras: bool | None = None,
    height_m: float | None = None,
) -> Session:
    """Write what was given by flags into `session.toml`, and return the session anew.

    Raises
    ------
    SessionError
        If the solver is unknown, it is not said who is kept, or nobody is so tall.
    """
    changes: dict[tuple[str, ...], Any] = {}
    if height_m is not None:
        changes["subject", "height_m"] = Height.of(height_m).height_m
    if solver is not None:
        if solver not in SOLVERS:
            raise SessionError(f'--solver "{solver}" is unknown: needed one of {", ".join(SOLVERS)}.')
        changes["process", "solver"] = solver
    if overlay is not None:
        changes["process", "overlay"] = overlay
    if refine_cameras is not None:
        changes["process", "refine_cameras"] = refine_cameras
    if person is not None:
        if not is_person(person):
            raise SessionError(f'--person "{person}" is unknown: needed "all", "main", or a number such as "2".')
        changes["process", "person"] = person
    update_settings(session.settings_file, changes)
    return Session.open(session.root)


def process_session(session: Session, name: str | None, terminal: Terminal) -> None:
    """Calibrate if that is still to be done, then process one take or all.

    Raises
    ------
    ClapcapError
        With what, where and what to do; takes that were finished before stay.
    """
    takes = session.take(name)
    for take in takes:
        take.need_videos(1, "processing")
    cameras = _calibrated(session, takes, terminal)
    for take in takes:
        process_take(session, take, cameras, terminal)
    summary_table(session, takes, terminal)


def _calibrated(session: Session, takes: Sequence[Recording], terminal: Terminal) -> CameraGroup | None:
    """Return the calibrated cameras; None where there is one camera only, so that there is nothing to calibrate."""
    one_camera = all(len(take.videos) == 1 for take in takes)
    if one_camera and not session.settings.calibration.import_ and len(session.calibration.videos) < 2:
        return None
    return calibrate_session(session, terminal)


def process_take(session: Session, take: Recording, cameras: CameraGroup | None, terminal: Terminal) -> None:
    """Run all stages of one take; docs/conventions.md lists what it leaves in `take.results`.

    Where one view is usable, the body is lifted from it.

    Parameters
    ----------
    session, take
        The take.
    cameras
        The calibration; None: there is none, as the take has one camera.
    terminal
        Where to say what is done.
    """
    stages = Stages(session, take, terminal)
    if cameras is not None:
        _refuse_unknown(take, cameras)
    if cameras is None or len(take.videos) == 1:
        session_weights(session)  # which says before the long work that there are none
        detect_take(session, take, stages, least=1)
        lift_one_view(session, take, OneView.alone(take), cameras, stages)
        return
    detect = detection(session, take, stages)
    time_map = sync_recording(session, take, stages, detect)
    if detect is not None and time_map.refused and session.settings.recording(take.name).sync in ("auto", "motion"):
        files = detect()
        if len(seen_shares(take, stages)) > 1:
            time_map = find_take_clocks(session, take, files, time_map, stages)
    lone = len(time_map.cameras) - len(time_map.refused) < 2
    if not lone:
        refuse_unsynced(take, time_map)
    seen = detect_take(session, take, stages, least=1)
    if lone or len(seen) < 2:
        lift_one_view(session, take, OneView.of_several(take, seen, time_map), cameras, stages)
        return
    stages.manifest.forget(LIFT)  # of an earlier run with one view, whose camera would be taken for the take's
    synced = time_map
    time_map = with_lags(session, time_map)
    people = find_take_people(session, take, time_map, stages)
    time_map = refine_take_clocks(session, people[0], keypoints2d_files(take), time_map, stages)
    sync_page_stage(session, take, stages, synced)
    time_map = correct_take_cameras(session, people[0], time_map, stages)
    process_person(session, people[0], time_map, stages)
    shown = [people[0]]
    for person in people[1:]:
        try:
            process_person(session, person, time_map, Stages(session, person, terminal))
            shown.append(person)
        except ClapcapError as error:
            # Somebody in the background shall not cost the main person's results.
            terminal.warn(f"{take.name}: person {person.person} is left out: {error}")
    set_aside_others(take, shown, terminal)
    draw_take(session, take, shown, time_map, stages)
    report_take(session, take, stages)


def _refuse_unknown(take: Recording, cameras: CameraGroup) -> None:
    unknown = [camera for camera in take.videos if camera not in cameras.names]
    if unknown:
        raise SessionError(
            f"{take.folder} holds {', '.join(unknown)}, but the calibration knows {', '.join(cameras.names)}. A camera "
            "is named by its video's stem: give its videos the same name in calibration/ and in every take."
        )


def process_person(session: Session, take: Recording, time_map: TimeMap, stages: Stages) -> None:
    """Make the points, the bones and the files of one person of a take."""
    triangulate_take(session, take, time_map, stages)
    clean_take(session, take, stages)
    fit_take(session, take, stages)
    export_take(take, stages)
