"""Pictures of a take for the eye: the fitted skeleton over frames of every camera, and overlay videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera
from clapcap.progress import Progress, silent
from session.clocks import session_time_s
from session.folder import Recording, Session
from session.take_clocks import people_file
from skeleton.keypoints import Keypoints2D
from skeleton.motion import Motion
from sync.time_map import TimeMap

Array = npt.NDArray[np.float64]

MOMENTS = (1 / 6, 1 / 2, 5 / 6)  # of the take, one row of the sheet each
CELL_HEIGHT_PX = 360
OUTSIDE_S = 0.1  # a motion is drawn this long before its first and after its last frame
MARGIN = 0.5  # of the picture, around it: bones that end further out are left out, as lenses are not known there
COLOURS = {"left": (255, 140, 0), "right": (0, 170, 255), "": (255, 255, 255)}  # RGB


def draw_contact_sheet(
    session: Session, take: Recording, motions: Mapping[str, Path], time_map: TimeMap, output: Path
) -> Mapping[str, Any]:
    """Draw everybody's bones over frames of every camera (columns) at a few moments (rows); write a PNG.

    `motions` are by the label that each person bears; the first is the main person's, whose span the moments divide.
    """
    import cv2

    from media.frames import read_frames
    from session.processing.cameras import take_cameras_file
    from session.single_stages import cameras_for
    from skeleton.formats.npz import load_keypoints2d, load_motion

    people = {label: load_motion(path) for label, path in motions.items()}
    motion = next(iter(people.values()))
    views = {camera: load_keypoints2d(take.results / "keypoints2d" / f"{camera}.npz") for camera in take.videos}
    cameras = cameras_for(take_cameras_file(session, take), views)
    columns = []
    for name, view in views.items():
        time_s = session_time_s(take, time_map, name, np.arange(len(view.time_s)), view.time_s)
        cells = []
        for moment in MOMENTS:
            when_s = motion.time_s[0] + moment * (motion.time_s[-1] - motion.time_s[0])
            number = int(np.abs(time_s - when_s).argmin())
            frame = next(iter(read_frames(take.videos[name], start=number, stop=number + 1)))
            picture = frame.image
            for label, one in people.items():
                picture = draw_bones(picture, one, cameras[name], float(time_s[number]), label)
            width = round(picture.shape[1] * CELL_HEIGHT_PX / picture.shape[0])
            cell = cv2.resize(picture, (width, CELL_HEIGHT_PX), interpolation=cv2.INTER_AREA)
            write(cell, f"{name}  {time_s[number]:.2f} s", (8, 20), 0.5)
            cells.append(cell)
        columns.append(np.concatenate(cells))
    sheet = np.concatenate(columns, axis=1)
    cv2.imwrite(str(output), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return {"pictures": len(views) * len(MOMENTS)}


def draw_bones(
    image: npt.NDArray[np.uint8], motion: Motion, camera: Camera, time_s: float, label: str = ""
) -> npt.NDArray[np.uint8]:
    """Return a copy of an RGB picture with the motion's bones at that session time drawn over it.

    Nobody is drawn at a time that the motion does not hold; `label` stands above the highest joint.
    """
    picture = image.copy()
    if not moves_at(motion, time_s):
        return picture
    frame = int(np.abs(motion.time_s - time_s).argmin())
    one = Motion(
        motion.joint_names,
        motion.parents,
        motion.rest_offset_m,
        motion.rotation_xyzw[frame : frame + 1],
        motion.root_m[frame : frame + 1],
        motion.time_s[frame : frame + 1],
    )
    draw_projected(picture, motion, camera.project(one.world_positions()[0]), label)
    return picture


def moves_at(motion: Motion, time_s: float) -> bool:
    """Tell whether a motion is drawn at that session time."""
    return bool(motion.time_s[0] - OUTSIDE_S <= time_s <= motion.time_s[-1] + OUTSIDE_S)


def draw_projected(picture: npt.NDArray[np.uint8], motion: Motion, xy_px: Array, label: str = "") -> None:
    """Draw the bones between joints at pixels (joints, 2) of an RGB picture, in place."""
    import cv2

    size = np.array([picture.shape[1], picture.shape[0]])
    near = (np.abs(xy_px / size - 0.5) < 0.5 + MARGIN).all(axis=-1)  # NaN, behind the camera, is not
    thick = max(2, picture.shape[1] // 320)
    for joint, parent in enumerate(motion.parents):
        if parent < 0 or not (near[joint] and near[parent]):
            continue
        name = motion.joint_names[joint]
        side = next((side for side in ("left", "right") if name.startswith(side)), "")
        start, end = xy_px[[parent, joint]].round().astype(int).tolist()
        cv2.line(picture, start, end, (0, 0, 0), thick + 2, cv2.LINE_AA)
        cv2.line(picture, start, end, COLOURS[side], thick, cv2.LINE_AA)
    if label and near.any():
        x, y = xy_px[near][xy_px[near][:, 1].argmin()].round().astype(int).tolist()
        write(picture, label, (x - 4 * thick, y - 4 * thick), 0.3 * thick)


def write(picture: npt.NDArray[Any], text: str, at: tuple[int, int], scale: float) -> None:
    """Write white letters with a black edge, in place."""
    import cv2

    for colour, more in (((0, 0, 0), 2), ((255, 255, 255), 0)):
        cv2.putText(
            picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, max(1, round(2 * scale)) + more, cv2.LINE_AA
        )


def write_overlays(people: Sequence[Recording], progress: Progress = silent) -> None:
    """Write a video per camera with the detected keypoints drawn over it: the first person's, and the others' in grey.

    Parameters
    ----------
    people
        The take as that of each person who is kept.
    progress
        Told cameras.
    """
    from detect.overlay import write_overlay
    from session.atomic import written_whole
    from skeleton.formats.npz import load_keypoints2d

    take = people[0]
    for count, (camera, video) in enumerate(take.videos.items()):
        keypoints = load_keypoints2d(take.results / "keypoints2d" / f"{camera}.npz")
        if take.person:
            keypoints = _everybody(people, camera, keypoints)
        with written_whole(take.results / f"overlay-{camera}.mp4") as partial:
            write_overlay(video, keypoints, partial)
        progress(count + 1, len(take.videos))


def _everybody(people: Sequence[Recording], camera: str, keypoints: Keypoints2D) -> Keypoints2D:
    """Return the first person's figures of a camera, and beside them the others', each in a row of their own."""
    from triangulate.people.file import load_people

    found = load_people(people_file(people[0]))
    first, *others = [found.view(camera, keypoints, person.person) for person in people]
    if not others:
        return first
    return replace(
        first,
        others_xy_px=np.stack([view.xy_px for view in others], axis=1),
        others_confidence=np.stack([view.confidence for view in others], axis=1),
    )
