"""The time of every frame of a recording: the sync stage, and what later stages ask of it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import SessionError, SyncError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Manifest, Stage
from session.settings import SYNC_METHODS, update_settings
from session.silent_sync import flash_time_map, motion_time_map, noted_starts
from session.sound_moments import save_moments
from session.stages import Stages
from session.terminal import Terminal
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from sync.clap import SyncResult

Array = npt.NDArray[np.float64]

# A lag that was found in another session and kept: it was certain by four deviations, and is told to a tenth of 1 ms.
KEPT_LAG_STD_S = 1e-3


def remember_sync(
    session: Session, recording: Recording, offsets: Mapping[str, float], table: Path | None, method: str | None
) -> Session:
    """Write what was given by flags into the session, and return the session anew.

    Raises
    ------
    SessionError
        If a camera does not exist, the method is unknown, or another table of time stamps is there already.
    """
    for camera in offsets:
        if camera not in recording.videos:
            raise SessionError(
                f'--offset names "{camera}", but {recording.folder} holds {", ".join(recording.videos) or "no video"}.'
            )
    if method is not None and method not in SYNC_METHODS:
        raise SessionError(f'--method "{method}" is unknown: needed one of {", ".join(SYNC_METHODS)}.')
    if table is not None:
        take_timestamps(recording, table)
    changes: dict[tuple[str, ...], Any] = {}
    known = session.settings.recording(recording.name)
    if offsets:
        changes["recordings", recording.name, "offset_s"] = {**known.offset_s, **offsets}
    if method is not None:
        changes["recordings", recording.name, "sync"] = method
    elif table is not None and known.sync != "auto":
        changes["recordings", recording.name, "sync"] = "timestamps"
    update_settings(session.settings_file, changes)
    return Session.open(session.root)


def take_timestamps(recording: Recording, table: Path) -> None:
    """Copy a table of time stamps beside the videos it belongs to, after checking that it fits them."""
    from sync.timestamps import read_timestamps

    read_timestamps(table, tuple(recording.videos))
    target = recording.timestamps
    if target.exists() and not target.samefile(table) and target.read_bytes() != table.read_bytes():
        raise SessionError(f"{target} is there already and differs from {table}. Move it away first.")
    if not target.exists():
        with written_whole(target) as partial:
            shutil.copyfile(table, partial)


def sync_recording(
    session: Session,
    recording: Recording,
    stages: Stages,
    detect: Callable[[], Mapping[str, Path]] | None = None,
) -> TimeMap:
    """Run the sync stage of a recording, and return its time map.

    "auto" takes a table of time stamps where there is one, else the sound, and for the cameras that the sound leaves
    without a clock the person's motion, then a flash of light: in the order of what they can promise.

    Parameters
    ----------
    session, recording, stages
        What to sync.
    detect
        Finds the keypoints of a person, and returns their files by camera; None: there is nobody to be found, so the
        motion is not tried.

    Raises
    ------
    SessionError, SyncError
        If there are fewer than two videos, or the method that the settings ask for is impossible.
    """
    recording.need_videos(2, "syncing")
    settings = session.settings.recording(recording.name)
    unknown = set(settings.offset_s) - set(recording.videos)
    if unknown:
        raise SessionError(
            f"{session.settings_file}: `recordings.{recording.name}.offset_s` names {', '.join(sorted(unknown))}, but "
            f"the videos are {', '.join(recording.videos)}."
        )
    method = settings.sync
    if method == "auto" and recording.timestamps.exists():
        method = "timestamps"
    table = [recording.timestamps] if method == "timestamps" else []
    if table and not recording.timestamps.exists():
        raise SyncError(f"{recording.timestamps} does not exist. Give it: clapcap sync --timestamps FILE")
    if method == "motion" and detect is None:
        raise SyncError(f"{recording.name} shows a board: only takes of a person can be synced by motion.")
    output, sounds = recording.results / "time_map.json", sounds_file(recording)
    stage = Stage(
        "sync",
        [*recording.videos.values(), *table],
        [output, sounds],
        {"method": method, "offset_s": dict(settings.offset_s)},
    )

    def make() -> dict[str, Any]:
        time_map, heard = _estimate(recording, method, settings.offset_s, stages.terminal, detect)
        with written_whole(sounds) as partial:
            save_moments(partial, heard)
        with written_whole(output) as partial:
            time_map.save(partial)
        return {
            name: [clock.offset_s, clock.confidence, clock.verdict, clock.method]
            for name, clock in time_map.cameras.items()
        }

    def said(report: Mapping[str, Any]) -> str:
        good = [name for name, (_, _, verdict, _) in report.items() if verdict == "ok"]
        methods = dict.fromkeys(report[name][3] for name in good if report[name][3] != "reference")
        return f"{len(good)} of {len(report)} cameras on one time line, by {' and '.join(methods) or method}"

    stages.run(stage, make, said)
    return TimeMap.load(output)


def sounds_file(recording: Recording) -> Path:
    """Return where the sounds that the clocks rest on are kept."""
    return recording.results / "sounds.npz"


def _estimate(
    recording: Recording,
    method: str,
    offsets: Mapping[str, float],
    terminal: Terminal,
    detect: Callable[[], Mapping[str, Path]] | None,
) -> tuple[TimeMap, SyncResult | None]:
    from sync.fallback import completed
    from sync.fixed import shared_frames, timestamps_map, with_manual_offsets

    names = tuple(recording.videos)
    heard = None
    if method == "frames":
        time_map = shared_frames(names)
    elif method == "timestamps":
        time_map = timestamps_map(names)
    elif method == "motion" and detect is not None:
        time_map = motion_time_map(detect(), terminal)
    elif method == "flash":
        time_map = flash_time_map(recording, terminal)
    else:
        heard = _listen(recording, terminal)
        time_map = heard.time_map
    if method == "auto":
        if detect is not None and with_manual_offsets(time_map, offsets).refused:
            time_map = completed(time_map, motion_time_map(detect(), terminal))
        if with_manual_offsets(time_map, offsets).refused:
            time_map = completed(time_map, flash_time_map(recording, terminal))
    return with_manual_offsets(time_map, offsets), heard


def _listen(recording: Recording, terminal: Terminal) -> SyncResult:
    from media.audio import read_audio
    from sync.clap import sync_heard
    from sync.hearing import hear

    with terminal.progress("listening") as progress:
        heard = {}
        for count, (name, path) in enumerate(recording.videos.items()):
            # One track at a time: ten minutes are a tenth of a gigabyte, what is kept of them a third of that.
            sound = None if path.is_dir() else read_audio(path, mono=True)
            heard[name] = None if sound is None else hear(sound)
            progress(count + 1, len(recording.videos))
    return sync_heard(heard)


def with_lags(session: Session, time_map: TimeMap) -> TimeMap:
    """Correct a take's clocks by the delays of the cameras themselves, as far as they are known.

    A camera's delay behind its sound or its time stamps is the camera's own, so it holds for every recording that is
    synced in the same way; offsets given by hand hold for one recording only. What `process.lag_s` of the settings says
    of a camera's sound comes before what the calibration found.
    """
    method = sync_method(time_map)
    if method not in ("clap", "timestamps"):
        return time_map
    lags = {} if session.settings.calibration.import_ else _board_lags(session, method)
    if method == "clap":
        lags |= {name: (float(lag_s), KEPT_LAG_STD_S) for name, lag_s in session.settings.process.lag_s.items()}
    clocks = dict(time_map.cameras)
    for name in lags.keys() & clocks.keys():
        lag_s, std_s = lags[name]
        clock = clocks[name]
        clocks[name] = dataclasses.replace(
            clock, offset_s=clock.offset_s + lag_s, offset_std_s=float(np.hypot(clock.offset_std_s, std_s))
        )
    return TimeMap(clocks)


def _board_lags(session: Session, method: str) -> dict[str, tuple[float, float]]:
    """Return the lags that the board's motion showed beyond doubt, with their deviations, by camera."""
    found = Manifest(session.calibration.results, session.root).report("solve")
    if method != found.get("sync"):
        return {}
    heard = TimeMap.load(session.calibration.results / "time_map.json").cameras
    # JSON has no NaN: a solver that does not tell its deviation leaves None.
    spread_s = {camera["name"]: float(camera["lag_std_s"] or 0.0) for camera in found["cameras"]}
    # The lag is what the board's motion said against the clock of the calibration, whose error it took over.
    return {
        name: (lag_s, float(np.hypot(spread_s[name], heard[name].offset_std_s)))
        for name, lag_s in found["lag_s"].items()
        if lag_s
    }


