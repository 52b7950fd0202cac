"""The page of a take: made at the end, from what the stages left behind."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap import __version__
from clapcap.errors import SessionError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.frame_clocks import refined_clocks
from session.manifest import Manifest, Stage
from session.previous import report_file as calibration_page_file
from session.processing.cameras import take_cameras_file
from session.report.sync_stage import sync_page_file
from session.report.take_findings import Person, TakeFindings
from session.report.take_sources import calibration_source, sync_source
from session.report.versions import library_versions
from session.stages import Stages
from session.terminal import Terminal

if TYPE_CHECKING:
    from calib.cameras import CameraGroup
    from skeleton.hierarchy import SkeletonDefinition
    from skeleton.keypoints import Keypoints3D

LIBRARIES = ("numpy", "scipy", "opencv-contrib-python", "mediapipe", "av")
"""Whose versions the page names: those that decide digits."""

SKELETON = "humanoid"
"""The animation skeleton of motions whose stage does not name one."""

MOTION = "motion.npz"
MEASURED = "keypoints3d_raw.npz"
RESULTS = ("keypoints3d.npz", "observations2d.npz", MOTION)
"""What the page of a person is made from; the last may be lacking."""

OUTPUTS = (
    ("overlay.png", "the skeleton over frames of all cameras"),
    (".mp4", "a camera's video with the keypoints drawn over it"),
    ("_angles.csv", "joint angles as a table, with the names of gait labs"),
    (".bvh", "the moving skeleton: Blender, Maya, MotionBuilder, Unreal, Unity"),
    (".trc", "points in space: OpenSim"),
    (".mot", "joint angles: OpenSim"),
    (".c3d", "points in space: programs of gait labs"),
    (".csv", "points in space as a table: spreadsheets, R, MATLAB"),
    (".json", "points in space, frame by frame: your own programs"),
    ("keypoints3d.npz", "points in space with their deviations, without loss: Python"),
    (MEASURED, "the same before they were cleaned up: Python"),
    ("observations2d.npz", "what each camera saw, and how far it was trusted: Python"),
    ("motion.npz", "the fitted bones, without loss: Python"),
)
"""What the files beside the page are for, by how their names end; the first that fits."""

OF_ONE_VIEW = (
    ("overlay.png", "the skeleton over a few frames"),
    (".mp4", "the video with the skeleton drawn over it"),
    (MEASURED, "the same before they were cleaned up, as the network gives them: Python"),
    ("observations2d.npz", "what the camera saw, and how far it was trusted: Python"),
)
"""The same where it is otherwise for a body lifted from one view."""

DIGEST_DIGITS = 16
"""Of a digest, shown: enough to tell any two files apart."""


def take_page_file(folder: Path) -> Path:
    """Return where the page of the person in a folder of results goes."""
    return folder / "report.html"


def people_folders(take: Recording) -> list[tuple[str, Path]]:
    """Return (name, folder of results) of everybody in a take who has been processed, the first one first."""
    folders = [take.results, *sorted(path for path in take.results.glob("person*") if path.is_dir())]
    there = [folder for folder in folders if (folder / RESULTS[0]).exists() and (folder / RESULTS[1]).exists()]
    # The person of the take's own names need not be the first: another may have been chosen.
    main = Manifest(take.results, take.root).report("triangulate").get("person") or 1
    return [
        (f"Person {folder.name.removeprefix('person') if folder != take.results else main}", folder) for folder in there
    ]


def report_take(session: Session, take: Recording, stages: Stages) -> list[Path]:
    """Make `report.html` of everybody in a take, and return the pages; empty where nothing has been processed."""
    people = people_folders(take)
    return [_report_person(session, take, people, number, stages) for number in range(len(people))]


def report_session(session: Session, name: str | None, terminal: Terminal) -> None:
    """Make the pages of one take or of all that have been processed, and say where they are.

    Raises
    ------
    SessionError
        If there is no such take, or nothing has been processed: with the command that does it.
    """
    pages = {}
    takes = session.take(name)
    for take in takes:
        if people_folders(take):
            pages[take.name] = report_take(session, take, Stages(session, take, terminal))
    if not pages:
        missing = takes[0].results / RESULTS[0]
        raise SessionError(
            f"There is nothing to report on: {missing} does not exist. Process the take first: "
            f"clapcap process {session.root}{f' --take {name}' if name else ''}"
        )
    for take in takes:
        if take.name not in pages:
            terminal.warn(f"{take.name} has not been processed yet, so it has no page.")
    for page in (*(page for made in pages.values() for page in made), calibration_page_file(session)):
        if page.exists():
            terminal.verbatim(str(page))


def _report_person(
    session: Session, take: Recording, people: Sequence[tuple[str, Path]], number: int, stages: Stages
) -> Path:
    folder = people[number][1]
    page_file = take_page_file(folder)
    # A person beside the main one has a manifest of the own stages; what all share stands in the take's.
    manifest = Manifest(folder, session.root) if folder != take.results else stages.manifest
    reports = {name: manifest.report(name) for name in ("triangulate", "clean up", "fit")}
    lifted = manifest.report("lift")
    if lifted:
        reports["lift"] = lifted
    reports["people"] = stages.manifest.report("people") if len(people) > 1 else {}
    settings = _settings(take, stages.manifest, manifest)
    solve = Manifest(session.calibration.results, session.root).report("solve")
    links = [_link(page, folder) for page in (calibration_page_file(session), sync_page_file(take))]
    others = [(name, _relative(take_page_file(other), folder)) for name, other in people] if len(people) > 1 else []
    motions = {name: other / MOTION for name, other in people if other != folder and (other / MOTION).exists()}
    files = [folder / name for name in (*RESULTS, MEASURED) if (folder / name).exists()]
    written = manifest.report("files").get("files", ())
    pictures = ["overlay.png", *(f"overlay-{camera}.mp4" for camera in take.videos)]
    outputs = _outputs(folder, [*pictures, *written, *RESULTS, MEASURED], bool(manifest.report("lift")))
    clocks = refined_clocks(take) or take.results / "time_map.json"
    stage = Stage(
        "report" if folder == take.results else f"report {folder.name}",
        [*files, take_cameras_file(session, take), clocks, *motions.values()],
        [page_file],
        {
            "reports": reports,
            "settings": settings,
            "solve": solve,
            "links": links,
            "people": others,
            "outputs": outputs,
        },
    )

    def make() -> Mapping[str, Any]:
        from session.report.take_inferred import inferred_sources
        from session.report.take_page import take_page
        from session.report.take_soles import soles_of
        from skeleton.formats.npz import load_keypoints3d, load_motion, load_observations2d
        from skeleton.hierarchy_file import load_skeleton
        from sync.time_map import TimeMap

        skeleton = manifest.settings("fit").get("skeleton", SKELETON)
        keypoints, observations = load_keypoints3d(folder / RESULTS[0]), load_observations2d(folder / RESULTS[1])
        motion = load_motion(folder / RESULTS[2]) if (folder / RESULTS[2]).exists() else None
        interval_s = float(np.median(np.diff(keypoints.time_s))) if len(keypoints.time_s) > 1 else 1 / 30
        middle_s = float(np.mean(keypoints.time_s[[0, -1]]))
        findings = TakeFindings(
            session=session.root.resolve().name,
            take=take.name,
            made=_made(folder / RESULTS[0]),
            command=session.command(take),
            keypoints=keypoints,
            observations=observations,
            motion=motion,
            soles=() if motion is None else soles_of(motion, load_skeleton(skeleton)),
            landmarks=_landmarks(load_skeleton(skeleton), observations.names),
            cameras=_cameras(session, take, observations.camera_names),
            reports=reports,
            sources=inferred_sources(lifted)
            if lifted
            else (
                calibration_source(solve, session.settings.calibration.import_, links[0]),
                sync_source(TimeMap.load(clocks), middle_s, interval_s, links[1]),
            ),
            settings=settings,
            files=[
                (_name(path, session), stages.manifest.digest(path)[:DIGEST_DIGITS])
                for path in (*take.videos.values(), take_cameras_file(session, take), *files)
            ],
            people=tuple(
                Person(name, link, other == folder) for (name, link), (_, other) in zip(others, people, strict=False)
            ),
            outputs=outputs,
            measured=_measured(folder / MEASURED, keypoints),
            others={name: load_motion(path) for name, path in motions.items()},
        )
        page = take_page(findings)
        with written_whole(page_file) as partial:
            partial.write_text(page, encoding="utf-8")
        return {"kilobytes": len(page.encode()) // 1000}

    stages.run(stage, make, lambda report: f"{page_file}, {report['kilobytes']} kB: open it in a browser")
    return page_file


def _measured(file: Path, cleaned: Keypoints3D) -> Keypoints3D | None:
    """Read the points before clean-up; None where there are none, or those of an earlier run."""
    from skeleton.formats.npz import load_keypoints3d

    if not file.exists():
        return None
    measured = load_keypoints3d(file)
    same = measured.names == cleaned.names and np.array_equal(measured.time_s, cleaned.time_s)
    return measured if same else None


def _outputs(folder: Path, names: Sequence[str], one_view: bool) -> list[tuple[str, str]]:
    """Return (name, what it is for) of the files that there are."""
    known = (*OF_ONE_VIEW, *OUTPUTS) if one_view else OUTPUTS
    return [
        (name, next((words for ending, words in known if name.endswith(ending)), ""))
        for name in names
        if (folder / name).exists()
    ]


def _landmarks(skeleton: SkeletonDefinition, points: Sequence[str]) -> dict[str, list[str]]:
    """Return by joint of the animation skeleton the points that sit on its bone."""
    found: dict[str, list[str]] = {}
    marks = {mark.name: mark for landmarks in skeleton.landmark_sets.values() for mark in landmarks.landmarks}
    for mark in marks.values():
        if mark.name in points:
            found.setdefault(mark.joint, []).append(mark.name)
    return found


def _cameras(session: Session, take: Recording, names: Sequence[str]) -> CameraGroup:
    from calib.interchange import load_cameras

    return load_cameras(take_cameras_file(session, take)).subset(tuple(names))


def _made(file: Path) -> str:
    when = datetime.fromtimestamp(file.stat().st_mtime)
    return f"on {when.day} {when:%B %Y at %H:%M}"


def _name(path: Path, session: Session) -> str:
    return path.relative_to(session.root).as_posix() if path.is_relative_to(session.root) else path.name


def _settings(take: Recording, shared: Manifest, manifest: Manifest) -> list[tuple[str, str]]:
    """Return what decided the result, (what, value): from the manifest of the take and that of the person."""
    rows = [("clapcap", __version__), ("videos", ", ".join(video.name for video in take.videos.values()))]
    cameras = next(iter(take.videos), "")
    for title, stage in (
        ("detection", f"detect {cameras}"),
        ("points in space", "triangulate"),
        ("lifting", "lift"),
        ("clean-up", "clean up"),
        ("bones", "fit"),
    ):
        used = {
            key: value
            # Sorted: a manifest that is read again is in another order than the one just written.
            for key, value in sorted((shared.settings(stage) | manifest.settings(stage)).items())
            if key not in ("clocks", "clock") and value is not None
        }
        if used:
            rows.append((title, ", ".join(f"{key} = {json.dumps(value)}" for key, value in used.items())))
    clocks = manifest.settings("triangulate").get("clocks", {})
    if clocks:
        rows.append(("clocks", ", ".join(f"{name} {offset:+.4f} s" for name, (offset, _) in clocks.items())))
    rows.append(("Python", f"{platform.python_version()} with {library_versions(LIBRARIES)}"))
    return rows


def _relative(target: Path, folder: Path) -> str:
    """Return the address of a file for a page in `folder`; both lie in the session."""
    from os.path import relpath
    from urllib.parse import quote

    return quote(Path(relpath(target, folder)).as_posix())


def _link(page: Path, folder: Path) -> str:
    return _relative(page, folder) if page.exists() else ""
