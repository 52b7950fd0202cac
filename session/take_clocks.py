"""The clocks of a take whose cameras are calibrated: the sound's way taken out, then refined on the motion."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from session.atomic import written_whole
from session.clocks import session_time_s, sounds_file, sync_method
from session.folder import Recording, Session
from session.manifest import Stage
from session.sound_moments import load_moments
from session.stages import Stages
from sync.time_map import CameraClock, TimeMap

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

# Tables of time stamps say nothing of how late they are: 20 to 100 ms among webcams, as the board's motion shows.
TABLE_STD_S = 0.05
# By motion alone a start may be a few frames off; a camera's sound is not that far from its picture.
MOST_BY_MOTION_S = 0.5
# Hands that clap: the wrists at most so far apart at the sound, and before or after it further by so much.
CLAP_WRISTS_M, CLAP_SWING_M, CLAP_SWING_S = 0.35, 0.10, 0.2


def people_file(take: Recording) -> Path:
    """Return where it is kept who is who in a take; there is none where nobody saw a second figure."""
    return take.shared_results / "people.npz"


def session_views(take: Recording, files: Mapping[str, Path], time_map: TimeMap) -> dict[str, Keypoints2D]:
    """Return the keypoints of all cameras, each at its own frames, in session time: of the take's person."""
    from skeleton.formats.npz import load_keypoints2d

    people = None
    if take.person:
        from triangulate.people.file import load_people

        people = load_people(people_file(take))
    views = {}
    for camera, path in files.items():
        keypoints = load_keypoints2d(path)
        if people is not None:
            keypoints = people.view(camera, keypoints, take.person)
        time_s = session_time_s(take, time_map, camera, np.arange(len(keypoints.time_s)), keypoints.time_s)
        views[camera] = dataclasses.replace(keypoints, time_s=time_s)
    return views


def find_take_clocks(
    session: Session, take: Recording, files: Mapping[str, Path], time_map: TimeMap, stages: Stages
) -> TimeMap:
    """Find the clocks that neither sound nor anything else gave, by the calibration and how the person moves.

    Parameters are those of `refine_take_clocks`; the keypoints must be there.
    """
    output = take.results / "time_map_by_cameras.json"
    stage = Stage(
        "sync by cameras",
        [*files.values(), session.cameras_file],
        [output],
        {"clocks": {name: dataclasses.asdict(clock) for name, clock in time_map.cameras.items()}},
    )

    def make() -> Mapping[str, Any]:
        from session.single_stages import cameras_for
        from skeleton.formats.npz import load_keypoints2d
        from sync.fallback import completed
        from triangulate.clock_search import search_clocks

        views = {camera: load_keypoints2d(path) for camera, path in files.items()}
        with stages.terminal.progress("laying the motion over itself") as progress:
            found = search_clocks(views, cameras_for(session.cameras_file, views), progress=progress)
        together = completed(time_map, found)
        with written_whole(output) as partial:
            together.save(partial)
        return {"cameras": len(together.cameras), "refused": len(together.refused)}

    stages.run(
        stage,
        make,
        lambda r: f"{r['cameras'] - r['refused']} of {r['cameras']} cameras on one time line, with the motion in space",
    )
    return TimeMap.load(output)


def refine_take_clocks(
    session: Session, take: Recording, files: Mapping[str, Path], time_map: TimeMap, stages: Stages
) -> TimeMap:
    """Refine a take's clocks by where the cameras are and how the person moves.

    Parameters
    ----------
    session, take, stages
        The take.
    files
        The keypoints by camera.
    time_map
        As synced, every camera with a clock.

    Returns
    -------
    TimeMap
        Also written to `clocks.json`. Cameras synced by cable are left as they are.
    """
    if sync_method(time_map) == "frames":
        return time_map
    output = take.results / "clocks.json"
    stage = Stage(
        "clocks",
        [
            *files.values(),
            *([people_file(take)] if take.person else []),
            session.cameras_file,
            sounds_file(take),
            *([take.timestamps] if take.timestamps.exists() else []),
        ],
        [output],
        {
            "clocks": {name: dataclasses.asdict(clock) for name, clock in time_map.cameras.items()},
            **({"person": take.person} if take.person else {}),
        },
    )

    def make() -> Mapping[str, Any]:
        from session.single_stages import cameras_for
        from triangulate.clocks import MOST_LAG_S, refine_clocks

        views = session_views(take, files, time_map)
        cameras = cameras_for(session.cameras_file, views)
        travelled = _without_travel(take, time_map, views, cameras)
        known = {
            name: dataclasses.replace(clock, offset_std_s=max(clock.offset_std_s, TABLE_STD_S))
            if clock.method == "timestamps"
            else clock
            for name, clock in travelled.cameras.items()
        }
        by_motion = any(clock.method in ("motion", "flash") for clock in known.values())
        with stages.terminal.progress("refining the clocks") as progress:
            refined = refine_clocks(
                session_views(take, files, travelled),
                cameras,
                known,
                most_shift_s=MOST_BY_MOTION_S if by_motion else MOST_LAG_S,
                progress=progress,
            )
        clocks = {
            name: refined.clocks[name].applied_to(clock) if name in refined.clocks else clock
            for name, clock in travelled.cameras.items()
        }
        with written_whole(output) as partial:
            TimeMap(clocks).save(partial)
        return {
            "reference": refined.reference,
            "refused": refined.refused,
            "before_px": refined.before_px,
            "after_px": refined.after_px,
            "travel_s": {
                name: travelled.cameras[name].offset_s - clock.offset_s for name, clock in time_map.cameras.items()
            },
            "cameras": {name: dataclasses.asdict(clock) for name, clock in refined.clocks.items()},
            "method": sync_method(time_map),
        }

    stages.run(stage, make, clocks_in_words)
    report = stages.manifest.report("clocks")
    refused = report["refused"]
    late = {name: camera["motion_s"] for name, camera in report["cameras"].items() if camera["certain"]}
    if late and report["method"] == "clap":
        known_s = session.settings.process.lag_s
        kept = ", ".join(f"{name} = {known_s.get(name, 0.0) + lag_s:.4f}" for name, lag_s in late.items())
        stages.terminal.say(
            f"To keep that for other sessions with these cameras: lag_s = {{ {kept} }} under [process] in their "
            "session.toml."
        )
    if refused:
        stages.terminal.warn(f"{take.name}: the clocks stay as they were synced: {refused}.")
    return TimeMap.load(output)


