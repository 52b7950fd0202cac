"""A take with one usable view: the order of its stages, which `single` and `process` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from session.floor import world_in_words
from session.folder import Recording, Session
from session.lens import Lens, calibrated_lens, find_lens
from session.processing.bones import fit_lifted
from session.processing.cleanup import clean_take
from session.processing.detection import keypoints2d_files
from session.processing.files import export_take
from session.processing.lifting import Height, gravity_words, lift_take
from session.processing.people import set_aside_others
from session.processing.pictures import draw_lifted
from session.processing.report import report_take
from session.stages import Stages

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from session.terminal import Terminal
    from sync.time_map import CameraClock, TimeMap


HINTS = {
    "scale": "Give the true one: `clapcap process --height 1.72`, or [subject] height_m in session.toml",
    "lens": "Calibrate the camera with the others, or use `clapcap single` with --focal-mm or --camera",
}


@dataclass(frozen=True)
class OneView:
    """The view of a take that is usable.

    Attributes
    ----------
    camera
        Its name.
    clock
        Where the take was synced, and this camera with it.
    why
        Why it is the only one, a sentence.
    """

    camera: str
    clock: CameraClock | None
    why: str

    @classmethod
    def alone(cls, take: Recording) -> OneView:
        """Return the view of a take with one video."""
        (camera,) = take.videos
        return cls(camera, None, f"{take.folder} holds one video.")

    @classmethod
    def of_several(cls, take: Recording, seen: Mapping[str, float], time_map: TimeMap) -> OneView:
        """Choose of several videos, of which one sees anybody or one has a clock.

        The one that sees somebody in most of its frames; of those with a clock, where one of them does.

        Parameters
        ----------
        take
            The take.
        seen
            Share of frames with somebody in them, by camera that sees anybody.
        time_map
            The clocks, as synced.
        """
        clocked = [camera for camera in seen if time_map.cameras[camera].ok]
        camera = max(clocked or seen, key=lambda name: seen[name])
        if len(seen) < 2:
            why = f"Only {camera} sees anybody."
        else:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in time_map.refused.items())
            why = (
                f"The other cameras have no clock that could be used ({reasons}). Say when they started, from anything "
                f"seen in two pictures: clapcap sync {take.root} --take {take.name} --offset "
                f"{next(iter(time_map.refused))}=SECONDS"
            )
        clock = time_map.cameras[camera]
        # A table's times are not a line over the camera's own.
        return cls(camera, clock if clock.ok and clock.method != "timestamps" else None, why)


def lift_one_view(
    session: Session, take: Recording, view: OneView, cameras: CameraGroup | None, stages: Stages
) -> None:
    """Process a take of a session from one view, and say so.

    Raises
    ------
    ClapcapError
        With what, where and what to do.
    """
    from skeleton.formats.npz import load_keypoints2d

    stages.terminal.warn(f"{take.name}: one usable view, {view.camera}. {view.why} So depth is inferred, not measured.")
    height_m = session.settings.subject.height_m
    height = Height.of(None if np.isnan(height_m) else height_m)
    files = keypoints2d_files(take)
    take = replace(take, videos={view.camera: take.videos[view.camera]})
    width, height_px = (int(side) for side in load_keypoints2d(files[view.camera]).image_size_px)
    video = take.videos[view.camera]
    if cameras is not None:
        words = f"that of the session's calibration ({view.camera})"
        lens = calibrated_lens(cameras[view.camera], (width, height_px), words)
        floor_m = 0.0 if world_in_words(session).startswith("floor") else None
        sources: tuple[Path, ...] = (session.cameras_file,)
    else:
        lens, floor_m, sources = find_lens(view.camera, video, (width, height_px)), None, ()
    process_one_view(session, take, lens, height, stages, clock=view.clock, floor_m=floor_m, sources=sources)
    set_aside_others(take, [take], stages.terminal)


def process_one_view(
    session: Session,
    take: Recording,
    lens: Lens,
    height: Height,
    stages: Stages,
    *,
    clock: CameraClock | None = None,
    floor_m: float | None = None,
    sources: tuple[Path, ...] = (),
) -> None:
    """Make everything of a take from the keypoints of its one video, which are there; parameters as of `lift_take`."""
    lift_take(session, take, lens, height, stages, clock=clock, floor_m=floor_m, sources=sources)
    clean_take(session, take, stages)
    fit_lifted(take, stages)
    export_take(take, stages)
    draw_lifted(session, take, stages)
    report_take(session, take, stages)


def tell_what_it_rests_on(lifted: Mapping[str, Any], hints: Mapping[str, str], terminal: Terminal) -> None:
    """Say plainly what of a lifted take is inferred.

    Parameters
    ----------
    lifted
        What the stage recorded.
    hints
        What to do where something is assumed: by "scale" and "lens".
    terminal
        Where to say it.
    """
    facts = [
        ("depth", f"inferred from one view ({lifted['camera']}), not measured"),
        ("scale", lifted["scale"] + (f". {hints['scale']}" if not lifted["height_given"] else "")),
        ("lens", lifted["lens"] + (f". {hints['lens']}" if lifted["lens_from"] == "default" else "")),
        ("up", gravity_words(lifted).removeprefix("up ")),
    ]
    terminal.facts(facts)
