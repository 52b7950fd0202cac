"""Bones: the skeleton fitted to the points, and the motion's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap.progress import Progress, silent
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.stages import Stages

if TYPE_CHECKING:
    from skeleton.keypoints import Keypoints3D
    from skeleton.motion import Motion


def fit_take(session: Session, take: Recording, stages: Stages) -> None:
    """Fit the bones, and write the motion and the files that other programs read."""
    source = take.results / "keypoints3d.npz"
    motion_file = take.results / "motion.npz"
    bvh, trc, csv, json = (take.results / f"{take.name}{suffix}" for suffix in (".bvh", ".trc", ".csv", ".json"))
    stage = Stage("fit", [source], [motion_file, bvh, trc, csv, json], {"skeleton": "humanoid"})

    def make() -> Mapping[str, Any]:
        from retarget.bvh import write_bvh
        from skeleton.formats import save_keypoints3d
        from skeleton.formats.npz import load_keypoints3d, save_motion

        keypoints = load_keypoints3d(source)
        with stages.terminal.progress("fitting bones") as progress:
            motion, report = fit_keypoints(keypoints, "humanoid", progress)
        with written_whole(motion_file) as partial:
            save_motion(partial, motion)
        with written_whole(bvh) as partial:
            write_bvh(partial, motion)
        for path in (trc, csv, json):
            with written_whole(path) as partial:
                save_keypoints3d(partial, keypoints)
        return report

    stages.run(
        stage,
        make,
        lambda r: f"{r['frames']} frames, {r['residual_mm']:.0f} mm from the points, bone lengths constant",
    )


def fit_keypoints(keypoints: Keypoints3D, skeleton: str, progress: Progress = silent) -> tuple[Motion, dict[str, Any]]:
    """Fit bones to 3D keypoints; also return the numbers for the report."""
    from retarget.ik import fit_motion
    from skeleton.hierarchy import load_skeleton

    fit = fit_motion(keypoints, load_skeleton(skeleton), progress=progress)
    after = fit.motion.world_positions()
    lengths_m = np.linalg.norm(after[:, 1:] - after[:, fit.motion.parents[1:]], axis=-1)
    long = lengths_m.mean(axis=0) > 0
    spread_after = float((lengths_m.std(axis=0)[long] / lengths_m.mean(axis=0)[long]).mean())
    return fit.motion, {
        "frames": len(fit.motion.time_s),
        "residual_mm": 1000 * fit.report.residual_m,
        "spread_before": fit.report.spread_before,
        "spread_after": spread_after,
        "limits_kept_share": fit.report.limits_kept_share,
        "bone_length_m": dict(fit.report.bone_length_m),
    }