def clocks_in_words(report: Mapping[str, Any]) -> str:
    """Say how far the clocks moved, and which camera's picture is beyond doubt later or earlier than its sound."""
    if report["refused"] or not report["cameras"]:
        return "as synced"
    cameras = report["cameras"]
    worst = max(cameras, key=lambda name: float(cameras[name]["std_s"]))
    said = f"on motion, within {1000 * cameras[worst]['std_s']:.1f} ms"
    source = {"clap": "its sound says", "timestamps": "its time stamps say", "manual": "you gave"}.get(
        report["method"], "it was synced"
    )
    for name, camera in cameras.items():
        if camera["certain"]:
            side = "later" if camera["motion_s"] > 0 else "earlier"
            said += (
                f"; {name} {1000 * abs(camera['motion_s']):.1f} ± {1000 * camera['motion_std_s']:.1f} ms {side} than "
                f"{source}"
            )
    return said


def _without_travel(
    take: Recording, time_map: TimeMap, views: Mapping[str, Keypoints2D], cameras: CameraGroup
) -> TimeMap:
    """Return the clocks with the way of the claps taken out, as far as they are by sound and the claps are seen."""
    from sync.travel import without_travel

    heard = load_moments(sounds_file(take), TimeMap.load(take.results / "time_map.json"))
    by_sound = [name for name, clock in time_map.cameras.items() if clock.method in ("clap", "reference")]
    if heard is None or len(by_sound) < 2:
        return time_map
    # Clocks that were given by hand since keep no relation to the sounds.
    before = heard.time_map.cameras
    places_m = _clapping_hands(heard.sounds_s, views, cameras)
    if not np.isfinite(places_m).all(axis=1).any():
        return time_map
    after = without_travel(heard, {camera.name: camera.center_m for camera in cameras}, places_m).cameras
    clocks = dict(time_map.cameras)
    for name in by_sound:
        clock, old, new = clocks[name], before[name], after[name]
        # What a lag added to the clock and its deviation stays.
        lag_var = max(clock.offset_std_s**2 - old.offset_std_s**2, 0.0)
        clocks[name] = CameraClock(
            offset_s=clock.offset_s + new.offset_s - old.offset_s,
            rate=new.rate,
            offset_std_s=float(np.sqrt(new.offset_std_s**2 + lag_var)),
            rate_std=new.rate_std,
            method=clock.method,
            confidence=clock.confidence,
            verdict=clock.verdict,
            middle_s=new.middle_s,
        )
    return TimeMap(clocks)


def _clapping_hands(sounds_s: Array, views: Mapping[str, Keypoints2D], cameras: CameraGroup) -> Array:
    """Return where the hands clapped (sounds, 3), metres in the world; NaN for sounds that no hands made."""
    from sync.resample import resample_keypoints
    from triangulate.linear import triangulate_linear, undistort

    names = next(iter(views.values())).names
    if not {"left_wrist", "right_wrist"} <= set(names):
        return np.full((len(sounds_s), 3), np.nan)
    wrists = [names.index("left_wrist"), names.index("right_wrist")]
    places = np.full((3, len(sounds_s), 3), np.nan)
    apart_m = np.full((3, len(sounds_s)), np.nan)
    order = np.argsort(sounds_s)
    moments = np.unique(sounds_s[order])
    back = np.searchsorted(moments, sounds_s)
    for k, shift_s in enumerate((-CLAP_SWING_S, 0.0, CLAP_SWING_S)):
        at = [resample_keypoints(view, moments + shift_s) for view in views.values()]
        xy = undistort(cameras, np.stack([view.xy_px[:, wrists] for view in at]))
        weight = np.stack([view.confidence[:, wrists] for view in at])
        xyz_m = triangulate_linear(cameras, xy, weight)[back]
        places[k] = xyz_m.mean(axis=1)
        apart_m[k] = np.linalg.norm(xyz_m[:, 0] - xyz_m[:, 1], axis=-1)
    swing_m = np.nanmax(np.nan_to_num(apart_m[[0, 2]], nan=0.0), axis=0) - apart_m[1]
    clapped = (apart_m[1] <= CLAP_WRISTS_M) & (swing_m >= CLAP_SWING_M)
    return np.asarray(np.where(clapped[:, None], places[1], np.nan))