def sync_method(time_map: TimeMap) -> str:
    """Return the method that all cameras but the reference were synced by; "mixed" if they differ."""
    methods = {clock.method for clock in time_map.cameras.values()} - {"reference"}
    return methods.pop() if len(methods) == 1 else "mixed"


def refuse_unsynced(recording: Recording, time_map: TimeMap) -> None:
    """Stop where a camera has no time.

    Raises
    ------
    SyncError
        Naming each camera, the reason, and the ways out.
    """
    refused = time_map.refused
    if not refused:
        return
    reasons = "\n".join(f"  {name}: {reason}" for name, reason in refused.items())
    noted = noted_starts(recording)
    if noted:
        reasons += f"\n  {noted}"
    raise SyncError(
        f"{recording.name}: {len(refused)} of {len(time_map.cameras)} cameras could not be synced.\n{reasons}\n"
        f"Say when their clocks started, from anything seen in two pictures: clapcap sync {recording.root} --take "
        f"{recording.name} --offset {next(iter(refused))}=SECONDS (session time = offset + camera time), or move the "
        f"videos of those cameras out of {recording.folder}."
    )


def session_time_s(
    recording: Recording, time_map: TimeMap, camera: str, frame_index: npt.NDArray[np.int64], frame_time_s: Array
) -> Array:
    """Return the session time (frames,) of a camera's frames, from their number and time stamp in the video."""
    clock = time_map.cameras[camera]
    if clock.method != "timestamps":
        return clock.to_session(frame_time_s)
    from sync.timestamps import read_timestamps

    table = read_timestamps(recording.timestamps, tuple(recording.videos))
    return clock.to_session(table.frame_time_s(camera, frame_index))


