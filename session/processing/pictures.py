"""Pictures of a take: the skeleton over frames of all cameras, and a video a camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.processing.cameras import take_cameras_file
from session.processing.detection import keypoints2d_files
from session.stages import Stages
from session.take_clocks import people_file
from sync.time_map import TimeMap


def draw_take(
    session: Session, take: Recording, people: Sequence[Recording], time_map: TimeMap, stages: Stages
) -> None:
    """Draw everybody's skeleton over frames of all cameras; on request also a video per camera."""
    from session.picture import draw_contact_sheet, write_overlays

    keypoints2d = list(keypoints2d_files(take).values())
    motions = {str(person.person) if len(people) > 1 else "": person.results / "motion.npz" for person in people}
    picture = take.results / "overlay.png"
    stage = Stage(
        "picture", [*take.videos.values(), *keypoints2d, *motions.values(), take_cameras_file(session, take)], [picture]
    )

    def make() -> Mapping[str, Any]:
        with written_whole(picture) as partial:
            return draw_contact_sheet(session, take, motions, time_map, partial)

    stages.run(stage, make, lambda r: f"the skeleton over {r['pictures']} frames in {picture.name}")
    if not session.settings.process.overlay:
        return
    videos = [take.results / f"overlay-{camera}.mp4" for camera in take.videos]
    shown = [person.person for person in people if person.person]
    told = [people_file(take)] if shown else []
    stage = Stage("overlay", [*take.videos.values(), *keypoints2d, *told], videos, {"people": shown} if shown else {})

    def make_videos() -> Mapping[str, Any]:
        with stages.terminal.progress("drawing overlays") as progress:
            write_overlays(people, progress)
        return {"videos": len(videos)}

    stages.run(stage, make_videos, lambda r: f"{r['videos']} videos, overlay-*.mp4")


def draw_lifted(session: Session, take: Recording, stages: Stages, film: bool = False) -> None:
    """Draw the skeleton of a lifted take over a few frames of its video; if set so or `film`, also over all of them."""
    from session.processing.lifting import STAGE

    ((camera, video),) = take.videos.items()
    (keypoints2d,) = keypoints2d_files(take).values()
    motion_file, cameras_file = take.results / "motion.npz", take_cameras_file(session, take)
    picture, overlay = take.results / "overlay.png", take.results / f"overlay-{camera}.mp4"
    sources = [video, keypoints2d, motion_file, cameras_file]
    clock = stages.manifest.settings(STAGE)["clock"]
    pictures = Stage("picture", sources, [picture], {"clock": clock})
    films = Stage("overlay", sources, [picture, overlay], {"clock": clock})
    wanted = film or session.settings.process.overlay or stages.manifest.is_current(films)
    stage, other = (films, pictures) if wanted else (pictures, films)
    _give_way(other, overlay, stages)

    def make() -> Mapping[str, Any]:
        from calib.interchange import load_cameras
        from session.lifted_picture import draw_moments, write_lifted_overlay
        from skeleton.formats.npz import load_keypoints2d, load_motion

        (lens,) = load_cameras(cameras_file)
        motion = load_motion(motion_file)
        time_s = np.polyval(clock[::-1], load_keypoints2d(keypoints2d).time_s)
        with written_whole(picture) as partial:
            if wanted:
                with (
                    stages.terminal.progress("drawing the overlay") as progress,
                    written_whole(overlay) as partial_film,
                ):
                    write_lifted_overlay(video, motion, lens, time_s, partial_film, partial, progress)
            else:
                draw_moments(video, motion, lens, time_s, partial)
        return {"videos": int(wanted)}

    stages.run(stage, make, lambda r: f"the skeleton over the video: {overlay.name if r['videos'] else picture.name}")


def _give_way(stage: Stage, film: Path, stages: Stages) -> None:
    """Forget the one of the two stages that make the picture which does not run, with a film of an earlier skeleton."""
    if not stages.manifest.inputs(stage.name):
        return
    stages.keep_edited(stage)
    if film in stage.outputs and film.exists():
        film.unlink()
        stages.terminal.warn(f"{film.name} showed an earlier skeleton and is removed. --overlay draws it anew.")
    stages.manifest.forget(stage.name)
