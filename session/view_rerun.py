"""A take in rerun's viewer: https://rerun.io, the extra `view`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clapcap.progress import Progress, silent
from session.view import COLOURS, POINT, SEEN, TakeView, bone_lines, camera_errors

TIMELINE = "session"
H264 = (".mp4", ".mov", ".m4v")
"""Containers that the viewer plays; other videos are left out, their keypoints are not."""

BONE_M, POINT_M, PLANE_M = 0.012, 0.012, 0.6


def log_view(view: TakeView, save: Path | None, progress: Progress = silent) -> None:
    """Send a take to the viewer, which is opened, or to a file for it."""
    import rerun as rr

    rr.init(f"clapcap {view.name}", spawn=save is None)
    if save is not None:
        rr.save(str(save))
    rr.send_blueprint(_blueprint(view))
    rr.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    total = len(view.motion.time_s) + sum(len(times) for times in view.session_s.values())
    done = 0
    for camera in view.cameras:
        _log_camera(rr, view, camera.name)
        done += len(view.session_s[camera.name])
        progress(done, total)
    lines = bone_lines(view.motion)
    pairs = np.array([(parent, joint) for parent, joint, _ in lines])
    colours = [COLOURS[side] for _, _, side in lines]
    position = view.motion.world_positions()
    for frame, time_s in enumerate(view.motion.time_s):
        rr.set_time_seconds(TIMELINE, float(time_s))
        rr.log("world/skeleton", rr.LineStrips3D(position[frame][pairs], colors=colours, radii=BONE_M))
        if frame % 100 == 0:
            progress(done + frame, total)
    errors = camera_errors(view.points)
    for frame, time_s in enumerate(view.points.time_s):
        rr.set_time_seconds(TIMELINE, float(time_s))
        xyz = view.points.xyz_m[frame]
        known = np.isfinite(xyz).all(axis=1)
        sigma = np.nan_to_num(view.points.sigma_m[frame], nan=POINT_M)
        rr.log("world/points", rr.Points3D(xyz[known], colors=POINT, radii=np.clip(sigma[known], 0.003, 0.1)))
        for name, error in errors.items():
            if np.isfinite(error[frame]):
                rr.log(f"errors/{name}", rr.Scalar(float(error[frame])))
    progress(total, total)


def _log_camera(rr: Any, view: TakeView, name: str) -> None:
    camera = view.cameras[name]
    width, height = camera.size_px
    T = np.linalg.inv(camera.T_cam_world)
    rr.log(f"world/{name}", rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3]), static=True)
    lens = rr.Pinhole(image_from_camera=camera.matrix, resolution=[width, height], image_plane_distance=PLANE_M)
    rr.log(f"world/{name}/image", lens, static=True)
    video = view.videos[name]
    plays = video.is_file() and video.suffix.lower() in H264
    if plays:
        rr.log(f"world/{name}/image/video", rr.AssetVideo(path=video), static=True)
    keypoints, times = view.views[name], view.session_s[name]
    for frame, time_s in enumerate(times):
        if not np.isfinite(time_s):
            continue
        rr.set_time_seconds(TIMELINE, float(time_s))
        if plays:
            rr.log(f"world/{name}/image/video", rr.VideoFrameReference(seconds=float(keypoints.time_s[frame])))
        seen = keypoints.confidence[frame] >= SEEN
        rr.log(f"world/{name}/image/keypoints", rr.Points2D(keypoints.xy_px[frame][seen], colors=POINT, radii=3.0))


def _blueprint(view: TakeView) -> Any:
    import rerun.blueprint as rrb

    pictures = [rrb.Spatial2DView(origin=f"world/{name}/image", name=name) for name in view.views]
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(rrb.Spatial3DView(origin="world", name=view.name), rrb.Grid(*pictures)),
            rrb.TimeSeriesView(origin="errors", name="reprojection, px"),
            row_shares=[4, 1],
        ),
        collapse_panels=True,
    )
