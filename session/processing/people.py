"""The people of a take: who is who between cameras and over time, and whose results are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.processing.detection import keypoints2d_files
from session.stages import Stages
from session.take_clocks import people_file, session_views
from session.terminal import Terminal
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]

STAGE = "people"
# Who is placed in space for less than this (seconds, and share of the main person's) passed by: named, but no results.
LEAST_KEPT_S, LEAST_KEPT_SHARE = 1.0, 0.1


def find_take_people(session: Session, take: Recording, time_map: TimeMap, stages: Stages) -> list[Recording]:
    """Tell the people of a take apart; return the take as each kept person's, the main one first.

    Where there is one person only, always the main figure of every camera, no file is written, and everything is as if
    people were not looked for.

    Parameters
    ----------
    time_map
        As synced; some hundredths of a second do not matter here.

    Raises
    ------
    SessionError
        If the settings keep a person who is not there.
    """
    output = people_file(take)
    files = keypoints2d_files(take)
    if not _others(files):
        _refuse_missing(session, take, [1])
        output.unlink(missing_ok=True)
        return [take]
    alone = stages.manifest.report(STAGE).get("alone", False)
    # What there is to write is known once it has been made.
    outputs: list[Path] = [] if alone else [output]
    stage = Stage(
        STAGE,
        [*files.values(), session.cameras_file, *([take.timestamps] if take.timestamps.exists() else [])],
        outputs,
        {"clocks": {name: [round(clock.offset_s, 3), clock.rate] for name, clock in time_map.cameras.items()}},
    )

    def make() -> Mapping[str, Any]:
        from session.single_stages import cameras_for
        from triangulate.people.file import save_people
        from triangulate.people.find import find_people

        views = session_views(take, files, time_map)
        with stages.terminal.progress("telling people apart") as progress:
            people = find_people(views, cameras_for(session.cameras_file, views), progress)
        outputs[:] = [] if people.alone else [output]
        if people.alone:
            output.unlink(missing_ok=True)
        else:
            with written_whole(output) as partial:
                save_people(partial, people)
        return {
            "alone": people.alone,
            "persons": [dataclasses.asdict(person) for person in people.persons],
            "appearances": [
                {"camera": one.camera, "from_s": one.from_s, "to_s": one.to_s, "share": one.share}
                for one in people.appearances
            ],
        }

    stages.run(stage, make, _found)
    report = stages.manifest.report(STAGE)
    persons = report["persons"]
    kept = _kept(session, take, persons)
    _tell(report, kept, stages)
    if report.get("alone") or not persons:
        return [take]
    return [take.of_person(number, main=place == 0) for place, number in enumerate(kept)]


def while_seen(views: Mapping[str, Keypoints2D], timeline_s: Array) -> Array:
    """Return the moments of a timeline from when a camera first sees a person to when one last does."""
    seen_s = [view.time_s[(view.confidence > 0).any(axis=1)] for view in views.values()]
    seen_s = [times for times in seen_s if len(times)]
    if not seen_s:
        return timeline_s
    inside = (timeline_s >= min(times[0] for times in seen_s)) & (timeline_s <= max(times[-1] for times in seen_s))
    return timeline_s[inside] if inside.any() else timeline_s


def _others(files: Mapping[str, Path]) -> bool:
    from skeleton.formats.npz import load_keypoints2d

    return any(load_keypoints2d(path).others_xy_px is not None for path in files.values())


def _kept(session: Session, take: Recording, persons: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the numbers of the people whose results are made, the one of the plain names first."""
    wanted = session.settings.process.person
    _refuse_missing(session, take, [person["number"] for person in persons] or [1])
    if wanted.isdecimal():
        return [int(wanted)]
    if wanted == "main" or not persons:
        return [1]
    least_s = max(LEAST_KEPT_S, LEAST_KEPT_SHARE * persons[0]["solid_s"])
    return [1, *(person["number"] for person in persons[1:] if person["solid_s"] >= least_s)]


def _refuse_missing(session: Session, take: Recording, numbers: Sequence[int]) -> None:
    wanted = session.settings.process.person
    if wanted.isdecimal() and int(wanted) not in numbers:
        found = "only person 1 was found" if len(numbers) == 1 else f"persons {', '.join(map(str, numbers))} were found"
        raise SessionError(
            f"{take.name}: person {wanted} is to be kept, but {found}. Choose again: "
            f"clapcap process {session.root} --take {take.name} --person all"
        )


def _found(report: Mapping[str, Any]) -> str:
    """Put into words who was found."""
    persons = report["persons"]
    if not persons:
        return "nobody whom two cameras agree on: each camera's main figure is used"
    return f"{len(persons)} people" if len(persons) > 1 else "one person"


def _tell(report: Mapping[str, Any], kept: Sequence[int], stages: Stages) -> None:
    """Say who was found, from when to when, by which cameras, and who is kept."""
    persons = report["persons"]
    if len(persons) > 1:
        lines = []
        for person in persons:
            shares = {camera: share for camera, share in person["cameras"].items() if share > 0}
            seen = ", ".join(f"{camera} {100 * share:.0f} %" for camera, share in shares.items())
            fate = "kept" if person["number"] in kept else "not kept"
            lines.append(
                f"person {person['number']} ({fate}): {person['from_s']:.1f} to {person['to_s']:.1f} s, "
                f"{person['solid_s']:.1f} s of it by two cameras or more; in {seen} of the pictures"
            )
        stages.terminal.points(lines)
    for one in report["appearances"]:
        stages.terminal.warn(
            f"{one['camera']} sees a figure that no other camera agrees on, from {one['from_s']:.1f} to "
            f"{one['to_s']:.1f} s ({100 * one['share']:.0f} % of its pictures): a poster, a mirror image, or somebody "
            "whom it alone can see. It is not used."
        )


def set_aside_others(take: Recording, kept: Sequence[Recording], terminal: Terminal) -> None:
    """Rename the folders of people whom this run has not kept, though an earlier one has, and say so."""
    for folder in sorted(take.results.glob("person[0-9]*")):
        if not (folder.is_dir() and folder.name.removeprefix("person").isdecimal()) or folder in [
            person.results for person in kept
        ]:
            continue
        number = 1
        while (aside := take.results / f"earlier-{folder.name}-{number}").exists():
            number += 1
        folder.rename(aside)
        terminal.warn(f"{take.name}: {folder.name} was made by an earlier run and not now: it is kept as {aside.name}.")