def timestamp_groups(
    recording: Recording, frame_index: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, npt.NDArray[np.int64]] | None:
    """Return the group (frames,) of each camera's frames that the table names; None: it names none."""
    from sync.timestamps import read_timestamps

    table = read_timestamps(recording.timestamps, tuple(recording.videos))
    groups = {}
    for camera, index in frame_index.items():
        rows = table.cameras[camera]
        if rows.sync_index is None:
            return None
        places = np.searchsorted(rows.frame_index, index)
        groups[camera] = rows.sync_index[places]
    return groups


def sync_table(recording: Recording, time_map: TimeMap, terminal: Terminal) -> None:
    """Print the time map."""
    rows = [
        (
            name,
            f"{clock.offset_s:+.4f}" if clock.ok else "-",
            f"{1000 * clock.offset_std_s:.2f}" if clock.ok else "-",
            f"{1e6 * (clock.rate - 1):+.1f} ± {1e6 * clock.rate_std:.1f}" if clock.ok else "-",
            clock.method,
            f"{clock.confidence:.2f}",
            clock.verdict,
        )
        for name, clock in time_map.cameras.items()
    ]
    title = f"{recording.name}: session time = offset + camera time"
    terminal.table(title, ("camera", "offset s", "± ms", "rate ppm", "method", "confidence", "verdict"), rows)
    if any(clock.ok and clock.method == "clap" for clock in time_map.cameras.values()):
        terminal.say(
            "± is mostly the sound's way to each camera, 2.9 ms a metre, which is not known here: it is taken to "
            "differ by 2 m."
        )
