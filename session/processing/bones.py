"""Bones: the skeleton fitted to what the cameras saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap.progress import Progress, silent
from session.atomic import written_whole
from session.floor import world_in_words
from session.folder import Recording, Session
from session.manifest import Stage
from session.processing.cameras import corrected_cameras_file, take_cameras_file
from session.processing.detection import keypoints2d_files
from session.stages import Stages

if TYPE_CHECKING:
    from retarget.ik import FitResult
    from retarget.pixels import PixelViews
    from skeleton.keypoints import Keypoints3D
    from skeleton.motion import Motion


def fit_take(session: Session, take: Recording, stages: Stages) -> None:
    """Fit the bones to the views, and write the motion."""
    source, observations = take.results / "keypoints3d.npz", take.results / "observations2d.npz"
    motion_file = take.results / "motion.npz"
    floor_m = 0.0 if world_in_words(session).startswith("floor") else None
    settings = {"skeleton": "humanoid", "floor_m": floor_m}
    stage = Stage("fit", [source, observations, take_cameras_file(session, take)], [motion_file], settings)

    def make() -> Mapping[str, Any]:
        from retarget.pixels import PixelViews
        from session.single_stages import cameras_for
        from skeleton.formats.npz import load_keypoints2d, load_keypoints3d, load_observations2d, save_motion

        views = {camera: load_keypoints2d(path) for camera, path in keypoints2d_files(take).items()}
        pixels = PixelViews(load_observations2d(observations), cameras_for(take_cameras_file(session, take), views))
        with stages.terminal.progress("fitting bones") as progress:
            motion, report = fit_keypoints(load_keypoints3d(source), "humanoid", pixels, floor_m, progress)
        with written_whole(motion_file) as partial:
            save_motion(partial, motion)
        return report

    stages.run(stage, make, fitted)


def fit_lifted(take: Recording, stages: Stages) -> None:
    """Fit the bones to a body that was lifted from one view, and write the motion."""
    from session.processing.lifting import STAGE, lifted_file

    observations = take.results / "observations2d.npz"
    points, motion_file = take.results / "keypoints3d.npz", take.results / "motion.npz"
    cameras = corrected_cameras_file(take)
    settings = {"skeleton": "humanoid", "view": "one"}
    stage = Stage("fit", [points, observations, lifted_file(take), cameras], [motion_file], settings)

    def make() -> Mapping[str, Any]:
        from calib.cameras import CameraGroup
        from retarget.one_view import fit_one_view
        from retarget.pixels import PixelViews
        from session.processing.lifting import load_standing
        from skeleton.formats.npz import load_keypoints3d, load_observations2d, save_motion
        from skeleton.hierarchy_file import load_skeleton

        lifted = stages.manifest.report(STAGE)
        keypoints = load_keypoints3d(points)
        standing = load_standing(lifted_file(take), keypoints, cameras)
        pixels = PixelViews(load_observations2d(observations), CameraGroup((standing.camera,)))
        with stages.terminal.progress("fitting bones") as progress:
            fit = fit_one_view(standing, load_skeleton("humanoid"), pixels, lifted["height_m"], progress)
        with written_whole(motion_file) as partial:
            save_motion(partial, replace(fit.motion, note=keypoints.note))
        return fit_report(fit, "one view")

    stages.run(stage, make, fitted)


def fit_keypoints(
    keypoints: Keypoints3D,
    skeleton: str,
    pixels: PixelViews | None = None,
    floor_m: float | None = None,
    progress: Progress = silent,
) -> tuple[Motion, dict[str, Any]]:
    """Fit bones to the views, or to 3D keypoints where there are none; also return the numbers for the report."""
    from retarget.ik import fit_motion
    from skeleton.hierarchy_file import load_skeleton
    from skeleton.joint_sets import load_joint_set

    lifted = set(keypoints.names) == set(load_joint_set("body18").points)
    fit = fit_motion(
        keypoints,
        load_skeleton(skeleton),
        "body18" if lifted else "blazepose33",
        progress,
        pixels=pixels,
        floor_m=floor_m,
    )
    return replace(fit.motion, note=keypoints.note), fit_report(fit, "points" if pixels is None else "pixels")


def fit_report(fit: FitResult, data: str) -> dict[str, Any]:
    """Return the numbers of a fit, and what it was made on."""
    report = fit.report
    return {
        "frames": len(fit.motion.time_s),
        "data": data,
        "residual_mm": 1000 * report.residual_m,
        "reprojection_median_px": report.reprojection_median_px,
        "spread_before": report.spread_before,
        "spread_after": report.spread_after,
        "limits_kept_share": report.limits_kept_share,
        "bone_length_m": dict(report.bone_length_m),
        "floor_m": report.floor_m,
        "floor_from": report.floor_from,
        "contacts_s": {name: [list(span) for span in spans] for name, spans in report.contact_spans_s.items()},
        "skating_mm": 1000 * report.skating_m,
        "sinking_mm": 1000 * report.sinking_m,
        "inferred_share": dict(report.inferred_share),
        "sigma_mm": None if fit.motion.sigma_m is None else 1000 * float(np.median(fit.motion.sigma_m)),
        "lasting_share": report.lasting_share,
    }


def fitted(report: Mapping[str, Any]) -> str:
    """Put the report of the fit into words."""
    if report["reprojection_median_px"] is None:
        near = f"{report['residual_mm']:.0f} mm from the points"
    else:
        near = f"{report['reprojection_median_px']:.1f} px from the views (median)"
    feet = {
        "calibration": "feet held on the floor",
        "feet": f"feet held on a floor found at {1000 * (report['floor_m'] or 0.0):.0f} mm",
        "nothing": "no floor found under the feet",
    }
    return f"{report['frames']} frames, {near}, bone lengths constant, {feet[report['floor_from']]}"
