"""The files of a take that other programs read: docs/files.md tells which is for whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clapcap.errors import ClapcapError
from session.atomic import PREFIX, written_whole
from session.folder import Recording
from session.manifest import Stage
from session.stages import Stages

if TYPE_CHECKING:
    from skeleton.keypoints import Keypoints3D
    from skeleton.motion import Motion
    from skeleton.tables import TimeTable

POINT_SUFFIXES = (".trc", ".c3d", ".csv", ".json")

Writer = Callable[[Path], None]


def export_take(take: Recording, stages: Stages) -> None:
    """Write the motion and the points of one person of a take in every format that holds them.

    A format that cannot hold them (C3D wants even time stamps, joint angles want the humanoid) is left out with a
    warning, and the others are written. When the disk refuses, what fits is written, then the first error is raised.

    Raises
    ------
    FileFormatError
        The points or the motion cannot be read.
    OSError
        A file could not be written.
    """
    folder, title = take.results, "files"
    points, motion = folder / "keypoints3d.npz", folder / "motion.npz"
    targets = [folder / f"{take.name}{ending}" for ending in (".bvh", *POINT_SUFFIXES, "_angles.csv", ".mot")]
    before = stages.manifest.report(title)
    refused_before = before.get("refused", {})

    def stage(paths: list[Path]) -> Stage:
        return Stage(title, [points, motion], paths, {"formats": [path.name for path in targets]})

    if stages.manifest.is_current(stage([path for path in targets if path.name not in refused_before])):
        stages.terminal.skipped(f"{take.name}: {title}")
        return
    stages.keep_edited(stage(targets))
    written, refused, failed = _write_all(points, motion, targets)
    for path_name, reason in refused.items():
        stages.terminal.warn(f"{path_name} was not written: {reason}")
        if path_name in before.get("files", []):
            (folder / path_name).unlink(missing_ok=True)  # of an earlier run: it would pass for this one's
    if failed is not None:
        raise failed
    stages.finish(
        stage(written), {"files": [path.name for path in written], "refused": refused}, lambda r: ", ".join(r["files"])
    )


def _write_all(points: Path, motion: Path, targets: list[Path]) -> tuple[list[Path], dict[str, str], OSError | None]:
    """Write the targets; return what was written, what was refused and why, and the first error of the disk."""
    from skeleton.formats.npz import load_keypoints3d, load_motion

    written: list[Path] = []
    refused: dict[str, str] = {}
    failed: OSError | None = None
    keypoints, body = load_keypoints3d(points), load_motion(motion)
    for path in targets:
        try:
            with written_whole(path) as partial:
                _writer(path, keypoints, body)(partial)
            written.append(path)
        except ClapcapError as error:
            refused[path.name] = str(error).removeprefix(f"{path.with_name(PREFIX + path.name)}: ")
        except OSError as error:
            failed = failed or error
    return written, refused, failed


def _writer(path: Path, keypoints: Keypoints3D, motion: Motion) -> Writer:
    """Return what writes the file that `path` names, of the two."""
    from skeleton.formats import save_keypoints3d

    if path.name.endswith("_angles.csv") or path.suffix not in POINT_SUFFIXES:
        return motion_writer(path, motion)
    return lambda partial: save_keypoints3d(partial, keypoints)


def motion_writer(path: Path, motion: Motion, bvh_scale: float = 1.0) -> Writer:
    """Return what writes a motion in the format of the suffix: BVH, joint angles as CSV, OpenSim's .mot, npz.

    Raises
    ------
    KeyError
        No format for motions has the suffix.
    """
    from retarget.bvh import write_bvh
    from retarget.joint_angles import isb_angles, opensim_coordinates
    from skeleton.formats.npz import save_motion
    from skeleton.formats.time_table import save_csv, save_mot

    def table(save: Callable[[Path, TimeTable], None], angles: Callable[[Motion], TimeTable]) -> Writer:
        return lambda partial: save(partial, angles(motion))

    writers: dict[str, Writer] = {
        ".bvh": lambda partial: write_bvh(partial, motion, scale=bvh_scale),
        ".csv": table(save_csv, isb_angles),
        ".mot": table(save_mot, opensim_coordinates),
        ".npz": lambda partial: save_motion(partial, motion),
    }
    return writers[path.suffix.lower()]
