"""Bones: the skeleton fitted to what the cameras saw."""

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
    """Fit the bones, and write the motion."""
    source = take.results / "keypoints3d.npz"
    motion_file = take.results / "motion.npz"
    stage = Stage("fit", [source], [motion_file], {"skeleton": "humanoid"})

    def make() -> Mapping[str, Any]:
        from skeleton.formats.npz import load_keypoints3d, save_motion

        with stages.terminal.progress("fitting bones") as progress:
            motion, report = fit_keypoints(load_keypoints3d(source), "humanoid", progress)
        with written_whole(motion_file) as partial:
            save_motion(partial, motion)
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
