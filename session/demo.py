"""The demo: the whole job on the embedded example, and its errors against the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.folder import CALIBRATION, Session, find_videos
from session.new import create_session
from session.settings import BoardSettings
from session.take import process_session
from session.terminal import Terminal

EXAMPLE = Path(__file__).parent / "example"
TAKE = "dance"
BOARD = BoardSettings(7, 5, 100.0, 75.0, "DICT_4X4_50")


def run_demo(root: Path, terminal: Terminal) -> Mapping[str, float]:
    """Make a session of the example at `root`, process it, and compare with the truth.

    Returns the errors by name, in the unit that the name ends with; also written to `results/accuracy.json`.

    Raises
    ------
    SessionError
        If `root` is a folder that holds something else.
    """
    if root.exists() and not (root / "session.toml").exists() and any(root.iterdir()):
        raise SessionError(f"{root} exists and is no session. Choose another folder: clapcap demo NAME")
    for video in find_videos(EXAMPLE / CALIBRATION).values():
        there = root / CALIBRATION / video.name
        if there.exists() and there.read_bytes() != video.read_bytes():
            raise SessionError(f"{root} holds the example of another version. Delete it, or choose: clapcap demo NAME")
    terminal.say("The example: four rendered cameras film a board, then a clap and a dance, so the truth is known.")
    videos = list(find_videos(EXAMPLE / CALIBRATION).values())
    takes = {TAKE: list(find_videos(EXAMPLE / "takes" / TAKE).values())}
    create_session(root, videos, takes, BOARD, terminal)
    session = Session.open(root)
    process_session(session, TAKE, terminal)
    errors = measure(session)
    with written_whole(root / "results" / "accuracy.json") as partial:
        partial.write_text(json.dumps(errors, indent=2) + "\n", encoding="utf-8")
    rows = [(what, f"{errors[key]:.2f} {unit}") for what, key, unit in ROWS]
    terminal.table("Against the truth", ("", "error"), rows)
    picture = session.take(TAKE)[0].results / "overlay.png"
    terminal.say(f"Look at {picture}: the skeleton over the frames of every camera.")
    return errors


ROWS = (
    ("camera positions, worst", "camera_position_worst_mm", "mm"),
    ("camera rotations, worst", "camera_rotation_worst_deg", "°"),
    ("sync of the calibration, worst", "sync_calibration_worst_ms", "ms"),
    ("sync of the take, worst", "sync_take_worst_ms", "ms"),
    ("keypoints in space, mean", "keypoints_mm", "mm"),
    ("  after one constant offset per joint", "keypoints_after_offset_mm", "mm"),
    ("skeleton's joints, mean", "skeleton_mm", "mm"),
    ("  after one constant offset per joint", "skeleton_after_offset_mm", "mm"),
    ("reprojection, median", "reprojection_median_px", "px"),
)


def measure(session: Session) -> dict[str, float]:
    """Compare a processed session of the example with its truth."""
    import numpy as np

    from calib.interchange import load_cameras
    from session.truth import Truth, camera_errors, clock_errors_ms, joint_errors
    from skeleton.formats.npz import load_keypoints3d, load_motion
    from skeleton.hierarchy_file import load_skeleton
    from sync.time_map import TimeMap
    from triangulate.report import BODY_JOINTS

    truth = Truth.load(EXAMPLE / "truth.npz")
    take = session.take(TAKE)[0]
    cameras = load_cameras(session.cameras_file)
    keypoints = load_keypoints3d(take.results / "keypoints3d.npz")
    motion = load_motion(take.results / "motion.npz")
    by_camera = camera_errors(cameras, truth)
    clocks = {}
    for recording in (session.calibration, take):
        refined = recording.results / "clocks.json"
        time_map = TimeMap.load(refined if refined.exists() else recording.results / "time_map.json")
        name = "calibration" if recording.name == CALIBRATION else "take"
        middle_s = 4.0  # the recordings are about 8 s long; one clock drifts, so the moment matters
        errors = clock_errors_ms(time_map, truth, recording.name, middle_s)
        clocks[f"sync_{name}_worst_ms"] = max(abs(error) for error in errors.values())
    points = joint_errors(keypoints.names, keypoints.xyz_m, keypoints.time_s, cameras, truth, BODY_JOINTS)
    landmarks = load_skeleton("humanoid").landmark_sets["blazepose33"].landmarks
    attached = {landmark.name: landmark.joint for landmark in landmarks}
    positions = motion.world_positions()[:, [motion.joint_names.index(attached[joint]) for joint in BODY_JOINTS]]
    bones = joint_errors(BODY_JOINTS, positions, motion.time_s, cameras, truth, BODY_JOINTS)
    return {
        "camera_position_worst_mm": max(error.position_mm for error in by_camera),
        "camera_rotation_worst_deg": max(error.rotation_deg for error in by_camera),
        **clocks,
        "keypoints_mm": points.mean_mm,
        "keypoints_after_offset_mm": points.mean_after_offset_mm,
        "keypoints_share": points.share,
        "skeleton_mm": bones.mean_mm,
        "skeleton_after_offset_mm": bones.mean_after_offset_mm,
        "reprojection_median_px": float(np.nanmedian(keypoints.reprojection_px)),
    }
