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


def draw_lifted(session: Session, take: Recording, stages: Stages) -> None:
    """Draw the skeleton of a lifted take over a few frames of its video; on request also over all of them."""
    from session.processing.lifting import STAGE

    ((camera, video),) = take.videos.items()
    (keypoints2d,) = keypoints2d_files(take).values()
    motion_file, cameras_file = take.results / "motion.npz", take_cameras_file(session, take)
    picture, overlay = take.results / "overlay.png", take.results / f"overlay-{camera}.mp4"
    wanted = session.settings.process.overlay
    if not wanted:
        _remove_outdated(overlay, (motion_file, cameras_file), stages)
    clock = stages.manifest.settings(STAGE)["clock"]
    stage = Stage(
        "overlay" if wanted else "picture",
        [video, keypoints2d, motion_file, cameras_file],
        [picture, overlay] if wanted else [picture],
        {"clock": clock},
    )

    def make() -> Mapping[str, Any]:
        from calib.interchange import load_cameras
        from session.lifted_picture import draw_moments, write_lifted_overlay
        from skeleton.formats.npz import load_keypoints2d, load_motion

        (lens,) = load_cameras(cameras_file)
        motion = load_motion(motion_file)
        time_s = np.polyval(clock[::-1], load_keypoints2d(keypoints2d).time_s)
        with written_whole(picture) as partial:
            if wanted:
                with stages.terminal.progress("drawing the overlay") as progress, written_whole(overlay) as film:
                    write_lifted_overlay(video, motion, lens, time_s, film, partial, progress)
            else:
                draw_moments(video, motion, lens, time_s, partial)
        return {"videos": int(wanted)}

    stages.run(stage, make, lambda r: f"the skeleton over the video: {overlay.name if r['videos'] else picture.name}")


def _remove_outdated(film: Path, shown: Sequence[Path], stages: Stages) -> None:
    """Remove a film that shows an earlier skeleton, so that nobody takes it for this one; an edited one stays."""
    drawn_from = stages.manifest.inputs("overlay").values()
    if not film.exists() or not drawn_from or stages.manifest.was_edited("overlay", film):
        return
    if not all(stages.manifest.digest(path) in drawn_from for path in shown):
        film.unlink()
        stages.terminal.warn(f"{film.name} showed an earlier skeleton and is removed. --overlay draws it anew.")
