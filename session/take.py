"""Processing a take: from its videos to keypoints, bones and files, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clapcap.errors import DetectionError, SessionError
from session.atomic import written_whole
from session.calibration import calibrate_session
from session.clocks import refuse_unsynced, sync_recording, with_lags
from session.folder import CALIBRATION, Recording, Session
from session.manifest import Stage
from session.report.sync_stage import sync_page_stage
from session.settings import SOLVERS, update_settings
from session.stages import Stages
from session.summary import summary_table
from session.take_clocks import find_take_clocks, refine_take_clocks, session_views
from session.terminal import Terminal
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints2D

LEAST_SEEN_SHARE = 0.02  # of a camera's frames with a person, below which the camera counts as empty


def remember_process(session: Session, solver: str | None, overlay: bool | None) -> Session:
    """Write what was given by flags into `session.toml`, and return the session anew.

    Raises
    ------
    SessionError
        If the solver is unknown.
    """
    changes: dict[tuple[str, ...], Any] = {}
    if solver is not None:
        if solver not in SOLVERS:
            raise SessionError(f'--solver "{solver}" is unknown: needed one of {", ".join(SOLVERS)}.')
        changes["process", "solver"] = solver
    if overlay is not None:
        changes["process", "overlay"] = overlay
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
        take.need_videos(2, "triangulation")
    cameras = calibrate_session(session, terminal)
    for take in takes:
        process_take(session, take, cameras, terminal)
    summary_table(session, takes, terminal)


def process_take(session: Session, take: Recording, cameras: CameraGroup, terminal: Terminal) -> None:
    """Run all stages of one take; docs/conventions.md lists what it leaves in `take.results`."""
    unknown = [camera for camera in take.videos if camera not in cameras.names]
    if unknown:
        raise SessionError(
            f"{take.folder} holds {', '.join(unknown)}, but the calibration knows {', '.join(cameras.names)}. A camera "
            "is named by its video's stem: give its videos the same name in calibration/ and in every take."
        )
    stages = Stages(session, take, terminal)
    detect = detection(session, take, stages)
    time_map = sync_recording(session, take, stages, detect)
    if detect is not None and time_map.refused and session.settings.recording(take.name).sync in ("auto", "motion"):
        time_map = find_take_clocks(session, take, detect(), time_map, stages)
    refuse_unsynced(take, time_map)
    synced = time_map
    time_map = with_lags(session, time_map)
    detect_take(session, take, stages)
    time_map = refine_take_clocks(session, take, keypoints2d_files(take), time_map, stages)
    sync_page_stage(session, take, stages, synced)
    triangulate_take(session, take, time_map, stages)
    fit_take(session, take, stages)
    draw_take(session, take, time_map, stages)


def keypoints2d_files(take: Recording) -> dict[str, Path]:
    """Return where the keypoints of each camera go."""
    return {camera: take.results / "keypoints2d" / f"{camera}.npz" for camera in take.videos}


def detection(session: Session, recording: Recording, stages: Stages) -> Callable[[], Mapping[str, Path]] | None:
    """Return what detects the keypoints of a take for its sync; None for the recording of the board."""
    if recording.name == CALIBRATION:
        return None

    @cache
    def detect() -> Mapping[str, Path]:
        detect_take(session, recording, stages)
        return keypoints2d_files(recording)

    return detect


def detect_take(session: Session, take: Recording, stages: Stages) -> None:
    """Detect keypoints in every camera, in parallel; each camera is a stage of its own, so a killed run loses little.

    Raises
    ------
    DetectionError
        If fewer than two cameras see anybody.
    """
    from detect.run import detect_videos
    from skeleton.formats.npz import save_keypoints2d

    model = session.settings.process.model
    own_model = [session.root / model] if model else []
    files = keypoints2d_files(take)
    todo = {}
    for camera, video in take.videos.items():
        stage = Stage(f"detect {camera}", [video, *own_model], [files[camera]], {"detector": "mediapipe"})
        if stages.manifest.is_current(stage):
            stages.terminal.skipped(f"{take.name}: {stage.name}")
        else:
            todo[camera] = stage

    def finished(camera: str, keypoints: Keypoints2D) -> None:
        stages.keep_edited(todo[camera])
        with written_whole(files[camera]) as partial:
            save_keypoints2d(partial, keypoints)
        seen = float((keypoints.confidence > 0).any(axis=1).mean())
        report = {"frames": len(keypoints.time_s), "seen_share": seen}
        stages.finish(
            todo[camera], report, lambda r: f"{r['frames']} frames, somebody in {100 * r['seen_share']:.0f} % of them"
        )

    if todo:
        with stages.terminal.progress("detecting keypoints") as progress:
            detect_videos(
                {camera: take.videos[camera] for camera in todo},
                model_path=own_model[0] if own_model else None,
                progress=progress,
                on_done=finished,
            )
    shares = {camera: stages.manifest.report(f"detect {camera}")["seen_share"] for camera in take.videos}
    empty = [camera for camera, share in shares.items() if share < LEAST_SEEN_SHARE]
    if len(shares) - len(empty) < 2:
        found = ", ".join(f"{camera} {100 * share:.0f} %" for camera, share in shares.items())
        raise DetectionError(
            f"{take.name}: nobody is seen in {', '.join(empty)} (share of frames with a person: {found}); two cameras "
            "that see the person are needed. Check that the whole person is in the picture, upright and well lit."
        )
    for camera in empty:
        stages.terminal.warn(f"{take.name}: {camera} sees nobody in {100 - 100 * shares[camera]:.0f} % of its frames.")


def load_views(take: Recording, time_map: TimeMap, rate_hz: float) -> dict[str, Keypoints2D]:
    """Return the keypoints of all cameras on their common timeline, in session time."""
    from sync.resample import common_timeline, resample_keypoints

    views = session_views(take, keypoints2d_files(take), time_map)
    timeline_s = common_timeline({camera: view.time_s for camera, view in views.items()}, rate_hz)
    return {camera: resample_keypoints(view, timeline_s) for camera, view in views.items()}


def triangulate_take(session: Session, take: Recording, time_map: TimeMap, stages: Stages) -> None:
    """Triangulate the keypoints of all cameras and fill short gaps."""
    settings = session.settings.process
    output = take.results / "keypoints3d.npz"
    stage = Stage(
        "triangulate",
        [
            *keypoints2d_files(take).values(),
            session.cameras_file,
            *([take.timestamps] if take.timestamps.exists() else []),
        ],
        [output],
        {
            "solver": settings.solver,
            "rate_hz": settings.rate_hz,
            "max_gap_s": settings.max_gap_s,
            "clocks": {name: [clock.offset_s, clock.rate] for name, clock in time_map.cameras.items()},
        },
    )

    def make() -> Mapping[str, Any]:

        from session.single_stages import cameras_for, triangulate_views
        from skeleton.formats.npz import save_keypoints3d

        views = load_views(take, time_map, settings.rate_hz)
        with stages.terminal.progress("triangulating") as progress:
            keypoints, report = triangulate_views(
                views, cameras_for(session.cameras_file, views), settings.solver, settings.max_gap_s, progress
            )
        with written_whole(output) as partial:
            save_keypoints3d(partial, keypoints)
        return report

    stages.run(stage, make, _triangulated)


def _triangulated(report: Mapping[str, Any]) -> str:
    """Put the report of the triangulation into words."""
    share = 100 * report["share"]
    said = f"{report['frames']} frames, {report['median_px']:.1f} px median, {share:.0f} % of the body's joints"
    for name, camera in report["cameras"].items():
        if camera["swapped_frames"]:
            said += f"; left and right exchanged back in {len(camera['swapped_frames'])} frames of {name}"
    return said


def fit_take(session: Session, take: Recording, stages: Stages) -> None:
    """Fit the bones, and write the motion and the files that other programs read."""
    source = take.results / "keypoints3d.npz"
    motion_file = take.results / "motion.npz"
    bvh, trc, csv, json = (take.results / f"{take.name}{suffix}" for suffix in (".bvh", ".trc", ".csv", ".json"))
    stage = Stage("fit", [source], [motion_file, bvh, trc, csv, json], {"skeleton": "humanoid"})

    def make() -> Mapping[str, Any]:
        from retarget.bvh import write_bvh
        from session.single_stages import fit_keypoints
        from skeleton.formats import save_keypoints3d
        from skeleton.formats.npz import load_keypoints3d, save_motion

        keypoints = load_keypoints3d(source)
        with stages.terminal.progress("fitting bones") as progress:
            motion, report = fit_keypoints(keypoints, "humanoid", progress)
        with written_whole(motion_file) as partial:
            save_motion(partial, motion)
        with written_whole(bvh) as partial:
            write_bvh(partial, motion)
        for path in (trc, csv, json):
            with written_whole(path) as partial:
                save_keypoints3d(partial, keypoints)
        return report

    stages.run(
        stage,
        make,
        lambda r: f"{r['frames']} frames, {r['residual_mm']:.0f} mm from the points, bone lengths constant",
    )


def draw_take(session: Session, take: Recording, time_map: TimeMap, stages: Stages) -> None:
    """Draw the skeleton over frames of all cameras; on request also a video per camera."""
    from session.picture import draw_contact_sheet, write_overlays

    keypoints2d = list(keypoints2d_files(take).values())
    motion_file = take.results / "motion.npz"
    picture = take.results / "overlay.png"
    stage = Stage("picture", [*take.videos.values(), *keypoints2d, motion_file, session.cameras_file], [picture])

    def make() -> Mapping[str, Any]:
        with written_whole(picture) as partial:
            return draw_contact_sheet(session, take, time_map, partial)

    stages.run(stage, make, lambda r: f"the skeleton over {r['pictures']} frames in {picture.name}")
    if not session.settings.process.overlay:
        return
    videos = [take.results / f"overlay-{camera}.mp4" for camera in take.videos]
    stage = Stage("overlay", [*take.videos.values(), *keypoints2d], videos)

    def make_videos() -> Mapping[str, Any]:
        with stages.terminal.progress("drawing overlays") as progress:
            write_overlays(take, progress)
        return {"videos": len(videos)}

    stages.run(stage, make_videos, lambda r: f"{r['videos']} videos, overlay-*.mp4")
