"""Handing a take on: to Blender with its cameras, to FBX, GLB and USD, to BVH."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clapcap.errors import ClapcapError, SessionError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.stages import Stages
from session.terminal import Terminal

FORMATS = ("blend", "fbx", "glb", "usd", "bvh")
MOTION = "motion.npz"
TIMEOUT_S = 1800


@dataclass(frozen=True)
class TakeFiles:
    """Where a motion lies and what it belongs to.

    Attributes
    ----------
    name
        What the armature and its action are called.
    motion
        A motion.npz or a BVH file.
    session, take
        The session and the take, None for a file alone.
    """

    name: str
    motion: Path
    session: Session | None
    take: Recording | None

    @property
    def cameras(self) -> Path | None:
        """The cameras that the take was solved with, None where there are none."""
        if self.session is None or self.take is None:
            return None
        from session.processing.cameras import take_cameras_file

        path = take_cameras_file(self.session, self.take)
        return path if path.exists() else None

    @property
    def folder(self) -> Path:
        """Where exports go."""
        return self.motion.parent


def find_take(path: Path) -> TakeFiles:
    """Find the motion that a user means: a take's folder (of videos or of results), or a motion's file.

    Raises
    ------
    SessionError
        If there is none.
    """
    if path.is_file():
        if path.suffix not in (".npz", ".bvh"):
            raise SessionError(f"{path}: a motion is a .npz or .bvh file, or a take's folder in results/.")
        motion = path
    else:
        folder = path
        if path.parent.name == "takes" and (path.parent.parent / "session.toml").is_file():
            folder = path.parent.parent / "results" / path.name
        motion = folder / MOTION
        if not motion.is_file():
            raise SessionError(
                f"{path} holds no {MOTION}, needed the results of a take, as in my-session/results/dance. "
                "Make them first: clapcap process my-session"
            )
    root = next((up for up in motion.resolve().parents if (up / "session.toml").is_file()), None)
    if root is None or motion.name != MOTION:
        return TakeFiles(motion.stem if motion.name != MOTION else motion.resolve().parent.name, motion, None, None)
    session = Session.open(root)
    parts = motion.resolve().parent.relative_to((root / "results").resolve()).parts
    take = next((take for take in session.takes if parts and take.name == parts[0]), None)
    return TakeFiles("-".join(parts), motion, session, take)


def export_motion(source: Path, kind: str, target: Path | None, videos: bool, terminal: Terminal) -> Path:
    """Write a take's motion for another program, and return the file.

    Raises
    ------
    SessionError
        If the kind is unknown, there is no motion, or the file exists and is not clapcap's own.
    ClapcapError
        If Blender's module is missing or fails; a BVH is written all the same.
    """
    if kind not in FORMATS:
        raise SessionError(f'--to "{kind}" is unknown: needed one of {", ".join(FORMATS)}.')
    found = find_take(source)
    target = target or found.folder / f"{found.name}.{kind}"
    if target.suffix.lower() != f".{kind}":
        raise SessionError(f"{target}: a file for --to {kind} ends with .{kind}.")
    if found.session is None or found.take is None or target.parent.resolve() != found.folder.resolve():
        if target.exists():
            raise SessionError(f"{target} is there already and is not written over. Give another name: -o NAME.{kind}")
        _write(found, kind, target, {}, terminal)
        terminal.done(f"{found.name}: {kind}", str(target))
        return target
    stages = Stages(found.session, found.take, terminal)
    backgrounds = _backgrounds(found, stages) if kind == "blend" and videos else {}
    cameras = [path for path in [found.cameras] if path is not None and kind == "blend"]
    stage = Stage(
        f"export {target.name}", [found.motion, *cameras, *backgrounds.values()], [target], {"videos": len(backgrounds)}
    )

    def make() -> Mapping[str, Any]:
        _write(found, kind, target, backgrounds, terminal)
        return {"file": target.name}

    stages.run(stage, make, lambda r: str(target))
    return target


def _write(found: TakeFiles, kind: str, target: Path, backgrounds: Mapping[str, Path], terminal: Terminal) -> None:
    from retarget.bvh import write_bvh
    from retarget.motion_file import load_motion_file

    if kind == "bvh":
        with written_whole(target) as partial:
            write_bvh(partial, load_motion_file(found.motion))
        return
    try:
        _run_blender(found, kind, target, backgrounds)
    except ClapcapError as error:
        bvh = target.with_suffix(".bvh")
        if not bvh.exists():
            with written_whole(bvh) as partial:
                write_bvh(partial, load_motion_file(found.motion))
        raise ClapcapError(f"{error} The motion is in {bvh}, which Blender and others import.") from error


def _run_blender(found: TakeFiles, kind: str, target: Path, backgrounds: Mapping[str, Path]) -> None:
    """Build the scene in a process of its own: Blender's module may crash, and holds its state globally."""
    from blender.export.job import ExportJob

    with written_whole(target) as partial:
        cameras = found.cameras
        job = ExportJob(
            name=found.name,
            motion=str(found.motion.resolve()),
            target=str(partial.resolve()),
            format=kind,
            cameras=str(cameras.resolve()) if cameras is not None else None,
            backgrounds={camera: str(path.resolve()) for camera, path in backgrounds.items()},
        )
        command = [sys.executable, "-m", "blender.export.job"]
        done = subprocess.run(command, input=job.to_json(), capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode or not partial.exists():
            words = done.stderr.strip().splitlines()
            said = " ".join(words) if done.returncode == 2 else f"Blender's module failed: {words[-1] if words else ''}"
            raise ClapcapError(said or "Blender's module wrote no file.")


def _backgrounds(found: TakeFiles, stages: Stages) -> dict[str, Path]:
    """Write each camera's video without distortion on the motion's frames, and return the files by camera."""
    from calib.interchange import load_cameras
    from session.frame_clocks import frame_clocks, refined_clocks
    from session.undistorted import write_undistorted
    from sync.time_map import TimeMap

    session, take = found.session, found.take
    assert session is not None
    assert take is not None
    clocks = refined_clocks(take) or take.results / "time_map.json"
    if found.cameras is None or not clocks.exists():
        return {}
    cameras = load_cameras(found.cameras)
    names = [name for name in take.videos if name in cameras.names]
    files = {name: take.results / "undistorted" / f"{name}.mp4" for name in names}
    stage = Stage(
        "undistorted videos",
        [found.motion, clocks, found.cameras, *(take.videos[name] for name in names)],
        list(files.values()),
    )

    def make() -> Mapping[str, Any]:
        from calib.interchange import adapt_to_size
        from media.probe import probe
        from retarget.motion_file import load_motion_file

        motion = load_motion_file(found.motion)
        rate_hz = 1.0 / float(np.median(np.diff(motion.time_s))) if len(motion.time_s) > 1 else 30.0
        times = frame_clocks(take, TimeMap.load(clocks))
        for name in names:
            files[name].parent.mkdir(exist_ok=True)
            camera = adapt_to_size(cameras[name], probe(take.videos[name]).size_px)
            with (
                stages.terminal.progress(f"undistorting {name}") as progress,
                written_whole(files[name]) as partial,
            ):
                write_undistorted(
                    take.videos[name], camera, times.session_s[name], motion.time_s, rate_hz, partial, progress
                )
        return {"cameras": len(names)}

    stages.run(stage, make, lambda r: f"{r['cameras']} videos in {files[names[0]].parent.name}/")
    return files
