"""Pictures of a take: the skeleton over frames of all cameras, and a video a camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
